"""Compositions of a solid solution as points of a unit cube."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdl.core.material import Target


@dataclass(frozen=True)
class Blend:
    """Mole fractions of the members of a solid solution, in whole steps.

    A point is turned into fractions by breaking a stick: the first member gets its share of the
    whole, the next its share of what is left. The shares are scaled so that points spread evenly
    over the cube give compositions spread evenly over the simplex.

    Attributes:
        target: The solid solution.
        whole: Number of steps that make 1.
    """

    target: Target
    whole: int

    @property
    def names(self) -> tuple[str, ...]:
        """The member phases."""
        return self.target.members

    @property
    def dimension(self) -> int:
        """Number of coordinates: one less than members."""
        return len(self.names) - 1

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(f"share_{name}" for name in self.names[:-1])

    def parts(self, point: Sequence[float]) -> tuple[int, ...]:
        """Steps of each member at a point, shape ``(dimension,)``; they sum to ``whole``."""
        left, found = self.whole, []
        for i, u in enumerate(point):
            u = min(max(float(u), 0.0), 1.0)
            share = 1.0 - (1.0 - u) ** (1.0 / (self.dimension - i))
            found.append(min(round(left * share), left))
            left -= found[-1]
        return (*found, left)

    def point(self, parts: Sequence[int]) -> list[float]:
        """A point with these steps: ``parts(point(p)) == p``."""
        left, found = self.whole, []
        for i, part in enumerate(parts[:-1]):
            share = part / left if left else 0.0
            found.append(1.0 - (1.0 - share) ** (self.dimension - i))
            left -= part
        return found

    def pure(self, member: int) -> list[float]:
        """The point of one member by itself."""
        return self.point([self.whole * (i == member) for i in range(len(self.names))])

    def rounded(self, shares: Sequence[float]) -> tuple[int, ...]:
        """Steps nearest to fractions that sum to 1.

        Raises:
            ValueError: They do not sum to 1 in whole steps.
        """
        parts = tuple(round(share * self.whole) for share in shares)
        if sum(parts) != self.whole:
            raise ValueError("the doses are no composition of the solid solution")
        return parts

    def formula(self, parts: Sequence[int]) -> str:
        """``Ni0.40Zn0.60Fe2O4``: members with their fractions, absent ones left out."""
        if not self.target.label.startswith("("):
            pairs = zip(self.names, parts, strict=True)
            return " ".join(f"{part / self.whole:.2f} {name}" for name, part in pairs if part)
        own, shared = self.target.label[1:].split(")", 1)
        pairs = zip(own.split(","), parts, strict=True)
        words = [f"{name}{part / self.whole:.2f}" for name, part in pairs if part]
        return "".join(words) + shared if len(words) > 1 else words[0][:-4] + shared
