"""Simulated participants take a study: the real page in a real browser, the real server, answers with a known truth.

Their answers are stored in a separate file, marked platform "sim", and never merged with people's.
"""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from data.errors import InputError, nearest
from human_study.batch.folder import PlannedTrial, database_file
from human_study.protocol.protocols import MOST_RANKED
from human_study.responses.keys import pseudonym
from human_study.server.export import export_responses
from human_study.server.serve import make_site
from human_study.server.serve import server as server_of
from human_study.server.site import Site
from human_study.server.store import Store
from human_study.simulation.participants import KINDS, Answer, KnownTruth
from human_study.trials.trials import generator

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync")
WINDOW = {"width": 1000, "height": 620}
PATIENCE_MS = 60_000


def browser_file() -> str:
    """Raises InputError where no Chromium is installed."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise InputError(f"no browser found (looked for {', '.join(BROWSERS)}); install Chromium")


@contextmanager
def running(site_of: Callable[[int], Site]) -> Iterator[Site]:
    """Serve `site_of(port)` on a free port of this computer, in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        site = site_of(listener.getsockname()[1])
        server = server_of(site)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE_MS / 1000
        try:
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise InputError(f"{site.origins[0]}: the study server did not start; its messages are above")
                time.sleep(0.01)
            yield site
        finally:
            server.should_exit = True
            thread.join(PATIENCE_MS / 1000)


async def take_part(browser: Any, site: Site, kind: str, name: str, truth: KnownTruth, seed: int) -> None:
    """One participant in a browser window of its own, from the link to the completion code."""
    session, token = site.store.invite("local", name)
    width, height = site.store.batch.protocol.viewport(MOST_RANKED)
    window = {"width": max(WINDOW["width"], width), "height": max(WINDOW["height"], height)}
    context = await browser.new_context(viewport=window)
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(f"{site.origins[0]}/s/{token}")
    await page.check("#box-agree")
    await page.check("#box-vision")
    await page.click("button.primary")
    await page.wait_for_selector("fieldset", state="detached")
    await page.click("button.primary")
    session = site.store.session(session.session_id)
    rng = generator(seed, "simulated", name)
    for trial in site.store.trials(session):
        await answer(page, trial, KINDS[kind](truth, trial, rng), by_key=rng.random() < 0.5)
    await page.wait_for_selector(".code")
    await context.close()


async def answer(page: Any, trial: PlannedTrial, chosen: Answer, by_key: bool) -> None:
    here = f'.trial[data-trial="{trial.trial_index}"]'
    if isinstance(chosen, list):
        return await _rank(page, here, chosen, by_key)
    if trial.exposure_req_ms:
        await page.click(f"{here} .show:not([disabled])")
    button = f'{here} .choice[value="{chosen}"]:not([disabled])'
    await page.wait_for_selector(button)
    if by_key:
        await page.keyboard.press("ArrowLeft" if chosen in ("left", "real") else "ArrowRight")
    else:
        await page.click(button)


async def _rank(page: Any, here: str, order: list[int], by_key: bool) -> None:
    for n, place in enumerate(order, 1):
        await page.wait_for_selector(f'{here} .holder[aria-disabled="false"]')
        if by_key:
            await page.keyboard.press("ABCDEFGHI"[place])
        else:
            await page.click(f"{here} .holder >> nth={place}")
        await page.wait_for_selector(f'{here} .holder >> nth={place} >> text="{n}"')
    onward = f"{here} .show:not([disabled])"
    await page.wait_for_selector(onward)
    await (page.keyboard.press("Enter") if by_key else page.click(onward))


async def _everybody(site: Site, names: list[tuple[str, str]], truth: KnownTruth, seed: int, at_once: int) -> None:
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise InputError("simulated participants need a driver for the browser: pip install playwright") from None
    gate = asyncio.Semaphore(at_once)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_file(), args=list(FLAGS))

        async def one(kind: str, name: str) -> None:
            async with gate:
                await take_part(browser, site, kind, name, truth, seed)

        async with asyncio.TaskGroup() as group:
            for kind, name in names:
                group.create_task(one(kind, name))
        await browser.close()


def simulate(store: Store, participants: Mapping[str, int], truth: KnownTruth, seed: int = 0, at_once: int = 4
             ) -> pd.DataFrame:
    """Let `participants` (number by kind) take the study of a simulated store; the table of responses, platform "sim".

    Raises InputError for an unknown kind, a store of people, or a missing browser.
    """
    if not store.simulated:
        raise InputError("simulated answers need a separate store; this one is for people's")
    for kind in participants:
        if kind not in KINDS:
            raise InputError(f"unknown kind of simulated participant '{kind}': {nearest(kind, KINDS)}")
    if store.sessions():
        raise InputError(f"{store.batch.study_id}: simulated participants took this study already; delete "
                         f"{database_file(store.batch.folder, simulated=True)} to begin again")
    if sum(participants.values()) > store.places:
        raise InputError(f"{sum(participants.values())} simulated participants, but the study has {store.places} "
                         "places; give --set hits=N or assignments=N")
    names = [(kind, f"{kind}-{i}") for kind, count in participants.items() for i in range(count)]
    with running(lambda port: make_site(store, port)) as site:
        asyncio.run(_everybody(site, names, truth, seed, at_once))
    return export_responses(store.batch, simulated=True)


def kinds_by_participant(store: Store, participants: Mapping[str, int]) -> dict[str, str]:
    """Kind by pseudonym, to compare an analysis with the kind of every participant."""
    return {pseudonym(store.key, "local", f"{kind}-{i}"): kind for kind, n in participants.items() for i in range(n)}
