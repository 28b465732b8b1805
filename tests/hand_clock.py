"""A clock that tests turn by hand."""

from __future__ import annotations


class Hand:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        return self.time_s

    def turn(self, by_s: float) -> None:
        """Lets ``by_s`` seconds pass."""
        self.time_s += by_s
