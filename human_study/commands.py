"""The commands of python -m human_study, each with its options. Rooms are imported where a command uses them, because a
plan needs no web server and an analysis no browser."""

import argparse
import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from data.configuration import RenamedOption
from data.errors import InputError
from data.files import write_json, write_rows, write_text
from evaluation.run_directory import RunDirectory
from human_study.batch.folder import (
    LINKS,
    RESPONSES,
    SIMULATED_RESPONSES,
    TaskBatch,
    database_file,
    read_batch,
    study_folder,
)
from human_study.options import Command, Option, flag, numbers, option, whole_in
from human_study.protocol.protocols import PRESETS, is_file, load_protocol
from human_study.responses.keys import load_key
from human_study.simulation.participants import KINDS
from human_study.trials.cast import BLURRED, Cast, choose_cast, first_of, fitted
from human_study.trials.plan import IMAGE_SD, PARTICIPANT_SD, PREFERENCE

if TYPE_CHECKING:
    import pandas as pd

    from human_study.analysis.results import Analysis

COMMANDS: dict[str, Command] = {}

RUN = option("--run", "run directory", metavar="DIR", required=True)
MAYBE_RUN = option("--run", "run directory", metavar="DIR")
STUDY = option("--protocol", "study of the run, if it has several", metavar="NAME")
KEY = option("--key-file", "key of the pseudonyms, outside the results (default: in your data folder)", type=Path,
             metavar="FILE")
SIMULATED = flag("--simulated", "the simulated participants' answers")
OUT = option("--out", "folder (default: in the study's folder)", type=Path, metavar="DIR")
RENAMED = option("--reference", argparse.SUPPRESS, action=RenamedOption, const="--baseline")
BATCH = (
    option("--protocol", "preset or YAML file (default: the run's own)", metavar="NAME"),
    option("--methods", "methods to compare with the baseline, separated by commas (default: all)"),
    option("--baseline", "method that all others are compared with (default: the run's own)"), RENAMED,
    option("--anchor", f"method of the sentinels, or {BLURRED}"),
    option("--seed", "of order and sides (default: the run's own)", type=int),
    option("--set", "change settings of the protocol", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
           dest="settings"))
SPREADS = (  # expected preference and spreads: the same for plan and power
    option("--preference", "true share (default %(default)s)", type=float, default=PREFERENCE),
    option("--participant-sd", "spread of log-odds between participants (default %(default)s)", type=float,
           default=PARTICIPANT_SD),
    option("--image-sd", "spread of log-odds between images (default %(default)s)", type=float, default=IMAGE_SD))


def command(text: str, *options: Option) -> Callable[[Callable[[Namespace], None]], Callable[[Namespace], None]]:
    """The function is the command of its name."""
    def register(run: Callable[[Namespace], None]) -> Callable[[Namespace], None]:
        COMMANDS[run.__name__] = Command(run, text, options)
        return run
    return register


# --- before the study ------------------------------------------------------------------------------------------------

@command("Plan a study before it runs: cells, trials, minutes, cost, expected width of the interval.",
         MAYBE_RUN, option("--layouts", "number of layouts, without a run", type=int), *BATCH,
         option("--pay", "per session", type=float), option("--pay-per-hour", "instead of --pay", type=float),
         option("--fee", "the platform's share on top of the pay, such as 0.33 (default 0)", type=float, default=0.0),
         *SPREADS, option("--pilot", "a pilot's table of responses: spreads and time per answer come from it",
                          type=Path, metavar="FILE"),
         option("--rounds", "simulated studies for the power (default %(default)s); 0: no power", type=whole_in(0),
                default=200),
         flag("--json", "numbers as JSON"))
def plan(args: Namespace) -> None:
    from human_study.trials.plan import make_plan, plan_text
    if not 0 < args.preference < 1:
        raise InputError(f"--preference {args.preference}: expected a share between 0 and 1")
    if args.run:
        run = RunDirectory.open(args.run)
        choices = study_choices(run, args)
        seed, layouts, protocol = choices.pop("seed"), run.layouts(), fitted(run, choices["protocol"])
        cast = choose_cast(run, **choices)
    elif args.methods and args.layouts and args.layouts > 0:
        protocol, seed, layouts = load_protocol(args.protocol or "lab", args.settings), args.seed or 0, args.layouts
        baseline, methods = first_of(protocol, args.baseline or "crn", args.methods.split(","))
        cast, layouts = Cast(baseline, tuple(methods), args.anchor or protocol.anchor), [
            f"{i:05d}" for i in range(args.layouts)]
    else:
        raise InputError("give --run, or --layouts N and --methods a,b to plan without one")
    answer_seconds = None
    if args.pilot:
        from human_study.responses.table import read_responses
        from human_study.simulation.pilot import pilot_spreads
        found = pilot_spreads(read_responses(args.pilot), protocol, cast.baseline)
        answer_seconds = found.seconds
        if found.participant_sd is not None:
            args.participant_sd, args.image_sd = found.participant_sd, found.image_sd
        print(found.line(), file=sys.stderr if args.json else sys.stdout)
    made = make_plan(protocol, cast, layouts, seed, args.pay, args.pay_per_hour, args.fee, args.preference,
                     args.participant_sd, args.image_sd, answer_seconds)
    if args.rounds and not protocol.staircase:
        from human_study.simulation.power import with_power
        made = with_power(made, protocol, cast, layouts, seed, args.rounds)
    print(json.dumps(asdict(made), indent=2) if args.json else plan_text(made, protocol).rstrip("\n"))


@command("How many participants and trials a study needs: power by simulation.",
         *SPREADS, option("--participants", "numbers to try", type=numbers, default=[10, 20, 30, 50]),
         option("--trials", "per participant, numbers to try", type=numbers, default=[20, 50, 100]),
         option("--images", "in all (default %(default)s)", type=int, default=500),
         option("--rounds", "simulated studies per design (default %(default)s)", type=whole_in(1), default=400),
         option("--power", "power wanted (default %(default)s)", type=float, default=0.8),
         option("--seed", "of the simulation (default %(default)s)", type=int, default=0))
def power(args: Namespace) -> None:
    from human_study.simulation.power import Design, answer, simulate, table
    designs = [Design(participants, trials, args.images, args.preference, args.participant_sd, args.image_sd).check()
               for participants in args.participants for trials in args.trials]
    results = [simulate(design, args.rounds, args.seed) for design in designs]
    print(f"true preference {args.preference}, spread of participants {args.participant_sd} and images {args.image_sd} "
          f"(log odds), {args.images} images, {args.rounds} simulated studies per row\n{table(results)}\n"
          f"{answer(results, args.power)}")


@command("Write a batch: HIT tables in MTurk's format, the page, the pictures under opaque names.",
         option("--run", "run directory; without it, --rng matlab writes the paper's published table", metavar="DIR"),
         *BATCH, OUT, option("--rng", "matlab: order and sides of the published tables, for reproduction only",
                             choices=("numpy", "matlab"), default="numpy"),
         option("--images-url", "https address the pictures will be served from", default="images"))
def hits(args: Namespace) -> None:
    from human_study.batch.write import write_batch, write_published
    if args.run is None:
        if args.rng != "matlab" or not args.out:
            raise InputError("--run is needed (only --rng matlab --out DIR works without: the published tables)")
        if args.methods or args.baseline or args.anchor or args.settings or args.seed is not None:
            raise InputError("the published tables are fixed: give --protocol, --rng and --out only")
        print(f"wrote {write_published(args.protocol or '', args.out)}")
        return
    run = RunDirectory.open(args.run)
    choices = study_choices(run, args)
    if choices["protocol"].task != "pairs":
        raise InputError(f"hits: HIT tables hold pairs only; task {choices['protocol'].task} is run by the study "
                         "server (python -m human_study serve), for panels too")
    batch = write_batch(run, **choices, rng=args.rng, images_url=args.images_url, out=args.out)
    trials = sum(len(hit) for hit in batch.hits.values())
    print(f"wrote {batch.folder}: {len(batch.hits)} HITs, {trials} trials, {len(batch.assets)} pictures\n"
          f"specification {batch.spec_sha256}\nkeep {batch.secret} to yourself: it names the methods")


def study_choices(run: RunDirectory, args: Namespace) -> dict:
    """Arguments of write_batch from the command line, completed by the run's configuration."""
    config = run.config().get("config", {})
    study = config.get("study", {})
    protocol = args.protocol or study.get("protocol", "crn2017-unlimited")
    named = not is_file(protocol) and protocol not in PRESETS and (run.study / protocol / "secret").is_dir()
    # a study of the run may have a name that --set gave it
    chosen = read_batch(run.study / protocol).protocol if named else load_protocol(protocol, args.settings)
    return {"protocol": chosen, "methods": args.methods.split(",") if args.methods else None,
            "baseline": args.baseline or study.get("baseline", "crn"), "anchor": args.anchor or study.get("anchor"),
            "seed": config.get("seed", 0) if args.seed is None else args.seed}


# --- people answer ---------------------------------------------------------------------------------------------------

def batch_to_serve(run: RunDirectory, args: Namespace) -> TaskBatch:
    """The batch written before. A new one is written if there is none, if options change it, and if the protocol file
    was edited."""
    from human_study.batch.write import write_batch
    choices = study_choices(run, args)
    folder = run.study / choices["protocol"].name
    changed = args.methods or args.baseline or args.anchor or args.seed is not None or args.settings
    if changed or not (folder / "secret" / "spec.json").exists():
        return write_batch(run, **choices)
    batch = read_batch(folder)
    edited = is_file(args.protocol or "") and batch.protocol.sha256() != fitted(run, choices["protocol"]).sha256()
    return write_batch(run, **choices) if edited else batch


@command("Run a study on this computer: a link for every participant, a kiosk, or the address for a panel.",
         RUN, *BATCH, option("--participants", "links of N participants: those given out before, then new ones",
                             type=whole_in(0), default=0, metavar="N"),
         flag("--new-links", "all N are new; the earlier ones stay valid"),
         flag("--kiosk", "print the address of the kiosk's start screen"),
         option("--assignments", "participants per list of trials (default: the protocol's)", type=whole_in(1)),
         option("--panel", "prolific, or local (default) for any other", default="local"),
         option("--completion-code", "the panel's code for finished participants", default=""),
         option("--participant-param", "name of the panel's URL parameter with the participant", default=""),
         option("--complete-url", "where finished participants go; {code} is filled in", default=""),
         option("--return-url", "where participants go who withdraw or find the study full; {reason} is filled in",
                default=""),
         option("--not-from", "databases of earlier studies with the same key, such as a pilot's study.sqlite: their "
                "participants of the panel may not take part", nargs="+", type=Path, default=[], metavar="FILE"),
         option("--only-ids", "only participants of the panel whose ids are in this file, one a line; an address for "
                "each is written to secret/panel-addresses.csv", type=Path, metavar="FILE"),
         flag("--signed-ids", "with --only-ids: only by these addresses, which hold a signature of the id"),
         option("--host", "address to listen on (default: this computer only)", default="127.0.0.1"),
         option("--port", "default %(default)s; 0: any that is free", type=whole_in(0, 65535), default=8700),
         option("--public-url", "address under which participants reach the server", default=""),
         flag("--i-know", "really listen beyond this computer"), KEY)
def serve(args: Namespace) -> None:
    from human_study.server import serve as server
    from human_study.server.export import participants_of
    server.check_address(args.host, args.public_url, args.i_know)
    if args.signed_ids and not args.only_ids:
        raise InputError("--signed-ids needs --only-ids FILE: an address with a signature is written for each of them")
    panel = server.choose_panel(args.panel, args.completion_code, args.participant_param, args.complete_url,
                                args.return_url)
    run = RunDirectory.open(args.run)
    batch = batch_to_serve(run, args)
    with server.listen(args.host, args.port) as listening:
        store = server.open_store(run, batch, args.key_file, assignments=args.assignments)
        port = listening.getsockname()[1]  # --port 0: any that is free
        site = server.make_site(store, port, args.public_url, panel, args.completion_code)
        site.excluded = participants_of(args.not_from, store.key)
        if args.only_ids:
            site.only_ids, site.signed_ids = server.read_ids(args.only_ids), args.signed_ids
            server.write_links(batch.secret / "panel-addresses.csv",
                               [(one, site.panel_address(one)) for one in sorted(site.only_ids)])
        links = server.links_for(site, batch.secret / LINKS, args.participants, args.new_links)
        server.announce(site, links, args.kiosk)
        server.run(site, listening)


@command("Simulated participants take a study: the real page in a real browser, answers with a known truth.",
         RUN, *BATCH, *(option(f"--{kind}", f"number of kind {kind}", type=whole_in(0), default=0, metavar="N")
                        for kind in KINDS),
         option("--truth", "true shares, such as crn_vs_unet=0.8", nargs="+", action="extend", default=[],
                metavar="CONDITION=P"),
         option("--side-bias", "added to the log-odds of left", type=float, default=0.0),
         option("--at-once", "browser windows open at the same time (default %(default)s)", type=whole_in(1),
                default=4), KEY)
def simulate(args: Namespace) -> None:
    from human_study.responses.table import write_responses
    from human_study.server.serve import open_store
    from human_study.simulation import simulate as simulation
    from human_study.simulation.participants import KnownTruth, parse_truth
    run = RunDirectory.open(args.run)
    batch = batch_to_serve(run, args)
    truth = KnownTruth(parse_truth(args.truth, batch), side_bias=args.side_bias)
    participants = {kind: getattr(args, kind.replace("-", "_")) for kind in KINDS}
    if not any(participants.values()):
        raise InputError(f"no participants: give {', '.join(f'--{kind} N' for kind in KINDS)}")
    store = open_store(run, batch, args.key_file, simulated=True)
    frame = simulation.simulate(store, participants, truth, batch.spec["seed"], args.at_once)
    write_responses(frame, batch.folder / SIMULATED_RESPONSES)
    write_json(batch.folder / "simulated-truth.json", asdict(truth) | {
        "participants": simulation.kinds_by_participant(store, participants), "seed": batch.spec["seed"]})
    store.close()
    print(f"wrote {batch.folder / SIMULATED_RESPONSES}: {len(frame)} trials (platform sim)")


# --- their answers ---------------------------------------------------------------------------------------------------

@command("Write the answers of the study server as a table of responses.",
         RUN, STUDY, option("--out", "CSV, Parquet or JSON file (default: responses.csv beside the batch)", type=Path,
                            metavar="FILE"),
         flag("--release", "for publication: no ids, coarser times"), SIMULATED,
         flag("--replace", "even if the table holds sessions that the database lacks; it is kept, renamed"))
def export(args: Namespace) -> None:
    from human_study.responses.codebook import write_codebook
    from human_study.responses.table import write_responses
    from human_study.server.export import all_responses, export_responses, refuse_loss, release
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    # publish the table that is analysed, with the rows collected from platforms
    frame = all_responses(folder, (), args.simulated) if args.release else export_responses(folder, args.simulated)
    own = folder / (SIMULATED_RESPONSES if args.simulated else RESPONSES)
    file = args.out or own
    if args.release and file.resolve() == own.resolve():
        raise InputError(f"--release needs --out FILE: {own} is for the analysis, with ids and exact times")
    refuse_loss(frame, file, folder, args.replace, args.release)
    frame = release(frame) if args.release else frame
    write_responses(frame, file)
    if not args.release:
        file.chmod(file.stat().st_mode & ~0o007)  # participants' comments and answers are not for other users
    write_codebook(frame, file.parent)
    print(f"wrote {file}: {len(frame)} trials of {frame['session_id'].nunique()} sessions")


@command("Copy the study server's database into one complete file, also while the study is served.",
         RUN, STUDY, option("--out", "the copy, such as study-backup.sqlite", type=Path, metavar="FILE", required=True))
def backup(args: Namespace) -> None:
    from human_study.server.export import backup as copy_database
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    print(f"wrote {args.out}: {copy_database(database_file(folder), args.out)} answers")


@command("List the sessions of the study server: participant, status, completion code, minutes, pay.",
         RUN, STUDY, SIMULATED, option("--out", "write the list as CSV", type=Path, metavar="FILE"))
def sessions(args: Namespace) -> None:
    from human_study.server.export import session_list
    batch = read_batch(study_folder(RunDirectory.open(args.run), args.protocol))
    frame = session_list(batch, args.simulated)
    if args.out:
        write_text(args.out, frame.to_csv(index=False))
        args.out.chmod(0o600)
        print(f"wrote {args.out}: {len(frame)} sessions")
    else:
        print(frame.to_string(index=False, na_rep=""))


@command("Delete everything stored of one participant; older tables cannot bring it back.",
         option("participant", "the platform's id, the name of a link, a completion code or the id of a session"),
         RUN, STUDY, option("--platform", "default %(default)s", default="local",
                            choices=("local", "prolific", "mturk", "turkle")), KEY)
def forget(args: Namespace) -> None:
    from human_study.server.forget import forget as forget_everywhere
    run = RunDirectory.open(args.run)
    batch = read_batch(study_folder(run, args.protocol))
    done = forget_everywhere(run, batch, args.platform, args.participant, args.key_file)
    print(f"deleted {done.sessions} session of the server, {done.rows} rows of tables of responses and {done.links} "
          "link; copies kept elsewhere (the platform's result tables, published tables, earlier analyses) still hold "
          "this participant: collect leaves those rows out; run analyze again")


@command("Import a platform's results into a study's table of responses, or plain tables into one.",
         option("files", "result tables, tables of responses, the study server's database (.sqlite); with --plain any "
                "tables of answers", nargs="+", type=Path, metavar="FILE"),
         MAYBE_RUN,
         flag("--plain", "tables with participant, image, left, right, chosen; or shown, chosen (real or fake); or "
              "shown, ranked (CSV, TSV); or jsPsych's data (JSON)"),
         option("--study", "with --plain: the study's name (default: that of the first file)", default=""), STUDY, KEY,
         option("--platform", "default: recognised by the columns", choices=("mturk", "turkle")), OUT,
         flag("--add", "add to the responses collected before"))
def collect(args: Namespace) -> None:
    from human_study.analysis.quality import apply_rules
    from human_study.platforms.collect import REPORT, refusal_rows
    from human_study.responses.codebook import write_codebook
    from human_study.responses.table import write_responses
    if args.plain:
        frame, refused, rules = plain_answers(args)
    elif args.run:
        frame, refused, rules = answers_to_study(args)
    else:
        raise InputError("collect: --run is needed (only --plain works without a run)")
    frame = apply_rules(frame, rules)
    out = args.out or study_folder(RunDirectory.open(args.run), args.protocol)
    write_responses(frame, out / RESPONSES)
    write_rows(out / REPORT, refusal_rows(refused))
    print(f"{frame['participant'].nunique()} participants, {frame['session_id'].nunique()} sessions, {len(frame)} "
          f"answers, {int(frame['used'].sum())} used; {len(refused)} entries not imported\nwrote {out / RESPONSES} and "
          f"{out / REPORT}")
    if args.plain:
        write_codebook(frame, out)
        print(f"python -m human_study analyze --responses {shlex.quote(str(out / RESPONSES))} --baseline METHOD --out "
              f"{shlex.quote(str(out))}")


def answers_to_study(args: Namespace) -> tuple:
    """Table before the rules, refused entries, rules: of answers to a study of a run."""
    from human_study.analysis.results import identity_of
    from human_study.platforms.collect import collect_tables
    from human_study.platforms.submissions import Refused
    from human_study.responses.forgotten import of_forgotten, remember
    from human_study.server.export import export_responses, forgotten_in
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    batch, earlier = read_batch(folder), (args.out or folder) / RESPONSES
    # a new key is made only before the first answer: another key would give everybody another pseudonym
    answers = [database_file(folder), folder / RESPONSES, earlier]
    key = load_key(args.key_file or batch.key_file, Path(args.run), create=not any(file.exists() for file in answers))
    files = args.files
    if earlier.exists() and earlier.resolve() not in [file.resolve() for file in files]:
        if not args.add:
            raise InputError(f"{earlier}: holds responses already; give --add to add to them, or another --out")
        files = [earlier, *files]
    databases = [file for file in files if file.suffix == ".sqlite"]
    remember(folder, {mark for file in databases for mark in forgotten_in(file)})
    frame, refused = collect_tables([export_responses(batch, database=file) if file in databases else file
                                     for file in files], key, batch.hits, args.platform)
    gone = of_forgotten(frame, folder)
    refused += [Refused("table of responses", name, "this participant asked to be forgotten")
                for name in frame["session_id"][gone].unique()]
    identity_of(frame, batch.spec)
    return with_planned_images(frame[~gone], batch), refused, batch.protocol.rules


def plain_answers(args: Namespace) -> tuple:
    """The same of plain tables."""
    from human_study.platforms.plain import read_plain
    from human_study.protocol.rules import QualityRules
    from human_study.responses.columns import NO_SPECIFICATION
    from human_study.responses.table import read_responses
    if args.run or args.add or not args.out:
        raise InputError("collect --plain: give all tables at once and --out DIR; --run and --add are for the answers "
                         "of a run's own study")
    frame, refused = read_plain(args.files, args.study or args.files[0].stem)
    file = args.out / RESPONSES
    if file.exists() and set(read_responses(file)["spec_sha256"]) != {NO_SPECIFICATION}:
        raise InputError(f"{file}: holds the answers of a study of this suite; give another --out")
    return frame, refused, QualityRules()


def with_planned_images(frame: "pd.DataFrame", batch: TaskBatch) -> "pd.DataFrame":
    """The table with the zeros that a spreadsheet program took from the names of images. Raises InputError for images
    that the study does not have."""
    from human_study.responses.cells import with_zeros
    known = {trial.image_id for trials in batch.hits.values() for trial in trials}
    return frame.assign(image_id=with_zeros(frame["image_id"], known, str(batch.folder)))


@command("Analyse the responses of a study: tables, figures, report.",
         MAYBE_RUN, STUDY, option("--responses", "tables of responses (CSV or Parquet); default: the study's "
                                  "responses.csv, else the server's answers", nargs="+", type=Path, default=[],
                                  metavar="FILE"),
         option("--counts", "counts of votes (CSV), or figure-4 for the paper's own", metavar="FILE"),
         option("--baseline", "without --run: the method preferences are given for (default %(default)s)",
                default="crn"), RENAMED,
         option("--ties", "half: half a vote for each method (default); drop: left out", default="half"), SIMULATED,
         OUT)
def analyze(args: Namespace) -> None:
    from human_study.analysis.outputs import read_counts, summary, write_analysis
    from human_study.analysis.results import analyse, analyse_counts
    from human_study.responses.table import merge_responses, read_responses
    out = args.out
    if args.run:
        run = RunDirectory.open(args.run)
        analysis = analyse_run(run, args.protocol, args.responses, args.ties, args.simulated)
        name = "simulated-analysis" if analysis.identity.simulated else "analysis"
        out = out or study_folder(run, args.protocol) / name
    elif out is None:
        raise InputError("--out DIR is needed without --run")
    elif args.counts:
        analysis = analyse_counts(read_counts(args.counts), Path(args.counts).stem, args.baseline)
    elif args.responses:
        frame = merge_responses([read_responses(file) for file in args.responses])
        analysis = analyse(frame, args.baseline, ties=args.ties)
    else:
        raise InputError("nothing to analyse: give --run, --responses or --counts")
    files = write_analysis(analysis, out)
    print(f"{summary(analysis)}\nwrote {len(files)} files in {out}")


def analyse_run(run: RunDirectory, protocol: str | None = None, responses: Sequence[Path] = (), ties: str = "half",
                simulated: bool = False) -> "Analysis":
    """Analysis of one study of a run. responses: tables to merge; none: the study's responses.csv or, where nothing
    was collected from a platform, the study server's answers. simulated: those of the simulated participants."""
    from human_study.analysis.results import analyse, identity_of
    from human_study.server.export import all_responses
    folder = study_folder(run, protocol)
    batch = read_batch(folder)
    frame = all_responses(folder, responses, simulated)
    identity, titles = identity_of(frame, batch.spec), {method.name: method.title for method in run.methods()}
    frame = with_planned_images(frame, batch)
    return analyse(frame, batch.spec["baseline"], batch.protocol.rules, ties, identity, titles)
