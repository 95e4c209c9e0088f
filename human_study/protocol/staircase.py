"""Exposure times that follow from the answers, as in HYPE-time (Zhou et al. 2019, section 2.1).

The paper: 100 to 1000 ms, beginning at 500 ms, "raised at 10 ms increments and reduced at 30 ms decrements, following
the 3-up/1-down adaptive staircase approach, which theoretically leads to a 75% accuracy threshold". Steps and threshold
are inconsistent: 30 ms down after a right answer and 10 ms up after an error settle where one of four is right, below
chance, so everybody would end at 100 ms; 30 ms down after three right ones in a row, where 63 % are. The rule that
leads to 75 % is a weighted up-down rule (Kaernbach 1991) with the steps exchanged, 10 ms down and 30 ms up: three right
answers balance one error. This rule is used here.
"""

from collections.abc import Sequence

from pydantic import Field, model_validator

from human_study.protocol.texts import Frozen


class Staircase(Frozen):
    """All in milliseconds; the values are those of HYPE-time, with the steps exchanged."""

    start_ms: int = Field(500, ge=1)
    down_ms: int = Field(10, ge=1)  # after a right answer
    up_ms: int = Field(30, ge=1)  # after a wrong one
    shortest_ms: int = Field(100, ge=1)
    longest_ms: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Staircase":
        if not self.shortest_ms <= self.start_ms <= self.longest_ms:
            raise ValueError("staircase: expected shortest_ms <= start_ms <= longest_ms")
        return self

    def level(self, right: Sequence[bool]) -> int:
        """Exposure after these answers, ms."""
        level = self.start_ms
        for one in right:
            moved = level - self.down_ms if one else level + self.up_ms
            level = min(max(moved, self.shortest_ms), self.longest_ms)
        return level
