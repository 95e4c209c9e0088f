"""Pictures over HTTP: the files' own bytes, layouts in colour, previews, gaps with a reason, nothing else."""

import io

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.files import read_image
from reports.app.parts import serving


@pytest.fixture(scope="module")
def client(read_only_run):
    return TestClient(Starlette(routes=serving.routes(["--run", str(read_only_run.path)])))


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_pictures_are_the_files_byte_for_byte(read_only_run, client):
    run = read_only_run
    for address, file in [("photos/00000", run.photo_file("00000")),
                          ("images/crn/00003", run.image_file("crn", "00003")),
                          ("variants/crn_diversity/00001/2", run.variant_file("crn_diversity", "00001", 2))]:
        answer = client.get(f"/pictures/0/{address}")
        assert answer.content == file.read_bytes()
        assert answer.headers["content-type"] == "image/png"


def test_layouts_have_the_colours_of_their_classes_without_being_compressed_again(read_only_run, client):
    content = client.get("/pictures/0/layouts/00002").content
    layout, file = read_only_run.layout("00002"), read_only_run.dataset / "layouts" / "00002.png"
    assert (pixels(content) == read_only_run.labels().colourise(layout)).all()
    assert file.read_bytes()[33:] in content  # everything behind the header


def test_a_layout_of_another_kind_of_png_and_a_class_outside(tiny_run):
    file = tiny_run.dataset / "layouts" / "00000.png"
    Image.fromarray(tiny_run.layout("00000")).quantize(4).save(file)  # a palette image
    assert pixels(serving.layout_bytes(tiny_run, file)).shape == (32, 64, 3)
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(file)
    assert (pixels(serving.layout_bytes(tiny_run, file)) == [255, 0, 255]).all()


def test_previews_are_smaller_and_never_larger(read_only_run, client):
    big = Image.fromarray(read_image(read_only_run.photo_file("00000"))).resize((800, 401))
    buffer = io.BytesIO()
    big.save(buffer, "PNG")
    assert pixels(serving.preview(buffer.getvalue(), 320)).shape == (160, 320, 3)
    small = client.get("/pictures/0/photos/00000?width=320")
    assert small.content == read_only_run.photo_file("00000").read_bytes()


def test_a_picture_seen_before_is_not_sent_again_until_it_changes(tiny_run):
    client = TestClient(Starlette(routes=serving.routes(["--run", str(tiny_run.path)])))
    first = client.get("/pictures/0/photos/00000")
    again = client.get("/pictures/0/photos/00000", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content
    tiny_run.photo_file("00000").write_bytes(tiny_run.photo_file("00001").read_bytes())
    changed = client.get("/pictures/0/photos/00000", headers={"If-None-Match": first.headers["etag"]})
    assert changed.content == tiny_run.photo_file("00001").read_bytes()


def test_what_cannot_be_shown_is_a_sentence_without_the_folder(tiny_run):
    client = TestClient(Starlette(routes=serving.routes(["--run", str(tiny_run.path)])))
    tiny_run.image_file("crn", "00000").unlink()
    file = tiny_run.image_file("crn", "00001")
    file.write_bytes(file.read_bytes()[:100])
    tiny_run.image_file("crn", "00002").write_bytes(b"GIF89a")
    for layout, problem in [("00000", "no such image"), ("00001", "truncated"), ("00002", "not a PNG")]:
        answer = client.get(f"/pictures/0/images/crn/{layout}")
        assert answer.status_code == 404
        assert answer.text.startswith(f"methods/crn/images/{layout}.png: ") and problem in answer.text


@pytest.mark.parametrize("address", ["pictures/1/photos/00000", "pictures/0/photos", "pictures/0/gone/00000",
                                     "pictures/0/photos/..%2F..%2Frun", "pictures/0/images/..%2F../00000",
                                     "pictures/0/images/.%2E/00000", "pictures/0/photos/..%5C00000",
                                     "hits/0/x/y/0/page", "hits/0/x/y/-/page", "hits/0/..%2F..%2Fx/y/0/page"])
def test_nothing_else_is_given_out(client, address):
    assert client.get(f"/{address}").status_code == 404


def test_odd_names_of_layouts(tiny_run):
    odd = tiny_run.photo_file("a b%c#d")
    odd.write_bytes(tiny_run.photo_file("00000").read_bytes())
    client = TestClient(Starlette(routes=serving.routes(["--run", str(tiny_run.path)])))
    assert client.get("/pictures/0/photos/a%20b%25c%23d").content == odd.read_bytes()


def test_a_hit_as_a_worker_sees_it(tiny_run):
    public = tiny_run.study / "lab" / "public"
    (public / "images").mkdir(parents=True)
    (public / "template.html").write_text("<img src='${image_A_url_1}'>")
    (public / "hits-01.csv").write_text("image_A_url_1\nimages/one.png\nimages/two.png\n")
    (public / "images" / "two.png").write_bytes(tiny_run.photo_file("00000").read_bytes())
    client = TestClient(Starlette(routes=serving.routes(["--run", str(tiny_run.path)])))
    page = client.get("/hits/0/lab/hits-01/1/page")
    assert "<img src='images/two.png'>" in page.text
    assert page.headers["content-security-policy"] == "sandbox allow-scripts"
    picture = client.get("/hits/0/lab/hits-01/1/images/two.png")
    assert picture.content == tiny_run.photo_file("00000").read_bytes()
    assert client.get("/hits/0/lab/hits-01/7/page").status_code == 404
