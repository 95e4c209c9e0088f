"""The study page as text: placeholders of its template, its size, nothing that breaks out of it."""

import json
import re
from types import SimpleNamespace

import pytest

from human_study.batch.write import write_batch
from human_study.page import page as pages
from human_study.protocol.protocols import load_protocol
from human_study.trials.cast import Cast
from human_study.trials.draw import draw
from tests.human_study.page.visits import SHORT


def test_placeholders_of_the_template_are_the_columns_of_the_table(small_batch):
    header = (small_batch.public / "hits-01.csv").read_text().splitlines()[0].split(",")
    template = (small_batch.public / "template.html").read_text()
    assert sorted(re.findall(r"\$\{(\w+)\}", template)) == sorted(header)
    assert "<html" not in template and "<form" not in template  # the platform puts it into its own
    names = re.findall(r'<input [^>]*name="(\w+)"', template)
    assert sorted(names) == sorted(["choice_1", "choice_2", "choice_3", "log_json"])
    assert 'type="submit" hidden disabled' in template  # platforms add a button of their own otherwise
    assert "http:" not in template and "src=" not in template


@pytest.mark.parametrize("name, methods", [("crn2017-unlimited", ("pix2pix",)), ("crn2017-timed", ("pix2pix",)),
                                           ("lab", ("a", "b", "c"))])
def test_templates_are_as_small_as_platforms_want_them(name, methods):
    """Turkle takes 65,536 bytes, MTurk took 65,535."""
    protocol = load_protocol(name)
    cast = Cast("crn", methods, "under-test" if name == "crn2017-unlimited" else "image_space")
    hits = draw(protocol, cast, [f"{i:05d}" for i in range(500)], "study")
    trials = [SimpleNamespace(exposure_req_ms=t.exposure_ms, **{name: getattr(t, name) for name in (
        "block", "sentinel", "methods")}) for t in max(hits, key=lambda hit: len(hit.trials)).trials]
    template = pages.table_template(SimpleNamespace(protocol=protocol, hits={"hit": trials}))
    assert len(template.encode()) < 60_000 and template.count("${image_A_url_") == len(trials) > 60


def test_nothing_can_break_out_of_the_page(tiny_run):
    nasty = 'x</script><img src=x onerror=alert(1)>]]>&"\u2028${image_A_url_1}'
    protocol = load_protocol("lab", SHORT).model_copy()
    texts = protocol.text().model_copy(update={"title": nasty, "no_script": nasty, "instructions": (nasty,)})
    batch = write_batch(tiny_run, protocol.model_copy(update={"texts": {"en": texts}}), ["pix2pix"], "crn")
    document = pages.render_document(pages.page_config(batch.protocol, next(iter(batch.hits.values()))), "nonce")
    assert document.count("</script>") == 2 and "<img" not in document
    text = re.search(r'id="study-config">(.*?)</script>', document)[1]
    assert not set("<>&\u2028") & set(text)
    config = json.loads(text)
    assert config["texts"]["title"] == nasty

