"""Questions beside the pairs, languages, the preview and ties, on the server."""

import json
import re

from human_study.protocol.texts import ready
from human_study.responses.table import read_responses, write_responses
from human_study.server.export import release
from human_study.server.site import PANELS
from tests.human_study.server.participants import SECRET_WORDS, SMALL, Participant, config_of

ASKING = [*SMALL, "languages=[en, de, ja]", "questions=[age, sex, comment]", "screen_check=true", "colour_plates=3",
          "feedback=true"]
BEFORE = {"age": 33, "sex": "other"}


def test_from_questions_to_the_table(make, tmp_path):
    client = make(settings=ASKING)
    someone = client.join().consent()
    assert someone.config["stages"] == ["before", "screen", "colour", "after"] and someone.state["done"] == []
    said = {"before": BEFORE, "screen": {"px_per_mm": 3.78, "viewing_distance_mm": 600}, "colour": {"colour_right": 3}}
    for stage, answers in said.items():
        assert someone.ask("about", {"stage": stage, "answers": answers}).status_code == 200
    someone = Participant(client, someone.own)
    assert someone.state["done"] == ["before", "screen", "colour"]
    for i in range(9):
        assert someone.answer(i).status_code == 200
    assert someone.ask("finish").json() == {"error": "out_of_step"}  # the last questions come first
    someone.ask("about", {"stage": "after", "answers": {"comment": "=1+1, says Ann"}})
    assert someone.ask("finish").status_code == 200
    frame = client.table()
    first = frame.iloc[0]
    assert (first["q_age"], first["q_sex"], first["note_comment"]) == ("33", "other", "=1+1, says Ann")
    assert (first["px_per_mm"], first["viewing_distance_mm"], first["colour_right"]) == (3.78, 600, 3)
    write_responses(frame, tmp_path / "responses.csv")
    again = read_responses(tmp_path / "responses.csv")
    assert again["q_age"].eq("33").all() and list(again) == list(frame)
    public = release(frame)
    assert "note_comment" not in public and public["q_age"].eq("33").all()


def test_no_question_must_be_answered_and_no_answer_may_be_impossible(make):
    client = make(settings=ASKING)
    someone = client.join().consent()
    for stage, answers in (("before", {"age": 17}), ("before", {"age": "33"}), ("before", {"sex": "x"}),
                           ("before", {"comment": "too early"}), ("before", {"nothing": 1}),
                           ("after", {"comment": "x" * 501}), ("screen", {"px_per_mm": 0}),
                           ("screen", {"px_per_mm": "4"}), ("screen", {"participant": 1}),
                           ("colour", {"colour_right": 4})):
        assert someone.ask("about", {"stage": stage, "answers": answers}).json() == {"error": "refused"}, answers
    for stage in someone.config["stages"]:
        assert someone.ask("about", {"stage": stage, "answers": {}}).status_code == 200
    someone.all()
    frame = client.table()
    assert "q_age" not in frame and frame["px_per_mm"].isna().all()


def test_only_practice_reveals_the_right_answer(make):
    client = make(settings=ASKING)
    someone = client.join().consent()
    plan = client.store.batch.hits[next(iter(client.store.sessions())).hit_id]
    assert [trial.get("answer") for trial in someone.state["trials"]] == [plan[0].sentinel_answer] + [None] * 8
    others = make("crn2017-unlimited", []).join().consent().state["trials"]
    assert all("answer" not in trial for trial in others)


def test_the_language_of_pages_and_of_instruction_checks(make):
    client = make(settings=ASKING, panel=PANELS["prolific"])
    site = client.site
    german = {"Accept-Language": "de-CH, en;q=0.5"}
    for path in ("/s/wrong", "/nothing/of/ours", f"/p/{site.token('panel')}"):
        page = client.get(path, headers=german).text
        assert "<html lang=\"de\">" in page or path.startswith("/nothing"), path
    assert ready("de")["not_found"] in client.get("/s/wrong", headers=german).text
    assert ready("ja")["not_found"] in client.get("/s/wrong?lang=ja").text
    assert ready("en")["not_found"] in client.get("/s/wrong", headers={"Accept-Language": "ko"}).text
    assert "PROLIFIC_PID" in client.get(client.panel(''), headers=german).text
    assert ready("de")["start"] in client.get(f"/k/{site.token('kiosk')}", headers=german).text
    store, seen = site.store, {}
    for language in ("en", "ja"):
        session, token = store.invite("local")
        assert config_of(client.get(f"/s/{token}?lang={language}").text)["language"] == language
        store.consent(session.session_id, "v", "other", None, language)
        session = store.session(session.session_id)
        check = next(t for t in store.trials(session) if t.sentinel == "instruction")
        shown = site.asset_of(site.picture_name(session, check.assets[0]))
        seen[language] = store.batch.assets[shown].image_id
    assert seen["en"].startswith("choose-") and re.fullmatch(r"choose-(left|right)\.ja", seen["ja"])


def test_a_preview_records_nothing(make):
    client = make(settings=ASKING)
    site = client.site
    page = client.get(f"/v/{site.token('preview')}?lang=de")
    config = config_of(page.text)
    assert config["route"] == "preview" and config["language"] == "de" and len(config["trials"]) == 9
    assert "set-cookie" not in page.headers and not SECRET_WORDS.search(page.text)
    assert {client.get(trial["pictures"][0]).status_code for trial in config["trials"]} == {200}
    assert client.get(config["trials"][0]["pictures"][0][:-1] + "x").status_code == 404
    assert client.get("/v/wrong").status_code == 404 and site.store.sessions() == []
    assert site.store._read("SELECT count(*) FROM event") == [(0,)]


def test_a_tie_only_where_the_protocol_has_one(make):
    assert make().join().consent().answer(0, "tie").json() == {"error": "refused"}
    client = make("crn2017-unlimited", ["ties=true"])
    someone = client.join().consent()
    assert someone.answer(0, "tie").status_code == 200
    assert someone.answer(1, layout="stacked").json() == {"error": "refused"}
    frame = client.table()
    assert frame["chosen"].tolist() == ["tie"] and frame["layout"].tolist() == ["side_by_side"]
    assert frame["outcome"].tolist() == [0.5] or frame["sentinel"].tolist() != ["none"]


def test_layouts_are_shown_under_opaque_names(make):
    client = make(settings=[*SMALL, "show_layout=true"])
    someone = client.join().consent()
    trials = someone.state["trials"]
    plan = client.store.batch.hits[client.store.sessions()[0].hit_id]
    assert ["layout" in trial for trial in trials] == [one.sentinel != "instruction" for one in plan]
    names = [name for trial in trials for name in (*trial["pictures"], trial.get("layout")) if name]
    assert len({len(client.get(name).content) for name in names}) == 1
    assert not SECRET_WORDS.search(json.dumps(someone.state))
    header = (client.store.batch.public / "hits-01.csv").read_text().splitlines()[0]
    assert "layout_url_1" in header
