"""The people of benchmarks.laboratory: each in a browser window, with known opinions, interrupted on purpose."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from human_study.batch.folder import PlannedTrial
from human_study.server.store import Store
from human_study.simulation.participants import KnownTruth
from human_study.simulation.simulate import FLAGS, browser_file
from human_study.trials.draw import generator

TIES = 0.1  # share of the pairs that everybody calls equal
WINDOW = {"width": 1100, "height": 800}
OFFLINE_S = 2.5
PATIENCE_S = 300  # without any progress a participant is stuck
LOCALES = ("en-GB", "de-DE")
ANSWERS = {"question-age": "34", "distance": "60"}  # to fields of forms; the rest is left empty

# the next thing that a participant can do: [what, selector, number of the pair on the page]
LOOK = """() => {
  const trial = document.querySelector(".trial");
  const found = [["done", ".code"], ["form", "form.questions:not([data-sent])"], ["tick", "#box-agree:not(:checked)"],
    ["tick", "#box-vision:not(:checked)"], ["choose", ".trial .choice:not([disabled])"],
    ["press", ".trial .show:not([disabled])"], ["press", "button.primary[type=button]:not([disabled])"]]
    .find(([, selector]) => document.querySelector(selector)?.checkVisibility());
  return [...(found || ["wait", ""]), trial ? Number(trial.dataset.trial) : null];
}"""

# answer a form (questions, the bank card, a colour plate) and send it; it stays until its answers are stored
FILL_IN = """(answers) => {
  const form = document.querySelector("form");
  for (const input of form.querySelectorAll("input")) if (input.id in answers) input.value = answers[input.id];
  for (const list of form.querySelectorAll("select")) list.selectedIndex = 1;
  form.setAttribute("data-sent", "");
  form.querySelector("button.primary").click();
}"""


@dataclass
class Volunteer:
    """One participant. At pair `interrupted` (of all) `habit` happens: withdraw, reload, leave (and come back by the
    link), offline, or nothing."""

    name: str
    link: str
    number: int
    habit: str = "nothing"
    interrupted: int = 5
    session_id: str = ""
    meant: dict[int, str] = field(default_factory=dict)  # by number of the pair, as far as it was reached
    acknowledged: set[int] = field(default_factory=set)  # pairs that the page went on from
    code: str = ""


class Crowd:
    """People who take part at the same time, `at_once` windows open. `acknowledged`: answers so far, of all."""

    def __init__(self, store: Store, truth: KnownTruth, people: Sequence[Volunteer], at_once: int):
        self.store, self.truth, self.people = store, truth, people
        self.gate = asyncio.Semaphore(at_once)

    @property
    def acknowledged(self) -> int:
        return sum(len(person.acknowledged) for person in self.people)

    async def take_part(self) -> None:
        from playwright.async_api import async_playwright
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=browser_file(), args=list(FLAGS))
            async with asyncio.TaskGroup() as group:
                for person in self.people:
                    group.create_task(self._one(browser, person))
            await browser.close()

    async def _one(self, browser: Any, person: Volunteer) -> None:
        async with self.gate:
            session = self.store.by_token(person.link.rpartition("/")[2])
            person.session_id = session.session_id
            window = await browser.new_context(viewport=WINDOW, locale=LOCALES[person.number % len(LOCALES)])
            window.set_default_timeout(1000 * PATIENCE_S)
            page = await opened(window, person.link)
            await self._walk(page, person)
            await window.close()

    async def _walk(self, page: Any, person: Volunteer) -> None:
        """From the link to the completion code, or to the withdrawal."""
        pending, moved = None, time.monotonic()
        while True:
            what, selector, pair = await page.evaluate(LOOK)
            if pending is not None and (what in ("done", "form", "press") or (what == "choose" and pair != pending)):
                person.acknowledged.add(pending)
                pending, moved = None, time.monotonic()
            if what == "done":
                person.code = await page.inner_text(".code")
                return
            if what == "choose" and pending is None:
                if person.habit != "nothing" and pair >= person.interrupted:
                    habit, person.habit = person.habit, "nothing"
                    page = await interrupted(page, person, habit)
                    if habit == "withdraw":
                        return
                    continue
                person.meant[pair] = self.opinion(person, pair)
                await page.click(f'.trial[data-trial="{pair}"] .choice[value="{person.meant[pair]}"]')
                pending = pair
            elif what == "form":
                await page.evaluate(FILL_IN, ANSWERS)
            elif what == "tick":
                await page.check(selector)
            elif what == "press":
                await page.click(selector)
            if time.monotonic() - moved > PATIENCE_S:
                raise TimeoutError(f"{person.name} is stuck at pair {pair}: {await page.inner_text('main')}")
            await asyncio.sleep(0.03)

    def opinion(self, person: Volunteer, pair: int) -> str:
        """Always the same, so that a pair that is shown again gets the same answer."""
        trial = self.store.trials(self.store.session(person.session_id))[pair]
        rng = generator(0, "laboratory", person.name, trial.trial_id)
        if counts(trial) and rng.random() < TIES:
            return "tie"
        return "left" if rng.random() < self.truth.left(trial) else "right"


def counts(trial: PlannedTrial) -> bool:
    """Whether a trial compares methods."""
    return trial.sentinel == "none" and trial.block == "test"


async def opened(window: Any, address: str) -> Any:
    """A page at an address, as soon as the server answers."""
    page = await window.new_page()
    page.on("dialog", lambda dialog: dialog.accept())  # yes, withdraw
    await reached(page.goto, address)
    return page


async def reached(go: Any, *address: str) -> None:
    from playwright.async_api import Error
    while True:
        try:
            await go(*address)
            return
        except Error as error:  # nobody listens: it is being killed just now
            if "net::" not in str(error) and "chrome-error:" not in str(error):
                raise
            await asyncio.sleep(0.5)


async def interrupted(page: Any, person: Volunteer, habit: str) -> Any:
    """What interrupts a participant; the page to go on with."""
    window = page.context
    if habit == "withdraw":
        await page.click(".withdraw")
        await page.wait_for_selector("button", state="detached")
    elif habit == "reload":
        await reached(page.reload)
    elif habit == "leave":
        await page.close()
        return await opened(window, person.link)
    else:
        await window.set_offline(True)
        asyncio.get_running_loop().call_later(OFFLINE_S, lambda: asyncio.ensure_future(window.set_offline(False)))
    return page
