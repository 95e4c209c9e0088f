"""What interrupts a participant: pictures out of reach, pauses, small windows and small screens."""

from collections import Counter

import pytest

from tests.human_study.page.visits import HASTE, SHORT, needs_browser

pytestmark = needs_browser
FAILURES = 3  # of a picture, after which the page gives it up, as in images.js
FIVE = [*SHORT, "test_trials=4"]  # pictures are fetched four trials ahead


@pytest.mark.parametrize("outage", ["offline", "busy"])
def test_an_outage_of_the_pictures_costs_no_trial(visit, outage):
    v = visit(FIVE)
    away = Counter()

    def refuse(route):
        away[route.request.url.partition("?")[0]] += 1
        return route.abort() if outage == "offline" else route.fulfill(status=503)

    v.page.add_init_script(HASTE)
    v.begin()
    v.ready(0)
    v.until(lambda: len({url for url in v.loaded if "/a/" in url}) == 8)  # those of four pairs
    v.page.route("**/a/*", refuse)
    for i in range(4):
        v.ready(i)
        v.page.keyboard.press("ArrowLeft")
    v.shows("text=cannot be fetched")  # the first pair that was not fetched ahead
    v.until(lambda: max(away.values()) > 2 * FAILURES)  # an attempt asks twice: picture, then any reply
    assert len(v.answers()) == 4
    v.page.unroute("**/a/*")
    v.ready(4)
    v.hides(".notice")
    v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_selector(".code")
    assert [a["chosen"] for a in v.answers()] == ["left"] * 5 and not any(a["asset_error"] for a in v.answers())


def test_what_was_missing_ahead_is_asked_for_again_in_its_turn(visit):
    v = visit(FIVE)
    first, missing, restored = set(), Counter(), []

    def serve(route):
        url = route.request.url.partition("?")[0]
        if not restored and len(first) == 2 and url not in first:
            missing[url] += 1
            return route.fulfill(status=404)
        first.add(url)
        return route.continue_()

    v.page.add_init_script(HASTE)
    v.page.route("**/a/*", serve)
    v.begin()
    v.ready(0)
    v.until(lambda: len(missing) == 6 and min(missing.values()) == 2 * FAILURES)  # given up
    restored.append(True)
    v.page.keyboard.press("ArrowLeft")
    v.ready(1)
    assert len(v.answers()) == 1


@pytest.mark.parametrize("by", ["button", "hidden"])
def test_a_pause_covers_the_pictures_and_does_not_count(visit, by):
    v = visit().begin()
    v.ready(0)
    if by == "button":
        v.page.click(".pause")
    else:  # another tab was opened
        v.page.evaluate("""() => { Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
          Object.defineProperty(document, "hidden", { value: false, configurable: true }); }""")
    v.shows("text=The pictures are covered")
    v.shows(".picture.hid", count=2)
    v.page.keyboard.press("ArrowLeft")  # no answer to what cannot be seen
    v.page.wait_for_timeout(500)
    v.shows(".choice:not([disabled])", count=0)
    assert v.answers() == []
    v.page.click(".show")
    v.ready(0)
    v.shows(".picture.hid", count=0)
    v.hides(".show")
    v.page.keyboard.press("ArrowLeft")
    answer = v.saved(1)[0]
    assert answer["paused_ms"] > 500
    assert abs(answer["rt_ms"] + answer["paused_ms"] - (answer["response_ts"] - answer["onset_ts"])) < 1


def test_nothing_scrolls_at_1280_by_720(visit):
    v = visit(viewport={"width": 1280, "height": 720})
    v.page.goto(v.link)

    def scrolls():
        return v.page.evaluate("() => document.documentElement.scrollHeight > innerHeight")

    v.page.wait_for_selector("#box-agree")
    assert not scrolls()
    v.agree()
    for i in range(3):
        v.ready(i)
        assert not scrolls()
        v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_selector(".code")
    assert not scrolls()


@pytest.mark.parametrize("size, words", [((390, 844), "This screen is too small"),
                                         ((1280, 720), "make the window larger")])
def test_nobody_is_asked_to_enlarge_what_cannot_be_larger(visit, size, words):
    width, height = size
    v = visit(viewport={"width": 390, "height": 700}, screen={"width": width, "height": height})
    v.page.goto(v.link)
    v.shows(".cover", words)
