"""The study page in a real browser: exposure, one view, keys, failing pictures and connections, forms."""

import json
import re
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest

from human_study.batch.write import write_batch
from human_study.page import page as pages
from human_study.protocol.protocols import load_protocol
from tests.human_study.page.visits import HASTE, TIMED, WINDOW, Visit, needs_browser

pytestmark = needs_browser

# --- a session on the server -----------------------------------------------------------------------------------------

def test_keyboard_only_from_consent_to_code(visit):
    v = visit()
    v.page.goto(v.link)
    v.page.wait_for_selector("#box-agree")
    assert "/study/" in v.page.url and "/s/" not in v.page.url  # the token is gone from the address bar
    for key in ("Tab", "Space", "Tab", "Space", "Tab", "Enter"):
        v.page.keyboard.press(key)
    v.page.wait_for_selector("fieldset", state="detached")
    v.page.keyboard.press("Tab")
    v.page.keyboard.press("Enter")
    for i, key in enumerate(("ArrowLeft", "j", "F")):
        v.ready(i)
        v.page.keyboard.press(key)
    v.page.wait_for_selector(".code")
    assert re.fullmatch(r"[A-Z2-9]{8}", v.page.inner_text(".code"))
    assert [a["chosen"] for a in v.answers()] == ["left", "right", "left"]
    assert {a["input_device"] for a in v.answers()} == {"keyboard"}
    assert all(a["rt_ms"] > 0 and a["visible_fraction"] == 1 and a["img_css_h"] == 200 for a in v.answers())
    assert v.problems == []  # no error, no violation of the content policy
    assert all(url.startswith(v.site.origins[0]) for url in v.requests)  # nobody else is asked for anything


def test_screen_readers_and_mouse(visit):
    v = visit().begin()
    v.ready(0)
    assert v.page.get_by_role("region", name="Which picture looks more realistic?").count() == 1
    assert [v.page.get_by_role("img", name=f"{side} picture").count() for side in ("left", "right")] == [1, 1]
    assert v.page.locator(".progress").get_attribute("aria-live") == "polite"
    ids = v.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    v.page.get_by_role("button", name="Right").click()
    assert v.saved(1)[0]["input_device"] == "mouse" and v.answers()[0]["chosen"] == "right"


def test_one_press_one_answer(visit):
    v = visit().begin()
    v.ready(0)
    v.page.dblclick('.choice[value="left"]')
    v.ready(1)
    assert len(v.answers()) == 1
    for _ in range(30):
        v.page.keyboard.down("ArrowRight")  # held down: repeats
    v.page.keyboard.up("ArrowRight")
    v.ready(2)
    assert [a["chosen"] for a in v.saved(2)] == ["left", "right"]
    v.page.keyboard.press("Control+f")
    v.page.keyboard.press("Enter")  # answers nothing where nothing has the focus
    v.page.wait_for_timeout(200)
    assert len(v.answers()) == 2


def test_reload_back_button_and_second_tab(visit):
    v = visit().begin()
    v.ready(0)
    v.page.keyboard.press("ArrowLeft")
    v.saved(1)
    v.page.goto("about:blank")
    v.page.go_back()
    v.resume()
    v.ready(1)
    v.page.reload()
    v.resume()
    v.ready(1)
    v.shows(".progress", "Pair 2 of 3")
    assert "onset_ts" in v.answers()[0]
    other = v.context.new_page()
    other.goto(v.page.url)
    other.click("button.primary")
    other.wait_for_selector('.trial[data-trial="1"]')
    v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_selector("text=open in another tab")
    assert len(v.answers()) == 1
    other.wait_for_selector(".choice:not([disabled])")
    other.keyboard.press("ArrowLeft")
    again = v.saved(2)[1]
    assert again["rt_ms"] > 0 and not {"onset_ts", "response_ts"} & set(again)  # another clock than before the reload


def test_lost_connection(visit):
    v = visit().begin()
    v.ready(0)
    v.context.set_offline(True)
    v.page.keyboard.press("ArrowRight")
    v.page.wait_for_selector(".notice:not([hidden])")
    assert v.answers() == []
    v.context.set_offline(False)
    v.ready(1)
    v.hides(".notice")
    assert [a["chosen"] for a in v.answers()] == ["right"]


def test_answer_given_just_before_the_page_was_closed(visit):
    v = visit().begin()
    v.ready(0)
    v.page.route("**/api/answer", lambda route: route.abort())
    with v.page.expect_event("requestfailed"):
        v.page.keyboard.press("ArrowRight")
    v.page.reload()
    for _ in range(2):  # the server is still away after the reload, for more than one try
        v.page.wait_for_event("requestfailed")
    v.page.unroute("**/api/answer")
    v.resume()
    v.ready(1)
    assert [a["chosen"] for a in v.answers()] == ["right"]


def test_a_window_too_small_on_a_scaled_display(visit):
    v = visit(device_scale_factor=1.25).begin()
    v.ready(0)
    v.page.set_viewport_size({"width": 800, "height": 600})
    v.shows(".cover:visible", "900 × 500")  # the page hears of its new size a little later
    v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_timeout(150)
    assert v.answers() == []
    v.page.set_viewport_size(WINDOW)
    v.hides(".cover")
    v.page.keyboard.press("ArrowLeft")
    answer = v.saved(1)[0]
    assert (answer["viewport_w"], answer["img_css_w"], answer["dpr"]) == (1000, 400, 1.25)


@pytest.mark.parametrize("failure", ["missing", "corrupt", "once"])
def test_failing_pictures(visit, failure):
    v = visit()
    tries = {}

    def serve(route):
        url = route.request.url.partition("?")[0]
        tries[url] = tries.get(url, 0) + 1
        if url != next(iter(tries)) or (failure == "once" and tries[url] > 1):
            return route.continue_()
        if failure == "corrupt":  # `complete` is true for it all the same
            return route.fulfill(status=200, content_type="image/png", body=b"\x89PNG\r\n\x1a\nnonsense")
        return route.fulfill(status=404)

    v.page.add_init_script(HASTE)
    v.page.route("**/a/*", serve)
    v.begin()
    v.ready(0 if failure == "once" else 1)
    if failure == "once":
        assert v.answers() == []
    else:
        assert v.saved(1) == [{"chosen": "none", "asset_error": True}]


def test_withdraw(visit):
    v = visit().begin()
    v.ready(0)
    v.page.on("dialog", lambda dialog: dialog.accept())
    v.page.click(".withdraw")
    v.page.wait_for_selector("text=You have withdrawn")
    v.page.reload()
    v.page.wait_for_selector("text=You have withdrawn")
    assert v.store.session(v.session.session_id).status == "withdrawn"


def test_without_javascript(visit):
    v = visit(java_script_enabled=False)
    v.page.goto(v.link)
    assert "needs JavaScript" in v.page.inner_text("noscript")  # nothing changes on this page


# --- limited time ----------------------------------------------------------------------------------------------------

def test_timed_trials_are_shown_once_and_measured(visit):
    v = visit(TIMED).begin()
    plan = v.store.batch.hits[v.store.session(v.session.session_id).hit_id]
    for i in range(2):
        v.ready(i, "show")
        v.page.keyboard.press("ArrowLeft")  # an answer before the pictures is impossible: the trial stays
        v.page.keyboard.press("Space")
        v.ready(i)
        v.shows(".picture", count=0)  # gone, not only hidden
        v.shows(".mask:not(.hid)", count=2)
        v.page.keyboard.press("Space")  # no second view
        v.shows(".picture", count=0)
        v.page.keyboard.press("ArrowLeft")
    for answer, trial in zip(v.saved(2), plan, strict=False):
        frame = 1000 / answer["refresh_hz"]
        wanted = round(trial.exposure_req_ms / frame + 1e-6)
        assert abs(answer["exposure_ms"] / frame - wanted) <= 1.2 + answer["dropped_frames"]
        assert answer["mask_shown"] and answer["rt_from_offset_ms"] < answer["rt_ms"]
    v.ready(2, "show")
    v.page.keyboard.press("Space")
    v.until(lambda: v.store.session(v.session.session_id).shown == 2)
    v.page.reload()  # the pictures are seen: they are not shown again
    v.resume()
    v.ready(3, "show")
    assert v.saved(3)[2] == {"chosen": "none", "asset_error": False, "focus_lost": True}


def test_a_lost_reply_before_the_exposure_ends_nothing(visit):
    v = visit(TIMED).begin()
    lost = []

    def lose(route):
        route.fetch()
        lost.append(route.request.post_data)
        route.abort()

    v.page.route("**/api/shown", lose, times=1)
    v.ready(0, "show")
    v.page.click(".show")
    v.ready(0)
    v.shows(".mask:not(.hid)", count=2)
    assert len(lost) == 1
    v.page.keyboard.press("ArrowRight")  # shown by mouse, answered by key
    answer, = v.saved(1)
    assert (answer["chosen"], answer["input_device"]) == ("right", "keyboard")


def test_losing_the_focus_or_the_window_ends_the_exposure(visit):
    v = visit([*TIMED, "exposures_ms=[20000, 30000]"]).begin()
    v.ready(0, "show")
    v.page.click(".show")
    v.page.wait_for_selector('.picture:not(.hid)', state="attached")
    v.page.evaluate("() => { window.dispatchEvent(new Event('blur')); }")
    answer = v.saved(1)[0]
    assert answer["chosen"] == "none" and answer["focus_lost"] and answer["exposure_ms"] < 20_000
    v.ready(1, "show")
    v.page.click(".show")
    v.page.wait_for_selector('.picture:not(.hid)', state="attached")
    v.page.set_viewport_size({"width": 600, "height": 600})
    assert v.saved(2)[1]["chosen"] == "none"


TIMING = """async ([hz, ms, lost]) => {
  let now = 1000, n = 0;
  globalThis.requestAnimationFrame = (f) => {
    n += 1;
    now += 1000 / hz * (n === lost ? 4 : 1);
    const at = now;
    Promise.resolve().then(() => f(at));
  };
  %s
  const seen = [];
  const result = await expose(ms, hz, () => seen.push("show"), () => seen.push("hide"), () => false);
  return { ...result, planned: framesFor(ms, hz), seen };
}"""


@pytest.mark.parametrize("hz, ms, frames", [
    (60, 125, 8), (59.94, 125, 8), (60.2, 125, 8), (50, 125, 6), (72, 125, 9), (75, 125, 9), (90, 125, 11),
    (100, 125, 13), (120, 125, 15), (144, 125, 18), (165, 125, 21), (240, 125, 30), (60, 250, 15), (59.94, 250, 15),
    (50, 250, 13), (60, 500, 30), (144, 8000, 1152), (60, 1, 1), (61.9, 125, 8)])
def test_frames_at_every_refresh_rate(browser, hz, ms, frames):
    result = evaluate(browser, [hz, ms, 0])
    assert result["planned"] == frames and result["exposure_frames"] == frames
    assert result["exposure_ms"] == pytest.approx(frames * 1000 / hz) and result["dropped_frames"] == 0
    assert result["seen"] == ["show", "hide"]


def test_a_dropped_frame_does_not_lengthen_the_exposure(browser):
    result = evaluate(browser, [60, 250, 6])  # three frames are lost in the middle
    assert result["dropped_frames"] == 3 and result["exposure_ms"] == pytest.approx(250)


def evaluate(browser, arguments):
    page = browser.new_page()
    try:
        return page.evaluate(TIMING % (pages.PAGES / "timing.js").read_text(), arguments)
    finally:
        page.close()


# --- forms: MTurk and Turkle -----------------------------------------------------------------------------------------

HOST = "https://turkle.example"
TASK = f"{HOST}/task/1/assignment/1/"
TURKLE = ('<!DOCTYPE html><html><head><meta charset="utf-8"></head><body><form name="mturk_form" method="post" '
          'id="mturk_form" target="_parent" action="/task/1/assignment/1/"><input type="hidden" '
          'name="csrfmiddlewaretoken" value="t">{}</form></body></html>')
BLOCKED = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"


def filled(batch):
    """The template as MTurk and Turkle fill it: plain replacement of ${name}, without escaping."""
    header, row = (line.split(",") for line in (batch.public / "hits-01.csv").read_text().splitlines()[:2])
    text = (batch.public / "template.html").read_text()
    for name, cell in zip(header, row, strict=True):
        text = text.replace("${" + name + "}", f"{HOST}/{cell}" if "_url_" in name else cell)
    return text


@contextmanager
def turkle(browser, batch, address=TASK):
    """A page of Turkle, which serves the pictures too and takes the form."""
    v = Visit(browser)
    v.posted = []
    html = TURKLE.format(filled(batch))

    def answer(route):
        request = route.request
        if request.method == "POST":
            v.posted.append((request.url, request.post_data))
            return route.fulfill(status=200, content_type="text/html", body="<p>taken</p>")
        if request.url.endswith(".png"):
            return route.fulfill(path=batch.image(request.url.rsplit("/", 1)[1].removesuffix(".png")))
        return route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)

    v.context.route("**/*", answer)
    v.page.goto(address)
    yield v
    v.context.close()


def test_turkle(browser, small_batch):
    with turkle(browser, small_batch) as v:
        v.agree()
        v.ready(0)
        v.page.keyboard.press("ArrowLeft")
        v.ready(1)
        v.page.evaluate("() => document.getElementById('mturk_form').requestSubmit()")  # before the end
        v.page.reload()
        v.resume()
        v.ready(1)  # goes on where it was
        v.page.keyboard.press("ArrowRight")
        v.ready(2)
        v.page.keyboard.press("ArrowRight")
        v.page.wait_for_selector("text=You have finished")
        assert v.posted == []
        v.page.click("button.primary")
        v.page.wait_for_selector("text=taken")
        (url, data), = v.posted
        form = parse_qs(data, keep_blank_values=True)
        assert url.endswith("/task/1/assignment/1/") and all(len(values) == 1 for values in form.values())
        assert [form[f"choice_{n}"][0] for n in (1, 2, 3)] == ["optionA", "optionB", "optionB"]
        log = json.loads(form["log_json"][0])
        records = [dict(zip(log["columns"], row, strict=True)) for row in log["rows"]]
        assert [r["chosen"] for r in records] == ["left", "right", "right"] and all(r["rt_ms"] > 0 for r in records)
        assert v.problems == []


def test_a_task_without_storage_is_accepted_and_marked(browser, small_batch):
    with turkle(browser, small_batch) as v:
        v.context.add_init_script(BLOCKED)
        v.page.reload()  # third-party storage is blocked
        v.agree()
        for i in range(3):
            v.ready(i)
            v.page.keyboard.press("ArrowLeft")
        v.page.wait_for_selector("text=You have finished")
        v.page.click("button.primary")
        v.page.wait_for_selector("text=taken")
        form = parse_qs(v.posted[0][1])
        assert form["choice_3"] == ["optionA"] and json.loads(form["log_json"][0])["resumable"] is False


def test_no_timed_task_without_storage(browser, tiny_run):
    batch = write_batch(tiny_run, load_protocol("lab", TIMED), ["pix2pix"], "crn")
    with turkle(browser, batch) as v:
        v.page.wait_for_selector("#box-agree")
        v.context.add_init_script(BLOCKED)
        v.page.reload()
        v.shows("text=local storage")
        v.shows("button", count=0)


def test_preview_sends_nothing(browser, small_batch):
    address = f"{TASK}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=H"
    with turkle(browser, small_batch, address) as v:
        v.shows("text=This is a preview")
        v.shows("button", count=0)
        assert v.requests == [address]
