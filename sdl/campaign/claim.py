"""When a goal counts as reached: measured, with nothing unexplained, and repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sdl.campaign.goal import Goal
from sdl.core.proposal import Result
from sdl.core.recipe import Recipe


@dataclass(frozen=True)
class Claim:
    """A recipe that reached the goal and how often it did."""

    recipe: Recipe
    first_sample: str
    hits: int
    tries: int

    def confirmed(self, repeats: int) -> bool:
        """Whether the recipe reached the goal ``repeats`` times after the first."""
        return self.hits > repeats

    def open(self, repeats: int) -> bool:
        """Whether further repeats could still confirm it: no repeat has failed."""
        return self.hits == self.tries and not self.confirmed(repeats)


def claims(results: Iterable[Result], goal: Goal) -> tuple[Claim, ...]:
    """One claim per recipe that reached the goal at its first try, in order of the first hit."""
    tries: dict[Recipe, int] = {}
    hits: dict[Recipe, int] = {}
    first: dict[Recipe, str] = {}
    for result in results:
        recipe = result.recipe
        hit = goal.reached(result.observation, result.measurement)
        if recipe not in first and not hit:
            continue
        first.setdefault(recipe, result.sample)
        tries[recipe] = tries.get(recipe, 0) + 1
        hits[recipe] = hits.get(recipe, 0) + int(hit)
    return tuple(Claim(r, first[r], hits[r], tries[r]) for r in first)
