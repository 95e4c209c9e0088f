"""The app in a real browser: pixels, zoom, pan, slider, blink, difference, keys, Back, links, phone, dark, axe."""

import base64
import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from data.files import read_image

ROOT = Path(__file__).resolve().parents[3]
PAGES = ["", "find", "grid", "leaderboard", "diversity", "human-study", "training", "runs"]
BUSY = "[data-testid=stStatusWidget], [data-testid=stSkeleton], [data-stale=true]"


@pytest.fixture(scope="module")
def served(read_only_run, tmp_path_factory):
    """Address of the app on `read_only_run`, started in another folder than the repository's root."""
    with serving(read_only_run, tmp_path_factory.mktemp("else where")) as address:
        yield address


@contextmanager
def serving(run, folder: Path, *options: str, base: str = ""):
    """Address of the app; what it prints is in folder/app.log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "reports.app", "--port", str(port), "--run", str(run.path), *options]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with open(folder / "app.log", "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
                                   env=os.environ | {"PYTHONPATH": path})
    try:
        _wait_for(f"http://127.0.0.1:{port}{base}/_stcore/health", process, folder / "app.log")
        yield f"http://127.0.0.1:{port}{base}"
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


def at_layout(page, name: str):
    """The viewer, once it shows this layout in all panes."""
    viewer = page.locator(f"section[data-layout='{name}'][aria-busy='false']")
    viewer.wait_for(timeout=30_000)
    return viewer


def address(page, **wanted: str | None) -> None:
    """Wait until the address says so; None: does not say anything."""
    def right(url: str) -> bool:
        query = parse_qs(urlsplit(url).query)
        return all(query.get(name, [None])[0] == value for name, value in wanted.items())
    page.wait_for_url(right, timeout=15_000)


def settled(page) -> None:
    """The script has run to its end, and nothing is faded any more."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=30_000)
    page.wait_for_function(f"!document.querySelector('{BUSY}')")
    page.wait_for_timeout(500)


def boxes(page) -> list[dict]:
    """Where the pictures lie, relative to their frames."""
    return page.locator(".frame").evaluate_all(
        "frames => frames.map((f) => { const a = f.getBoundingClientRect(), b = f.querySelector('img')"
        ".getBoundingClientRect(); return [b.x - a.x, b.y - a.y, b.width, b.height].map(Math.round) })")


def boxes_once(page, right) -> list[dict]:
    """The same as soon as they fulfil a condition; a page draws some time after a key press."""
    end = time.monotonic() + 15
    while not right(found := boxes(page)) and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert right(found), found
    return found


def shows(locator, text: str) -> None:
    """Wait until it does."""
    from playwright.sync_api import expect
    expect(locator).to_have_text(text, timeout=15_000)


def screen(locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(int)


def test_pixels_keys_zoom_and_back(read_only_run, served, browser_page):
    page, asked, sent = browser_page, [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda web: web.on("framereceived", lambda frame: sent.append(frame)))
    page.goto(f"{served}/?layout=00002&methods=CRN&methods=Image-space+loss")
    at_layout(page, "00002")
    picture = page.locator("img[alt='Image-space loss of layout 00002']")
    file = read_only_run.image_file("image_space", "00002")
    assert page.request.get(picture.evaluate("image => image.currentSrc")).body() == file.read_bytes()
    fit = boxes(page)[0][2]  # 64 pixels wide; fit is a whole multiple, so that all pixels are alike
    assert fit % 64 == 0 and fit > 128
    seen, scale = screen(picture), fit // 64
    inner = slice(4, -4)
    expected = read_image(file).repeat(scale, 0).repeat(scale, 1)
    tops = range(seen.shape[0] - expected.shape[0] + 1)  # a screenshot between two rows of the screen has a row more
    assert any((seen[t : t + expected.shape[0]][inner, inner] == expected[inner, inner]).all() for t in tops)

    page.keyboard.press("+")
    page.keyboard.press("+")
    zoomed = boxes_once(page, lambda found: found[0][2] > 2 * fit and all(box == found[0] for box in found))
    frame = page.locator(".frame").nth(1).bounding_box()
    page.mouse.move(frame["x"] + 150, frame["y"] + 60)
    page.mouse.down()
    page.mouse.move(frame["x"] + 110, frame["y"] + 50, steps=4)
    page.mouse.up()
    panned = boxes_once(page, lambda found: all(
        (zoomed[0][0] - box[0], zoomed[0][1] - box[1]) == (40, 10) for box in found))
    page.wait_for_function("(new URLSearchParams(location.search).get('zoom') ?? ',0.5').split(',')[1] !== '0.5'")
    link = page.url

    page.keyboard.press("ArrowRight")
    at_layout(page, "00003")
    shows(page.locator("[data-part=heading]"), "Layout 00003 · 4 of 12")
    assert page.locator(".gap").all_inner_texts() == []
    boxes_once(page, lambda found: found == panned)  # the same part of the next layout
    address(page, layout="00003")
    page.keyboard.press("ArrowRight")
    address(page, layout="00004")
    page.go_back()
    at_layout(page, "00003")
    page.goto(link)
    at_layout(page, "00002")
    boxes_once(page, lambda found: found == panned)
    page.keyboard.press("0")
    boxes_once(page, lambda found: found[0][2] == fit)
    assert all(urlsplit(url).hostname in ("127.0.0.1", None) for url in asked)
    assert not any(base64.b64encode(file.read_bytes())[:200] in bytes(frame, "utf8") if isinstance(frame, str)
                   else file.read_bytes()[50:150] in frame for frame in sent)  # no picture in the websocket


def test_started_elsewhere_it_listens_on_this_machine_only_and_keeps_the_theme(served, browser_page, tmp_path_factory):
    port = urlsplit(served).port
    with socket.socket() as other:  # a second address of this machine, which a server on all addresses answers
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", port)) != 0
    log = next(tmp_path_factory.getbasetemp().glob("else where*/app.log")).read_text(encoding="utf-8")
    assert f"127.0.0.1:{port}" in log and "statistics" not in log and "External" not in log
    browser_page.goto(f"{served}/")
    at_layout(browser_page, "00000")
    chosen = browser_page.get_by_role("radio", name="Side by side")
    chosen.wait_for()
    assert "rgb(11, 92, 173)" in chosen.evaluate("e => getComputedStyle(e).color + getComputedStyle(e).borderColor")


def test_pictures_appear_behind_a_proxy_with_a_path(read_only_run, tmp_path, browser_page):
    page = browser_page
    with serving(read_only_run, tmp_path, "--base-path", "/suite/", base="/suite") as address:
        page.goto(address)
        at_layout(page, "00000")
        assert page.locator(".gap").all_inner_texts() == []
        page.goto(f"{address}/grid?panes=Photograph")
        page.get_by_role("button", name="Photograph of layout 00004").click(timeout=30_000)
        at_layout(page, "00004")
        assert urlsplit(page.url).path == "/suite/" and page.locator(".gap").all_inner_texts() == []


def test_two_in_one_place(read_only_run, served, browser_page):
    page = browser_page
    page.goto(f"{served}/?layout=00001&view=Slider&left=CRN&right=Image-space+loss")
    at_layout(page, "00001")
    frame = page.locator(".frame")
    a, b = (read_image(read_only_run.image_file(m, "00001")).astype(int) for m in ("crn", "image_space"))
    scale = boxes(page)[0][2] // 64
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 40, steps=3)
    page.mouse.up()
    shows(page.locator("[data-part=range-value]"), "25 %")
    seen = screen(frame)[scale // 2 :: scale, scale // 2 :: scale][:32, :64]
    assert (seen[4:12, :13] == a[4:12, :13]).all() and (seen[4:12, 20:] == b[4:12, 20:]).all()

    page.get_by_text("A/B blink", exact=True).click()
    address(page, view="A/B blink")
    caption = page.locator("figcaption")
    page.get_by_text("A: CRN").wait_for()
    page.keyboard.press("b")
    shows(caption, "B: Image-space loss")
    assert page.locator(".frame img").get_attribute("alt") == "Image-space loss of layout 00001"
    page.get_by_role("button", name="Blink").click()
    page.locator("[data-part=auto][aria-pressed=true]").wait_for()
    page.get_by_role("button", name="Blink").click()

    page.get_by_text("Difference", exact=True).click()
    page.get_by_text("Difference of CRN and Image-space loss, times 4").wait_for()
    settled(page)
    seen = screen(frame)[scale // 2 :: scale, scale // 2 :: scale][:32, :64]
    assert abs(seen - np.minimum(255, 4 * abs(a - b))).max() <= 4

    page.get_by_text("Layout over", exact=True).click()
    page.get_by_text("Opacity of the layout").wait_for()
    page.locator("[data-part=amount]").fill("100")
    settled(page)
    layout = read_only_run.labels().colourise(read_only_run.layout("00001")).astype(int)
    frame = page.locator("figure", has_text="CRN").locator(".frame").first
    scale = boxes(page)[0][2] // 64
    seen = screen(frame)[scale // 2 :: scale, scale // 2 :: scale][:32, :64]
    assert (seen == layout).all()

    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PNG").click()
    saved = Image.open(download.value.path())
    assert download.value.suggested_filename == "run-00001-overlay.png" and saved.width > 64 * scale


def test_phone_dark_and_gaps(read_only_run, served, browser_page):
    page = browser_page
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.route(re.compile("/images/crn/"), lambda route: route.fulfill(status=404, body="crn: no such image"))
    page.goto(f"{served}/")
    at_layout(page, "00000")
    shows(page.locator(".gap"), "not shown: crn: no such image")
    assert page.locator(".frame img").count() == 4  # the other panes stay
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = page.locator("[data-testid=stApp]").evaluate("e => getComputedStyle(e).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 60
    page.emulate_media(color_scheme="light")
    page.reload()
    at_layout(page, "00000")
    ground = page.locator("[data-testid=stApp]").evaluate("e => getComputedStyle(e).backgroundColor")
    assert min(map(int, re.findall(r"\d+", ground)[:3])) > 200


def test_a_click_opens_what_was_found(read_only_run, served, browser_page):
    page = browser_page
    page.goto(f"{served}/grid?panes=Photograph")
    page.get_by_role("button", name="Photograph of layout 00004").click(timeout=30_000)
    at_layout(page, "00004")
    scores = {score.method: score.per_image["mIoU"] for score in read_only_run.scores("segmentation")}
    gaps = np.array(scores["crn"]) - np.array(scores["pix2pix"])
    page.goto(f"{served}/find?order=Difference+of+two+methods&b=pix2pix")
    page.locator("[data-testid=stVegaLiteChart] .mark-symbol path").nth(2).click(timeout=30_000)  # in the list's order
    third = f"{np.argsort(-gaps, kind='stable')[2]:05d}"
    at_layout(page, third)
    address(page, layout=third, order="Difference of two methods", right="pix2pix")
    shows(page.locator("[data-part=heading]"), f"Layout {third} · 3 of 12")
    page.go_back()
    page.get_by_text("12 layouts, by mIoU ↑: CRN minus pix2pix").wait_for(timeout=30_000)
    assert urlsplit(page.url).path == "/find"


def test_axe_finds_nothing_on_any_page(read_only_run, served, browser_page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = {}
    for name in PAGES:
        browser_page.goto(f"{served}/{name}")
        browser_page.locator("[data-testid=stMainBlockContainer]").wait_for(timeout=30_000)
        settled(browser_page)
        violations = axe.Axe().run(browser_page).response["violations"]
        found[name] = [(v["id"], [node["html"][:160] for node in v["nodes"]][:3]) for v in violations]
    assert {name: rules for name, rules in found.items() if rules} == {}
