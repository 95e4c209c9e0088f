"""What each command of python -m human_study does. Rooms are imported where a command uses them, because a plan needs
no web server and an analysis no browser; options are declared in __main__.py."""

import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

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
from human_study.protocol.protocols import is_file, load_protocol
from human_study.responses.keys import load_key
from human_study.trials.cast import Cast, choose_cast, first_of, fitted

if TYPE_CHECKING:
    from human_study.analysis.results import Analysis


# --- before the study ------------------------------------------------------------------------------------------------

def plan(args: Namespace) -> None:
    from human_study.trials.plan import make_plan, plan_text
    if not 0 < args.preference < 1:
        raise InputError(f"--preference {args.preference}: expected a share between 0 and 1")
    protocol, cast, layouts, seed = _planned(args)
    answer_seconds = None
    if args.pilot:
        from human_study.responses.table import read_responses
        from human_study.simulation.pilot import learned
        found = learned(read_responses(args.pilot), protocol, cast.reference)
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


def _planned(args: Namespace) -> tuple:
    """Protocol, cast, layouts and seed: of a run, or without one of a number of layouts."""
    if args.run:
        run = RunDirectory.open(args.run)
        choices = study_choices(run, args)
        seed = choices.pop("seed")
        return fitted(run, choices["protocol"]), choose_cast(run, **choices), run.layouts(), seed
    if not args.layouts or not args.methods or args.layouts < 1:
        raise InputError("give --run, or --layouts N and --methods a,b to plan without one")
    protocol = load_protocol(args.protocol or "lab", args.settings)
    reference, methods = first_of(protocol, args.reference or "crn", args.methods.split(","))
    cast = Cast(reference, tuple(methods), args.anchor or protocol.anchor)
    return protocol, cast, [f"{i:05d}" for i in range(args.layouts)], args.seed or 0


def power(args: Namespace) -> None:
    from human_study.simulation.power import Design, answer, simulate, table
    if args.rounds < 1:
        raise InputError("power: --rounds is at least 1")
    designs = [Design(participants, trials, args.images, args.preference, args.participant_sd, args.image_sd).check()
               for participants in args.participants for trials in args.trials]
    results = [simulate(design, args.rounds, args.seed) for design in designs]
    print(f"true preference {args.preference}, spread of participants {args.participant_sd} and images {args.image_sd} "
          f"(log odds), {args.images} images, {args.rounds} simulated studies per row\n{table(results)}\n"
          f"{answer(results, args.power)}")


def hits(args: Namespace) -> None:
    from human_study.batch.write import write_batch, write_published
    if args.run is None:
        if args.rng != "matlab" or not args.out:
            raise InputError("--run is needed (only --rng matlab --out DIR works without: the published tables)")
        if args.methods or args.reference or args.anchor or args.settings or args.seed is not None:
            raise InputError("the published tables are what they are: give --protocol, --rng and --out only")
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


def protocol_name(run: RunDirectory, args: Namespace) -> str:
    """Preset or YAML file."""
    return args.protocol or run.config().get("config", {}).get("study", {}).get("protocol", "crn2017-unlimited")


def study_choices(run: RunDirectory, args: Namespace) -> dict:
    """Arguments of write_batch from the command line, completed by the run's configuration."""
    config = run.config().get("config", {})
    study = config.get("study", {})
    return {"protocol": load_protocol(protocol_name(run, args), args.settings),
            "methods": args.methods.split(",") if args.methods else None,
            "reference": args.reference or study.get("baseline", "crn"),
            "anchor": args.anchor or study.get("anchor"),
            "seed": config.get("seed", 0) if args.seed is None else args.seed}


# --- people answer ---------------------------------------------------------------------------------------------------

def batch_to_serve(run: RunDirectory, args: Namespace) -> TaskBatch:
    """The batch written before, unless options or an edited protocol file say what it should be, or there is none: then
    it is written."""
    from human_study.batch.write import write_batch
    choices = study_choices(run, args)
    folder = run.study / choices["protocol"].name
    asked = args.methods or args.reference or args.anchor or args.seed is not None or args.settings
    if asked or not (folder / "secret" / "spec.json").exists():
        return write_batch(run, **choices)
    batch = read_batch(folder)
    edited = is_file(protocol_name(run, args)) and batch.protocol.sha256() != fitted(run, choices["protocol"]).sha256()
    return write_batch(run, **choices) if edited else batch


def serve(args: Namespace) -> None:
    from human_study.server import serve as server
    server.check_address(args.host, args.public_url, args.i_know)
    if args.signed_ids and not args.only_ids:
        raise InputError("--signed-ids needs --only-ids FILE: an address with a signature is written for each of them")
    panel = server.choose_panel(args.panel, args.completion_code, args.participant_param, args.complete_url)
    run = RunDirectory.open(args.run)
    batch = batch_to_serve(run, args)
    with server.listen(args.host, args.port) as listening:
        store = server.open_store(run, batch, args.key_file, assignments=args.assignments)
        port = listening.getsockname()[1]  # --port 0: any that is free
        site = server.make_site(store, port, args.public_url, panel, args.completion_code)
        if args.only_ids:
            site.only_ids, site.signed_ids = server.read_ids(args.only_ids), args.signed_ids
            server.write_links(batch.secret / "panel-addresses.csv",
                               [(one, site.panel_address(one)) for one in sorted(site.only_ids)])
        links = server.links_for(site, batch.secret / LINKS, args.participants, args.new_links)
        server.announce(site, links, args.kiosk)
        server.run(site, listening)


def simulate(args: Namespace) -> None:
    from human_study.responses.table import write_responses
    from human_study.server.serve import open_store
    from human_study.simulation import simulate as simulation
    from human_study.simulation.participants import KINDS, KnownTruth, parse_truth
    run = RunDirectory.open(args.run)
    batch = batch_to_serve(run, args)
    truth = KnownTruth(parse_truth(args.truth, batch), side_bias=args.side_bias)
    participants = {kind: getattr(args, kind.replace("-", "_")) for kind in KINDS}
    if not any(participants.values()):
        raise InputError(f"no participants asked for: give {', '.join(f'--{kind} N' for kind in KINDS)}")
    store = open_store(run, batch, args.key_file, simulated=True)
    frame = simulation.simulate(store, participants, truth, batch.spec["seed"], args.at_once)
    write_responses(frame, batch.folder / SIMULATED_RESPONSES)
    write_json(batch.folder / "simulated-truth.json", asdict(truth) | {
        "participants": simulation.kinds_by_participant(store, participants), "seed": batch.spec["seed"]})
    store.close()
    print(f"wrote {batch.folder / SIMULATED_RESPONSES}: {len(frame)} trials (platform sim)")


# --- their answers ---------------------------------------------------------------------------------------------------

def export(args: Namespace) -> None:
    from human_study.responses.codebook import write_codebook
    from human_study.responses.table import write_responses
    from human_study.server.export import all_responses, export_responses, refuse_loss, release
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    # what is published is what is analysed: with the rows collected from platforms
    frame = all_responses(folder, (), args.simulated) if args.release else export_responses(folder, args.simulated)
    own = folder / (SIMULATED_RESPONSES if args.simulated else RESPONSES)
    file = args.out or own
    if args.release and file.resolve() == own.resolve():
        raise InputError(f"--release needs --out FILE: {own} is for the analysis, with ids and exact times")
    refuse_loss(frame, file, folder, args.replace, args.release)
    frame = release(frame) if args.release else frame
    write_responses(frame, file)
    if not args.release:
        file.chmod(file.stat().st_mode & ~0o007)  # comments and answers of people are nobody else's
    write_codebook(frame, file.parent)
    print(f"wrote {file}: {len(frame)} trials of {frame['session_id'].nunique()} sessions")


def backup(args: Namespace) -> None:
    from human_study.server.export import backup as copy_database
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    count = copy_database(database_file(folder), args.out)
    print(f"wrote {args.out}: {count} answers")


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


def forget(args: Namespace) -> None:
    from human_study.server.forget import forget as forget_everywhere
    run = RunDirectory.open(args.run)
    batch = read_batch(study_folder(run, args.protocol))
    done = forget_everywhere(run, batch, args.platform, args.participant, args.key_file)
    print(f"deleted {done.sessions} session of the server, {done.rows} rows of tables of responses and {done.links} "
          "link; what the platform or you keep elsewhere (result tables, published tables, an analysis made before) "
          "still holds this participant: collect leaves those rows out, analyze again")


def collect(args: Namespace) -> None:
    if args.plain:
        return collect_plain(args)
    if not args.run:
        raise InputError("collect: --run is needed (only --plain works without a run)")
    from human_study.analysis.quality import apply_rules
    from human_study.analysis.results import identity_of
    from human_study.platforms.collect import REPORT, collect_tables, refusal_rows
    from human_study.platforms.submissions import Refused
    from human_study.responses.forgotten import of_forgotten, remember
    from human_study.responses.table import write_responses
    from human_study.server.export import export_responses, forgotten_in
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    batch, out = read_batch(folder), args.out or folder
    earlier, answers = out / RESPONSES, [database_file(folder), folder / RESPONSES, out / RESPONSES]
    # a new key is made only where there are no answers yet: under another key everybody would be somebody else
    key = load_key(args.key_file or batch.key_file, Path(args.run),
                   create=not any(file.exists() for file in answers))
    files = args.files
    if earlier.exists() and earlier.resolve() not in [file.resolve() for file in files]:
        if not args.add:
            raise InputError(f"{earlier}: holds responses already; give --add to add to them, or another --out")
        files = [earlier, *files]
    tables = [export_responses(batch, database=file) if file.suffix == ".sqlite" else file for file in files]
    remember(folder, {mark for file in files if file.suffix == ".sqlite" for mark in forgotten_in(file)})
    frame, refused = collect_tables(tables, key, batch.hits, args.platform)
    gone = of_forgotten(frame, folder)
    refused += [Refused("table of responses", name, "this participant asked to be forgotten")
                for name in frame["session_id"][gone].unique()]
    frame = frame[~gone]
    frame = apply_rules(frame, batch.protocol.rules)
    identity_of(frame, batch.spec)
    write_rows(out / REPORT, refusal_rows(refused))
    write_responses(frame, earlier)
    print(f"{frame['session_id'].nunique()} sessions, {len(frame)} rows, {int(frame['used'].sum())} used; "
          f"{len(refused)} entries not imported\nwrote {earlier} and {out / REPORT}")


def collect_plain(args: Namespace) -> None:
    from human_study.analysis.quality import apply_rules
    from human_study.platforms.collect import REPORT, refusal_rows
    from human_study.platforms.plain import read_plain
    from human_study.protocol.rules import QualityRules
    from human_study.responses.codebook import write_codebook
    from human_study.responses.columns import NO_SPECIFICATION
    from human_study.responses.table import read_responses, write_responses
    if args.run or args.add or not args.out:
        raise InputError("collect --plain: give all tables at once and --out DIR; --run and --add are for the answers "
                         "of a run's own study")
    frame, refused = read_plain(args.files, args.study or args.files[0].stem)
    frame = apply_rules(frame, QualityRules())
    file = args.out / RESPONSES
    if file.exists() and set(read_responses(file)["spec_sha256"]) != {NO_SPECIFICATION}:
        raise InputError(f"{file}: holds the answers of a study of this suite; give another --out")
    write_responses(frame, file)
    write_rows(args.out / REPORT, refusal_rows(refused))
    write_codebook(frame, args.out)
    print(f"{frame['participant'].nunique()} participants, {len(frame)} answers, {int(frame['used'].sum())} used; "
          f"{len(refused)} entries not imported\nwrote {file}, {REPORT} and a codebook; python -m human_study analyze "
          f"--responses {shlex.quote(str(file))} --reference METHOD --out {shlex.quote(str(args.out))}")


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
        analysis = analyse_counts(read_counts(args.counts), Path(args.counts).stem, args.reference)
    elif args.responses:
        frame = merge_responses([read_responses(file) for file in args.responses])
        analysis = analyse(frame, args.reference, ties=args.ties)
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
    titles = {method.name: method.title for method in run.methods()}
    return analyse(frame, batch.spec["reference"], batch.protocol.rules, ties, identity_of(frame, batch.spec), titles)
