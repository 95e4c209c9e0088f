"""Every word that a participant reads, one file per language; a protocol may change any of them. Texts of pairs are at
the top of a file, texts that differ for other tasks under `tasks`.

The page fills in {trials}, {minutes}, {checks} and the like.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from data.errors import InputError
from data.files import list_folder, read_yaml

FOLDER = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(file.stem for file in list_folder(FOLDER, "*.yaml")))  # with ready texts
FALLBACK = "en"  # for texts that a protocol's own language leaves out


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Words(Frozen):
    """The words of a question; options: labels by value."""

    text: str
    options: dict[str, str] = {}


@lru_cache
def _file(language: str) -> dict[str, Any]:
    texts = read_yaml(FOLDER / f"{language}.yaml", "texts of the study page")
    return {**texts, "consent": tuple(texts["consent"])}


# The texts of one language: those of the English file, and `instructions` in place of task, duration, checks and keys.
Texts: type[Frozen] = create_model("Texts", __base__=Frozen, instructions=(tuple[str, ...], ()), **{
    key: (dict[str, Words] if key == "words" else tuple[str, ...] if isinstance(text, tuple) else str, ...)
    for key, text in _file(FALLBACK).items() if key != "tasks"})


def ready(language: str, task: str = "pairs") -> dict[str, Any]:
    """The texts that ship for a language; the English ones for a language without."""
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
    """Texts that are left in English, or unchanged although they were changed in another language, one line each."""
    changed, found = {}, []
    for language, one in texts.items():
        usual = Texts.model_validate(ready(language, task))
        changed[language] = {key for key, value in one if value != getattr(usual, key)}
        left = [key for key in Texts.model_fields if key not in changed[language]]
        if language not in LANGUAGES and left:
            found.append(f"language '{language}' has no ready texts; English is left in {', '.join(left)}")
    return found + [f"texts.{language}.{key} is unchanged, but it was changed in another language"
                    for language in texts if language in LANGUAGES
                    for key in sorted(set().union(*changed.values()) - changed[language])]
