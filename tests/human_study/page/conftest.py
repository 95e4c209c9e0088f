"""A browser, a running study server, and windows of participants in it."""

import shutil
from contextlib import contextmanager

import pytest

from human_study.batch.write import write_batch
from human_study.protocol.protocols import load_protocol
from human_study.server.serve import make_site, open_store
from human_study.simulation.simulate import FLAGS, running
from tests.human_study.page.visits import SHORT, Visit
from tests.human_study.server.participants import last_of


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def study(tiny_run, tmp_path):
    """study(settings, protocol, methods) -> (store, site) of a running server."""
    open_ones = []

    @contextmanager
    def start(settings, protocol, methods):
        batch = write_batch(tiny_run, load_protocol(protocol, last_of(settings)), list(methods), "crn")
        store = open_store(tiny_run, batch, tmp_path / "k" / "study.key")
        with running(lambda port: make_site(store, port)) as site:
            yield store, site
        store.close()

    def enter(settings=SHORT, protocol="lab", methods=("pix2pix",)):
        manager = start(settings, protocol, methods)
        open_ones.append(manager)
        return manager.__enter__()

    yield enter
    for manager in open_ones:
        manager.__exit__(None, None, None)


@pytest.fixture
def visit(browser, study):
    """visit(settings, options of the window) -> a participant's window. at: (store, site) of a study that runs."""
    visits = []

    def make(settings=SHORT, at=None, **options):
        store, site = at or study(settings)
        visits.append(Visit(browser, site, store, **options))
        return visits[-1]

    yield make
    for one in visits:
        one.context.close()


@pytest.fixture
def small_batch(tiny_run):
    return write_batch(tiny_run, load_protocol("lab", SHORT), ["pix2pix"], "crn")
