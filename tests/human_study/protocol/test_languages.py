"""Languages and questions of a protocol: complete, in its hash, with warnings about untranslated texts."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from data.errors import InputError
from human_study.page.page import page_config
from human_study.protocol.protocols import load_protocol
from human_study.protocol.questions import READY
from human_study.protocol.texts import LANGUAGES, ready, untranslated
from human_study.responses.columns import TASKS


def places(value):
    """Names to be filled in, anywhere in a text, a list of texts or a group of texts."""
    if isinstance(value, dict):
        return {key: places(one) for key, one in value.items()}
    return sorted(re.findall(r"{(\w+)}", value if isinstance(value, str) else " ".join(value)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_complete(language, task):
    own, english = ready(language, task), ready("en", task)
    assert {"en", "de", "fr", "es", "zh", "ja"} <= set(LANGUAGES) and set(own) == set(english)
    assert places(own) == places(english)
    same = [key for key in own if own[key] == english[key]]
    assert set(same) <= ({*own} if language == "en" else {"pause"})  # nothing was left in English
    preset = {"pairs": "lab", "real_or_fake": "hype-time", "ranking": "ranking"}[task]
    protocol = load_protocol(preset, [f"languages=[{language}]", f"questions=[{', '.join(READY)}]"])
    assert untranslated(protocol.texts, task) == [] and protocol.text().name == own["name"]


def test_texts_belong_to_the_specification(tmp_path):
    plain = load_protocol("lab")
    changes = ["languages=[en, de]", "texts.en.title=Other", "questions=[age]", "ties=true", "contact=N. N.",
               "break_every=9", "screen_check=true", "colour_plates=2", "full_screen=true", "show_layout=true",
               "stacked=true", "feedback=true"]
    hashes = {load_protocol("lab", [one]).sha256() for one in changes}
    assert len(hashes | {plain.sha256()}) == len(changes) + 1


def test_what_was_not_translated_is_reported():
    changed = load_protocol("lab", ["languages=[en, de]", "texts.en.title=Which one?"])
    assert untranslated(changed.texts) == ["texts.de.title is unchanged, but it was changed in another language"]
    both = load_protocol("lab", ["languages=[en, de]", "texts.en.title=Which one?", "texts.de.title=Welches?"])
    assert untranslated(both.texts) == []
    own, = untranslated(load_protocol("lab", ["languages=[it]", "texts.it.title=Quale?"]).texts)
    assert "'it' has no ready texts" in own and "question" in own and "title" not in own


def test_the_protocols_of_the_documentation_are_valid(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "human_study.md").read_text(encoding="utf-8")
    examples = re.findall(r"\n\n((?:    .*\n)+)", page)
    protocols = [dedent(one) for one in examples if one.startswith("    extends:")]
    assert len(protocols) == 2
    for i, text in enumerate(protocols):
        (tmp_path / f"{i}.yaml").write_text(text, encoding="utf-8")
        assert load_protocol(str(tmp_path / f"{i}.yaml")).questions


@pytest.mark.parametrize("settings, message", [
    (["texts.de.title=x"], "texts.de: the protocol's languages are en"),
    (["texts.title=x"], "texts.title: the protocol's languages are en"),
    (["texts.en=x"], "texts.en: expected texts by name"),
    (["languages=de"], "languages is a list of codes"),
    (["languages=[]"], "languages is a list of codes"),
    (["questions=[agee]"], "questions"),
    (["questions=[age, age]"], "a name of its own"),
    (["questions=[{name: hand, kind: choice, values: [left, right]}]"], "texts.en.words.hand is missing"),
    (["questions=[{name: hand, kind: choice}]"], "a choice has at least two values"),
    (["feedback=true", "practice=0"], "feedback needs practice"),
])
def test_refusals(settings, message):
    with pytest.raises(InputError, match=message) as error:
        load_protocol("lab", settings)
    assert "\n" not in str(error.value)


def test_answers_to_questions():
    protocol = load_protocol("lab", ["questions=[age, sex, comment]"])
    age, sex, comment = protocol.questions
    assert [age.problem(value) for value in (None, 18, 33.5)] == ["", "", ""]
    assert all(age.problem(value) for value in (17, 121, "33", True))
    assert sex.problem("other") == "" and sex.problem("x") and comment.problem("y" * 501)
    assert [one.column for one in protocol.questions] == ["q_age", "q_sex", "note_comment"]
    assert protocol.stages == ("before", "after")


def test_the_page_is_in_the_requested_language():
    protocol = load_protocol("lab", ["languages=[en, ja]", "contact=N. N."])
    fitted = protocol.fitted((64, 128))
    for language, used in (("ja", "ja"), ("en", "en"), ("ko", "en")):
        config = page_config(fitted, [], language)
        assert config["language"] == used and config["texts"]["title"] == ready(used)["title"]
        assert config["about"] == [f"{ready(used)['contact_label']} N. N."]
        assert "choose_left" not in config["texts"]
