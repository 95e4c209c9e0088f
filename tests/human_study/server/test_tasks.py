"""Single pictures and rankings on the study server, without a browser."""

import secrets

from tests.human_study.server.participants import SECRET_WORDS

FEW = ["sentinels=1", "practice=1", "hits=4"]


def exposures(someone, chosen, **more):
    """Exposures that the server asks for while every answer is `chosen` by trial; practice and checks left out."""
    store = someone.client.store
    found = []
    for trial in store.trials(store.session(someone.headers["X-Session"].partition(".")[0])):
        i, name = trial.trial_index, secrets.token_hex(16)
        reply = someone.show(i, name).json()
        assert someone.show(i, name).json() == reply  # its reply was lost: the same again
        found += [reply["ms"]] if trial.adaptive else []
        assert reply == {} or trial.adaptive
        key = secrets.token_hex(16)
        answers = [someone.answer(i, chosen(trial), key, **more).status_code for _ in range(2)]
        assert answers == [200, 200]
    return found


def right(trial):
    return "real" if trial.methods == ("photos",) else "fake"


def test_a_staircase_stays_with_the_server(make):
    client = make("hype-time", [*FEW, "test_trials=8"])
    someone = client.join().consent()
    shown = someone.state["trials"]
    assert {len(trial["pictures"]) for trial in shown} == {1} and not SECRET_WORDS.search(str(shown))
    found = exposures(someone, right)
    assert sorted(found) == [490] * 4 + [500] * 4  # four methods, two trials each
    someone.ask("finish")
    other = client.join().consent()
    assert set(exposures(other, lambda trial: "fake" if right(trial) == "real" else "real")) == {500, 530}
    frame = client.table()
    own = frame[frame["adaptive"].astype(bool)]
    assert sorted(own["exposure_req_ms"].unique()) == [490, 500, 530] and len(own) == 16
    assert set(own["outcome"]) == {0, 1} and frame["sentinel_ok"].notna().sum() == 4
    lost = client.join().consent()  # an exposure lost to a reload moves no staircase
    assert set(exposures(lost, lambda trial: "none", focus_lost=True)) == {500}


def test_a_ranking_is_stored_by_methods(make):
    client = make("ranking", [*FEW, "test_trials=4", "languages=[de]"])
    someone = client.join().consent()
    trials = client.store.trials(client.store.sessions()[0])
    for wrong in ({"chosen": "left"}, {"chosen": "ranked"}, {"chosen": "ranked", "ranked": [0, 1, 2]},
                  {"chosen": "ranked", "ranked": [0, 1, 2, 2]}, {"chosen": "ranked", "ranked": [0, 1, 2, 4]}):
        assert someone.answer(0, **wrong).status_code == 409
    for i in range(len(trials)):
        assert someone.answer(i, "ranked", ranked=[2, 0, 3, 1]).status_code == 200
    assert "code" in someone.ask("finish").json()
    frame = client.table()
    for trial, ranked in zip(trials, frame["ranked"], strict=True):
        assert ranked == ";".join(trial.methods[place] for place in (2, 0, 3, 1))
    assert someone.config["texts"]["title"] == "Bringen Sie die Bilder in eine Reihenfolge"
    assert (someone.config["pictures"], someone.config["columns"]) == (4, 2)


def test_a_ranking_answers_no_pair(make):
    someone = make().join().consent()
    for wrong in ({"chosen": "ranked", "ranked": [1, 0]}, {"chosen": "left", "ranked": [1, 0]}, {"chosen": "real"}):
        assert someone.answer(0, **wrong).status_code == 409
