"""Every word a participant reads, in one file per language; a protocol changes what it likes. Texts of pairs stand at
the top of a file, what other tasks say differently under `tasks`.

{trials}, {minutes}, {checks} and the like are filled in by the page.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from data.errors import InputError
from data.files import list_folder, read_yaml

FOLDER = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(file.stem for file in list_folder(FOLDER, "*.yaml")))  # with ready texts
FALLBACK = "en"  # for what a language of a protocol's own leaves out


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Words(Frozen):
    """A question as it is asked: `options` are the labels by value."""

    text: str
    options: dict[str, str] = {}


class Texts(Frozen):
    """The texts of one language. `instructions`, where given, takes the place of task, duration, checks and keys."""

    name: str  # of the language, as it calls itself
    instructions: tuple[str, ...] = ()
    title: str
    question: str
    question_layout: str
    task: str
    task_timed: str
    task_layout: str
    duration: str
    checks: str
    checks_instructed: str
    keys: str
    keys_timed: str
    consent: tuple[str, ...]
    contact_label: str
    ethics_label: str
    pay_label: str
    agree: str
    vision: str
    left: str
    right: str
    upper: str
    lower: str
    tie: str
    left_alt: str
    right_alt: str
    upper_alt: str
    lower_alt: str
    real: str  # buttons of single pictures
    fake: str
    picture_alt: str
    ranked_alt: str  # of a picture with a place
    unranked_alt: str
    layout_alt: str
    choose_left: str  # written in the pictures of an instruction check
    choose_right: str
    withdraw: str
    withdraw_sure: str
    withdrawn: str
    start: str
    next: str
    show: str
    practice: str
    feedback_right: str
    feedback_wrong: str
    progress: str
    loading: str
    rest: str
    pause: str
    paused: str
    resume: str
    questions: str
    optional: str
    choose: str
    card: str
    card_none: str
    distance: str
    plate: str
    plate_none: str
    full_screen: str
    enlarge: str
    small_screen: str
    no_touch: str
    saving: str
    no_pictures: str
    elsewhere: str
    full: str
    preview: str
    preview_note: str
    broken: str
    done: str
    debrief: str
    code: str
    submit: str
    no_storage: str
    no_script: str
    not_found: str
    too_many: str
    no_parameter: str
    words: dict[str, Words]  # of questions, by name


@lru_cache
def _file(language: str) -> dict[str, Any]:
    texts = read_yaml(FOLDER / f"{language}.yaml", "texts of the study page")
    return {**texts, "consent": tuple(texts["consent"])}


def ready(language: str, task: str = "pairs") -> dict[str, Any]:
    """The texts that ship for a language, or the English ones where there are none."""
    texts = dict(_file(language if language in LANGUAGES else FALLBACK))
    changed = texts.pop("tasks").get(task, {})
    return texts | changed


def completed(texts: dict[str, Any], languages: tuple[str, ...], task: str = "pairs") -> dict[str, dict[str, Any]]:
    """For every language all texts: those given, and for the rest the ready ones.

    Raises InputError for texts of a language that the protocol does not have.
    """
    for language in texts:
        if language not in languages:
            raise InputError(f"texts.{language}: the protocol's languages are {', '.join(languages)}; add '{language}' "
                             "to them, or write the texts under one of these")
    made = {}
    for language in languages:
        own, base = texts.get(language) or {}, ready(language, task)
        if not isinstance(own, dict):
            raise InputError(f"texts.{language}: expected texts by name, such as title")
        made[language] = {**base, **own, "words": {**base["words"], **(own.get("words") or {})}}
    return made


def untranslated(texts: dict[str, Texts], task: str = "pairs") -> list[str]:
    """What a participant would read in another language, or as it was before somebody changed it elsewhere."""
    found = []
    own = {language: {key for key, value in one.model_dump(mode="json").items() if value != _plain(language, key, task)}
           for language, one in texts.items()}
    for language, one in texts.items():
        if language not in LANGUAGES:
            left = [key for key, value in one.model_dump(mode="json").items() if value == _plain(FALLBACK, key, task)]
            found += [f"language '{language}' has no ready texts; English is left in {', '.join(left)}"] if left else []
            continue
        changed = set().union(*own.values()) - own[language]
        found += [f"texts.{language}.{key} is unchanged, but another language says something else" for key in
                  sorted(changed)]
    return found


def _plain(language: str, key: str, task: str) -> Any:
    value = ready(language, task).get(key, () if key == "instructions" else None)
    return list(value) if isinstance(value, tuple) else value
