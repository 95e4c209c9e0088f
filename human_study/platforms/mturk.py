"""Publish a study on MTurk, collect what was submitted, approve the work. Sandbox unless --production.

    python -m human_study.platforms.mturk publish --run runs/street --reward 1.50 --images-url https://host/images [--dry-run]
    python -m human_study.platforms.mturk collect --run runs/street
    python -m human_study.platforms.mturk pay     --run runs/street      # list of what to pay, from responses.csv
    python -m human_study.platforms.mturk approve --run runs/street
    python -m human_study.platforms.mturk reject  --run runs/street --assignment ID --feedback TEXT
    python -m human_study.platforms.mturk close   --run runs/street

Needs the extra `mturk` (boto3). Raw worker ids stay in a folder that only its owner reads, beside the study's key.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd

from data.errors import InputError, one_line_errors
from data.files import read_json, write_text
from evaluation.rundir import RunDirectory
from human_study.analysis.analyze import study_folder
from human_study.batch.batch import RESPONSES, Batch, database_file, read_batch
from human_study.platforms import mturk_study as study
from human_study.platforms.mturk_api import CLOSURE, Requester, connect
from human_study.table.keys import default_key_file
from human_study.table.responses import read_responses


@dataclass(frozen=True)
class Place:
    """Where a study's MTurk files lie: `folder` in the results, `private` outside them."""

    batch: Batch
    folder: Path
    private: Path
    environment: str

    @property
    def manifest(self) -> Path:
        return self.folder / f"manifest-{self.environment}.json"

    @property
    def assignments(self) -> Path:
        return self.private / f"assignments-{self.environment}.json"

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Place":
        batch = read_batch(study_folder(RunDirectory.open(args.run), args.protocol))
        private = default_key_file(batch.study_id, batch.spec_sha256).with_suffix("")
        return cls(batch, batch.secret / "mturk", private, "production" if args.production else "sandbox")


def confirm(place: Place, what: str, ask: Callable[[str], str] = input) -> None:
    """Spending money needs the study's name typed. Raises InputError for anything else, an end of input included."""
    print(f"PRODUCTION: {what}.\nNote: {CLOSURE}.")
    try:
        typed = ask(f"Type the name of the study ({place.batch.study_id}) to do this: ")
    except EOFError:
        typed = ""
    if typed.strip() != place.batch.study_id:
        raise InputError("nothing was done: the name of the study was not typed")


def offer_of(args: argparse.Namespace, batch: Batch) -> study.Offer:
    protocol = batch.protocol
    title = args.title or protocol.texts.title
    return study.Offer(
        title, args.description or f"{title} One session per person.", args.reward or "", args.assignments or
        protocol.assignments, args.minutes or protocol.limit_minutes, images_url=args.images_url.rstrip("/"),
        page_url=args.page_url).check()


def publish(args: argparse.Namespace, place: Place, requester: Callable[[], Requester]) -> str:
    offer = offer_of(args, place.batch)
    todo = study.parts(place.batch, offer)
    price = study.cost(offer.reward, [part.assignments for part in todo])
    if args.dry_run:
        for part in todo:
            write_text(place.folder / "dry-run" / f"{part.key}-{part.number}.xml",
                       study.question(place.batch, offer, part))
        return f"wrote {len(todo)} questions in {place.folder / 'dry-run'}; would cost at most ${price}"
    for part in todo:
        study.question(place.batch, offer, part)  # too large a page is found before the first call
    client = requester()
    if client.production and (left := study.missing(todo, place.manifest)):
        price_left = study.cost(offer.reward, [part.assignments for part in left])
        confirm(place, f"publish {len(left)} HITs for at most ${price_left} including fees")
        balance = Decimal(client.call("GetAccountBalance")["AvailableBalance"])  # HITs already made are paid from it
        if balance < price_left:
            raise InputError(f"the account holds ${balance}, publishing needs up to ${price_left}")
    manifest = study.Manifest.begin(place.manifest, place.batch, offer, client.environment)
    made = study.publish(client, place.batch, offer, manifest)
    return f"{client.environment}: {made} HITs made, {len(todo)} in all, at most ${price}\nmanifest {place.manifest}"


def collect(args: argparse.Namespace, place: Place, requester: Callable[[], Requester]) -> str:
    client = requester()
    manifest = study.Manifest.read(place.manifest, client)
    records = study.collect(client, manifest, place.assignments)
    # answers to an ExternalQuestion are on the study server, MTurk holds the completion codes only
    answers = database_file(place.batch.folder) if manifest.content["offer"]["page_url"] else place.assignments
    add = "--add " if (place.batch.folder / RESPONSES).exists() else ""
    return (f"{len(records)} assignments in {place.assignments} (raw worker ids: keep it to yourself)\n"
            f"import the answers: python -m human_study collect --run {args.run} --protocol {place.batch.folder.name} "
            f"{add}{answers}")


def pay(args: argparse.Namespace, place: Place, requester: Callable[[], Requester]) -> str:
    file = place.folder / "pay-list.csv"
    rows = _payable(args, place)
    write_text(file, rows.to_csv(index=False))
    return f"wrote {file}: {int(rows['accepted'].sum())} of {len(rows)} assignments accepted"


def _payable(args: argparse.Namespace, place: Place) -> pd.DataFrame:
    if not place.manifest.exists():
        raise InputError(f"{place.manifest}: nothing was published in the {place.environment} yet")
    reward = read_json(place.manifest)["offer"]["reward"]
    return study.pay_list(read_responses(args.responses or place.batch.folder / RESPONSES), reward)


def approve(args: argparse.Namespace, place: Place, requester: Callable[[], Requester]) -> str:
    rows = _payable(args, place)
    client = requester()
    count = len(study.waiting(rows)[0])
    if client.production and count:
        reward = Decimal(read_json(place.manifest)["offer"]["reward"])
        confirm(place, f"approve {count} assignments and pay ${count * reward} to their workers")
    found = study.approve(client, rows)
    lines = [f"{found.done} assignments approved"]
    lines += [f"decide yourself about {', '.join(found.undecided)} (see the pay list)"] if found.undecided else []
    return "\n".join([*lines, *(f"{one}: not approved, {why}" for one, why in found.refused.items())])


def reject(args: argparse.Namespace, place: Place, requester: Callable[[], Requester]) -> str:
    if not args.assignment:
        raise InputError("--assignment ID is needed")
    study.reject(requester(), args.assignment, args.feedback)
    return f"{args.assignment} rejected"


def close(args: argparse.Namespace, place: Place, requester: Callable[[], Requester]) -> str:
    client = requester()
    return f"{study.close(client, study.Manifest.read(place.manifest, client))} HITs taken off the market"


ACTIONS = {"publish": publish, "collect": collect, "pay": pay, "approve": approve, "reject": reject, "close": close}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m human_study.platforms.mturk", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--run", required=True)
    parser.add_argument("--protocol", help="which study of the run, where it has several")
    parser.add_argument("--production", action="store_true", help="the real site, for real money (default: sandbox)")
    parser.add_argument("--dry-run", action="store_true", help="publish: write the XML of every question, call nothing")
    parser.add_argument("--reward", help="publish: dollars per HIT, such as 1.50")
    parser.add_argument("--images-url", default="", help="publish: https address of the study's public/images")
    parser.add_argument("--page-url", default="", help="publish: https panel link of the study server instead")
    parser.add_argument("--assignments", type=int, help="publish: workers per HIT (default: the protocol's)")
    parser.add_argument("--minutes", type=int, help="publish: time allowed (default: the protocol's)")
    parser.add_argument("--title")
    parser.add_argument("--description")
    parser.add_argument("--responses", type=Path, help="pay, approve: table of responses (default: the study's)")
    parser.add_argument("--assignment", default="", help="reject: which one")
    parser.add_argument("--feedback", default="", help="reject: reason, sent to the worker")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = _parser()
    args = parser.parse_args(argv)
    with one_line_errors(parser.prog):
        print(ACTIONS[args.action](args, Place.of(args), lambda: connect(args.production)))


if __name__ == "__main__":
    main()
