"""No answer is lost or doubled: many at once, killed processes, full disks, two servers."""

import concurrent.futures
import itertools
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from human_study.page.page import consent_version
from human_study.protocol.protocols import load_protocol
from human_study.server.export import export_responses
from tests.human_study.server.participants import SMALL, Participant, config_of, record

ROOT = Path(__file__).parents[3]


def test_many_at_once(make):
    client = make(settings=[*SMALL, "hits=20"])
    people = [client.join() for _ in range(20)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda someone: someone.consent().all()["code"], people))
    assert len(set(codes)) == 20
    frame = client.table()
    assert len(frame) == 20 * 9 and not frame.duplicated(["session_id", "trial_index"]).any()
    assert (frame.groupby("hit_id")["session_id"].nunique() == 1).all()  # nobody got somebody else's place


HTTP = httpx.Client(verify=False)  # one for all: making one takes longer than an answer


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """python -m human_study serve as a process that can be killed."""

    def __init__(self, run, key_file, *more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [sys.executable, "-m", "human_study", "serve", "--run", str(run.path), "--protocol",
                        "crn2017-unlimited", "--port", str(self.port), "--key-file", str(key_file), *more]
        self.output = []

    def start(self):
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        for _ in range(300):
            try:
                HTTP.get(self.url + "/favicon.ico")
                return self
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.stdout.read()
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.output.append(self.process.communicate(timeout=60)[0])


def persistently(url, key, action, body):
    """Like the page: again until there is a reply."""
    for _ in range(1000):
        try:
            headers = {"X-Session": key, "Origin": url}
            reply = HTTP.post(f"{url}/api/{action}", json=body, headers=headers, timeout=5)
            if reply.status_code not in (429, 503):
                return reply
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"no reply to {action}")


def test_killed_between_answer_and_reply(tiny_run, key_file, request):
    server = Server(tiny_run, key_file, "--participants", "4", "--assignments", "4").start()
    request.addfinalizer(lambda: server.process.kill())  # also when the test fails
    with open(tiny_run.study / "crn2017-unlimited" / "secret" / "links.csv") as file:
        links = [line.split(",")[1].strip() for line in file][1:]
    keys = {link: config_of(HTTP.get(link).text)["key"] for link in links}
    acknowledged = {}

    def take_part(link):
        key = keys[link]
        tab = persistently(server.url, key, "open", {}).json()["tab"]
        protocol = load_protocol("crn2017-unlimited")
        state = persistently(server.url, key, "consent", {
            "tab": tab, "agreed": True, "vision": True, "version": consent_version(protocol),
            "user_agent_family": "Chrome"}).json()
        for i in range(len(state["trials"])):
            body = {"tab": tab, "trial_index": i, "client_id": secrets.token_hex(16),
                    "record": record("left" if secrets.randbelow(2) else "right")}
            assert persistently(server.url, key, "answer", body).status_code == 200
            acknowledged[key.partition(".")[0], i] = body["record"]["chosen"]
            time.sleep(0.05)
        return persistently(server.url, key, "finish", {"tab": tab}).json()["code"]

    with concurrent.futures.ThreadPoolExecutor(len(links)) as pool:
        codes = [pool.submit(take_part, link) for link in links]
        while len(acknowledged) < 12:
            assert not any(code.done() for code in codes)  # nobody is done so soon, unless something went wrong
            time.sleep(0.01)
        server.kill()
        server.start()
        codes = [code.result(timeout=60) for code in codes]
    server.kill(signal.SIGTERM)
    assert not list(tiny_run.study.glob("*/secret/study.sqlite-*"))  # the file alone is the whole database
    frame = export_responses(tiny_run.study / "crn2017-unlimited")
    stored = {(row.session_id, row.trial_index): row.chosen for row in frame.itertuples()}
    assert stored == acknowledged and len(stored) == 4 * 14 and len(set(codes)) == 4
    tokens = {link.rsplit("/", 1)[1] for link in links}
    assert not any(token in line for out in server.output for line in out.splitlines() for token in tokens
               if not line.startswith("P00"))
    assert "Traceback" not in "".join(server.output)


def test_two_servers_on_one_database(make):
    first, second = make(), make()
    someone = first.join().consent()
    other = Participant(second, "/s/" + first.store.invite("local")[1])
    other.consent()
    results = []
    threads = [threading.Thread(target=lambda p=p: results.append(p.all()["code"])) for p in (someone, other)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert len(results) == len(set(results)) == 2
    assert first.table()["hit_id"].nunique() == 2


def test_full_disk_is_an_answer_to_try_again(make):
    client = make()
    someone = client.join().consent()
    db, other = client.store._db, client.store.invite("local")[0].session_id
    db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
    fill = ("INSERT INTO event (session_id, at, kind, detail) VALUES (?, 0, 'filler', ?)",
            "INSERT INTO response VALUES (?, (SELECT count(*) FROM response), '', 0, ?)")
    for statement, size in itertools.product(fill, (900, 90, 1)):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            for _ in range(5000):
                db.execute(statement, [other, "x" * size])
    same = secrets.token_hex(16)
    assert someone.answer(0, client_id=same).status_code == 503
    db.execute("DELETE FROM response")
    db.execute("PRAGMA max_page_count=100000")
    assert someone.answer(0, client_id=same).status_code == 200
    assert Participant(client, someone.own).state["answered"] == 1
