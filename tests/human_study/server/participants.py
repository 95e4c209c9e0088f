"""What the page does, without a browser, and what several test files of the server share."""

import json
import re
import secrets
import warnings

import pytest

from human_study.__main__ import main
from human_study.server.export import export_responses

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer versions of Starlette ask for another HTTP client, older ones know this one
    from starlette.testclient import TestClient

ORIGIN = "http://127.0.0.1:8700"
SMALL = ["test_trials=6", "sentinels=1", "instruction_checks=1", "practice=1", "hits=4"]
SECRET_WORDS = re.compile(r"(?<![a-z])(crn|pix2pix|image_space|diversity|photos|blurred|sentinel|perceptual|"
                          r"instruction-obeyed|anchor)(?![a-z])", re.IGNORECASE)


def last_of(settings):
    """Settings with each key once: the last one counts."""
    return list({one.partition("=")[0]: one for one in settings}.values())


def config_of(page: str) -> dict:
    return json.loads(re.search(r'id="study-config">(.*?)</script>', page)[1])


def record(chosen="left", **more):
    return {"chosen": chosen, "rt_ms": 700.5, "onset_ts": 10.0, "response_ts": 710.5, "focus_lost": False} | more


class Client(TestClient):
    """An HTTP client with the server's own objects at hand."""

    @property
    def site(self):
        return self.app.state.site

    @property
    def store(self):
        return self.site.store

    def table(self):
        return export_responses(self.store.batch)

    def join(self, name=None):
        return Participant(self, f"/s/{self.store.invite('local', name)[1]}")

    def panel(self, person, parameter="PROLIFIC_PID"):
        """Address of a panel's participant."""
        return f"/p/{self.site.token('panel')}?{parameter}={person}"


class Participant:
    """What the page does, without a browser."""

    def __init__(self, client, path):
        self.client = client
        response = client.get(path)
        assert response.status_code == 200
        self.page = response.text
        self.config = config_of(self.page)
        self.headers, self.own = {"X-Session": self.config["key"]}, self.config["clean_url"]
        self.state = self.ask("open").json()

    def ask(self, action, body=None):
        tab = {"tab": self.state["tab"]} if hasattr(self, "state") else {}
        return self.client.post(f"/api/{action}", json=tab | (body or {}), headers=self.headers)

    def agree(self, **more):
        """The reply to the consent."""
        return self.ask("consent", {"agreed": True, "vision": True, "version": self.config["consent_version"],
                                    "user_agent_family": "Chrome"} | more)

    def consent(self, **more):
        self.state |= self.agree(**more).json()
        return self

    def answer(self, index, chosen="left", client_id=None, **more):
        body = {"trial_index": index, "client_id": client_id or secrets.token_hex(16), "record": record(chosen, **more)}
        return self.ask("answer", body)

    def show(self, index, client_id=None):
        return self.ask("shown", {"trial_index": index, "client_id": client_id or secrets.token_hex(16)})

    def all(self):
        for i in range(self.state["answered"], len(self.state["trials"])):
            assert self.answer(i, "left" if i % 2 else "right").status_code == 200
        return self.ask("finish").json()


def refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error
