"""The study's one command line: python -m human_study COMMAND [options]; human_study.commands says what each does."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from data.errors import one_line_errors
from human_study import commands
from human_study.simulation.participants import KINDS
from human_study.trials.cast import BLURRED
from human_study.trials.plan import IMAGE_SD, PARTICIPANT_SD, PREFERENCE

Option = tuple[str, dict[str, Any]]


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def option(flag: str, text: str, **more: Any) -> Option:
    return flag, {"help": text, **more}


def flag(name: str, text: str) -> Option:
    return option(name, text, action="store_true")


def numbers(text: str) -> list[int]:
    """argparse type: "10,20" -> [10, 20]."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': expected whole numbers separated by commas") from None


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """argparse type: a whole number in a range."""
    def read(text: str) -> int:
        value = int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
        if value is None or value < least or (most is not None and value > most):
            upper = f" to {most}" if most is not None else " or more"
            raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, {least}{upper}")
        return value
    return read


RUN = option("--run", "run directory", metavar="DIR", required=True)
MAYBE_RUN = option("--run", "run directory", metavar="DIR")
STUDY = option("--protocol", "which study of the run, where it has several", metavar="NAME")
KEY = option("--key-file", "key of the pseudonyms, outside the results (default: in your data folder)", type=Path,
             metavar="FILE")
SIMULATED = flag("--simulated", "the simulated participants' answers")
OUT = option("--out", "folder (default: in the study's folder)", type=Path, metavar="DIR")
BATCH = (
    option("--protocol", "preset or YAML file (default: the run's own)", metavar="NAME"),
    option("--methods", "methods to compare with the reference, separated by commas (default: all)"),
    option("--reference", "method that all others are compared with (default: the run's own)"),
    option("--anchor", f"method of the sentinels, or {BLURRED}"),
    option("--seed", "of order and sides (default: the run's own)", type=int),
    option("--set", "change settings of the protocol", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
           dest="settings"),
)


SPREADS = (  # what a study is expected to find: the same for plan and power
    option("--preference", "true share (default %(default)s)", type=float, default=PREFERENCE),
    option("--participant-sd", "spread of log-odds between participants (default %(default)s)", type=float,
           default=PARTICIPANT_SD),
    option("--image-sd", "spread of log-odds between images (default %(default)s)", type=float, default=IMAGE_SD))


COMMANDS: dict[str, tuple[str, tuple[Option, ...]]] = {
    "plan": ("What a study will be, before anything runs: cells, trials, minutes, cost, the interval to expect.", (
        MAYBE_RUN, option("--layouts", "number of layouts, where there is no run yet", type=int), *BATCH,
        option("--pay", "per session", type=float), option("--pay-per-hour", "instead of --pay", type=float),
        option("--fee", "the platform's share on top of the pay, such as 0.33 (default 0)", type=float, default=0.0),
        *SPREADS, option("--pilot", "a pilot's table of responses: spreads and time per answer come from it",
                         type=Path, metavar="FILE"),
        option("--rounds", "simulated studies for the power (default %(default)s); 0: no power",
               type=whole(0), default=200), flag("--json", "numbers as JSON"))),
    "power": ("How many participants and trials a study needs: power by simulation.", (
        *SPREADS, option("--participants", "numbers to try", type=numbers, default=[10, 20, 30, 50]),
        option("--trials", "per participant, numbers to try", type=numbers, default=[20, 50, 100]),
        option("--images", "in all (default %(default)s)", type=int, default=500),
        option("--rounds", "simulated studies per design (default %(default)s)", type=int, default=400),
        option("--power", "power wanted (default %(default)s)", type=float, default=0.8),
        option("--seed", "of the simulation (default %(default)s)", type=int, default=0))),
    "hits": ("Write a batch: HIT tables in MTurk's format, the page, the pictures under opaque names.", (
        option("--run", "run directory; without it, --rng matlab writes the paper's published table", metavar="DIR"),
        *BATCH, OUT, option("--rng", "matlab: order and sides of the published tables, for reproduction only",
                            choices=("numpy", "matlab"), default="numpy"),
        option("--images-url", "https address the pictures will be served from", default="images"))),
    "serve": ("Run a study on this computer: a link for every participant, a kiosk, or the address for a panel.", (
        RUN, *BATCH, option("--participants", "links of N participants: those given out before, then new ones",
                     type=whole(0), default=0, metavar="N"),
        flag("--new-links", "all N are new; the earlier ones stay valid"),
        flag("--kiosk", "print the address of the kiosk's start screen"),
        option("--assignments", "participants per list of trials (default: the protocol's)", type=whole(1)),
        option("--panel", "prolific, or local (default) for any other", default="local"),
        option("--completion-code", "the panel's code for finished participants", default=""),
        option("--participant-param", "name of the panel's URL parameter with the participant", default=""),
        option("--complete-url", "where finished participants go; {code} is filled in", default=""),
        option("--only-ids", "only participants of the panel whose ids are in this file, one a line; an address for "
               "each is written to secret/panel-addresses.csv", type=Path, metavar="FILE"),
        flag("--signed-ids", "with --only-ids: only by these addresses, which hold a signature of the id"),
        option("--host", "address to listen on (default: this computer only)", default="127.0.0.1"),
        option("--port", "default %(default)s; 0: any that is free", type=whole(0, 65535), default=8700),
        option("--public-url", "address under which participants reach the server", default=""),
        flag("--i-know", "really listen beyond this computer"), KEY)),
    "export": ("Write the answers of the study server as a table of responses.", (
        RUN, STUDY, option("--out", "CSV, Parquet or JSON file (default: responses.csv beside the batch)", type=Path,
                           metavar="FILE"),
        flag("--release", "for publication: no ids, coarser times"), SIMULATED,
        flag("--replace", "even if the table holds sessions that the database lacks; it is kept, renamed"))),
    "backup": ("Copy the study server's database into one complete file, also while the study is served.", (
        RUN, STUDY,
        option("--out", "the copy, such as study-backup.sqlite", type=Path, metavar="FILE", required=True))),
    "sessions": ("List the sessions of the study server: participant, status, completion code, minutes, pay.", (
        RUN, STUDY, SIMULATED, option("--out", "write the list as CSV", type=Path, metavar="FILE"))),
    "forget": ("Delete everything stored of one participant; older tables cannot bring it back.", (
        option("participant", "the platform's id, the name of a link, a completion code or the id of a session"),
        RUN, STUDY,
        option("--platform", "default %(default)s", default="local",
               choices=("local", "prolific", "mturk", "turkle")), KEY)),
    "collect": ("Import what a platform handed back into a study's table of responses, or plain tables into one.", (
        option("files", "result tables, tables of responses, the study server's database (.sqlite); with --plain any "
               "tables of answers", nargs="+", type=Path, metavar="FILE"),
        MAYBE_RUN,
        flag("--plain", "tables with participant, image, left, right, chosen; or shown, chosen (real or fake); or "
             "shown, ranked (CSV, TSV); or jsPsych's data (JSON)"),
        option("--study", "with --plain: the study's name (default: that of the first file)", default=""), STUDY, KEY,
        option("--platform", "default: told by the columns", choices=("mturk", "turkle")), OUT,
        flag("--add", "add to the responses collected before"))),
    "analyze": ("Analyse the responses of a study: tables, figures, report.", (
        MAYBE_RUN, STUDY, option("--responses", "tables of responses (CSV or Parquet); default: the study's "
                                 "responses.csv, else the server's answers", nargs="+", type=Path, default=[],
                                 metavar="FILE"),
        option("--counts", "counts of votes (CSV), or figure-4 for the paper's own", metavar="FILE"),
        option("--reference", "without --run: the method preferences are given for (default %(default)s)",
               default="crn"),
        option("--ties", "half: half a vote for each method (default); drop: left out", default="half"), SIMULATED,
        OUT)),
    "simulate": ("Simulated participants take a study: the real page in a real browser, answers with a known truth.", (
        RUN, *BATCH, *(option(f"--{kind}", f"number of kind {kind}", type=whole(0), default=0, metavar="N")
                       for kind in KINDS),
        option("--truth", "true shares, such as crn_vs_unet=0.8", nargs="+", action="extend", default=[],
               metavar="CONDITION=P"),
        option("--side-bias", "added to the log-odds of left", type=float, default=0.0),
        option("--at-once", "browser windows open at the same time (default %(default)s)", type=whole(1), default=4),
        KEY)),
}


def parser() -> Parser:
    whole = Parser(prog="python -m human_study", description="From images to people's answers and what they say.")
    chosen = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, options) in COMMANDS.items():
        own = chosen.add_parser(name, help=text, description=text)
        for first, more in options:
            own.add_argument(first, **more)
    return whole


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    with one_line_errors(f"python -m human_study {args.command}"):
        getattr(commands, args.command)(args)


if __name__ == "__main__":
    main()
