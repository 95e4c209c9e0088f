"""A participant's browser window, for all tests of the study page."""

import shutil

import pytest

try:
    from playwright.sync_api import expect
except ImportError:  # the tests are skipped then
    expect = None

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
SHORT = ["test_trials=2", "sentinels=1", "instruction_checks=0", "practice=0", "hits=3"]
TIMED = ["test_trials=4", "sentinels=1", "instruction_checks=0", "practice=0", "hits=3", "exposures_ms=[125, 250]"]
HASTE = "const slow = setTimeout; window.setTimeout = (call, ms) => slow(call, ms / 5);"  # retries need no patience
WINDOW = {"width": 1000, "height": 620}


class Visit:
    """A browser window of one participant; collects whatever goes wrong in it."""

    def __init__(self, browser, site=None, store=None, **options):
        self.context = browser.new_context(**({"viewport": WINDOW} | options))
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.problems, self.requests, self.loaded = [], [], set()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda m: m.type == "error" and self.problems.append(m.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfinished", lambda request: self.loaded.add(request.url))
        self.site, self.store = site, store
        if site:
            self.session, token = store.invite("local")
            self.link = f"{site.origins[0]}/s/{token}"

    def begin(self):
        self.page.goto(self.link)
        self.agree()
        return self

    def agree(self):
        self.page.check("#box-agree")
        self.page.check("#box-vision")
        self.page.click("button.primary")
        self.page.wait_for_selector("fieldset", state="detached")
        self.page.click("button.primary")

    def resume(self):
        self.page.click("button.primary")

    def ready(self, i, what="choice"):
        self.page.wait_for_selector(f'.trial[data-trial="{i}"] .{what}:not([disabled])')

    def shows(self, selector, text=None, count=None):
        """Wait until the page has what is expected: visible, or with this text (a list: of all), or so many."""
        found = self.page.locator(selector)
        if count is not None:
            expect(found).to_have_count(count, timeout=20_000)
        elif text is not None:
            has = expect(found).to_have_text if isinstance(text, list) else expect(found).to_contain_text
            has(text, timeout=20_000)
        else:
            expect(found).to_be_visible(timeout=20_000)

    def hides(self, selector):
        expect(self.page.locator(selector)).to_be_hidden(timeout=20_000)

    def until(self, condition):
        """Wait until something outside the page holds."""
        for _ in range(800):
            if condition():
                return
            self.page.wait_for_timeout(25)
        raise AssertionError("the condition was never met")

    def answers(self):
        return [record for session, _, record in self.store.records() if session == self.session.session_id]

    def saved(self, count):
        """Wait until the server has `count` answers."""
        self.until(lambda: len(self.answers()) >= count)
        return self.answers()
