"""python -m human_study serve: wrong command lines, addresses, links."""

import re
import secrets
import socket
import threading
import time

import httpx
import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.server import serve
from human_study.server.application import create_app
from human_study.server.patience import PatientProtocol
from human_study.server.security import RateLimit
from human_study.server.serve import PANELS, check_address, choose_panel, links_for, listen, make_site, read_ids
from human_study.simulation.simulate import running
from tests.human_study.server.participants import SMALL, Client, Participant


@pytest.mark.parametrize("arguments, message", [
    (["--host", "0.0.0.0"], "opens the study to the network"),
    (["--host", "0.0.0.0", "--i-know"], "--public-url"),
    (["--panel", "prolifik"], "did you mean 'prolific'"),
    (["--panel", "prolific"], "needs --completion-code"),
    (["--signed-ids"], "--signed-ids needs --only-ids FILE"),
    (["--complete-url", "http://x"], "expected an https address"),
    (["--protocol", "labb"], "did you mean 'lab'"),
    (["--public-url", "ftp://x"], "expected https://NAME"),
    (["--public-url", "http://x"], "expected https://NAME"),
    (["--participants", "-3"], "expected a whole number, 0 or more"),
    (["--participants", "two"], "expected a whole number"),
    (["--participants", "31"], "the study has 3 places"),
    (["--assignments", "0"], "expected a whole number, 1 or more"),
    (["--port", "70000"], "0 to 65535"),
])
def test_wrong_command_lines(tiny_run, key_file, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--run", str(tiny_run.path), "--key-file", str(key_file), *arguments])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1
    assert not list(tiny_run.study.glob("*/secret/links.csv"))


def test_no_link_before_the_port_is_bound(tiny_run, key_file, capsys):
    with listen("127.0.0.1", 0) as taken, pytest.raises(SystemExit):
        main(["serve", "--run", str(tiny_run.path), "--key-file", str(key_file), "--protocol", "crn2017-unlimited",
              "--participants", "2", "--port", str(taken.getsockname()[1])])
    printed = capsys.readouterr()
    assert "cannot listen there" in printed.err and printed.out == ""
    assert not list(tiny_run.study.glob("*/secret/*.sqlite")) and not list(tiny_run.study.glob("*/secret/links.csv"))


def test_links_are_given_out_once(make):
    site = make(settings=[*SMALL, "hits=3"]).site
    file = site.store.batch.secret / "links.csv"
    first = links_for(site, file, 2)
    assert [name for name, _ in first] == ["P001", "P002"] and file.stat().st_mode & 0o777 == 0o600
    assert links_for(site, file, 2) == first and links_for(site, file, 1) == first[:1]  # as at every start
    elsewhere = make_site(site.store, 9999)
    assert [(name, link.replace("9999", "8700")) for name, link in links_for(elsewhere, file, 2)] == first
    assert links_for(site, file, 3)[:2] == first
    new = links_for(site, file, 2, new=True)
    assert [name for name, _ in new] == ["P004", "P005"] and not set(new) & set(first)
    assert len(site.store.sessions()) == 5 and links_for(site, file, 2) == first
    with pytest.raises(InputError, match="the study has 3 places"):
        links_for(site, file, 4)
    assert len(site.store.sessions()) == 5


# --- strangers -------------------------------------------------------------------------------------------------------

def test_guesses_lock_nobody_out(make):
    client = make(panel=PANELS["prolific"])
    site = client.site
    site.guesses = RateLimit(rate=0, burst=5)
    paths = [f"/s/{secrets.token_urlsafe(32)}", "/p/wrong?PROLIFIC_PID=a", "/k/wrong"]
    assert [client.get(paths[i % 3]).status_code for i in range(9)] == [404] * 5 + [429] * 4
    link = f"/s/{site.store.invite('local')[1]}"
    assert {client.get(link).status_code for _ in range(20)} == {200}
    assert client.get(f"/k/{site.token('kiosk')}").status_code == 200
    assert Participant(client, client.panel('W1')).state["status"] == "consent"


def test_newcomers_of_a_panel_do_not_lock_out_who_is_there(make):
    client = make(panel=PANELS["prolific"])
    site = client.site
    site.newcomers = RateLimit(rate=0, burst=2)
    assert [client.get(client.panel(f"W{i}")).status_code for i in range(4)] == [200, 200, 429, 429]
    assert [client.get(client.panel(f"W{i}")).status_code for i in (0, 1, 2, 0)] == [200, 200, 429, 200]
    assert len(site.store.sessions()) == 2


def test_only_listed_and_signed_ids_of_a_panel(make, tmp_path):
    client = make(panel=PANELS["prolific"])
    site = client.site
    (tmp_path / "ids.txt").write_text("W1\nW2\n\n")
    site.only_ids = read_ids(tmp_path / "ids.txt")
    assert [client.get(client.panel(one)).status_code for one in ("W1", "W3", "W1%0a")] == [200, 404, 200]
    site.signed_ids = True
    assert client.get(client.panel("W1")).status_code == client.get(client.panel("W1&sig=0")).status_code == 404
    assert client.get(site.panel_address("W1").removeprefix(site.origins[0])).status_code == 200
    assert client.get(site.panel_address("W1").removeprefix(site.origins[0]).replace("W1", "W2")).status_code == 404
    assert len(site.store.sessions()) == 1
    (tmp_path / "ids.txt").write_text("\n")
    with pytest.raises(InputError, match="no id in it"):
        read_ids(tmp_path / "ids.txt")


@pytest.mark.parametrize("sent", [b"", b"GET /favicon.ico HTTP/1.1\r\nHost: 127", b"POST /api/open HTTP/1.1\r\n"
                                  b"Host: 127.0.0.1\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"])
def test_slow_connections_are_closed(make, monkeypatch, sent):
    monkeypatch.setattr(PatientProtocol, "request_seconds", 0.4)
    store = make().store
    with running(lambda port: make_site(store, port)) as site:
        port = int(site.origins[0].rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
            slow.sendall(sent)
            trickle = threading.Timer(0.2, slow.sendall, [b"x"])  # a byte now and then does not help
            trickle.start()
            while slow.recv(4096):  # until it is closed; after five seconds without that an error
                pass
            trickle.cancel()
        for _ in range(2):  # others are served, on one connection
            assert httpx.get(f"{site.origins[0]}/favicon.ico").status_code == 204
        with httpx.Client() as kept:
            for pause in (0, 0.6):  # a connection may rest between two requests
                time.sleep(pause)
                assert kept.get(f"{site.origins[0]}/favicon.ico").status_code == 204


@pytest.mark.parametrize("panel, address", [
    (PANELS["local"], None), (choose_panel("local", "", "pid", ""), r"/p/\w+\?pid=PLACEHOLDER"),
    (PANELS["prolific"], r"/p/\w+\?PROLIFIC_PID=\{\{%PROLIFIC_PID%\}\}&SESSION_ID=\{\{%SESSION_ID%\}\}&STUDY_ID=")])
def test_the_address_for_every_panel_is_printed(make, capsys, panel, address):
    serve.announce(make(panel=panel).site, [], False)
    found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("address for the panel")]
    assert len(found) == (address is not None) and all(re.search(address, line) for line in found)


def test_a_public_address(make):
    for host, public, knows in (("127.0.0.1", "", False), ("0.0.0.0", "https://study.example.org", True)):
        check_address(host, public, knows)
    store = make().store
    site = make_site(store, 8700, "https://study.example.org")
    client = Client(create_app(site), base_url="https://study.example.org")
    assert client.get(f"/k/{site.token('kiosk')}").status_code == 200
    assert "secure" in client.get(f"/s/{store.invite('local')[1]}").headers["set-cookie"].lower()
    assert site.origins[0] == "https://study.example.org" and "study.example.org" in site.hosts and site.secure
