"""Run a study on this computer: a link for every participant, a kiosk, or the address for a panel.

    python -m human_study serve --run runs/street [--protocol lab] [--participants 10]
    python -m human_study serve --run runs/street --protocol lab --panel prolific --completion-code C1A2B3 \\
        --public-url https://study.example.org

Listens on this computer only, unless --host, --public-url and --i-know say otherwise.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from data.errors import InputError, nearest, one_line_errors
from data.files import atomic_path
from evaluation.rundir import RunDirectory
from human_study.batch.batch import Batch, database_file, read_batch
from human_study.batch.hits import add_batch_arguments, fitted, protocol_name, study_choices, write_batch
from human_study.design.protocols import is_file
from human_study.server.application import create_app
from human_study.server.site import PANELS, Panel, Site
from human_study.server.store import Store
from human_study.table.keys import default_key_file, load_key

LOOPBACK = ("127.0.0.1", "localhost")


def open_store(run: RunDirectory, batch: Batch, key_file: Path | None = None, simulated: bool = False,
               assignments: int | None = None) -> Store:
    """The study's database with its key; both are made on first use. A lost key is an error, not a new key."""
    file = database_file(batch.folder, simulated)
    place = key_file or default_key_file(batch.study_id, batch.spec_sha256)
    return Store(file, batch, load_key(place, run.path, create=not file.exists()), simulated, assignments)


def batch_to_serve(run: RunDirectory, args: argparse.Namespace) -> Batch:
    """The batch written before, unless options or an edited protocol file say what it should be, or there is none: then
    it is written."""
    choices = study_choices(run, args)
    folder = run.study / choices["protocol"].name
    asked = args.methods or args.reference or args.anchor or args.seed is not None or args.settings
    if asked or not (folder / "secret" / "spec.json").exists():
        return write_batch(run, **choices)
    batch = read_batch(folder)
    edited = is_file(protocol_name(run, args)) and batch.protocol.sha256() != fitted(run, choices["protocol"]).sha256()
    return write_batch(run, **choices) if edited else batch


def choose_panel(name: str, completion_code: str, worker_param: str, complete_url: str) -> Panel:
    """A panel by name, with its own parameter name and final address where they are given."""
    if name not in PANELS:
        raise InputError(f"unknown panel '{name}': {nearest(name, PANELS)}")
    known = PANELS[name]
    if name == "prolific" and not completion_code:
        raise InputError("--panel prolific needs --completion-code: the code set in the study on Prolific")
    if complete_url and not complete_url.startswith("https://"):
        raise InputError(f"--complete-url {complete_url}: expected an https address, {{code}} is filled in")
    return Panel(known.platform, worker_param or known.worker, known.assignment, complete_url or known.complete_url)


def make_site(store: Store, port: int, public_url: str = "", panel: Panel = PANELS["local"],
              completion_code: str = "") -> Site:
    """origins[0] is the address printed in links."""
    origins = [f"http://{name}:{port}" for name in LOOPBACK]
    hosts = list(LOOPBACK)
    if public_url:
        parts = urlsplit(public_url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
            raise InputError(f"--public-url {public_url}: expected https://NAME[:PORT]")
        origins.insert(0, f"https://{parts.netloc}")
        hosts.append(parts.hostname)
    return Site(store, tuple(origins), tuple(hosts), panel, completion_code, secure=origins[0].startswith("https:"))


def check_address(host: str, public_url: str, i_know: bool) -> None:
    """Raises InputError where the study would be open to others without being meant to."""
    if host not in LOOPBACK and not (i_know and public_url):
        raise InputError(f"--host {host} opens the study to the network: put a reverse proxy with TLS before it and "
                         "give --public-url https://NAME and --i-know")


def new_links(site: Site, count: int) -> list[tuple[str, str]]:
    """(participant, link) of `count` new participants P001, P002, ...; names already given out are left out."""
    links = []
    number = 0
    while len(links) < count:
        number += 1
        name = f"P{number:03d}"
        if not site.store.known("local", name):
            links.append((name, f"{site.origins[0]}/s/{site.store.invite('local', name)[1]}"))
    return links


def append_links(file: Path, links: list[tuple[str, str]]) -> None:
    old = list(csv.reader(file.read_text(encoding="utf-8").splitlines())) if file.exists() else [["name", "link"]]
    with atomic_path(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([*old, *links])


def _query(panel: Panel) -> str:
    """Parameters to write behind the panel's address: Prolific's placeholders, or where a panel's own belongs."""
    filled = "{{{{%{0}%}}}}" if panel.platform == "prolific" else "PLACEHOLDER OF THE PANEL"
    return "?" + "&".join(f"{name}={filled.format(name)}" for name in (panel.worker, panel.assignment) if name)


def announce(site: Site, links: list[tuple[str, str]], kiosk: bool) -> None:
    """Addresses for the experimenter; flushed, so that they stand there before the first request."""
    batch = site.store.batch
    print(f"study {batch.study_id}, specification {batch.spec_sha256}")
    print(f"progress (keep to yourself): {site.origins[0]}/admin/{site.token('admin')}")
    if kiosk:
        print(f"kiosk: {site.origins[0]}/k/{site.token('kiosk')}")
    if site.panel != PANELS["local"]:
        print(f"address for the panel: {site.origins[0]}/p/{site.token('panel')}{_query(site.panel)}")
    for name, link in links:
        print(f"{name}: {link}")
    sys.stdout.flush()


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m human_study serve", description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    add_batch_arguments(parser)
    parser.add_argument("--participants", type=int, default=0, metavar="N", help="make N new links of their own")
    parser.add_argument("--kiosk", action="store_true", help="print the address of the kiosk's start screen")
    parser.add_argument("--assignments", type=int, help="workers per HIT (default: the protocol's)")
    parser.add_argument("--panel", default="local", help=", ".join(PANELS))
    parser.add_argument("--completion-code", default="", help="the panel's code for finished participants")
    parser.add_argument("--worker-param", default="", help="name of the panel's URL parameter with the participant")
    parser.add_argument("--complete-url", default="", help="where finished participants go; {code} is filled in")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--public-url", default="", help="address under which participants reach the server")
    parser.add_argument("--i-know", action="store_true", help="really listen beyond this computer")
    parser.add_argument("--key-file", type=Path, help="key of the pseudonyms (default: in your data folder)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    with one_line_errors("python -m human_study serve"):
        check_address(args.host, args.public_url, args.i_know)
        panel = choose_panel(args.panel, args.completion_code, args.worker_param, args.complete_url)
        run = RunDirectory.open(args.run)
        batch = batch_to_serve(run, args)
        store = open_store(run, batch, args.key_file, assignments=args.assignments)
        site = make_site(store, args.port, args.public_url, panel, args.completion_code)
        links = new_links(site, args.participants)
        if links:
            append_links(batch.secret / "links.csv", links)
        announce(site, links, args.kiosk)
    # no access log: it would hold the links
    uvicorn.run(create_app(site), host=args.host, port=args.port, log_level="warning", access_log=False,
                server_header=False)
    store.close()


if __name__ == "__main__":
    main()
