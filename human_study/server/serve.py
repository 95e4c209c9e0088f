"""Setting up the study server: its database and key, the panel, addresses and links.

It listens on this computer only, unless --host, --public-url and --i-know are given.
"""

import itertools
import signal
import socket
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from data.errors import InputError, nearest
from data.files import read_rows, write_rows
from evaluation.run_directory import RunDirectory
from human_study.batch.folder import LINKS, RESPONSES, TaskBatch, database_file
from human_study.batch.identity import PRIVATE_FILE
from human_study.protocol.texts import untranslated
from human_study.responses.forgotten import forgotten
from human_study.responses.keys import load_key
from human_study.responses.table import read_responses
from human_study.server.application import create_app
from human_study.server.patience import PatientProtocol
from human_study.server.site import PANELS, SIGNATURE, Panel, Site
from human_study.server.store import Store

LOOPBACK = ("127.0.0.1", "localhost")
BACKLOG = 512  # connections that wait to be taken
STOP_S = 5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def open_store(run: RunDirectory, batch: TaskBatch, key_file: Path | None = None, simulated: bool = False,
               assignments: int | None = None) -> Store:
    """The study's database with its key; both are made on first use. A lost key or database is an
    error; it is never replaced by a new one. Forgotten participants whom a restored backup brought back are deleted
    again."""
    file = database_file(batch.folder, simulated)
    if not file.exists() and not simulated:
        links, table = batch.secret / LINKS, batch.folder / RESPONSES
        panels = {panel.platform for panel in PANELS.values()}
        if links.exists() or (table.exists() and set(read_responses(table)["platform"]) & panels):
            raise InputError(f"{file}: missing, but {links if links.exists() else table} shows that this study was "
                             "served before; put the database back from a backup, or move that file away to start over")
    key = load_key(key_file or batch.key_file, run.path, create=not file.exists())
    store = Store(file, batch, key, simulated, assignments)
    if restored := store.forget(forgotten(batch.folder)):
        print(f"{file}: deleted {restored} session(s) of participants who were forgotten before; a restored backup had "
              "brought them back")
    return store


def choose_panel(name: str, completion_code: str, participant_param: str, complete_url: str, return_url: str = ""
                 ) -> Panel:
    """A panel by name, with the given parameter name and addresses in place of its usual ones."""
    if name not in PANELS:
        raise InputError(f"unknown panel '{name}': {nearest(name, PANELS)}")
    known = PANELS[name]
    if name == "prolific" and not completion_code:
        raise InputError("--panel prolific needs --completion-code: the code set in the study on Prolific")
    for option, url, filled in (("complete", complete_url, "code"), ("return", return_url, "reason")):
        if url and not url.startswith("https://"):
            raise InputError(f"--{option}-url {url}: expected an https address, {{{filled}}} is filled in")
    return replace(known, participant=participant_param or known.participant,
                   complete_url=complete_url or known.complete_url, return_url=return_url)


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
    """Raises InputError where the study would be open to others by accident."""
    if host not in LOOPBACK and not (i_know and public_url):
        raise InputError(f"--host {host} opens the study to the network: put a reverse proxy with TLS before it and "
                         "give --public-url https://NAME and --i-know")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, opened before any link is printed: the port is then certainly ours."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise InputError(f"--host {host} --port {port}: cannot listen there ({error.strerror}); is another study "
                         "served already? Choose another --port") from None
    return made


def links_for(site: Site, file: Path, count: int, new: bool = False) -> list[tuple[str, str]]:
    """(participant, link) of `count` participants: those given out before, in their order, and as many new ones as
    are missing; or all new ones. Participants are called P001, P002, ...; `file` is written before this returns.

    Raises InputError for more links than the study has places.
    """
    if count > site.store.places:
        raise InputError(f"--participants {count}: the study has {site.store.places} places; give --assignments N, or "
                         "--set hits=N for another study")
    all_links = _read_links(file)
    before = [] if new else [(name, link) for name, link in all_links if site.store.by_token(_token(link))]
    # a name is never given twice, not even that of somebody who was forgotten
    free = (name for name in (f"P{number:03d}" for number in itertools.count(1))
            if not site.store.known("local", name))
    made = [(name, site.link(site.store.invite("local", name)[1]))
            for name in itertools.islice(free, max(0, count - len(before)))]
    if made:
        write_links(file, [(name, site.link(_token(link))) for name, link in [*all_links, *made]])
    return [(name, site.link(_token(link))) for name, link in [*before, *made][:count]]


def drop_links(file: Path, store: Store, participant: str) -> int:
    """Take a participant's lines out of a file of links; their number."""
    links = _read_links(file)
    kept = [(name, link) for name, link in links
            if (session := store.by_token(_token(link))) is None or session.participant != participant]
    if len(kept) < len(links):
        write_links(file, kept)
    return len(links) - len(kept)


def _token(link: str) -> str:
    """Of a link; its address may be one that the server had earlier."""
    return link.rpartition("/")[2]


def _read_links(file: Path) -> list[tuple[str, str]]:
    if not file.exists():
        return []
    return [(row["name"], row["link"]) for row in read_rows(file)]


def write_links(file: Path, links: Iterable[tuple[str, str]]) -> None:
    """(name, link) each; readable by the owner only."""
    write_rows(file, [("name", "link"), *links])
    file.chmod(PRIVATE_FILE)


def read_ids(file: Path) -> frozenset[str]:
    """Ids of a panel, one a line."""
    try:
        ids = frozenset(filter(None, map(str.strip, file.read_text(encoding="utf-8-sig").splitlines())))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: a text file with one id per line is expected ({error})") from None
    if not ids:
        raise InputError(f"{file}: no id in it; one per line is expected")
    return ids


def panel_address(site: Site) -> str:
    """With the panel's placeholders: Prolific's own, or where those of another panel belong."""
    panel = site.panel
    filled = "{{{{%{0}%}}}}" if panel.platform == "prolific" else "PLACEHOLDER OF THE PANEL"
    names = (panel.participant, panel.assignment, panel.study, SIGNATURE * site.signed_ids)
    query = "&".join(f"{name}={filled.format(name)}" for name in names if name)
    return f"{site.origins[0]}/p/{site.token('panel')}?{query}"


def announce(site: Site, links: list[tuple[str, str]], kiosk: bool) -> None:
    """Print the addresses for the experimenter; flushed, so that they are visible before the first request."""
    batch = site.store.batch
    print(f"study {batch.study_id}, specification {batch.spec_sha256}")
    print(f"progress (keep to yourself): {site.origins[0]}/admin/{site.token('admin')}")
    print(f"preview (records nothing): {site.origins[0]}/v/{site.token('preview')}")
    if kiosk:
        print(f"kiosk: {site.origins[0]}/k/{site.token('kiosk')}")
    if site.panel != PANELS["local"]:
        print(f"address for the panel: {panel_address(site)}")
    for name, link in links:
        print(f"{name}: {link}")
    for text in untranslated(batch.protocol.texts, batch.protocol.task):
        print(f"warning: {text}")
    sys.stdout.flush()


def server(site: Site) -> uvicorn.Server:
    """There is no access log: it would hold the links. Stopping waits STOP_S seconds for requests in progress."""
    return uvicorn.Server(uvicorn.Config(create_app(site), http=PatientProtocol, ws="none", log_level="warning",
                                         access_log=False, server_header=False, timeout_graceful_shutdown=STOP_S))


def run(site: Site, listening: socket.socket) -> None:
    """Serve until a signal asks to stop; then the database is one complete file without a write-ahead log."""
    serving = server(site)

    def stop(*_: object) -> None:
        serving.should_exit = True

    for number in STOP_SIGNALS:  # uvicorn raises the signal again when it has stopped: by default the process would end
        signal.signal(number, stop)
    try:
        serving.run(sockets=[listening])
    finally:
        site.store.close()
