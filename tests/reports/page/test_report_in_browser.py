"""The report in a real browser: widths, dark colours, print, accessibility."""

import shutil
import subprocess

import pytest

from evaluation.run_directory import FLOOR, RunDirectory
from reports.report import write_report
from tests.scores import fd, score_of, tau, value_of

LONG = "A method whose title is as long as titles of papers sometimes are"
SCREENS = [(390, 844, "light"), (390, 844, "dark"), (1440, 900, "light"), (1440, 900, "dark")]


@pytest.fixture(scope="module")
def run(read_only_run, tmp_path_factory) -> RunDirectory:
    """With everything that a report can show: comparisons, people's orders, costs, a long title, hashes."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(read_only_run.path, folder)
    run = RunDirectory.open(folder)
    about = next(m for m in run.methods() if m.name == "image_space")
    about.title = LONG
    run.write_method(about)
    for i, method in enumerate(run.methods()):
        costs = [value_of("parameters", 1e6 * (i + 1), None, "exact count"),
                 value_of("seconds per image", 0.01 * (i + 1), None, "once")]
        run.write_score(score_of("cost", method.name, costs, {"device": "cpu", "sha256": "ab" * 32}))
        if method.name != "crn":
            run.write_score(score_of("differences", method.name, [
                value_of("mIoU", -0.1, (-0.12, -0.08), against="crn"), fd(-1.0, (-1.2, -0.8), against="crn")],
                {"test": "paired bootstrap"}, details={"tests": {
                    "mIoU minus crn": {"p (Holm)": 0.001}, "FD-judge minus crn": {"p (Holm)": 0.001}}}))
    run.write_score(score_of("distances", FLOOR, [fd(1.3, (1.0, 1.7))], {"N": 12}))
    for order in ("cityscapes", "nyu"):
        run.write_score(score_of("agreement", order, [tau(0.6, (0, 1)), fd(-0.2, (-1, 1))], details={
            "human order": {"crn": 50.0, "pix2pix": 3.1}, "tau of random orders, 95 %": {"mIoU": [-0.8, 0.8]}}))
    write_report(run)
    return run


@pytest.fixture
def page(run, browser_page):
    """Opened from disk, every picture loaded."""
    browser_page.goto((run.report / "index.html").as_uri())
    browser_page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    browser_page.wait_for_function("[...document.images].every((image) => image.complete)")
    return browser_page


def test_copied_elsewhere_it_is_whole(run, tmp_path, browser_page):
    """Every image arrives, exact, nothing else is asked for, no script fails."""
    copy = tmp_path / "copied elsewhere"
    shutil.copytree(run.report, copy)
    asked, failures = [], []
    page = browser_page
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: failures.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto((copy / "index.html").as_uri())
    page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].filter((image) => image.naturalWidth !== 64).length") == 0
    assert page.evaluate("getComputedStyle(document.images[0]).imageRendering") == "pixelated"
    width = "document.images[0].getBoundingClientRect().width"
    assert page.evaluate(width) == 64 * 3
    figure = page.locator("#gallery figure[data-key=pix2pix]").first
    assert figure.is_visible()
    page.get_by_label("pix2pix", exact=True).uncheck()
    assert not figure.is_visible()
    page.get_by_label("1×", exact=True).check()
    assert page.evaluate(width) == 64
    assert not failures
    assert all(url.startswith(("file:", "data:")) for url in asked)


OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


@pytest.mark.parametrize("zoom", ["½×", "3×", "4×"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_scrolls_sideways(page, width, zoom):
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(OPEN_ALL)
    page.get_by_label(zoom, exact=True).check()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [390, 760, 1440])
def test_the_gallery_keeps_pairs_together_and_titles_whole(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    pairs = page.evaluate("""[...document.querySelectorAll('.pair')].map((pair) =>
        [...pair.querySelectorAll('img')].map((image) => image.getBoundingClientRect().toJSON()))""")
    assert len(pairs) > 12
    for layout, photo in pairs:
        assert layout["top"] == photo["top"] and layout["width"] == pytest.approx(photo["width"], abs=0.5)
        assert 0 < photo["left"] - layout["right"] < 20
    assert page.evaluate("""[...document.querySelectorAll('figcaption')].filter((text) =>
        text.scrollWidth > text.clientWidth + 1).length""") == 0
    assert LONG in page.locator("#gallery").first.inner_text()


@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_axe_finds_no_violation(run, browser_page, width, height, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.set_viewport_size({"width": width, "height": height})
    browser_page.goto((run.report / "index.html").as_uri())
    browser_page.evaluate(OPEN_ALL)
    violations = axe.Axe().run(browser_page).response["violations"]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"]][:4]) for v in violations] == []


def test_print_shows_all_without_cuts_bars_and_hashes(page, tmp_path):
    pdf = tmp_path / "report.pdf"
    page.pdf(path=str(pdf), prefer_css_page_size=True)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 695, "height": 1016})  # A4 without its margins, in CSS pixels
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 695
    bars = page.evaluate("""[...document.querySelectorAll('body *')].filter((element) => element.checkVisibility()
        && /auto|scroll/.test(getComputedStyle(element).overflowX)).map((element) => element.outerHTML.slice(0, 80))""")
    assert bars == []
    assert page.evaluate("""[...document.querySelectorAll('table, figure, img, svg')].filter((element) =>
        element.checkVisibility() && element.getBoundingClientRect().right > 696)
        .map((element) => element.outerHTML.slice(0, 80))""") == []
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils) to read the printed pages")
    text = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    for expected in ("What was found", "Differences to CRN", "Appendix: the provenance of every number", "Files, app"):
        assert expected in text
    assert "0" * 64 not in text and "ab" * 32 not in text
    assert LONG.split()[-1] in text


def test_markers_of_legends_are_seen_in_dark_pages(run, browser_page):
    browser_page.emulate_media(color_scheme="dark")
    browser_page.goto((run.report / "index.html").as_uri())
    drawn = browser_page.evaluate("""[...document.querySelectorAll('figure.plot svg [id*=legend] use')].map((mark) =>
        getComputedStyle(mark).fill + ' ' + getComputedStyle(mark).stroke)""")
    assert drawn and not [colours for colours in drawn if "0, 114, 178" in colours]  # the blue of light pages
    squares = browser_page.evaluate("""[...document.querySelectorAll('.legend i')].map((square) =>
        [square.getBoundingClientRect().width, getComputedStyle(square).borderTopWidth])""")
    assert all(width >= 12 and border == "1px" for width, border in squares)
