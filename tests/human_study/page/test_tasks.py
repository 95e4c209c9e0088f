"""The pages of single pictures and of rankings in a real browser: mouse, keys, touch, a phone's width."""

from human_study.server.export import export_responses
from tests.human_study.page.visits import expect, needs_browser

pytestmark = needs_browser
FEW = ["test_trials=4", "sentinels=0", "practice=0", "hits=3"]
PHONE = {"viewport": {"width": 390, "height": 844}, "screen": {"width": 390, "height": 844}, "has_touch": True,
         "is_mobile": True}


def brought(v, badges, trial=0):
    """Wait until the pictures have these places and can be pressed."""
    v.shows(".badge", badges)
    v.shows(f'.trial[data-trial="{trial}"] .holder[aria-disabled="false"]', count=3)


def test_pictures_are_brought_in_order(study, visit):
    running = study([*FEW, "show_layout=true"], "ranking", ["pix2pix", "image_space"])
    v = visit(at=running).begin()
    brought(v, ["", "", ""])
    v.shows(".layout img", count=1)
    v.shows("h1", "fits the outline best")
    expect(v.page.get_by_role("button", name="Next")).to_be_disabled()
    v.page.dblclick(".holder >> nth=2")  # the second click takes nothing back
    brought(v, ["", "", "1"])
    v.page.keyboard.press("a")
    brought(v, ["2", "", "1"])
    v.page.wait_for_timeout(350)
    v.page.get_by_role("button", name="picture C, place 1").click()
    brought(v, ["1", "", ""])
    v.shows(".status", "1: A")
    v.page.keyboard.press("b")
    brought(v, ["1", "2", ""])
    v.page.wait_for_timeout(350)  # a second press of one picture within that time counts for nothing
    v.page.keyboard.press("Enter")  # the focus is on a picture: Enter presses that
    brought(v, ["1", "2", "3"])
    v.page.get_by_role("button", name="Next").click()
    answer = v.saved(1)[0]
    assert (answer["chosen"], answer["ranked"], answer["n_changes"]) == ("ranked", [0, 1, 2], 1)
    assert answer["visible_fraction"] == 1 and "layout" not in answer
    brought(v, ["", "", ""], trial=1)
    v.page.click("text=Pause")
    v.shows(".picture.hid", count=3)
    v.page.get_by_role("button", name="Go on").click()
    for key, badges in zip("CBA", (["", "", ""], ["", "", "1"], ["", "2", "1"]), strict=True):
        brought(v, badges, trial=1)
        v.page.keyboard.press(key)
    brought(v, ["3", "2", "1"], trial=1)
    v.page.keyboard.press("Enter")
    assert v.saved(2)[1]["ranked"] == [2, 1, 0]
    assert v.problems == []
    phone = visit(at=running, **PHONE).begin()
    for i, badges in zip((1, 2, 0), (["", "", ""], ["", "1", ""], ["", "1", "2"]), strict=True):
        brought(phone, badges)
        phone.page.locator(".holder").nth(i).tap()
    brought(phone, ["3", "1", "2"])
    phone.page.get_by_role("button", name="Next").tap()
    answer = phone.saved(1)[0]
    assert (answer["ranked"], answer["layout"], answer["img_css_w"]) == ([1, 2, 0], "stacked", 300)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390 and phone.problems == []


def test_is_it_a_photograph(study, visit):
    running = study([*FEW, "practice=2", "feedback=true"], "hype-infinity", ["crn"])
    v = visit(at=running).begin()
    v.ready(0)
    v.shows(".choice", ["Photograph", "Made by a program"])
    v.page.keyboard.press("ArrowLeft")
    v.page.wait_for_selector("text=/That is (not )?right/")
    v.page.click(".show:not([disabled])")
    v.ready(1)
    v.page.keyboard.press("ArrowDown")  # there is no tie
    v.page.click('.choice[value="fake"]')
    v.page.click(".show:not([disabled])")
    v.ready(2)
    v.shows(".progress", "Picture 1 of 4")
    v.page.keyboard.press("j")
    assert [answer["chosen"] for answer in v.saved(3)] == ["real", "fake", "fake"]
    phone = visit(at=running, **PHONE).begin()
    phone.ready(0)
    box = phone.page.locator(".box").bounding_box()
    assert (box["x"], box["width"]) == (12, 366) and phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.page.get_by_role("button", name="Photograph").tap()
    assert phone.saved(1)[0]["chosen"] == "real" and v.problems == phone.problems == []
    frame = export_responses(v.store.batch)
    assert set(frame["layout"]) == {"single"} and set(frame["task"]) == {"real_or_fake"}
