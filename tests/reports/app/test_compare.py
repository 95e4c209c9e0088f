"""The page Compare: the data of the viewer, legend, scores, choices in the address, notes."""

import json
import re
import shutil

import numpy as np
from PIL import Image

from evaluation import merge
from evaluation.run_directory import Method
from reports.app.parts.text import plain
from reports.app.views.compare import per_image
from tests.scores import score_of, value_of


def test_first_view_is_the_first_layout_with_three_methods(read_only_run, app):
    seen = app(read_only_run)
    assert not seen.errors
    sent = seen.viewer
    assert sent["layout"] == "00000" and sent["layouts"] == read_only_run.layouts()
    assert [pane["title"] for pane in sent["panes"]] == ["Layout", "Photograph", "CRN", "CRN, diversity", "pix2pix"]
    assert sent["panes"][2]["url"] == "pictures/0/images/crn/{layout}"
    assert sent["size"] == [32, 64] and sent["view"] == "side"


def test_legend_names_every_class_of_the_layout_with_its_share(read_only_run, app):
    text = app(read_only_run).html
    shares = np.bincount(read_only_run.layout("00000").ravel(), minlength=4) / read_only_run.layout("00000").size
    for name, colour, share in zip(read_only_run.labels().names, read_only_run.labels().colours, shares, strict=True):
        if share:
            item = re.search(rf"<li[^>]*>(?:(?!</li>).)*{name} (?:(?!</li>).)*</li>", text).group()
            assert "#{:02x}{:02x}{:02x}".format(*colour) in item
            assert f"{100 * share:.1f} %" in item


def test_scores_of_the_layout(read_only_run, app):
    own = app(read_only_run, layout="00003").test.dataframe[0].value
    by_method = {score.method: score for score in read_only_run.scores("segmentation")}
    assert own.loc["CRN", "mIoU ↑"] == by_method["crn"].per_image["mIoU"][3]
    assert own.loc["Photograph", "mIoU ↑"] == by_method["photos"].per_image["mIoU"][3]
    assert list(own.index) == ["Photograph", "CRN", "CRN, diversity", "pix2pix"]


def test_rows_of_another_run_and_of_one_title_stand_apart(scored_run, app):
    merge.into_run(scored_run, json.loads(json.dumps(merge.export_table(scored_run)).replace('"pix2pix"', '"oasis"')))
    shutil.copytree(scored_run.method_folder("pix2pix"), scored_run.method_folder("theirs"))
    scored_run.write_method(Method("theirs", "CRN", kind="images"))
    scored_run.write_score(score_of("segmentation", "theirs", [value_of("mIoU", 0.1)], per_image={"mIoU": [0.1] * 12}))
    seen = app(scored_run, methods=["CRN (crn)", "CRN (theirs)"])
    own = seen.test.dataframe[0].value
    assert own.loc["CRN (theirs)", "mIoU ↑"] == 0.1 != own.loc["CRN (crn)", "mIoU ↑"]
    overall = app(scored_run, page="Leaderboard").frame("mIoU ↑")
    assert overall.set_index("Method").loc["CRN (theirs)", "mIoU ↑"] == 0.1
    assert "oasis" in set(overall["Method"]) and "oasis" not in seen.test.multiselect(key="methods").options


def test_per_image_scores_of_another_number_of_layouts_are_left_out(read_only_run):
    scores = read_only_run.scores()
    assert per_image(scores, read_only_run.methods(), 0, len(read_only_run.layouts()) + 1).empty


def test_the_address_reopens_the_view(read_only_run, app):
    sent = app(read_only_run, layout="00002", methods=["Image-space loss", "CRN"], view="Slider", left="CRN",
               right="Image-space loss", zoom="2,0.25,0.5").viewer
    assert sent["layout"] == "00002" and sent["view"] == "slider" and sent["zoom"] == "2,0.25,0.5"
    assert sent["pair"] == ["crn", "image_space"]
    assert [pane["id"] for pane in sent["panes"]] == ["crn", "image_space"]
    beside = app(read_only_run, methods=["Image-space loss", "CRN"]).viewer  # in the order of the run
    assert [pane["id"] for pane in beside["panes"]] == ["layout", "photos", "crn", "image_space"]


def test_unknown_names_in_a_link_fall_back(read_only_run, app):
    seen = app(read_only_run, layout="gone", methods=["gone"], classes=["gone"], zoom="99", view="gone")
    assert not seen.errors
    assert seen.viewer["layout"] == "00000" and seen.viewer["view"] == "side"


def test_the_list_of_layouts_goes_to_one(read_only_run, app):
    seen = app(read_only_run)
    seen.test.selectbox(key="layout choice").set_value("00004").run()
    assert seen.viewer["layout"] == "00004"
    assert seen.test.query_params["layout"] == "00004"


def test_any_two_panes_in_one_place(read_only_run, app):
    seen = app(read_only_run, view="Difference")
    assert seen.viewer["pair"] == ["crn", "crn_diversity"]
    seen.test.selectbox(key="right").set_value("photos").run()
    assert seen.viewer["pair"] == ["crn", "photos"]
    alone = app(read_only_run, view="A/B blink", methods=["CRN"])
    assert alone.viewer["pair"] == ["crn", "photos"]


def test_a_class_without_a_name_and_a_broken_layout_are_named(scored_run, app):
    file = scored_run.dataset / "layouts" / "00000.png"
    layout = scored_run.layout("00000").copy()
    layout[0, 0] = 17
    Image.fromarray(layout).save(file)
    assert "contains class 17" in app(scored_run).words
    file.write_bytes(file.read_bytes()[:60])
    seen = app(scored_run)
    assert not seen.errors and seen.viewer["layout"] == "00000"
    assert "00000.png" in seen.words


def test_odd_names_are_shown_as_they_are(scored_run, app):
    odd = "<script>alert(1)</script> & *x* $y$"
    shutil.copytree(scored_run.method_folder("pix2pix"), scored_run.method_folder("o d&d"))
    scored_run.write_method(Method("o d&d", odd, kind="images"))
    seen = app(scored_run, methods=[odd, "CRN"])
    assert not seen.errors
    pane = seen.viewer["panes"][-1]
    assert pane["title"] == odd  # text for the component, which never makes markup of it
    assert pane["url"] == "pictures/0/images/o%20d%26d/{layout}"
    assert "<script>" not in seen.html + app(scored_run, page="Training").html
    assert plain("a_b *c* $d$ :red[e]") == r"a\_b \*c\* \$d\$ \:red\[e\]"


def test_notes_and_tags_are_kept_in_the_run(scored_run, app):
    seen = app(scored_run, layout="00001")
    seen.test.text_area(key="note of 00001").set_value("a red car")
    seen.test.multiselect(key="tags of 00001").set_value(["odd"])
    next(button for button in seen.test.button if button.label == "Save").click().run()
    kept = json.loads((scored_run.path / "notes.json").read_text())
    assert kept == {"00001": {"note": "a red car", "tags": ["odd"]}}
    assert app(scored_run, tags=["odd"]).viewer["layouts"] == ["00001"]


def test_a_note_that_another_window_saved_meanwhile_is_not_overwritten_in_silence(scored_run, app):
    seen = app(scored_run, layout="00001")
    (scored_run.path / "notes.json").write_text('{"00001": {"note": "theirs", "tags": []}}')
    seen.test.text_area(key="note of 00001").set_value("mine")
    save = next(button for button in seen.test.button if button.label == "Save")
    save.click().run()
    assert "another window has changed this note: theirs" in seen.words
    assert "theirs" in (scored_run.path / "notes.json").read_text()
    next(button for button in seen.test.button if button.label == "Save").click().run()
    assert "mine" in (scored_run.path / "notes.json").read_text()
