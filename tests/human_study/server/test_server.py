"""The study server: the course of a session, blinding, security list."""

import json
import re
import secrets
import time

import pytest

from data.errors import InputError
from human_study.page.page import consent_version
from human_study.server.export import backup, export_responses, participants_of
from human_study.server.security import BODY_BYTES, RateLimit
from human_study.server.serve import PANELS, choose_panel
from human_study.server.store import Refusal
from tests.human_study.server.participants import ORIGIN, SECRET_WORDS, SMALL, Participant, config_of, join, record

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
            trial.methods[0], trial.methods[1], trial.trial_id)
        assert row.chosen == ("left" if row.trial_index % 2 else "right")
        assert row.choice_method == (row.left_method if row.chosen == "left" else row.right_method)
    assert set(frame["spec_sha256"]) == {store.batch.spec_sha256}


def test_resume_after_a_reload_and_second_tab(make):
    client = make()
    first = join(client).consent()
    assert first.answer(0).status_code == 200
    second = Participant(client, first.own)  # the same browser, by its cookie
    assert second.state["answered"] == 1 and second.state["trials"] == first.state["trials"]
    assert first.answer(1).json() == {"error": "elsewhere"}
    assert second.answer(1).status_code == 200


def test_two_sessions_in_one_browser(make):
    client = make()
    first, second = join(client).consent(), join(client).consent()
    first.answer(0)
    for one, answered in ((first, 1), (second, 0)):  # both tabs are loaded again: each stays with its session
        again = Participant(client, one.own)
        assert again.headers == one.headers and again.state["answered"] == answered
    client.cookies.clear()
    assert client.get(first.own).status_code == 404


def test_only_who_had_a_reason_may_leave_a_trial_unanswered(make):
    someone = join(make()).consent()
    assert someone.answer(0, "none").json() == {"error": "refused"}
    assert someone.answer(0, "none", focus_lost=True).json() == {"error": "refused"}  # there is no time limit
    assert someone.answer(0, "none", asset_error=True).status_code == 200


def test_a_language_of_the_protocol(make):
    someone = join(make())
    body = {"agreed": True, "vision": True, "version": someone.config["consent_version"], "user_agent_family": "Chrome"}
    assert someone.ask("consent", body | {"language": "=1+1"}).json() == {"error": "refused"}
    assert someone.ask("consent", body | {"language": "en"}).status_code == 200


def test_replay_and_wrong_order(make):
    client = make()
    someone = join(client).consent()
    same = secrets.token_hex(16)
    assert someone.answer(0, "left", same).status_code == 200
    assert someone.answer(0, "left", same).status_code == 200  # the reply was lost: taken once
    assert someone.answer(0, "right", same).json() == {"error": "out_of_step"}  # no second opinion
    assert someone.answer(0, "right").json() == {"error": "out_of_step"}
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
    again = Participant(client, someone.own)
    assert again.state["shown"] is True  # after a reload it is known to have been seen
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
    assert refused.ask("consent", body).json() == {"status": "full", "after": ""}
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
    names = [name for trial in someone.state["trials"] for name in trial["pictures"]]
    answers = [client.get(name) for name in names]
    assert {a.status_code for a in answers} == {200} and {a.headers["content-type"] for a in answers} == {"image/png"}
    assert len({len(a.content) for a in answers}) == 1
    # a date or a tag of the file on the disk: the order of writing would tell the method
    assert not any({"last-modified", "etag"} & set(a.headers) for a in answers)
    for a in answers:
        assert not SECRET_WORDS.search(" ".join(f"{k}: {v}" for k, v in a.headers.items()))
    for path in (someone.own, "/nothing", "/s/wrong"):
        assert not SECRET_WORDS.search(client.get(path).text)


def test_two_participants_cannot_compare_names(make):
    client = make("crn2017-unlimited", ["assignments=9"])
    seen = [{name for trial in join(client).consent().state["trials"] for name in trial["pictures"]} for _ in range(9)]
    assert not set.intersection(*seen) and len(set().union(*seen)) == sum(map(len, seen))


# --- security --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/a/../../etc/passwd", "/a/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/a//etc/passwd",
                                  "/a/x%00.png", "/a/..", "/static/../store.py", "/secret/plan.csv", "/a/spec.json"])
def test_no_path_comes_from_the_client(make, path):
    client = make()
    join(client).consent()
    response = client.get(path)
    assert response.status_code == 404 and "root:" not in response.text


def test_pictures_out_of_reach_are_something_to_try_again(make, caplog):
    client = make()
    name = join(client).consent().state["trials"][0]["pictures"][0]
    images = client.app.state.site.store.batch.public / "images"
    away = images.rename(images.with_name("away"))
    assert [client.get(name).status_code for _ in range(3)] == [503] * 3
    assert caplog.text.count("wait for a picture") == 1  # one line, however many ask
    away.rename(images)
    reply = client.get(name)
    assert reply.status_code == 200 and reply.headers["content-type"] == "image/png"


def test_pictures_of_another_study_or_a_guessed_name(make):
    client = make()
    someone = join(client).consent()
    name = someone.state["trials"][0]["pictures"][0]
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
    assert client.get(one.own).status_code == 404
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
    assert client.get(someone.own, headers={"Host": "evil.example"}).status_code == 400
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
    for claimed in ({}, {"Content-Length": "10"}):  # bytes are counted as they come
        chunked = client.post("/api/answer", content=iter([b"x" * 9000] * 2), headers=someone.headers | kind | claimed)
        assert chunked.status_code == 413
    whole = client.post("/api/open", content=iter([b"{", b"}"]), headers=someone.headers | kind)
    assert whole.status_code == 200
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
    assert site.token("admin") not in page.text and 'replaceState(null, "", "/admin")' in page.text
    someone.answer(0)
    progress = client.get("/admin/progress.json").json()
    assert progress["answers"] == 1 and progress["places"] == 4 and progress["running"][0]["trials"] == 9
    assert not SECRET_WORDS.search(json.dumps(progress)) and progress["flags"] == {}
    assert progress["dropouts"] == {"withdrawn": 0, "gone": 0, "of": 1, "after": []} and progress["end"] is None
    link = client.post("/admin/link").json()["link"]
    assert join_by(client, link).state["status"] == "consent"
    assert "left_method" in client.get("/admin/responses.csv").text
    assert client.post("/admin/link", headers={"Origin": "http://evil.example"}).status_code == 403


def join_by(client, link):
    return Participant(client, link.removeprefix(ORIGIN))


def test_recruiting_is_paused_and_a_place_is_freed(make):
    client = make(settings=[*SMALL, "hits=1"])
    site = client.app.state.site
    client.get(f"/admin/{site.token('admin')}")
    someone = join(client).consent()
    waiting = join(client)
    body = {"agreed": True, "vision": True, "version": waiting.config["consent_version"], "user_agent_family": "other"}
    assert waiting.ask("consent", body).json() == {"status": "full", "after": ""}
    running = client.get("/admin/progress.json").json()["running"]
    assert [client.post("/admin/free", json={"session": running[0]["session"]}).json() for _ in range(2)] == [
        {"freed": True}, {"freed": False}]
    assert someone.answer(0).json() == {"error": "withdrawn"}
    assert client.post("/admin/pause", json={"paused": True}).json() == {"paused": True}
    assert waiting.ask("consent", body).json() == {"status": "full", "after": ""}
    assert client.post("/admin/pause", json={"paused": False}).json() == {"paused": False}
    assert waiting.ask("consent", body).json()["status"] == "running"
    assert client.get("/admin/progress.json").json()["returned"] == 1
    assert "returned" in client.get("/admin/sessions.csv").text
    client.cookies.clear()
    assert client.post("/admin/pause", json={"paused": True}).status_code == 403


def test_kiosk(make):
    client = make()
    token = client.app.state.site.token("kiosk")
    assert client.get("/k/wrong").status_code == 404
    assert "<button" in client.get(f"/k/{token}").text
    first, second = (config_of(client.post(f"/k/{token}").text)["clean_url"] for _ in range(2))
    assert first != second  # everybody a session of his own
    assert client.get(first).status_code == 404  # and nobody goes back to the one before
    someone = Participant(client, second).consent()
    assert someone.all() == {"code": "", "after": f"/k/{token}"}
    frame = export_responses(client.app.state.site.store.batch)
    assert frame["assignment_id"].equals(frame["session_id"])
    gone = Participant(client, config_of(client.post(f"/k/{token}").text)["clean_url"]).consent()
    assert gone.ask("withdraw", {}).json() == {"after": f"/k/{token}"}  # the next one can begin
    assert Participant(client, gone.own).state["after"] == f"/k/{token}"  # after a reload too


def test_prolific(make):
    client = make(panel=choose_panel("prolific", "C1A2B3", "", ""), code="C1A2B3")
    token = client.app.state.site.token("panel")
    path = f"/p/{token}?PROLIFIC_PID=5f00aa&STUDY_ID=s&SESSION_ID=t"
    someone = Participant(client, path).consent()
    assert someone.all() == {"code": "C1A2B3", "after": "https://app.prolific.com/submissions/complete?cc=C1A2B3"}
    assert Participant(client, path).state["status"] == "finished"  # the same person has one session
    assert client.get(f"/p/{token}").status_code == 400 and client.get("/p/wrong?PROLIFIC_PID=a").status_code == 404
    store = client.app.state.site.store
    assert store._read("SELECT detail FROM event WHERE kind = 'arrive'") == [("s",)]  # once, with the panel's study
    frame = export_responses(store.batch)
    assert set(frame["platform"]) == {"prolific"} and set(frame["assignment_id"]) == {"t"}


def test_leaving_for_the_panel_and_the_people_of_a_pilot(make, tmp_path):
    panel = choose_panel("prolific", "C1A2B3", "", "", "https://panel.example/back?why={reason}")
    client = make(settings=[*SMALL, "hits=1"], panel=panel)
    site = client.app.state.site
    path = f"/p/{site.token('panel')}?PROLIFIC_PID="
    someone = Participant(client, path + "W1").consent()
    late = Participant(client, path + "W2").consent()
    assert (late.state["status"], late.state["after"]) == ("full", "https://panel.example/back?why=full")
    assert someone.ask("withdraw", {}).json() == {"after": "https://panel.example/back?why=withdrawn"}
    pilot = tmp_path / "pilot.sqlite"
    backup(site.store.file, pilot)
    site.excluded = participants_of([pilot], site.store.key)
    assert [client.get(path + one).status_code for one in ("W1", "W2", "W3")] == [403, 200, 200]
    with pytest.raises(InputError, match="begun with another key"):
        participants_of([pilot], b"another")


def test_a_participant_who_comes_back_is_paid_for_the_new_assignment(make):
    client = make(panel=PANELS["prolific"])
    path = f"/p/{client.app.state.site.token('panel')}?PROLIFIC_PID=W1&SESSION_ID="
    first = Participant(client, path + "A1").consent()
    assert first.answer(0).status_code == 200
    again = Participant(client, path + "A2")  # A1 was returned
    assert again.state["answered"] == 1
    again.all()
    Participant(client, path + "A3")  # finished: the assignment that was worked on stays
    assert set(export_responses(client.app.state.site.store.batch)["assignment_id"]) == {"A2"}
