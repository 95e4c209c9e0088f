"""The study server: sessions, blinding, security list, no answer lost or doubled, privacy, export."""

import concurrent.futures
import itertools
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import httpx
import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.batch.folder import database_file
from human_study.batch.page import consent_version
from human_study.batch.write import write_batch
from human_study.commands import analyse_run
from human_study.design.protocols import load_protocol
from human_study.server import serve
from human_study.server.application import create_app
from human_study.server.export import export_responses, missing_answers, release
from human_study.server.security import BODY_BYTES, RateLimit
from human_study.server.serve import PANELS, check_address, choose_panel, make_site, open_store
from human_study.server.store import Refusal
from human_study.table.keys import load_key, pseudonym
from human_study.table.responses import merge_responses, read_responses, write_responses

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer versions of Starlette ask for another HTTP client, older ones know this one
    from starlette.testclient import TestClient

ROOT = Path(__file__).parents[3]
ORIGIN = "http://127.0.0.1:8700"
SMALL = ["test_trials=6", "sentinels=1", "instruction_checks=1", "practice=1", "hits=4"]
SECRET_WORDS = re.compile(r"(?<![a-z])(crn|pix2pix|image_space|diversity|photos|blurred|sentinel|perceptual|"
                          r"instruction-obeyed|anchor)(?![a-z])", re.IGNORECASE)


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys" / "study.key"


@pytest.fixture
def make(tiny_run, key_file):
    """A client of a server of its own: make(protocol, settings, panel...)."""
    stores = []

    def build(protocol="lab", settings=SMALL, panel=PANELS["local"], code="", **options):
        batch = write_batch(tiny_run, load_protocol(protocol, settings), None, "crn")
        store = open_store(tiny_run, batch, key_file, **options)
        stores.append(store)
        site = make_site(store, 8700, panel=panel, completion_code=code)
        return TestClient(create_app(site), base_url=ORIGIN, headers={"Origin": ORIGIN}, raise_server_exceptions=True)

    yield build
    for store in stores:
        store.close()


def config_of(page: str) -> dict:
    return json.loads(re.search(r'id="study-config">(.*?)</script>', page)[1])


def record(chosen="left", **more):
    return {"chosen": chosen, "rt_ms": 700.5, "onset_ts": 10.0, "response_ts": 710.5, "focus_lost": False} | more


class Participant:
    """What the page does, without a browser."""

    def __init__(self, client, path):
        self.client = client
        response = client.get(path)
        assert response.status_code == 200
        self.page = response.text
        self.config = config_of(self.page)
        self.headers = {"X-Session": self.config["key"]}
        self.state = self.ask("open", {}).json()

    def ask(self, action, body):
        tab = {"tab": self.state["tab"]} if hasattr(self, "state") else {}
        return self.client.post(f"/api/{action}", json=tab | body, headers=self.headers)

    def consent(self):
        body = {"agreed": True, "vision": True, "version": self.config["consent_version"],
                "user_agent_family": "Chrome"}
        self.state |= self.ask("consent", body).json()
        return self

    def answer(self, index, chosen="left", client_id=None, **more):
        body = {"trial_index": index, "client_id": client_id or secrets.token_hex(16), "record": record(chosen, **more)}
        return self.ask("answer", body)

    def show(self, index, client_id=None):
        return self.ask("shown", {"trial_index": index, "client_id": client_id or secrets.token_hex(16)})

    def all(self):
        for i in range(self.state["answered"], len(self.state["trials"])):
            assert self.answer(i, "left" if i % 2 else "right").status_code == 200
        return self.ask("finish", {}).json()


def join(client, name=None):
    _, token = client.app.state.site.store.invite("local", name)
    return Participant(client, f"/s/{token}")


# --- the course of a session -----------------------------------------------------------------------------------------

def test_a_session_from_link_to_table(make):
    client = make()
    store = client.app.state.site.store
    someone = join(client, "P001").consent()
    assert someone.state["status"] == "running" and len(someone.state["trials"]) == 9
    assert [t["practice"] for t in someone.state["trials"]] == [True] + [False] * 8
    code = someone.all()["code"]
    assert re.fullmatch(r"[A-Z2-9]{8}", code)
    assert someone.ask("finish", {}).json()["code"] == code  # the same code whenever it is asked
    frame = export_responses(store.batch)
    assert len(frame) == 9 and set(frame["platform"]) == {"local"} and set(frame["submit_status"]) == {"submitted"}
    plan = store.batch.hits[frame["hit_id"][0]]
    for row, trial in zip(frame.itertuples(), plan, strict=True):
        assert (row.left_method, row.right_method, row.trial_id) == (
            trial.left_method, trial.right_method, trial.trial_id)
        assert row.chosen == ("left" if row.trial_index % 2 else "right")
        assert row.choice_method == (row.left_method if row.chosen == "left" else row.right_method)
    assert set(frame["spec_sha256"]) == {store.batch.spec_sha256}


def test_resume_after_a_reload_and_second_tab(make):
    client = make()
    first = join(client).consent()
    assert first.answer(0).status_code == 200
    second = Participant(client, "/study")  # the same browser, by its cookie
    assert second.state["answered"] == 1 and second.state["trials"] == first.state["trials"]
    assert first.answer(1).json() == {"error": "elsewhere"}
    assert second.answer(1).status_code == 200


def test_replay_and_wrong_order(make):
    client = make()
    someone = join(client).consent()
    same = secrets.token_hex(16)
    assert someone.answer(0, "left", same).status_code == 200
    assert someone.answer(0, "left", same).status_code == 200  # the reply was lost: taken once
    assert someone.answer(0, "right").json() == {"error": "out_of_step"}  # no second opinion
    assert someone.answer(5).json() == {"error": "out_of_step"}  # nothing skipped
    assert someone.answer(99).json() == {"error": "out_of_step"}
    assert someone.ask("finish", {}).json() == {"error": "out_of_step"}
    store = client.app.state.site.store
    assert [(i, r["chosen"]) for _, i, r in store.records()] == [(0, "left")]


def test_no_answer_before_the_pictures_were_shown(make):
    client = make("crn2017-timed", [])
    someone = join(client).consent()
    assert {t["ms"] for t in someone.state["trials"]} >= {125, 8000}
    assert someone.answer(0).json() == {"error": "out_of_step"}
    assert someone.show(1).json() == {"error": "out_of_step"}
    same = secrets.token_hex(16)
    assert [someone.show(0, same).status_code for _ in range(2)] == [200, 200]  # the reply was lost: asked again
    assert someone.show(0).json() == {"error": "out_of_step"}  # one view only
    assert Participant(client, "/study").state["shown"] is True  # after a reload it is known to have been seen
    again = Participant(client, "/study")
    assert again.answer(0, "none", focus_lost=True).status_code == 200
    assert again.answer(1, "none", focus_lost=False).status_code == 409  # "none" needs a reason


def test_withdrawal(make):
    client = make()
    someone = join(client).consent()
    someone.answer(0)
    assert someone.ask("withdraw", {}).status_code == 200
    assert someone.answer(1).json() == {"error": "withdrawn"}
    frame = export_responses(client.app.state.site.store.batch)
    assert set(frame["submit_status"]) == {"withdrawn"}


def test_places(make):
    client = make()
    hits = [join(client).consent().all() and None for _ in range(4)]
    assert len(hits) == 4
    refused = join(client)
    body = {"agreed": True, "vision": True, "version": refused.config["consent_version"], "user_agent_family": "other"}
    assert refused.ask("consent", body).json() == {"error": "full"}
    frame = export_responses(client.app.state.site.store.batch)
    assert frame.groupby("hit_id")["session_id"].nunique().to_list() == [1, 1, 1, 1]


def test_an_abandoned_place_is_given_to_somebody_else(make):
    client = make(settings=[*SMALL, "hits=1"])
    store = client.app.state.site.store
    join(client).consent()
    with pytest.raises(Refusal, match="full"):
        store.consent(store.invite("local")[0].session_id, "v", "other")
    store._db.execute("UPDATE session SET seen = seen - 10000")
    assert store.consent(store.invite("local")[0].session_id, "v", "other").status == "running"


def test_consent_must_be_to_the_words_shown(make):
    client = make()
    someone = join(client)
    body = {"agreed": True, "vision": True, "version": "old", "user_agent_family": "Chrome"}
    assert someone.ask("consent", body).json() == {"error": "out_of_step"}
    assert someone.ask("consent", body | {"agreed": False}).status_code == 422
    assert someone.answer(0).json() == {"error": "out_of_step"}
    assert someone.config["consent_version"] == consent_version(client.app.state.site.store.batch.protocol)


# --- blinding --------------------------------------------------------------------------------------------------------

def test_no_byte_names_a_method(make):
    client = make()
    store = client.app.state.site.store
    someone = join(client).consent()
    state = json.dumps(someone.state)
    assert not SECRET_WORDS.search(someone.page) and not SECRET_WORDS.search(state)
    for asset in store.batch.assets:
        assert asset not in someone.page + state
    names = [t[side] for t in someone.state["trials"] for side in ("left", "right")]
    answers = [client.get(name) for name in names]
    assert {a.status_code for a in answers} == {200} and {a.headers["content-type"] for a in answers} == {"image/png"}
    assert len({len(a.content) for a in answers}) == 1
    # dates and tags are those of the file on the disk: equal, or the order of writing would tell the method
    assert len({(a.headers["last-modified"], a.headers["etag"]) for a in answers}) == 1
    for a in answers:
        assert not SECRET_WORDS.search(" ".join(f"{k}: {v}" for k, v in a.headers.items()))
    for path in ("/study", "/nothing", "/s/wrong"):
        assert not SECRET_WORDS.search(client.get(path).text)


def test_two_participants_cannot_compare_names(make):
    client = make("crn2017-unlimited", ["assignments=9"])
    seen = [{t[side] for t in join(client).consent().state["trials"] for side in ("left", "right")} for _ in range(9)]
    assert not set.intersection(*seen) and len(set().union(*seen)) == sum(map(len, seen))


# --- security --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/a/../../etc/passwd", "/a/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/a//etc/passwd",
                                  "/a/x%00.png", "/a/..", "/static/../store.py", "/secret/plan.csv", "/a/spec.json"])
def test_no_path_comes_from_the_client(make, path):
    client = make()
    join(client).consent()
    response = client.get(path)
    assert response.status_code == 404 and "root:" not in response.text


def test_pictures_of_another_study_or_a_guessed_name(make):
    client = make()
    someone = join(client).consent()
    name = someone.state["trials"][0]["left"]
    assert client.get(name).status_code == 200
    assert client.get(name[:-1] + ("0" if name[-1] != "0" else "1")).status_code == 404
    asset = next(iter(client.app.state.site.store.batch.assets))
    assert client.get(f"/a/{asset}").status_code == 404
    other = join(client)
    assert client.get(name.replace(name[3:35], other.config["key"][:32])).status_code == 404


def test_credentials(make):
    client = make()
    one, two = join(client).consent(), join(client).consent()
    forged = one.config["key"].split(".")[0] + "." + two.config["key"].split(".")[1]
    for key in ("", "x", forged, "é"):
        answer = client.post("/api/open", json={}, headers={"X-Session": key.encode()})
        assert answer.status_code == 403, key
    client.cookies.clear()
    assert client.get("/study").status_code == 404
    assert client.get("/s/" + secrets.token_urlsafe(32)).status_code == 404


def test_cookie_and_headers(make):
    client = make()
    _, token = client.app.state.site.store.invite("local")
    response = client.get(f"/s/{token}")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and token not in response.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)[1]
    assert response.text.count(f'nonce="{nonce}"') == 2 and nonce not in client.get(f"/s/{token}").text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer" and response.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in response.headers


def test_host_and_origin(make):
    client = make()
    someone = join(client).consent()
    assert client.get("/study", headers={"Host": "evil.example"}).status_code == 400
    for origin in ("http://evil.example", "null", ""):
        response = client.post("/api/open", json={}, headers=someone.headers | {"Origin": origin})
        assert response.status_code == 403
    headers = someone.headers | {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/open", json={}, headers=headers).status_code == 200


@pytest.mark.parametrize("change", [
    {"record": record("up")}, {"record": record(rt_ms=float("1e300"))}, {"record": record(zoom_guess="1")},
    {"record": record(sentinel_ok=True)}, {"record": record(input_device="<script>")}, {"client_id": "x"},
    {"trial_index": -1}, {"trial_index": "0"}, {"extra": 1}, {"record": None}])
def test_malformed_answers(make, change):
    someone = join(make()).consent()
    body = {"trial_index": 0, "client_id": secrets.token_hex(16), "record": record()} | change
    assert someone.ask("answer", body).status_code == 422


def test_broken_bodies(make):
    client = make()
    someone = join(client).consent()
    kind = {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b'{"tab": NaN}', b"\xff\xfe", b"[" * 9000):
        response = client.post("/api/answer", content=content, headers=someone.headers | kind)
        assert response.status_code == 422
    big = client.post("/api/answer", content=b"x" * (BODY_BYTES + 1), headers=someone.headers | kind)
    assert big.status_code == 413
    chunked = client.post("/api/answer", content=iter([b"{}"]), headers=someone.headers | kind)
    assert chunked.status_code == 413  # a length is asked for
    assert client.post("/api/answer", content="tab=1", headers=someone.headers).status_code == 422
    assert client.post("/api/nothing", json={}, headers=someone.headers).status_code == 404


def test_rate_limit(monkeypatch, make):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = RateLimit(rate=2, burst=3)
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]
    assert limit.allows("b")
    now[0] = 1.0
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    client = make()
    client.app.state.site.limits = limit
    someone = join(client)
    assert [someone.ask("open", {}).status_code for _ in range(3)] == [200, 200, 429]


def test_admin_is_apart(make):
    client = make()
    someone = join(client).consent()
    site = client.app.state.site
    for path in ("/admin", "/admin/progress.json", "/admin/responses.csv", "/admin/" + someone.config["key"]):
        assert client.get(path).status_code in (403, 404)
    assert client.post("/admin/link").status_code == 403
    page = client.get(f"/admin/{site.token('admin')}")
    assert page.status_code == 200 and not SECRET_WORDS.search(page.text)
    someone.answer(0)
    progress = client.get("/admin/progress.json").json()
    assert progress["answers"] == 1 and progress["places"] == 4 and progress["running"][0]["trials"] == 9
    assert not SECRET_WORDS.search(json.dumps(progress))
    link = client.post("/admin/link").json()["link"]
    assert join_by(client, link).state["status"] == "consent"
    assert "left_method" in client.get("/admin/responses.csv").text
    assert client.post("/admin/link", headers={"Origin": "http://evil.example"}).status_code == 403


def join_by(client, link):
    return Participant(client, link.removeprefix(ORIGIN))


def test_kiosk(make):
    client = make()
    token = client.app.state.site.token("kiosk")
    assert client.get("/k/wrong").status_code == 404
    assert "<button" in client.get(f"/k/{token}").text
    keys = {config_of(client.post(f"/k/{token}").text)["key"] for _ in range(2)}
    assert len(keys) == 2  # everybody a session of his own
    someone = Participant(client, "/study").consent()
    assert someone.all() == {"code": "", "after": f"/k/{token}"}
    frame = export_responses(client.app.state.site.store.batch)
    assert frame["assignment_id"].equals(frame["session_id"])
    client.post(f"/k/{token}")
    gone = Participant(client, "/study").consent()
    assert gone.ask("withdraw", {}).json() == {"after": f"/k/{token}"}  # the next one can begin
    assert Participant(client, "/study").state["after"] == f"/k/{token}"  # after a reload too


def test_prolific(make):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""), code="C1A2B3")
    token = client.app.state.site.token("panel")
    path = f"/p/{token}?PROLIFIC_PID=5f00aa&STUDY_ID=s&SESSION_ID=t"
    someone = Participant(client, path).consent()
    assert someone.all() == {"code": "C1A2B3", "after": "https://app.prolific.com/submissions/complete?cc=C1A2B3"}
    assert Participant(client, path).state["status"] == "finished"  # the same person has one session
    assert client.get(f"/p/{token}").status_code == 400 and client.get("/p/wrong?PROLIFIC_PID=a").status_code == 404
    frame = export_responses(client.app.state.site.store.batch)
    assert set(frame["platform"]) == {"prolific"} and set(frame["assignment_id"]) == {"t"}


def test_a_worker_who_comes_back_is_paid_for_the_new_assignment(make):
    client = make(panel=PANELS["prolific"])
    path = f"/p/{client.app.state.site.token('panel')}?PROLIFIC_PID=W1&SESSION_ID="
    first = Participant(client, path + "A1").consent()
    assert first.answer(0).status_code == 200
    again = Participant(client, path + "A2")  # A1 was returned
    assert again.state["answered"] == 1
    again.all()
    Participant(client, path + "A3")  # finished: the assignment that was worked on stays
    assert set(export_responses(client.app.state.site.store.batch)["assignment_id"]) == {"A2"}


# --- durability ------------------------------------------------------------------------------------------------------

def test_fifty_at_once(make):
    client = make(settings=[*SMALL, "hits=50"])
    people = [join(client) for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda someone: someone.consent().all()["code"], people))
    assert len(set(codes)) == 50
    frame = export_responses(client.app.state.site.store.batch)
    assert len(frame) == 50 * 9 and not frame.duplicated(["session_id", "trial_index"]).any()
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
        self.output.append(self.process.communicate()[0])


def persistently(url, key, action, body):
    """Like the page: again until there is a reply."""
    while True:
        try:
            headers = {"X-Session": key, "Origin": url}
            reply = HTTP.post(f"{url}/api/{action}", json=body, headers=headers, timeout=5)
            if reply.status_code not in (429, 503):
                return reply
        except httpx.TransportError:
            pass
        time.sleep(0.05)


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
            time.sleep(0.01)
        server.kill()
        server.start()
        codes = [code.result(timeout=60) for code in codes]
    server.kill(signal.SIGTERM)
    frame = export_responses(tiny_run.study / "crn2017-unlimited")
    stored = {(row.session_id, row.trial_index): row.chosen for row in frame.itertuples()}
    assert stored == acknowledged and len(stored) == 4 * 14 and len(set(codes)) == 4
    tokens = {link.rsplit("/", 1)[1] for link in links}
    assert not any(token in line for out in server.output[1:] for line in out.splitlines() for token in tokens)
    assert "Traceback" not in "".join(server.output)


def test_two_servers_on_one_database(make):
    first, second = make(), make()
    someone = join(first).consent()
    other = Participant(second, "/s/" + first.app.state.site.store.invite("local")[1])
    other.consent()
    results = []
    threads = [threading.Thread(target=lambda p=p: results.append(p.all()["code"])) for p in (someone, other)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(set(results)) == 2
    assert export_responses(first.app.state.site.store.batch)["hit_id"].nunique() == 2


def test_full_disk_is_an_answer_to_try_again(make):
    client = make()
    someone = join(client).consent()
    db, other = client.app.state.site.store._db, client.app.state.site.store.invite("local")[0].session_id
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
    assert Participant(client, "/study").state["answered"] == 1


# --- privacy ---------------------------------------------------------------------------------------------------------

def test_raw_ids_are_nowhere(make, tiny_run, key_file):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""))
    worker = "5f00aa77bb11cc22dd33ee44"
    path = f"/p/{client.app.state.site.token('panel')}?PROLIFIC_PID={worker}"
    Participant(client, path).consent().all()
    store = client.app.state.site.store
    assert pseudonym(store.key, "prolific", worker) in set(export_responses(store.batch)["worker_id"])
    for file in tiny_run.study.rglob("*"):
        if file.is_file():
            assert worker.encode() not in file.read_bytes(), file


def test_forget(make, tiny_run, key_file, capsys):
    client = make()
    join(client, "P001").consent().all()
    join(client, "P002").consent().all()
    store = client.app.state.site.store
    name = pseudonym(store.key, "local", "P001")
    arguments = ["--run", str(tiny_run.path), "--protocol", "lab", "--key-file", str(key_file)]
    main(["forget", *arguments, "P001"])
    assert "deleted 1 session" in capsys.readouterr().out
    assert set(export_responses(store.batch)["worker_id"]) == {pseudonym(store.key, "local", "P002")}
    for file in database_file(store.batch.folder).parent.glob("study.sqlite*"):
        assert name.encode() not in file.read_bytes()
    with pytest.raises(SystemExit):
        main(["forget", *arguments, "P001"])
    assert "nobody of platform local" in capsys.readouterr().err


def test_keys(tmp_path):
    results = tmp_path / "run"
    file = tmp_path / "keys" / "a.key"
    with pytest.raises(InputError, match="is missing"):
        load_key(file, results, create=False)
    key = load_key(file, results, create=True)
    assert load_key(file, results, create=False) == key and file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(InputError, match="readable by others"):
        load_key(file, results, create=False)
    with pytest.raises(InputError, match="outside the results"):
        load_key(results / "a.key", results, create=True)
    assert pseudonym(key, "mturk", "A1") != pseudonym(key, "prolific", "A1")


def test_a_lost_or_wrong_key_is_refused(make, tiny_run, key_file, tmp_path):
    client = make()
    batch = client.app.state.site.store.batch
    with pytest.raises(InputError, match="the key is not the one"):
        (tmp_path / "other").mkdir()
        open_store(tiny_run, batch, _made(tmp_path / "other" / "k"))
    key_file.unlink()
    with pytest.raises(InputError, match="is missing"):
        open_store(tiny_run, batch, key_file)


def _made(file):
    load_key(file, Path("/nowhere"), create=True)
    return file


def test_release_has_no_ids_and_coarse_times(make):
    client = make()
    join(client, "P001").consent().all()
    frame = export_responses(client.app.state.site.store.batch)
    public = release(frame)
    text = public.to_csv()
    for name in ("worker_id", "session_id"):
        assert not any(value in text for value in frame[name])
    assert set(public["worker_id"]) == {"w0001"} and set(public["rt_ms"]) == {700.0}
    assert public["assignment_id"].isna().all() and public["outcome"].equals(frame["outcome"])


def test_the_table_for_the_analysis_is_never_lost(make, tiny_run, tmp_path, capsys):
    client = make()
    join(client, "P001").consent().all()
    folder = client.app.state.site.store.batch.folder
    own, arguments = folder / "responses.csv", ["export", "--run", str(tiny_run.path), "--protocol", "lab"]
    assert "--release needs --out" in refused([*arguments, "--release"], capsys)
    assert "--release needs --out" in refused([*arguments, "--release", "--out", str(own)], capsys)
    main([*arguments, "--release", "--out", str(tmp_path / "public.csv")])
    main(arguments)
    main(arguments)  # its own rows may be written again
    frame = read_responses(own)
    other = frame.assign(platform="mturk", session_id="mturk-A1")
    write_responses(merge_responses([frame, other]), own)
    assert "collected from mturk" in refused(arguments, capsys)
    assert len(read_responses(own)) == 18


def test_answers_given_after_the_export_are_not_left_out(make, tiny_run):
    client = make()
    first = join(client)
    first.consent().all()
    folder = client.app.state.site.store.batch.folder
    write_responses(export_responses(folder), folder / "responses.csv")
    assert missing_answers(read_responses(folder / "responses.csv"), folder) == 0
    join(client).consent().answer(0)
    with pytest.raises(InputError, match="behind the study server by 1 answers.*human_study export"):
        analyse_run(tiny_run, "lab")
    write_responses(export_responses(folder), folder / "responses.csv")
    first.ask("withdraw", {})
    with pytest.raises(InputError, match="behind the study server by 9 answers"):
        analyse_run(tiny_run, "lab")


def test_collect_reads_the_database_it_is_given(make, tiny_run, key_file, tmp_path, capsys):
    client = make()
    join(client).consent().all()
    store = client.app.state.site.store
    copy = tmp_path / "from another computer" / "answers.sqlite"
    copy.parent.mkdir()
    with sqlite3.connect(copy) as db:
        store._db.backup(db)
    join(client).consent().all()
    arguments = ["collect", "--run", str(tiny_run.path), "--key-file", str(key_file), str(copy)]
    main(arguments)
    assert read_responses(store.batch.folder / "responses.csv")["session_id"].nunique() == 1
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE meta SET value = 'b' WHERE name = 'spec_sha256'")
    assert "answers to specification b" in refused([*arguments, "--add"], capsys)
    copy.write_text("no database")
    assert "not a database" in refused([*arguments, "--add"], capsys)
    key_file.unlink()
    assert "is missing" in refused([*arguments, "--add"], capsys)
    assert not key_file.exists()  # another key would make everybody somebody else


def refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_simulated_and_people_never_meet(make, tiny_run, key_file):
    people, simulated = make(), make(simulated=True)
    for client in (people, simulated):
        join(client).consent().all()
    batch = people.app.state.site.store.batch
    frames = [export_responses(batch), export_responses(batch, simulated=True)]
    assert [set(frame["platform"]) for frame in frames] == [{"local"}, {"sim"}]
    with pytest.raises(InputError, match="never be merged"):
        merge_responses(frames)
    people.app.state.site.store.close()
    simulated.app.state.site.store.close()
    database_file(batch.folder, simulated=True).rename(database_file(batch.folder))
    with pytest.raises(InputError, match="simulated differs"):
        open_store(tiny_run, batch, key_file)


def test_answers_outlive_a_new_batch(make, tiny_run):
    client = make()
    join(client).consent()
    with pytest.raises(InputError, match="study.sqlite: belongs to a batch with other settings"):
        write_batch(tiny_run, load_protocol("lab", [*SMALL, "hits=5"]), None, "crn")
    write_batch(tiny_run, load_protocol("lab", SMALL), None, "crn")  # the same one is fine


def test_simulated_answers_are_made_again(make, tiny_run):
    client = make(simulated=True)
    join(client).consent().all()
    client.app.state.site.store.close()
    batch = write_batch(tiny_run, load_protocol("lab", [*SMALL, "hits=5"]), None, "crn")
    assert not list(batch.secret.glob("simulated.sqlite*"))


# --- command line ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, message", [
    (["--host", "0.0.0.0"], "opens the study to the network"),
    (["--host", "0.0.0.0", "--i-know"], "--public-url"),
    (["--panel", "prolifik"], "did you mean 'prolific'"),
    (["--panel", "prolific"], "needs --completion-code"),
    (["--complete-url", "http://x"], "expected an https address"),
    (["--protocol", "labb"], "did you mean 'lab'"),
    (["--public-url", "ftp://x"], "expected https://NAME"),
    (["--public-url", "http://x"], "expected https://NAME"),
])
def test_wrong_command_lines(tiny_run, key_file, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--run", str(tiny_run.path), "--key-file", str(key_file), *arguments])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1


@pytest.mark.parametrize("panel, address", [
    (PANELS["local"], None), (choose_panel("local", "", "pid", ""), r"/p/\w+\?pid=PLACEHOLDER"),
    (PANELS["prolific"], r"/p/\w+\?PROLIFIC_PID=\{\{%PROLIFIC_PID%\}\}&SESSION_ID=\{\{%SESSION_ID%\}\}$")])
def test_the_address_for_every_panel_is_printed(make, capsys, panel, address):
    serve.announce(make(panel=panel).app.state.site, [], False)
    found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("address for the panel")]
    assert len(found) == (address is not None) and all(re.search(address, line) for line in found)


def test_addresses(make):
    check_address("127.0.0.1", "", False)
    check_address("0.0.0.0", "https://study.example.org", True)
    store = make().app.state.site.store
    site = make_site(store, 8700, "https://study.example.org")
    page = TestClient(create_app(site), base_url="https://study.example.org").get(f"/k/{site.token('kiosk')}")
    assert page.status_code == 200
    link = f"/s/{store.invite('local')[1]}"
    assert "secure" in TestClient(create_app(site), base_url=site.origins[0]).get(link).headers["set-cookie"].lower()
    assert site.origins[0] == "https://study.example.org" and "study.example.org" in site.hosts and site.secure
