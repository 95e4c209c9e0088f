"""Single pictures and rankings on the study server, without a browser."""

import secrets

from human_study.server.actions import exposure_now
from human_study.server.export import export_responses
from tests.human_study.server.participants import SECRET_WORDS, join

FEW = ["sentinels=1", "practice=1", "hits=4"]


def exposures(someone, chosen):
    """Exposures that the server asks for while every answer is `chosen` by trial; practice and checks left out."""
    store = someone.client.app.state.site.store
    found = []
    for trial in store.trials(store.session(someone.headers["X-Session"].partition(".")[0])):
        i, name = trial.trial_index, secrets.token_hex(16)
        reply = someone.show(i, name).json()
        assert someone.show(i, name).json() == reply  # its reply was lost: the same again
        found += [reply["ms"]] if trial.adaptive else []
        assert reply == {} or trial.adaptive
        key = secrets.token_hex(16)
        answers = [someone.answer(i, chosen(trial), key).status_code for _ in range(2)]
        assert answers == [200, 200]
    return found


def right(trial):
    return "real" if trial.methods == ("photos",) else "fake"


def test_a_staircase_stays_with_the_server(make):
    client = make("hype-time", [*FEW, "test_trials=8"])
    someone = join(client).consent()
    shown = someone.state["trials"]
    assert {len(trial["pictures"]) for trial in shown} == {1} and not SECRET_WORDS.search(str(shown))
    found = exposures(someone, right)
    assert sorted(found) == [490] * 4 + [500] * 4  # four methods, two trials each
    someone.ask("finish", {})
    other = join(client).consent()
    assert set(exposures(other, lambda trial: "fake" if right(trial) == "real" else "real")) == {500, 530}
    frame = export_responses(client.app.state.site.store.batch)
    own = frame[frame["adaptive"].astype(bool)]
    assert sorted(own["exposure_req_ms"].unique()) == [490, 500, 530] and len(own) == 16
    assert set(own["outcome"]) == {0, 1} and frame["sentinel_ok"].notna().sum() == 4


def test_an_exposure_lost_to_a_reload_moves_no_staircase(make):
    client = make("hype-time", [*FEW, "test_trials=8", "practice=0", "sentinels=0"])
    someone = join(client).consent()
    store = client.app.state.site.store
    session = store.sessions()[0]
    first = store.trials(session)[0]
    again = next(t.trial_index for t in store.trials(session)[1:] if t.condition == first.condition)
    for i in range(again):
        someone.show(i)
        assert someone.answer(i, "none", focus_lost=True).status_code == 200
    assert exposure_now(store, session, again) == 500


def test_a_ranking_is_stored_by_methods(make):
    client = make("ranking", [*FEW, "test_trials=4", "languages=[de]"])
    someone = join(client).consent()
    trials = client.app.state.site.store.trials(client.app.state.site.store.sessions()[0])
    for wrong in ({"chosen": "left"}, {"chosen": "ranked"}, {"chosen": "ranked", "ranked": [0, 1, 2]},
                  {"chosen": "ranked", "ranked": [0, 1, 2, 2]}, {"chosen": "ranked", "ranked": [0, 1, 2, 4]}):
        assert someone.answer(0, **wrong).status_code == 409
    for i in range(len(trials)):
        assert someone.answer(i, "ranked", ranked=[2, 0, 3, 1]).status_code == 200
    assert "code" in someone.ask("finish", {}).json()
    frame = export_responses(client.app.state.site.store.batch)
    for trial, ranked in zip(trials, frame["ranked"], strict=True):
        assert ranked == ";".join(trial.methods[place] for place in (2, 0, 3, 1))
    assert someone.config["texts"]["title"] == "Bringen Sie die Bilder in eine Reihenfolge"
    assert (someone.config["pictures"], someone.config["columns"]) == (4, 2)


def test_a_ranking_answers_no_pair(make):
    someone = join(make()).consent()
    assert someone.answer(0, "ranked", ranked=[1, 0]).status_code == 409
    assert someone.answer(0, "left", ranked=[1, 0]).status_code == 409
    assert someone.answer(0, "real").status_code == 409
