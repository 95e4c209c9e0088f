"""Questions to participants, before and after the pairs: typed, optional by default, part of the protocol.

Their words are in the texts of each language, under `words`. Answers are in the table of responses: columns q_NAME,
and note_NAME for free text, which no published table has.
"""

from typing import Literal

from pydantic import Field, model_validator

from human_study.protocol.texts import Frozen, Texts

LONGEST = 500  # letters of a free text
READY = {
    "age": {"kind": "number", "minimum": 18, "maximum": 120},
    "sex": {"kind": "choice", "values": ("female", "male", "other", "unsaid")},
    "vision": {"kind": "choice", "values": ("normal", "corrected", "impaired", "colour", "unsaid")},
    "comment": {"kind": "text", "when": "after"},
}


class Question(Frozen):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    kind: Literal["choice", "number", "text"]
    when: Literal["before", "after"] = "before"
    required: bool = False
    values: tuple[str, ...] = ()  # of a choice
    minimum: float | None = None  # of a number
    maximum: float | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Question":
        if (self.kind == "choice") != (len(self.values) > 1):
            raise ValueError(f"question {self.name}: a choice has at least two values, other kinds have none")
        return self

    @property
    def column(self) -> str:
        """Of the table of responses."""
        return f"{'note' if self.kind == 'text' else 'q'}_{self.name}"

    def problem(self, answer: object) -> str:
        """Why an answer is refused; empty if it is valid."""
        if answer is None or answer == "":
            return "an answer is needed" if self.required else ""
        if self.kind == "number":
            number = isinstance(answer, int | float) and not isinstance(answer, bool)
            low, high = self.minimum, self.maximum
            fits = number and (low is None or answer >= low) and (high is None or answer <= high)
            return "" if fits else f"expected a number from {low} to {high}"
        if not isinstance(answer, str) or len(answer) > LONGEST:
            return f"expected a text of at most {LONGEST} letters"
        return "" if self.kind == "text" or answer in self.values else f"expected one of {', '.join(self.values)}"

    def missing_words(self, texts: Texts) -> str:
        """Key of the words that a language lacks for this question; empty if it has all."""
        words = texts.words.get(self.name)
        if words is None:
            return f"words.{self.name}"
        missing = [value for value in self.values if value not in words.options]
        return f"words.{self.name}.options.{missing[0]}" if missing else ""
