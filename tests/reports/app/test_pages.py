"""The other pages: what they find and show."""

import shutil

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.files import read_json, write_json
from evaluation.trainings import Trainings, training_of, write_trainings
from human_study.batch.write import write_batch
from reports.app.parts import numbers, serving, sources
from reports.app.views.runs import differing
from reports.app.views.training import read_log
from reports.reference import write_reference
from tests.scores import moved, score_of, tau, value_of


@pytest.fixture(scope="module")
def source(read_only_run):
    return sources.open_source(0, "run", read_only_run.path)


def column(run, method: str) -> list[float]:
    return next(s for s in run.scores("segmentation") if s.method == method).per_image["mIoU"]


def test_find_sorts_by_the_difference_of_two_methods(read_only_run, app):
    seen = app(read_only_run, page="Find", order="Difference of two methods", a="CRN", b="pix2pix")
    gaps = pd.Series(column(read_only_run, "crn")) - pd.Series(column(read_only_run, "pix2pix"))
    frame = seen.frame("layout")
    assert list(frame["layout"]) == [f"{i:05d}" for i in gaps.sort_values(ascending=False, kind="stable").index]
    assert frame.iloc[0, 1] == gaps.max()
    lowest = app(read_only_run, page="Find", order="Difference of two methods", a="CRN", b="pix2pix", lowest="true")
    assert list(lowest.frame("layout")["layout"]) == list(frame["layout"])[::-1]


def test_compare_steps_in_the_order_that_find_shows(read_only_run, app):
    query = {"order": "Disagreement of all"}
    found = app(read_only_run, page="Find", **query).frame("layout")
    assert app(read_only_run, **query).viewer["layouts"] == list(found["layout"])


def test_disagreement_is_the_spread_over_methods(source):
    frame = pd.DataFrame({"a": [1.0, 1, None], "b": [3.0, 1, None], "photos": [9.0, 9, 9]})
    assert numbers.disagreement(frame).tolist()[:2] == [1.0, 0.0]
    assert numbers.disagreement(frame).isna().tolist() == [False, False, True]


def test_find_by_class_and_share(read_only_run, source, app):
    shares = numbers.class_shares(source)
    assert shares.sum(axis=1).round(9).eq(1).all()
    wanted = shares.index[shares["car"] >= 0.3]
    assert 0 < len(wanted) < len(shares)
    seen = app(read_only_run, page="Find", classes=["car"], share="30.0")
    assert list(seen.frame("layout")["layout"]) == list(wanted)


def test_no_matching_layout_is_reported(read_only_run, app):
    for page in ("", "Find", "Grid", "Diversity"):
        seen = app(read_only_run, page=page, classes=["car"], share="50.0")
        assert "No layout matches" in seen.words


def test_votes_of_people(scored_run, app):
    folder = scored_run.study / "lab" / "analysis"
    votes = [("00001", "crn", "pix2pix", 3), ("00001", "pix2pix", "crn", 1), ("00004", "crn", "pix2pix", 2)]
    write_json(folder / "preferences.json", [dict(zip(("layout", "preferred", "other", "count"), vote, strict=True))
                                             for vote in votes])
    found = app(scored_run, page="Find", order="People’s votes", a="CRN", b="pix2pix").frame("layout")
    assert found.values.tolist() == [["00004", 1.0], ["00001", 0.75]]


def test_grid_shows_a_page_of_layouts(read_only_run, app):
    sent = app(read_only_run, page="Grid", panes=["Photograph", "CRN"], order="Score of one method", a="CRN").viewer
    best = pd.Series(column(read_only_run, "crn"), read_only_run.layouts()).sort_values(ascending=False)
    assert [row["layout"] for row in sent["rows"]] == list(best.index)
    assert sent["rows"][0]["title"] == f"{best.index[0]} · {best.iloc[0]:.3f}"
    assert [pane["id"] for pane in sent["panes"]] == ["photos", "crn"]


def test_leaderboard_holds_numbers_with_intervals(read_only_run, app):
    seen = app(read_only_run, page="Leaderboard")
    frame = seen.frame("mIoU ↑").set_index("Method")
    assert frame.loc["CRN", "mIoU ↑"] == pytest.approx(0.7) and frame.loc["CRN", "mIoU ↑, 95 %"] == "[0.680, 0.720]"
    assert list(frame.index)[-1] == "Photographs (oracle)"
    assert "SPADE" in set(seen.frame("Protocol")["Method"])


def test_leaderboard_marks_significant_differences(scored_run, app):
    scored_run.write_score(score_of("differences", "pix2pix", [value_of("mIoU", -0.2, (-0.3, -0.1), against="crn")],
                                 details={"tests": {"mIoU minus crn": {"p (Holm)": 0.01}}}))
    row = app(scored_run, page="Leaderboard").frame("significant").iloc[0]
    assert row["significant"] == "yes" and row["resolution"] == pytest.approx(0.1)


def test_leaderboard_shows_the_spread_over_seeds(scored_run, app):
    first = training_of(scored_run)
    write_trainings(Trainings([first, moved(first, 1, 0.01), moved(first, 2, 0.02)]), scored_run.trainings_file)
    seen = app(scored_run, page="Leaderboard")
    assert "Spread over 3 training seeds" in seen.words
    row = seen.frame("standard deviation").set_index(["Method", "Score"]).loc[("CRN", "mIoU ↑")]
    assert row["mean"] == pytest.approx(0.71) and row["standard deviation"] == pytest.approx(0.01)
    assert row["low"] < 0.71 < row["high"] and float(row["resolution"].split()[0]) > 1


def test_several_budgets_are_a_chart_and_a_slider_of_pictures(scored_run, app, tmp_path):
    first, folder = training_of(scored_run), tmp_path / "several"
    for budget in (100, 1000):
        run = folder / f"budget-{budget}"
        shutil.copytree(scored_run.path, run)
        record = read_json(run / "run.json")
        record["config"]["training"]["images_seen"] = budget
        write_json(run / "run.json", record)
    write_trainings(Trainings([first, moved(first, 0, 0.1, 1000)]), run / "scores" / "trainings.json")
    assert sources.folders(["--run", str(folder)]) == [folder / "budget-100", folder / "budget-1000"]
    seen = app(folder)
    assert not seen.errors
    seen.test.select_slider[0].set_value(1000).run()
    assert [pane["url"] for pane in seen.viewer["panes"]][-1].startswith("pictures/1/images/")
    seen = app(run, page="Leaderboard")
    assert not seen.errors and "Over images seen in training" in seen.words


def test_leaderboard_shows_agreement_with_people_and_effects(scored_run, app):
    order = {"crn": 1.0, "pix2pix": 0.5, "image_space": 0.1}
    scored_run.write_score(score_of("agreement", "cityscapes", [tau(1 / 3, (-1.0, 1.0))], {"N": 12},
                                 details={"human order": order, "p (Holm)": {"mIoU": 1.0}}))
    scored_run.write_score(score_of("effects", "mIoU", [value_of("mIoU", 0.05, (0.01, 0.09), effect="crn")], {"N": 12}))
    seen = app(scored_run, page="Leaderboard")
    agreement = next(f.value for f in seen.test.dataframe if "Score" in f.value and len(f.value.columns) == 3)
    assert agreement.iloc[0, 0] == "mIoU" and agreement.iloc[0, 1] == pytest.approx(1 / 3)
    assert "agrees with" in seen.words and "beyond chance" in seen.words
    assert seen.frame("Effect").iloc[0, 1] == pytest.approx(0.05)
    assert [box.label for box in seen.test.expander][:2] == ["Agreement with people",
                                                            "Effects of generator and objective"]


def test_diversity_shows_all_images_of_a_layout(read_only_run, app):
    sent = app(read_only_run, page="Diversity", layout="00002").viewer
    assert [pane["title"] for pane in sent["panes"]] == ["Layout", "Photograph", "image 1", "image 2", "image 3"]
    assert sent["panes"][4]["url"] == "pictures/0/variants/crn_diversity/{layout}/3" and sent["layout"] == "00002"


def test_training_shows_curves_and_the_samples_up_to_a_step(scored_run, app):
    samples = scored_run.method_folder("crn") / "samples"
    samples.mkdir()
    for step in (8, 16):
        (samples / f"step_{step:07d}.png").write_bytes(scored_run.photo_file("00000").read_bytes())
    seen = app(scored_run, page="Training")
    assert "Running:" not in seen.words  # the logs are new, but all have their images
    assert "pictures/0/samples/crn/step_0000016" in seen.html
    seen.test.select_slider(key="at").set_value(8).run()
    assert "step_0000008" in seen.html and "step_0000016" not in seen.html


def test_training_takes_up_what_begins_while_one_looks(scored_run, app):
    log = scored_run.method_folder("image_space") / "log.csv"
    text = log.read_text()
    log.unlink()
    seen = app(scored_run, page="Training")
    chosen = seen.test.multiselect(key="trained")
    assert "image_space" not in chosen.value and len(chosen.value) == 3
    chosen.unselect("crn").run()
    log.write_text(text)
    seen.test.run()
    assert seen.test.multiselect(key="trained").value == ["crn_diversity", "pix2pix", "image_space"]


def test_training_before_the_first_log(scored_run, app):
    logs = {log: log.read_text() for log in scored_run.path.glob("methods/*/log.csv")}
    for log in logs:
        log.unlink()
    seen = app(scored_run, page="Training")
    assert "No training in this run yet" in seen.words
    for log, text in logs.items():
        log.write_text(text)
    seen.test.run()
    assert len(seen.test.multiselect(key="trained").value) == len(logs)


def test_a_log_that_is_being_written(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("step,images,seconds,total\n1,2,0.5,3.0\n2,4,0.")
    assert read_log(file)["total"].isna().tolist() == [False, True]
    file.write_text("")
    assert read_log(file).empty


def test_runs_that_differ(read_only_run, scored_run, app):
    record = scored_run.config()
    record["config"]["seed"] = 7
    write_json(scored_run.path / "run.json", record)
    seen = app(read_only_run, scored_run, page="Runs")
    assert len(seen.frame("Folder")) == 2
    assert differing({"a": {"seed": "0", "x": "1"}, "b": {"seed": "7", "x": "1"}}).to_dict() == {
        "a": {"seed": "0"}, "b": {"seed": "7"}}
    assert list(seen.frame(seen.test.selectbox(key="run").options[0]).index) == ["seed"]


def test_one_of_several_runs_is_chosen_in_the_address(read_only_run, scored_run, tmp_path, app):
    second = sources.names([read_only_run.path, scored_run.path])[1]
    sent = app(read_only_run, scored_run, run=second).viewer
    assert sent["run"] == second and sent["panes"][0]["url"].startswith("pictures/1/")
    seen = app(read_only_run, tmp_path / "gone", page="Runs")
    assert "no such run directory" in seen.words


def test_a_study_is_planned_shown_and_read(scored_run, app):
    assert "python -m human_study hits" in app(scored_run, page="Human study").words
    write_batch(scored_run, "crn2017-unlimited", None, "crn")
    seen = app(scored_run, page="Human study")
    assert not seen.errors
    plan = seen.test.table[0].value["planned"]
    assert "comparisons" in plan["Trials"]
    assert "no answers yet" in seen.words and "Not analysed yet" in seen.words
    folder = next(scored_run.study.glob("*"))
    page = serving.hit_page(folder / "public", "hits-01", 0)
    assert "images/" in page and "${" not in page.split("<script")[0]


@pytest.fixture
def reference(scored_run, tmp_path):
    return write_reference([scored_run], tmp_path / "reference")


@pytest.mark.parametrize("page", ["", "Find", "Grid", "Leaderboard", "Diversity", "Human study", "Training", "Runs"])
def test_a_reference_opens_like_a_run(reference, app, page):
    seen = app(reference, page=page)
    assert not seen.errors
    if page in ("", "Grid"):
        assert {pane["url"].split("/")[2] for pane in seen.viewer["panes"]} == {"previews"}
    if page == "Leaderboard":
        assert seen.frame("mIoU ↑").set_index("Method").loc["CRN", "mIoU ↑"] == pytest.approx(0.7)
    if page == "Runs":
        assert seen.frame("State")["State"].tolist() == ["reference"]


def test_previews_of_a_reference_are_given_out(reference):
    client = TestClient(Starlette(routes=serving.routes(["--run", str(reference)])))
    file = next((reference / "previews" / "100" / "crn").glob("*.jpg"))
    answer = client.get(f"/pictures/0/previews/100/crn/{file.stem}")
    assert answer.content == file.read_bytes() and answer.headers["content-type"] == "image/jpeg"
