"""A participant's browser window, for all tests of the study page."""

import shutil

import pytest

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
SHORT = ["test_trials=2", "sentinels=1", "instruction_checks=0", "practice=0", "hits=3"]
TIMED = ["test_trials=4", "sentinels=1", "instruction_checks=0", "practice=0", "hits=3", "exposures_ms=[125, 250]"]
WINDOW = {"width": 1000, "height": 620}


class Visit:
    """A browser window of one participant; collects whatever goes wrong in it."""

    def __init__(self, browser, site=None, store=None, **options):
        self.context = browser.new_context(**({"viewport": WINDOW} | options))
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.problems, self.requests = [], []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda m: m.type == "error" and self.problems.append(m.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
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

    def answers(self):
        return [record for session, _, record in self.store.records() if session == self.session.session_id]

    def saved(self, count):
        """Wait until the server has `count` answers."""
        for _ in range(400):
            if len(self.answers()) >= count:
                return self.answers()
            self.page.wait_for_timeout(25)
        raise AssertionError(f"{len(self.answers())} answers, expected {count}")
