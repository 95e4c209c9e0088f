"""One participant's whole session in Firefox.

Playwright drives a Firefox of its own only, which cannot be installed everywhere; an ordinary one is driven through
Marionette, its own protocol. Scripts are functions, "(argument) => value", as Playwright takes them.
"""

import shutil
import time
from typing import Any

import pytest

from benchmarks.laboratory.people import FILL_IN, LOOK
from human_study.server.export import export_responses
from tests.human_study.page.visits import TIMED

SESSION = [*TIMED, "sentinels=0", "practice=1", "feedback=true", "break_every=3", "delay_ms=200",
           "questions=[age, comment]"]
ANSWERS = {"question-age": "34"}
PATIENCE_S = 60.0
# of the browser's console, errors of the page: scripts, and what its Content-Security-Policy forbids
ERRORS = """return Services.console.getMessageArray().filter((one) => one instanceof Ci.nsIScriptError &&
  !(one.flags & Ci.nsIScriptError.warningFlag) && /^(content javascript|CSP.*)$/.test(one.category)
  ).map((one) => one.errorMessage)"""

# when any picture is seen and when none is any more, by the clock of the animation frames
WATCH = """() => {
  window.seen = [];
  const look = () => {
    const visible = Boolean(document.querySelector(".picture:not(.hid)"));
    if (visible !== Boolean(seen.length % 2)) seen.push(document.timeline.currentTime);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


class Window:
    def __init__(self, marionette: Any):
        self.marionette, self.open = marionette, marionette.navigate

    def run(self, script: str, argument: Any = None) -> Any:
        return self.marionette.execute_script(f"return ({script})(arguments[0])", [argument], sandbox=None)

    def click(self, selector: str) -> None:
        self.marionette.find_element("css selector", selector).click()

    def press(self, key: str) -> None:
        self.marionette.actions.sequence("key", "keyboard").key_down(key).key_up(key).perform()

    def problems(self) -> list[str]:
        with self.marionette.using_context("chrome"):
            return self.marionette.execute_script(ERRORS)


@pytest.fixture
def window(tmp_path):
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if found is None:
        pytest.skip("needs firefox-esr or firefox")
    driver = pytest.importorskip("marionette_driver.marionette", reason="needs marionette_driver (the test extra)")
    marionette = driver.Marionette(bin=found, app="fxdesktop", port=0, headless=True,
                                   gecko_log=str(tmp_path / "browser.log"))
    try:
        marionette.start_session()
        marionette.set_window_rect(width=1000, height=700)
        yield Window(marionette)
        marionette.quit()
    finally:
        marionette.cleanup()


def take_part(window) -> dict[int, str]:
    """From consent to completion code; what was chosen in every pair, by mouse and keys in turn."""
    chosen, end = {}, time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        what, selector, pair = window.run(LOOK)
        if what == "done":
            return chosen
        if what == "choose" and pair not in chosen:
            chosen[pair] = "right" if pair in (1, 2) else "left"
            if pair % 2:
                window.press({"left": "f", "right": "j"}[chosen[pair]])
            else:
                window.click(f'.trial[data-trial="{pair}"] .choice[value="{chosen[pair]}"]')
        elif what == "form":
            window.run(FILL_IN, ANSWERS)
        elif what in ("tick", "press"):
            window.click(selector)
        time.sleep(0.05)
    raise AssertionError(f"no end after {PATIENCE_S} s; the page says: {window.run('() => document.body.innerText')}")


def test_a_whole_session(window, study):
    store, site = study(SESSION)
    session, token = store.invite("local")
    window.open(f"{site.origins[0]}/s/{token}")
    window.run(WATCH)
    chosen = take_part(window)
    seen = window.run("() => window.seen")
    assert window.problems() == []
    window.run("() => setTimeout(() => { throw new Error('on purpose'); })")
    end = time.monotonic() + PATIENCE_S
    while "on purpose" not in " ".join(window.problems()):  # errors are noticed
        assert time.monotonic() < end
    rows = export_responses(store.batch).sort_values("trial_index")
    assert rows["session_id"].unique().tolist() == [session.session_id]
    assert dict(zip(rows["trial_index"], rows["chosen"], strict=True)) == chosen and len(chosen) == 5
    assert rows["block"].tolist() == ["practice"] + ["test"] * 4
    assert set(rows["q_age"]) == {"34"} and set(rows["submit_status"]) == {"submitted"}
    shown = [off - on for on, off in zip(seen[::2], seen[1::2], strict=True)]
    assert len(shown) == 5  # every pair once
    for row, ms in zip(rows.itertuples(), shown, strict=True):
        frame = 1000 / row.refresh_hz
        late = row.exposure_ms - row.exposure_req_ms
        assert -frame <= late <= (1.5 + row.dropped_frames) * frame and row.mask_shown and not row.focus_lost
        assert ms == pytest.approx(row.exposure_ms, abs=frame / 2)  # what the page says is what was there to be seen
