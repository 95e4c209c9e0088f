"""The Streamlit app: by its test harness, and once in a real browser for the pixels."""

import base64
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from data.files import read_image, write_json
from evaluation import merge
from evaluation.rundir import Method, Score, Value
from reports.app_pages.compare import per_image
from reports.app_pages.text import plain

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "reports" / "app.py"


@pytest.fixture
def app(monkeypatch):
    """app(path, **query): the app after its first run on a run directory."""
    def start(*arguments: str, **query) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
        test = AppTest.from_file(str(APP), default_timeout=30)
        test.query_params.update(query)
        return test.run()
    return start


def shown_images(test: AppTest) -> dict[str, bytes]:
    """alt text -> bytes, of every picture on the page."""
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', bodies(test))
    return {alt: base64.b64decode(data) for data, alt in found}


def bodies(test: AppTest) -> str:
    return "".join(block.body for block in test.get("html"))


def errors(test: AppTest) -> list[str]:
    assert not test.exception
    return [error.value.replace("\\", "") for error in test.error]


def test_first_view_shows_layout_photo_and_methods(read_only_run, app):
    test = app("--run", str(read_only_run.path))
    assert not errors(test)
    images = shown_images(test)
    assert images["Photograph of layout 00000"] == read_only_run.photo_file("00000").read_bytes()
    for method in read_only_run.methods()[:3]:
        assert images[f"{method.title} of layout 00000"] == read_only_run.image_file(method.name, "00000").read_bytes()
    layout = np.asarray(Image.open(io.BytesIO(images["Layout of layout 00000"])))
    assert (layout == read_only_run.labels().colourise(read_only_run.layout("00000"))).all()
    for u in (1, 2, 3):
        expected = read_only_run.variant_file("crn_diversity", "00000", u).read_bytes()
        assert images[f"image {u} of layout 00000"] == expected
    assert "image-rendering:pixelated" in bodies(test)
    assert "width:192px;height:96px" in bodies(test)


def test_legend_names_every_class_of_the_layout_with_its_share(read_only_run, app):
    text = bodies(app("--run", str(read_only_run.path)))
    shares = np.bincount(read_only_run.layout("00000").ravel(), minlength=4) / read_only_run.layout("00000").size
    for name, colour, share in zip(read_only_run.labels().names, read_only_run.labels().colours, shares, strict=True):
        if share:
            item = re.search(rf"<li[^>]*>(?:(?!</li>).)*{name} (?:(?!</li>).)*</li>", text).group()
            assert "#{:02x}{:02x}{:02x}".format(*colour) in item
            assert f"{100 * share:.1f} %" in item


def test_scores_of_the_layout_and_of_the_methods(read_only_run, app):
    test = app("--run", str(read_only_run.path))
    own, overall = (frame.value for frame in test.dataframe)
    by_method = {score.method: score for score in read_only_run.scores("segmentation")}
    assert own.loc["CRN", "mIoU ↑"] == by_method["crn"].per_image["mIoU"][0]
    assert own.loc["Photograph", "mIoU ↑"] == by_method["photos"].per_image["mIoU"][0]
    assert list(own.index) == ["Photograph", "CRN", "CRN, diversity", "pix2pix"]
    assert overall.loc["CRN", "mIoU ↑"] == "0.700 [0.680, 0.720]"
    assert list(overall.index)[-1] == "Photographs (oracle)"
    assert "Image-space loss" not in overall.index


def test_rows_of_another_run_and_of_one_title_stand_apart(scored_run, app):
    merge.into_run(scored_run, json.loads(json.dumps(merge.export_table(scored_run)).replace('"pix2pix"', '"oasis"')))
    shutil.copytree(scored_run.method_folder("pix2pix"), scored_run.method_folder("theirs"))
    scored_run.write_method(Method("theirs", "CRN", kind="images"))
    scored_run.write_score(Score("segmentation", "theirs", [Value("mIoU", 0.1, higher_is_better=True)], {},
                                 {"mIoU": [0.1] * 12}))
    test = app("--run", str(scored_run.path), methods=["crn", "theirs"])
    assert not errors(test)
    own, overall = (frame.value for frame in test.dataframe)
    assert own.loc["CRN (theirs)", "mIoU ↑"] == 0.1 != own.loc["CRN (crn)", "mIoU ↑"]
    assert overall.loc["CRN (theirs)", "mIoU ↑"].startswith("0.100")
    assert "oasis" in overall.index and "oasis" not in test.multiselect(key="methods").options


def test_per_image_scores_of_another_number_of_layouts_are_left_out(read_only_run):
    scores = read_only_run.scores()
    assert per_image(scores, read_only_run.methods(), 0, len(read_only_run.layouts()) + 1).empty


def test_next_previous_and_the_link_that_reopens_the_view(read_only_run, app):
    test = app("--run", str(read_only_run.path))
    assert button(test, "Previous").disabled
    button(test, "Next").click()
    test.run()
    test.multiselect(key="methods").set_value(["image_space", "crn"])
    test.radio(key="zoom").set_value("4×")
    test.run()
    link = {key: np.atleast_1d(value).tolist() for key, value in test.query_params.items()}
    assert link == {"layout": ["00001"], "methods": ["image_space", "crn"], "zoom": ["4"]}
    again = app("--run", str(read_only_run.path), **link)
    assert bodies(again) == bodies(test)
    assert set(shown_images(again)) == {f"{title} of layout 00001"
                                        for title in ("Layout", "Photograph", "CRN", "Image-space loss")}


def button(test: AppTest, label: str):
    return next(button for button in test.button if button.label == label)


def test_unknown_names_in_a_link_fall_back(read_only_run, app):
    test = app("--run", str(read_only_run.path), layout="gone", methods=["gone"], classes=["gone"], zoom="99")
    assert not errors(test)
    assert test.selectbox(key="layout").value == "00000"
    assert test.multiselect(key="methods").value == ["crn", "crn_diversity", "pix2pix"]


def test_filter_by_class(scored_run, app):
    names = scored_run.layouts()
    for name in names[::2]:  # no car in every other layout
        layout = scored_run.layout(name).copy()
        layout[layout == 2] = 0
        Image.fromarray(layout).save(scored_run.dataset / "layouts" / f"{name}.png")
    with_car = [name for name in names if (scored_run.layout(name) == 2).any()]
    assert 0 < len(with_car) < len(names)
    test = app("--run", str(scored_run.path), classes=["car"])
    assert test.selectbox(key="layout").options == with_car
    assert test.selectbox(key="layout").value == with_car[0]
    for name in names:
        Image.fromarray(np.zeros_like(scored_run.layout(name))).save(scored_run.dataset / "layouts" / f"{name}.png")
    os.utime(scored_run.dataset / "layouts", (0, 0))
    test = app("--run", str(scored_run.path), classes=["car"])
    assert not errors(test)
    assert "No layout has all of these classes" in test.warning[0].value


def test_fewer_than_two_methods_ask_for_more(read_only_run, app):
    test = app("--run", str(read_only_run.path), methods=["crn"])
    assert "two or more" in test.info[0].value


def test_run_without_scores_says_so(tiny_run, app):
    test = app("--run", str(tiny_run.path))
    assert not errors(test)
    assert "Not scored yet" in test.info[0].value


def test_commands_are_those_of_the_run(tiny_run, app):
    record = tiny_run.config() | {"command": "python -m evaluation.run --all --set seed=1"}
    write_json(tiny_run.path / "run.json", record)
    assert "evaluation.run --all --set seed=1" in app("--run", str(tiny_run.path)).info[0].value.replace("\\", "")
    shutil.rmtree(tiny_run.path / "methods")
    assert "--all --set seed=1 --methods crn," in errors(app("--run", str(tiny_run.path)))[0]


def test_missing_image_is_named_in_its_place(scored_run, app):
    scored_run.image_file("crn", "00000").unlink()
    test = app("--run", str(scored_run.path))
    assert not errors(test)
    assert "no such image" in bodies(test)


def test_odd_names_are_shown_as_they_are(scored_run, app):
    odd = "<script>alert(1)</script> & *x* $y$"
    shutil.copytree(scored_run.method_folder("pix2pix"), scored_run.method_folder("odd"))
    scored_run.write_method(Method("odd", odd, kind="images"))
    test = app("--run", str(scored_run.path), methods=["odd", "crn"])
    assert not errors(test)
    assert "<script>" not in bodies(test)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; *x* $y$ of layout" in bodies(test)
    assert plain("a_b *c* $d$ :red[e]") == r"a\_b \*c\* \$d\$ \:red\[e\]"


@pytest.mark.parametrize(("spoil", "problem"), [
    (lambda run: shutil.rmtree(run.path), "no such run directory"),
    (lambda run: (run.path / "run.json").unlink(), "not a run directory"),
    (lambda run: (run.path / "run.json").write_text("{"), "not valid JSON"),
    (lambda run: shutil.rmtree(run.dataset / "layouts"), "no layouts"),
    (lambda run: (run.dataset / "labels.json").unlink(), "labels.json: no such file"),
    (lambda run: shutil.rmtree(run.path / "methods"), "no synthesized images yet"),
])
def test_incomplete_runs_give_one_line(tiny_run, app, spoil, problem):
    spoil(tiny_run)
    lines = errors(app("--run", str(tiny_run.path)))
    assert len(lines) == 1
    assert problem in lines[0]
    assert "\n" not in lines[0]


@pytest.mark.parametrize("arguments", [["--runs", "x"], ["--run"]])
def test_wrong_arguments_give_one_line(app, arguments):
    assert "expected: streamlit run reports/app.py" in errors(app(*arguments))[0]


def test_no_torch():
    """Neither the app nor the report imports torch: they start fast and run without it."""
    code = ("import sys, reports.report, reports.app_pages.compare; "
            "sys.exit(','.join(m for m in sys.modules if m.split('.')[0] in ('torch', 'torchvision')) or 0)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def served(read_only_run, tmp_path):
    """Address of the app, served for `read_only_run` as `make app` does, from the repository's root."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "reports/app.py", "--server.port", str(port), "--",
               "--run", str(read_only_run.path)]
    log = tmp_path / "app.log"
    with open(log, "w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://localhost:{port}/_stcore/health", process, log)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(address: str, process: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"the app did not start: {log.read_text()}")


def test_pixels_in_a_browser(read_only_run, served, browser_page):
    """What the browser shows is the file, byte for byte and pixel for pixel, and nothing is asked of the network."""
    asked = []
    page = browser_page
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served}/?layout=00002&methods=crn&methods=image_space&zoom=2")
    picture = page.locator("img[alt='Image-space loss of layout 00002']")
    picture.wait_for(timeout=30_000)
    file = read_only_run.image_file("image_space", "00002")
    assert base64.b64decode(picture.get_attribute("src").partition("base64,")[2]) == file.read_bytes()
    assert picture.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    box = picture.bounding_box()
    assert (box["width"], box["height"]) == (128, 64)
    seen = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB")).astype(int)
    inner = slice(4, -4)  # the corners are rounded
    expected = read_image(file).repeat(2, 0).repeat(2, 1)[inner, inner]
    tops = range(seen.shape[0] - 64 + 1)  # a screenshot of a picture between two rows of the screen has one row more
    assert any((seen[top : top + 64][inner, inner] == expected).all() for top in tops)
    page.get_by_role("button", name="Next").click()
    page.locator("img[alt='CRN of layout 00003']").wait_for(timeout=30_000)
    assert parse_qs(urlsplit(page.url).query)["layout"] == ["00003"]
    assert all(urlsplit(url).hostname in ("localhost", None) for url in asked)
