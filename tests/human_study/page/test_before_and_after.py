"""Questions, screen, colours, practice with feedback, breaks, ties, layouts, phones and languages in a real browser."""

from itertools import pairwise

import pytest

from human_study.server.export import export_responses
from tests.human_study.page.visits import SHORT, Visit, needs_browser

pytestmark = needs_browser
EYES = "words={eyes: {text: '%s', options: {one: one, two: two}}}"
EVERYTHING = [*SHORT, "test_trials=6", "practice=1", "languages=[en, de]", "questions=[age, {name: eyes, kind: choice, "
              "values: [one, two], when: after, required: true}]", "feedback=true", "break_every=3",
              "screen_check=true", "colour_plates=1", "full_screen=true", "ties=true", "show_layout=true",
              "texts.en." + EYES % "How many eyes?", "texts.de." + EYES % "Wie viele Augen?"]


def through_the_questions(v):
    v.page.check("#box-agree")
    v.page.check("#box-vision")
    v.page.click("button.primary")
    v.page.fill("#question-age", "12")
    v.page.click("button.primary")
    v.page.fill("#question-age", "33")  # still there: the browser said what was wrong
    v.page.click("button.primary")
    v.page.wait_for_selector("#card-width")
    v.page.evaluate("""() => { const s = document.getElementById("card-width"); s.value = 428;
      s.dispatchEvent(new Event("input")); }""")
    v.page.fill("#distance", "60")
    v.page.click("button.primary")
    v.page.wait_for_selector("canvas.plate")
    v.page.reload()  # what was said already is not asked again
    v.page.select_option("#plate", index=11)
    v.page.click("button.primary")
    v.page.wait_for_selector("#plate", state="detached")


def test_everything_at_once(visit):
    v = visit(EVERYTHING, locale="de-AT")
    v.page.goto(v.link)
    v.shows("h1", "Welches Bild wirkt echter?")
    v.page.click("text=English")
    v.shows("text=I have read this")
    v.page.click("text=Deutsch")
    v.shows("text=Ich habe dies gelesen")
    through_the_questions(v)
    v.page.click("button.primary")
    v.ready(0)
    assert v.page.evaluate("() => Boolean(document.fullscreenElement)")
    assert v.page.locator(".layout img").get_attribute("alt") == "Umriss der Szene"
    v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_selector("text=/das Foto|ist das Foto/")
    v.shows(".picture:not(.hid)", count=2)  # the feedback is about what can still be seen
    v.page.click(".show:not([disabled])")  # on, after the feedback
    for i in range(1, 4):
        v.ready(i)
        v.page.keyboard.press("ArrowDown")
    v.page.wait_for_selector("text=3 von 7")
    v.page.click("button.primary")
    for i in range(4, 7):
        v.ready(i)
        v.page.click('.choice[value="right"]')
    v.page.wait_for_selector("text=6 von 7")
    v.page.click("button.primary")
    v.ready(7)
    v.page.keyboard.press("j")
    v.page.click("button.primary")
    v.page.select_option("#question-eyes", "two")  # still there: it has to be answered
    v.page.click("button.primary")
    v.page.wait_for_selector(".code")
    frame = export_responses(v.store.batch)
    row = frame.iloc[0]
    assert (row["language"], row["q_age"], row["q_eyes"], row["viewing_distance_mm"]) == ("de", "33", "two", 600)
    assert row["px_per_mm"] == pytest.approx(5) and row["colour_right"] == 0
    assert frame["chosen"].tolist() == ["left"] + ["tie"] * 3 + ["right"] * 4 and frame["full_screen"].all()
    assert v.problems == []


def test_a_phone_sees_them_one_above_the_other(visit):
    phone = {"width": 390, "height": 844}
    v = visit([*SHORT, "stacked=true", "ties=true", "screen_check=true"], viewport=phone, screen=phone, has_touch=True,
              is_mobile=True)
    v.begin()
    v.page.wait_for_selector(".card", state="detached")
    v.resume()
    v.ready(0)
    v.shows(".choice", ["Upper", "No difference", "Lower"])
    boxes = [v.page.locator(".choice").nth(i).bounding_box() for i in range(3)]
    assert all(a["x"] + a["width"] + 8 <= b["x"] for a, b in pairwise(boxes))  # room between the buttons
    upper, lower = (v.page.locator(".box").nth(i).bounding_box() for i in (0, 1))
    assert upper["x"] == lower["x"] and upper["y"] + upper["height"] <= lower["y"] and upper["width"] == 366
    v.page.get_by_role("button", name="Lower").tap()
    answer = v.saved(1)[0]
    assert (answer["chosen"], answer["layout"], answer["visible_fraction"]) == ("right", "stacked", 1)
    frame = export_responses(v.store.batch)
    assert set(frame["layout"]) == {"stacked"}
    assert frame["px_per_mm"][0] == pytest.approx(324 / 53.98)  # a card does not fit across a phone: it is held upright


def test_a_preview_in_the_browser(browser, study):
    store, site = study(SHORT)
    v = Visit(browser)
    v.page.goto(f"{site.origins[0]}/v/{site.token('preview')}")
    v.shows(".preview", "nothing is recorded")
    v.agree()
    for i in range(3):
        v.ready(i)
        v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_selector("text=You have finished")
    v.shows(".code", count=0)
    assert store.sessions() == [] and v.problems == []
    v.context.close()
