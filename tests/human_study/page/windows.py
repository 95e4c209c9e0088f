"""A participant's window in any browser, with the few verbs that a whole session needs.

Playwright brings a Firefox of its own, which cannot be installed everywhere; an ordinary Firefox is driven through
Marionette, its own protocol. Scripts are functions, "(argument) => value", as Playwright takes them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SIZE = {"width": 1000, "height": 700}
FIREFOX = ("firefox-esr", "firefox")
# of the browser's console, errors of the page: scripts, and what its Content-Security-Policy forbids
ERRORS = """return Services.console.getMessageArray().filter((one) => one instanceof Ci.nsIScriptError &&
  !(one.flags & Ci.nsIScriptError.warningFlag) && /^(content javascript|CSP.*)$/.test(one.category)
  ).map((one) => one.errorMessage)"""


class PlaywrightWindow:
    """`problems()`: errors of the page so far."""

    def __init__(self, page: Any):
        self.page, self._problems = page, []
        page.on("pageerror", lambda error: self._problems.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self._problems.append(message.text))
        self.open, self.click, self.press = page.goto, page.click, page.keyboard.press

    def run(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def problems(self) -> list[str]:
        self.page.wait_for_timeout(50)  # events come in while Playwright waits
        return self._problems


class MarionetteWindow:
    """The same in a Firefox that was started with Marionette."""

    def __init__(self, marionette: Any):
        self.marionette, self.open = marionette, marionette.navigate

    def run(self, script: str, argument: Any = None) -> Any:
        return self.marionette.execute_script(f"return ({script})(arguments[0])", [argument], sandbox=None)

    def click(self, selector: str) -> None:
        self.marionette.find_element("css selector", selector).click()

    def press(self, key: str) -> None:
        from marionette_driver.keys import Keys
        code = {"ArrowLeft": Keys.ARROW_LEFT, "ArrowRight": Keys.ARROW_RIGHT}[key]
        self.marionette.actions.sequence("key", "keyboard").key_down(code).key_up(code).perform()

    def problems(self) -> list[str]:
        with self.marionette.using_context("chrome"):
            return self.marionette.execute_script(ERRORS)


@contextmanager
def chromium(log: Path) -> Iterator[PlaywrightWindow]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the test extra)")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs the browser chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield PlaywrightWindow(browser.new_page(viewport=SIZE))
        browser.close()


@contextmanager
def firefox(log: Path) -> Iterator[PlaywrightWindow | MarionetteWindow]:
    """Playwright's own where it is installed, else the computer's through Marionette, which writes to `log`."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the test extra)")
    with sync_api.sync_playwright() as playwright:
        if Path(playwright.firefox.executable_path).exists():
            browser = playwright.firefox.launch()
            yield PlaywrightWindow(browser.new_page(viewport=SIZE))
            browser.close()
            return
    found = next(filter(None, map(shutil.which, FIREFOX)), None)
    if found is None:
        pytest.skip(f"needs a Firefox: Playwright's, or one of {', '.join(FIREFOX)}")
    driver = pytest.importorskip("marionette_driver.marionette", reason="needs marionette_driver (the test extra)")
    marionette = driver.Marionette(bin=found, app="fxdesktop", port=0, headless=True, gecko_log=str(log))
    try:
        marionette.start_session()
        marionette.set_window_rect(**SIZE)
        yield MarionetteWindow(marionette)
        marionette.quit()
    finally:
        marionette.cleanup()
