"""A whole study as a laboratory would run it, in real browsers, while its server is killed: does anything get lost?

    python -m benchmarks.laboratory [--run DIR] [--participants 50] [--kills 7] [--outages 4] [--out FILE.json]

Plan; a pilot, whose answers improve the plan; then the study with consent in two languages, questions, screen and
colour checks, practice with feedback, breaks and ties. Everybody answers in a window of Chromium; some reload, leave
and come back by their link, or lose their network. Meanwhile the server is killed (SIGKILL) and started again, and its
pictures are away for seconds. Some withdraw, some are forgotten afterwards; then export, release, collect and analysis.

At the end everything is compared with what people meant to answer: no answer lost, doubled or changed, no pair without
an answer, nobody who withdrew in the release or the analysis, and the simulated preference found. Exit code 1
otherwise. Without --run, three methods are trained for the smoke preset first (a minute); a run gets the study's
folder.
"""

import argparse
import asyncio
import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd

from benchmarks.laboratory.people import TIES, Crowd, Volunteer
from benchmarks.runner import Result, free_port
from benchmarks.runner import run as run_benchmark
from data.errors import InputError
from data.files import read_json, write_json
from evaluation.run_directory import RunDirectory
from human_study.__main__ import main as human_study
from human_study.batch.folder import read_batch
from human_study.responses.table import read_responses
from human_study.server.serve import open_store
from human_study.simulation.participants import KnownTruth

ROOT = Path(__file__).resolve().parents[2]
NAME = "laboratory"
SHARES = (0.75, 0.4)  # true preference for the reference over the first and the second other method, without ties
HABITS = ("nothing", "reload", "leave", "offline")
AWAY_S = 3.0  # how long the pictures are away
START_S = 300  # for the server to begin, on a computer that does much else
DOWN_S = 1.0  # from a kill to the next start
TOLERANCE = 2.0  # half widths of the 95 % interval between truth and estimate: passed by 1 study in 10,000


def protocol(layouts: int) -> dict:
    """Everything that a protocol can ask for beside the pairs, with as many of them as the layouts allow."""
    trials = {"test_trials": min(24, 4 * (layouts // 4 - 1)), "sentinels": 3, "instruction_checks": 1, "practice": 1}
    return {"extends": "lab", **trials, "languages": ["en", "de"], "questions": ["age", "sex", "vision", "comment"],
            "feedback": True, "break_every": 5, "screen_check": True, "colour_plates": 1, "full_screen": True,
            "ties": True, "rules": {"use_min_median_rt_ms": None, "use_max_fast": None}}  # they need no time to look


class Server:
    """python -m human_study serve as a process that can be killed. `output`: all that it printed."""

    def __init__(self, *options: str):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.command = [sys.executable, "-m", "human_study", "serve", *options, "--port", str(port)]
        self.output: list[str] = []

    def start(self) -> "Server":
        """Returns once it answers."""
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, encoding="utf-8", env=os.environ | {"OMP_NUM_THREADS": "1"})
        late = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < late:
            with contextlib.suppress(OSError), urlopen(f"{self.url}/favicon.ico", timeout=10):
                return self
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the server did not start: {self.output[-1]}")

    def kill(self, how: int = signal.SIGKILL) -> None:
        if not self.process.stdout.closed:
            self.process.send_signal(how)
            self.output.append(self.process.communicate()[0])


@dataclass
class Story:
    """What happened; counts, and in `faults` what must not happen."""

    sessions: int = 0
    finished: int = 0
    withdrawn: int = 0
    forgotten: int = 0
    answers: int = 0
    kills: int = 0
    outages: int = 0
    interrupted: int = 0  # people who reloaded, left or were offline
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    unanswered: int = 0
    minutes: float = 0.0
    preferences: dict[str, dict] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, true: bool, fault: str) -> None:
        if not true:
            self.faults.append(fault)

    def rows(self) -> Iterator[Result]:
        counts = dict(vars(self))
        preferences, faults = counts.pop("preferences"), counts.pop("faults")
        yield counts
        yield from ({"preference": name, **found} for name, found in preferences.items())
        yield from ({"fault": fault} for fault in faults)


def command(*words: object) -> str:
    """What python -m human_study prints; printed here too."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        human_study([str(word) for word in words])
    print(f"$ python -m human_study {' '.join(map(str, words))}\n{printed.getvalue()}", flush=True)
    return printed.getvalue()


def refused(*words: object) -> bool:
    """Whether a command refuses to work."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            human_study([str(word) for word in words])
        except SystemExit:
            print(f"$ python -m human_study {' '.join(map(str, words))}\n{errors.getvalue()}", flush=True)
            return True
    return False


class Laboratory:
    """One study of one run. Everything but the answers goes through the command line."""

    def __init__(self, run: RunDirectory, folder: Path, at_once: int):
        self.run, self.folder, self.at_once = run, folder, at_once
        others = [method.name for method in run.methods() if method.name != "crn"][:len(SHARES)]
        shares = {f"crn_vs_{other}": share for other, share in zip(others, SHARES, strict=True)}
        self.truth = KnownTruth(shares, care=1.0)
        self.file = folder / f"{NAME}.yaml"  # JSON is YAML
        write_json(self.file, protocol(len(run.layouts())))
        self.common = ("--run", run.path, "--methods", ",".join(others), "--baseline", "crn")
        self.key = ("--key-file", folder / "study.key")
        self.story = Story()

    def served(self, study: str, count: int) -> Server:
        """The server of a study with as many places as people."""
        settings = ("--set", f"name={study}", f"hits={count}")
        words = (*self.common, *self.key, "--protocol", self.file, "--participants", count, *settings)
        return Server(*map(str, words))

    def pilot(self, count: int) -> Path:
        """Answers of a few people in a study of its own: its table."""
        name = f"{NAME}-pilot"
        server = self.served(name, count).start()
        try:
            asyncio.run(self._crowd(name, self._people(name, count)).take_part())
        finally:
            server.kill(signal.SIGTERM)
        command("export", "--run", self.run.path, "--protocol", name)
        return self.run.study / name / "responses.csv"

    def plan(self, count: int, *more: object) -> str:
        return command("plan", *self.common, "--protocol", self.file, "--set", f"hits={count}", "--rounds", 50, *more)

    def _people(self, study: str, count: int) -> list[Volunteer]:
        with open(self.run.study / study / "secret" / "links.csv", newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))[:count]
        return [Volunteer(row["name"], row["link"], number) for number, row in enumerate(rows)]

    def _crowd(self, study: str, people: list[Volunteer]) -> Crowd:
        batch = read_batch(self.run.study / study)
        self.store = open_store(self.run, batch, self.key[1])
        return Crowd(self.store, self.truth, people, self.at_once)

    def study(self, count: int, kills: int, outages: int, withdrawing: int) -> list[Volunteer]:
        """People answer while the server is killed and its pictures vanish."""
        server = self.served(NAME, count).start()
        people = self._people(NAME, count)
        crowd = self._crowd(NAME, people)
        pairs = min(len(trials) for trials in self.store.batch.hits.values())
        rng = np.random.default_rng(0)
        for person in people:
            person.habit = "withdraw" if person.number < withdrawing else HABITS[person.number % len(HABITS)]
            person.interrupted = int(rng.integers(2, pairs))
        self.story.interrupted = sum(person.habit not in ("nothing", "withdraw") for person in people)
        try:
            asyncio.run(self._disturbed(server, crowd, pairs * count, kills, outages))
            self.story.expect(self._people(NAME, count)[-1].link == people[-1].link, "other links after a restart")
        finally:
            server.kill(signal.SIGTERM)
        printed = "".join(server.output)
        self.story.expect("Traceback" not in printed, f"the server printed an error: {printed[-600:]}")
        return people

    async def _disturbed(self, server: Server, crowd: Crowd, answers: int, kills: int, outages: int) -> None:
        """Kills and outages are spread over the first nine tenths of the answers."""
        events = sorted([((i + 0.5) / kills, self._kill) for i in range(kills)]
                        + [((i + 0.75) / outages, self._away) for i in range(outages)], key=lambda event: event[0])
        async with asyncio.TaskGroup() as group:
            everybody = group.create_task(crowd.take_part())
            for share, happens in events:
                while crowd.acknowledged < 0.9 * share * answers and not everybody.done():
                    await asyncio.sleep(0.05)
                if not everybody.done():
                    await happens(server)

    async def _kill(self, server: Server) -> None:
        server.kill()
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(server.start)
        self.story.kills += 1

    async def _away(self, server: Server) -> None:
        """The folder of the pictures cannot be reached, as when a network drive is gone."""
        images = self.store.batch.public / "images"
        hidden = images.rename(images.with_name("away"))
        await asyncio.sleep(AWAY_S)
        hidden.rename(images)
        self.story.outages += 1

    def afterwards(self, people: list[Volunteer], forgetting: int) -> dict[str, pd.DataFrame]:
        """Export, forget, export again, release, collect, analyze: tables by name."""
        study = ("--run", self.run.path, "--protocol", NAME)
        folder, early, public = self.run.study / NAME, self.folder / "early.csv", self.folder / "public.csv"
        command("export", *study, "--out", early)
        for person in [one for one in people if one.code][:forgetting]:
            command("forget", person.name, *study, *self.key)
            person.habit = "forgotten"
        command("export", *study)
        command("export", *study, "--release", "--out", public)
        command("collect", early, folder / "secret" / "study.sqlite", *study, *self.key, "--out", self.folder / "all")
        if forgetting:
            self.story.expect(refused("analyze", *study, "--responses", early),
                              "an old table with forgotten people was used")
        command("analyze", *study)
        files = {"early": early, "stored": folder / "responses.csv", "public": public,
                 "collected": self.folder / "all" / "responses.csv"}
        return {name: read_responses(file) for name, file in files.items()}

    def check(self, people: list[Volunteer], tables: dict[str, pd.DataFrame]) -> None:
        """Everything against what people meant."""
        story = self.story
        trials = {session.session_id: self.store.trials(session) for session in self.store.sessions()}
        forgotten = [person for person in people if person.habit == "forgotten"]
        staying = [person for person in people if person.habit != "forgotten"]
        stored, early = tables["stored"], tables["early"]
        story.sessions, story.finished = len(people), sum(bool(person.code) for person in people)
        story.withdrawn, story.forgotten = sum(not person.code for person in people), len(forgotten)
        story.answers = len(early)
        story.doubled = int(early.duplicated(["session_id", "trial_index"]).sum()) + int(
            early.groupby("participant")["session_id"].nunique().sub(1).sum()) + int(
            early[early["submit_status"].ne("withdrawn")].groupby("hit_id")["session_id"].nunique().sub(1).sum())
        chosen = {(row.session_id, row.trial_index): row.chosen for row in early.itertuples()}
        for person in people:
            story.lost += sum((person.session_id, pair) not in chosen for pair in person.acknowledged)
            story.changed += sum(chosen.get((person.session_id, pair), meant) not in (meant, "none")
                                 for pair, meant in person.meant.items())
            if person.habit != "forgotten" and person.code:
                all_of_them = {(person.session_id, pair) for pair in range(len(trials[person.session_id]))}
                story.lost += len(all_of_them - set(chosen))
        story.unanswered = int(early["chosen"].eq("none").sum())
        for name in ("lost", "doubled", "changed", "unanswered"):
            story.expect(getattr(story, name) == 0, f"{getattr(story, name)} answers {name}")
        story.expect(len({person.code for person in people}) == story.finished + (story.withdrawn > 0),
                     "completion codes are not everybody's own")
        self._check_gone(stored, tables, staying, forgotten)
        self._check_context(stored)
        self._check_analysis()

    def _check_gone(self, stored: pd.DataFrame, tables: dict[str, pd.DataFrame], staying: list[Volunteer],
                    forgotten: list[Volunteer]) -> None:
        story, gone = self.story, {person.session_id for person in forgotten}
        keys = ["session_id", "trial_index", "chosen", "submit_status"]
        for name in ("stored", "collected"):
            story.expect(not gone & set(tables[name]["session_id"]), f"{name}: holds forgotten people")
        story.expect(sorted(map(tuple, stored[keys].to_numpy())) == sorted(
            map(tuple, tables["collected"][keys].to_numpy())), "collect and export differ")
        left = stored[stored["submit_status"].ne("withdrawn")]
        public = tables["public"]
        story.expect(len(public) == len(left) and public["participant"].nunique() == sum(
            bool(person.code) for person in staying), "the release holds more or fewer people than stayed")
        text = (self.folder / "public.csv").read_text(encoding="utf-8")
        story.expect(not any(word in text for frame in (stored, tables["early"]) for column in
                             ("participant", "session_id") for word in frame[column].unique()), "ids in the release")
        workers = pd.read_csv(self.run.study / NAME / "analysis" / "participants.csv")
        used = set(workers.loc[workers["used"] > 0, "participant"])
        outside = set(stored.loc[stored["submit_status"].eq("withdrawn"), "participant"]) | set(
            tables["early"].loc[tables["early"]["session_id"].isin(gone), "participant"])
        story.expect(not used & outside and len(used) == left["participant"].nunique(),
                     "the analysis is of other people")

    def _check_context(self, stored: pd.DataFrame) -> None:
        """Answers from before and after the pairs are in the table."""
        finished = stored[stored["submit_status"].eq("submitted")]
        self.story.expect(set(finished["language"]) == {"en", "de"}, "not both languages")
        for column in ("q_age", "q_sex", "q_vision", "px_per_mm", "viewing_distance_mm", "colour_right", "full_screen"):
            self.story.expect(finished[column].notna().all(), f"{column} is missing")

    def _check_analysis(self) -> None:
        for row in read_json(self.run.study / NAME / "analysis" / "analysis.json")["preferences"]:
            name = f"{row['a']}_vs_{row['b']}"
            low, high = row["clustered"] or row["naive"]
            true = self.truth.preference[name] * (1 - TIES) + TIES / 2
            self.story.preferences[name] = {"true": true, "found": row["share"], "low": low, "high": high}
            near = TOLERANCE * max(high - row["share"], row["share"] - low)
            self.story.expect(abs(row["share"] - true) <= near, f"{name}: the preference was not found")
        self.story.expect(set(self.story.preferences) == set(self.truth.preference), "comparisons are missing")


def whole_study(run: RunDirectory, folder: Path, participants: int = 50, pilot: int = 6, kills: int = 7,
                outages: int = 4, withdrawing: int = 4, forgetting: int = 2, at_once: int = 4) -> Story:
    """Plan, pilot, study, afterwards, checks. folder: for the protocol, the key and the tables outside the run.

    Raises InputError where the run holds such a study already.
    """
    for name in (NAME, f"{NAME}-pilot"):
        if (run.study / name).exists():
            raise InputError(f"{run.study / name}: a study of an earlier call; delete it to begin again")
    begun = time.monotonic()
    laboratory = Laboratory(run, folder, at_once)
    laboratory.plan(participants)
    laboratory.plan(participants, "--pilot", laboratory.pilot(pilot), "--pay-per-hour", 12)
    people = laboratory.study(participants, kills, outages, withdrawing)
    laboratory.check(people, laboratory.afterwards(people, forgetting))
    laboratory.store.close()
    laboratory.story.minutes = (time.monotonic() - begun) / 60
    return laboratory.story


def small_run(folder: Path) -> RunDirectory:
    """Three methods of the smoke preset."""
    subprocess.run([sys.executable, "-m", "evaluation.run", "--preset", "smoke", "--stages", "train,synthesize",
                    "--methods", "crn,pix2pix,image_space", "--out", str(folder)], cwd=ROOT, check=True)
    return RunDirectory.open(folder)


def measure(args: argparse.Namespace) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory.open(args.run) if args.run else small_run(Path(folder) / "run")
        yield from whole_study(run, Path(folder), args.participants, kills=args.kills, outages=args.outages,
                               at_once=args.at_once).rows()


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--run", help="run directory with crn and two other methods", metavar="DIR")
    usage.add_argument("--participants", type=int, default=50)
    usage.add_argument("--kills", type=int, default=7)
    usage.add_argument("--outages", type=int, default=4)
    usage.add_argument("--at-once", type=int, default=4, help="browser windows; default: 4")


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark("laboratory", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
