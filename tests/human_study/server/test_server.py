"""The study server: the course of a session, blinding, security list."""

import json
import re
import secrets
import time

import pytest

from data.errors import InputError
from human_study.page.page import consent_version
from human_study.server.export import backup, participants_of
from human_study.server.security import BODY_BYTES, RateLimit
from human_study.server.serve import PANELS, choose_panel
from tests.human_study.server.participants import ORIGIN, SECRET_WORDS, SMALL, Participant, config_of, record

# --- the course of a session -----------------------------------------------------------------------------------------

def test_a_session_from_link_to_table(make):
    client = make()
    someone = client.join("P001").consent(client_version="0123456789ab")
    assert someone.state["status"] == "running"
    assert [t["practice"] for t in someone.state["trials"]] == [True] + [False] * 8
    code = someone.all()["code"]
    assert re.fullmatch(r"[A-Z2-9]{8}", code)
    assert someone.ask("finish").json()["code"] == code  # the same code whenever it is asked
    frame = client.table()
    assert len(frame) == 9 and set(frame["platform"]) == {"local"} and set(frame["submit_status"]) == {"submitted"}
    assert set(frame["spec_sha256"]) == {client.store.batch.spec_sha256}
    assert set(frame["client_version"]) == {"0123456789ab"}
    for row, trial in zip(frame.itertuples(), client.store.batch.hits[frame["hit_id"][0]], strict=True):
        assert (row.left_method, row.right_method, row.trial_id) == (*trial.methods, trial.trial_id)
        assert row.chosen == ("left" if row.trial_index % 2 else "right")
        assert row.choice_method == (row.left_method if row.chosen == "left" else row.right_method)


def test_tabs_and_sessions_in_one_browser(make):
    client = make()
    first, other = client.join().consent(), client.join().consent()
    assert first.answer(0).status_code == 200
    for one, answered in ((first, 1), (other, 0)):  # both tabs are loaded again: each stays with its session
        again = Participant(client, one.own)
        assert again.headers == one.headers and again.state["answered"] == answered
        assert again.state["trials"] == one.state["trials"]
        assert one.answer(answered).json() == {"error": "elsewhere"}
        assert again.answer(answered).status_code == 200
    client.cookies.clear()
    assert client.get(first.own).status_code == 404


def test_replay_and_wrong_order(make):
    client = make()
    someone = client.join()
    assert someone.answer(0).json() == {"error": "out_of_step"}  # no consent yet
    someone.consent()
    same = secrets.token_hex(16)
    for chosen, client_id, error in (("none", None, "refused"), ("left", same, None), ("left", same, None),
                                     ("right", same, "out_of_step"), ("right", None, "out_of_step")):
        # the same again is taken once, because the reply may be lost; no second opinion
        assert someone.answer(0, chosen, client_id).json() == ({"error": error} if error else {})
    for skipped in (5, 99):
        assert someone.answer(skipped).json() == {"error": "out_of_step"}
    assert someone.ask("finish").json() == {"error": "out_of_step"}
    assert [(i, r["chosen"]) for _, i, r in client.store.records()] == [(0, "left")]
    assert someone.answer(1, "none", focus_lost=True).json() == {"error": "refused"}  # there is no time limit
    assert someone.answer(1, "none", asset_error=True).status_code == 200


def test_no_answer_before_the_pictures_were_shown(make):
    client = make("crn2017-timed", [])
    someone = client.join().consent()
    assert {t["ms"] for t in someone.state["trials"]} >= {125, 8000}
    assert someone.answer(0).json() == {"error": "out_of_step"}
    assert someone.show(1).json() == {"error": "out_of_step"}
    same = secrets.token_hex(16)
    assert [someone.show(0, same).status_code for _ in range(2)] == [200, 200]  # the reply was lost: asked again
    assert someone.show(0).json() == {"error": "out_of_step"}  # one view only
    again = Participant(client, someone.own)
    assert again.state["shown"] is True  # after a reload it is known to have been seen
    assert again.answer(0, "none", focus_lost=True).status_code == 200
    assert again.answer(1, "none", focus_lost=False).status_code == 409  # "none" needs a reason


def test_places_withdrawal_and_abandoned_sessions(make):
    client = make()
    for _ in range(3):
        client.join().consent().all()
    leaving, waiting = client.join().consent(), client.join()
    leaving.answer(0)
    assert waiting.agree().json() == {"status": "full", "after": ""}
    assert leaving.ask("withdraw").status_code == 200 and leaving.answer(1).json() == {"error": "withdrawn"}
    assert waiting.agree().json()["status"] == "running"
    late = client.join()
    assert late.agree().json()["status"] == "full"
    client.store._db.execute("UPDATE session SET seen = seen - 10000 WHERE status = 'running'")
    assert late.agree().json()["status"] == "running"
    frame = client.table()
    assert set(frame.loc[frame.duplicated("session_id", keep=False), "submit_status"]) == {"submitted"}
    assert frame.groupby("submit_status")["session_id"].nunique().to_dict() == {"submitted": 3, "withdrawn": 1}
    assert frame.groupby("hit_id")["session_id"].nunique().to_list() == [1, 1, 1, 1]


def test_consent_must_be_to_the_words_shown(make):
    client = make()
    someone = client.join()
    assert someone.agree(version="old").json() == {"error": "out_of_step"}
    assert someone.agree(agreed=False).status_code == 422
    assert someone.agree(language="=1+1").json() == {"error": "refused"}  # no language of the protocol
    assert someone.config["consent_version"] == consent_version(client.store.batch.protocol)
    assert someone.agree(language="en").status_code == 200


# --- blinding --------------------------------------------------------------------------------------------------------

def test_no_byte_names_a_method(make):
    client = make()
    someone = client.join().consent()
    state = json.dumps(someone.state)
    assert not SECRET_WORDS.search(someone.page) and not SECRET_WORDS.search(state)
    assert not any(asset in someone.page + state for asset in client.store.batch.assets)
    answers = [client.get(name) for trial in someone.state["trials"] for name in trial["pictures"]]
    assert {a.status_code for a in answers} == {200} and {a.headers["content-type"] for a in answers} == {"image/png"}
    assert len({len(a.content) for a in answers}) == 1
    # a date or a tag of the file on the disk: the order of writing would tell the method
    assert not any({"last-modified", "etag"} & set(a.headers) for a in answers)
    assert not any(SECRET_WORDS.search(" ".join(f"{k}: {v}" for k, v in a.headers.items())) for a in answers)
    for path in (someone.own, "/nothing", "/s/wrong"):
        assert not SECRET_WORDS.search(client.get(path).text)


def test_two_participants_cannot_compare_names(make):
    client = make("crn2017-unlimited", ["assignments=9"])
    seen = [{name for trial in client.join().consent().state["trials"] for name in trial["pictures"]} for _ in range(9)]
    assert not set.intersection(*seen) and len(set().union(*seen)) == sum(map(len, seen))


# --- security --------------------------------------------------------------------------------------------------------

def test_pictures_are_given_by_name_only(make, caplog):
    client = make()
    name = client.join().consent().state["trials"][0]["pictures"][0]
    assert client.get(name).status_code == 200
    guessed = (name[:-1] + ("0" if name[-1] != "0" else "1"), f"/a/{next(iter(client.store.batch.assets))}",
               name.replace(name[3:35], client.join().config["key"][:32]))
    for path in (*guessed, "/a/../../etc/passwd", "/a/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/a//etc/passwd", "/a/x%00.png",
                 "/a/..", "/static/../store.py", "/secret/plan.csv", "/a/spec.json"):
        response = client.get(path)
        assert response.status_code == 404 and "root:" not in response.text
    images = client.store.batch.public / "images"
    away = images.rename(images.with_name("away"))
    assert [client.get(name).status_code for _ in range(3)] == [503] * 3  # the page tries again
    assert caplog.text.count("wait for a picture") == 1  # one line, however many ask
    away.rename(images)
    assert client.get(name).headers["content-type"] == "image/png"


def test_credentials_host_and_origin(make):
    client = make()
    one, two = client.join().consent(), client.join().consent()
    forged = one.config["key"].split(".")[0] + "." + two.config["key"].split(".")[1]
    for key in ("", "x", forged, "é"):
        answer = client.post("/api/open", json={}, headers={"X-Session": key.encode()})
        assert answer.status_code == 403, key
    assert client.get("/s/" + secrets.token_urlsafe(32)).status_code == 404
    assert client.get(one.own, headers={"Host": "evil.example"}).status_code == 400
    for origin in ("http://evil.example", "null", ""):
        assert client.post("/api/open", json={}, headers=one.headers | {"Origin": origin}).status_code == 403
    headers = one.headers | {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/open", json={}, headers=headers).status_code == 200


def test_cookie_and_headers(make):
    client = make()
    _, token = client.store.invite("local")
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


def test_malformed_answers_and_bodies(make):
    client = make()
    someone = client.join().consent()
    for change in ({"record": record("up")}, {"record": record(rt_ms=1e300)}, {"record": record(zoom_guess="1")},
                   {"record": record(sentinel_ok=True)}, {"record": record(input_device="<script>")},
                   {"client_id": "x"}, {"trial_index": -1}, {"trial_index": "0"}, {"extra": 1}, {"record": None}):
        body = {"trial_index": 0, "client_id": secrets.token_hex(16), "record": record()} | change
        assert someone.ask("answer", body).status_code == 422, change
    headers = someone.headers | {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b'{"tab": NaN}', b"\xff\xfe", b"[" * 9000):
        assert client.post("/api/answer", content=content, headers=headers).status_code == 422
    # bytes are counted as they come
    for content, claimed in ((b"x" * (BODY_BYTES + 1), {}), (iter([b"x" * 9000] * 2), {}),
                             (iter([b"x" * 9000] * 2), {"Content-Length": "10"})):
        assert client.post("/api/answer", content=content, headers=headers | claimed).status_code == 413
    assert client.post("/api/open", content=iter([b"{", b"}"]), headers=headers).status_code == 200
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
    client.site.limits = limit
    someone = client.join()
    assert [someone.ask("open").status_code for _ in range(3)] == [200, 200, 429]


# --- the experimenter ------------------------------------------------------------------------------------------------

def test_admin_is_apart(make):
    client = make()
    someone = client.join().consent()
    token = client.site.token("admin")
    for path in ("/admin", "/admin/progress.json", "/admin/responses.csv", "/admin/" + someone.config["key"]):
        assert client.get(path).status_code in (403, 404)
    for path in ("/admin/link", "/admin/pause"):
        assert client.post(path).status_code == 403
    page = client.get(f"/admin/{token}")
    assert page.status_code == 200 and not SECRET_WORDS.search(page.text)
    assert token not in page.text and 'replaceState(null, "", "/admin")' in page.text
    someone.answer(0)
    progress = client.get("/admin/progress.json").json()
    assert progress["answers"] == 1 and progress["places"] == 4 and progress["running"][0]["trials"] == 9
    assert not SECRET_WORDS.search(json.dumps(progress)) and progress["flags"] == {}
    assert progress["dropouts"] == {"withdrawn": 0, "gone": 0, "of": 1, "after": []} and progress["end"] is None
    link = client.post("/admin/link").json()["link"]
    assert Participant(client, link.removeprefix(ORIGIN)).state["status"] == "consent"
    assert "left_method" in client.get("/admin/responses.csv").text
    assert client.post("/admin/link", headers={"Origin": "http://evil.example"}).status_code == 403


def test_recruiting_is_paused_and_a_place_is_freed(make):
    client = make(settings=[*SMALL, "hits=1"])
    client.get(f"/admin/{client.site.token('admin')}")
    someone, waiting = client.join().consent(), client.join()
    assert waiting.agree().json() == {"status": "full", "after": ""}
    running = client.get("/admin/progress.json").json()["running"]
    assert [client.post("/admin/free", json={"session": running[0]["session"]}).json() for _ in range(2)] == [
        {"freed": True}, {"freed": False}]
    assert someone.answer(0).json() == {"error": "withdrawn"}
    for paused, status in ((True, "full"), (False, "running")):
        assert client.post("/admin/pause", json={"paused": paused}).json() == {"paused": paused}
        assert waiting.agree().json()["status"] == status
    assert client.get("/admin/progress.json").json()["returned"] == 1
    assert "returned" in client.get("/admin/sessions.csv").text


# --- kiosk and panels ------------------------------------------------------------------------------------------------

def test_kiosk(make):
    client = make()
    start = f"/k/{client.site.token('kiosk')}"
    assert client.get("/k/wrong").status_code == 404 and "<button" in client.get(start).text
    first, second = (config_of(client.post(start).text)["clean_url"] for _ in range(2))
    assert first != second  # everybody a session of his own
    assert client.get(first).status_code == 404  # and nobody goes back to the one before
    assert Participant(client, second).consent().all() == {"code": "", "after": start}
    frame = client.table()
    assert frame["assignment_id"].equals(frame["session_id"])
    gone = Participant(client, config_of(client.post(start).text)["clean_url"]).consent()
    assert gone.ask("withdraw").json() == {"after": start}  # the next one can begin
    assert Participant(client, gone.own).state["after"] == start  # after a reload too


def test_prolific(make):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""), code="C1A2B3")
    path = f"{client.panel('5f00aa')}&STUDY_ID=s&SESSION_ID=t"
    done = {"code": "C1A2B3", "after": "https://app.prolific.com/submissions/complete?cc=C1A2B3"}
    assert Participant(client, path).consent().all() == done
    assert Participant(client, path).state["status"] == "finished"  # the same person has one session
    assert client.get(client.panel("")).status_code == 400 and client.get("/p/wrong?PROLIFIC_PID=a").status_code == 404
    assert client.store._read("SELECT detail FROM event WHERE kind = 'arrive'") == [("s",)]  # once, with its study
    frame = client.table()
    assert set(frame["platform"]) == {"prolific"} and set(frame["assignment_id"]) == {"t"}


def test_leaving_for_the_panel_and_the_people_of_a_pilot(make, tmp_path):
    panel = choose_panel("prolific", "C1A2B3", "", "", "https://panel.example/back?why={reason}")
    client = make(settings=[*SMALL, "hits=1"], panel=panel)
    someone, late = (Participant(client, client.panel(name)).consent() for name in ("W1", "W2"))
    assert (late.state["status"], late.state["after"]) == ("full", "https://panel.example/back?why=full")
    assert someone.ask("withdraw").json() == {"after": "https://panel.example/back?why=withdrawn"}
    pilot = tmp_path / "pilot.sqlite"
    backup(client.store.file, pilot)
    client.site.excluded = participants_of([pilot], client.store.key)
    assert [client.get(client.panel(one)).status_code for one in ("W1", "W2", "W3")] == [403, 200, 200]
    with pytest.raises(InputError, match="begun with another key"):
        participants_of([pilot], b"another")


def test_a_participant_who_comes_back_is_paid_for_the_new_assignment(make):
    client = make(panel=PANELS["prolific"])
    path = f"{client.panel('W1')}&SESSION_ID="
    assert Participant(client, path + "A1").consent().answer(0).status_code == 200
    again = Participant(client, path + "A2")  # A1 was returned
    assert again.state["answered"] == 1
    again.all()
    Participant(client, path + "A3")  # finished: the assignment that was worked on stays
    assert set(client.table()["assignment_id"]) == {"A2"}
