"""Exposure times that follow from the answers, as in HYPE-time (Zhou et al. 2019).

A right answer makes the next exposure a little shorter, a wrong one longer by three times as much, so that a staircase
settles where three of four answers are right (a weighted up-down rule, Kaernbach 1991).
"""

from collections.abc import Sequence

from pydantic import Field, model_validator

from human_study.design.texts import Frozen


class Staircase(Frozen):
    """All in milliseconds; the values are those of HYPE-time."""

    start_ms: int = Field(500, ge=1)
    down_ms: int = Field(10, ge=1)  # after a right answer
    up_ms: int = Field(30, ge=1)  # after a wrong one
    shortest_ms: int = Field(100, ge=1)
    longest_ms: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Staircase":
        if not self.shortest_ms <= self.start_ms <= self.longest_ms:
            raise ValueError("staircase: start_ms lies between shortest_ms and longest_ms")
        return self

    def level(self, right: Sequence[bool]) -> int:
        """Exposure after these answers, ms."""
        level = self.start_ms
        for one in right:
            moved = level - self.down_ms if one else level + self.up_ms
            level = min(max(moved, self.shortest_ms), self.longest_ms)
        return level
