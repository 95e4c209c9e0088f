"""Fetching weights, from a server of the test's own."""

import errno
import hashlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from evaluation import weights
from evaluation.networks.transformers_models import model_folder
from evaluation.weights import NETWORKS, PublicNetwork, WeightsFile, main

CONTENT = bytes(range(256)) * 4096  # 1 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/whole and /cut (half of the transfer, then an end) take ranges, /plain does not, /moved leads to /whole."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.path.startswith("/missing"):
            return self.send_error(404)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/whole/net-12345678.pth")
            return self.end_headers()
        body = json.dumps({"size": 1}).encode() if self.path.endswith(".json") else CONTENT
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        start = 0 if self.path.startswith("/plain") else start
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : len(body) // 2] if self.path.startswith("/cut") and not start else body[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server and a table that names it: server.offer(path, sha256) puts `net` into the table."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.handle_error = lambda *_: None  # a client that stops early is part of the tests
    found.asked, address = [], f"http://127.0.0.1:{found.server_port}"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def offer(path, digest=DIGEST):
        file = WeightsFile(f"{address}/{path}/net-12345678.pth", digest)
        monkeypatch.setitem(NETWORKS, "net", PublicNetwork("tests", "none", 1.0, (file,)))
        return weights.place("net", file)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield SimpleNamespace(offer=offer, asked=found.asked, address=address)
    found.shutdown()
    thread.join()
    found.server_close()


def fails(capsys, *args) -> str:
    """The one line that a failing command prints."""
    with pytest.raises(SystemExit) as stopped:
        main(["get", *args])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.startswith("evaluation.weights: error: ") and error.count("\n") == 1
    return error


def files(target):
    return [file.name for file in target.parent.iterdir()]


@pytest.mark.parametrize("path", ["whole", "moved", "plain"])
def test_a_file_gets_its_name_when_it_is_right_and_is_fetched_once(server, capsys, path):
    target = server.offer(path)
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}: " in listed for name in NETWORKS) and str(target.parent) in listed
    assert "net: not found" in listed and DIGEST in listed
    assert main(["get", "net"]) == 0 and target.read_bytes() == CONTENT and files(target) == [target.name]
    before = len(server.asked)
    assert main(["get", "net"]) == 0 and main([]) == 0 and len(server.asked) == before
    assert "net: found" in capsys.readouterr().out


@pytest.mark.parametrize("then", ["cut", "plain"])
def test_a_broken_transfer_goes_on_where_it_ended(server, capsys, then):
    """From a server without ranges (/plain) everything comes again."""
    target = server.offer("cut")
    assert "broke off after 0.5 of 1.0 MB; the same command goes on" in fails(capsys, "net")
    assert not target.exists()
    server.offer(then)
    assert main(["get", "net"]) == 0 and target.read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={len(CONTENT) // 2}-"
    target.rename(target.with_name(f".{target.name}.part"))  # whole, but not checked yet
    assert main(["get", "net"]) == 0 and target.read_bytes() == CONTENT


def test_another_file_than_expected_is_deleted(server, capsys):
    target = server.offer("whole", "0" * 64)
    assert f"its SHA-256 is {DIGEST}, expected {'0' * 64}; deleted" in fails(capsys, "net")
    assert files(target) == []


def test_a_hash_that_is_not_known_must_be_given(server, capsys):
    target = server.offer("whole", None)
    assert "--sha256" in fails(capsys, "net") and server.asked == []
    assert main(["get", "net", "--sha256", DIGEST.upper()]) == 0 and target.exists()
    assert "one network at a time" in fails(capsys, "net", "inception", "--sha256", DIGEST)


def test_a_full_disk_is_one_line(server, capsys, monkeypatch):
    target = server.offer("whole")
    with monkeypatch.context() as patch:
        patch.setattr(weights.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        assert "0.0 MB are free" in fails(capsys, "net")

    class Full(io.BytesIO):
        def write(self, block):
            raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(weights, "open", lambda *_: Full(), raising=False)
    assert "no space left on the disk" in fails(capsys, "net")
    assert not target.exists()


def test_no_network_and_no_file_are_one_line(server, capsys):
    server.offer("missing")
    assert "the server answers 404" in fails(capsys, "net")
    assert "unknown network 'incepton': did you mean 'inception'" in fails(capsys, "incepton")
    NETWORKS["net"] = PublicNetwork("tests", "none", 1.0, (WeightsFile("http://127.0.0.1:1/net-12345678.pth", DIGEST),))
    assert "no connection (" in (line := fails(capsys, "net")) and "put the file at" in line


def test_the_usual_variables_name_a_proxy(server, monkeypatch):
    file = WeightsFile("http://weights.invalid/whole/net-12345678.pth", DIGEST)
    monkeypatch.setitem(NETWORKS, "net", PublicNetwork("tests", "none", 1.0, (file,)))
    monkeypatch.setenv("http_proxy", server.address)
    assert main(["get", "net"]) == 0
    assert server.asked[0][0] == file.url  # a proxy is sent the whole address


def test_a_model_is_a_folder_that_settings_find_by_its_name(server, monkeypatch):
    path = f"{server.address}/whole"
    model = PublicNetwork("tests", "none", 1.0, (WeightsFile(f"{path}/config.json"),
                                                 WeightsFile(f"{path}/model.safetensors", DIGEST)), in_folder=True)
    monkeypatch.setitem(NETWORKS, "net", model)
    with pytest.raises(Exception, match="python -m evaluation.weights get net"):
        model_folder("net", "judge.path")
    assert main(["get", "net"]) == 0
    assert sorted(file.name for file in model_folder("net", "judge.path").iterdir()) == [
        "config.json", "model.safetensors"]
