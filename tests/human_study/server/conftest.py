"""A study server of its own for every test."""

import pytest

from human_study.batch.write import write_batch
from human_study.protocol.protocols import load_protocol
from human_study.server.application import create_app
from human_study.server.serve import PANELS, make_site, open_store
from tests.human_study.server.participants import ORIGIN, SMALL, Client, last_of


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys" / "study.key"


@pytest.fixture
def make(tiny_run, key_file):
    """A client of a server of its own: make(protocol, settings, panel...)."""
    stores = []

    def build(protocol="lab", settings=SMALL, panel=PANELS["local"], code="", **options):
        batch = write_batch(tiny_run, load_protocol(protocol, last_of(settings)), None, "crn")
        store = open_store(tiny_run, batch, key_file, **options)
        stores.append(store)
        site = make_site(store, 8700, panel=panel, completion_code=code)
        return Client(create_app(site), base_url=ORIGIN, headers={"Origin": ORIGIN}, raise_server_exceptions=True)

    yield build
    for store in stores:
        store.close()
