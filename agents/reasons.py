"""Why this recipe: one sentence a chemist would accept."""

from __future__ import annotations

from collections.abc import Sequence

from sdl.core.proposal import Result
from sdl.core.recipe import Cooling, Mix, Quench, Recipe, Regrind


def reason(
    recipe: Recipe,
    results: Sequence[Result],
    nearest: Result | None,
    *,
    on_the_way: Sequence[Recipe] = (),
    chance: float,
    predicted: str,
    subject: str = "",
    believer: str,
) -> str:
    """The sentence that goes into the journal and the report.

    Args:
        recipe: What is proposed.
        results: What was made before.
        nearest: The most similar of them, ``None`` when there is none.
        on_the_way: Recipes of samples whose outcome is not known yet.
        chance: Probability that it beats the best so far.
        predicted: Predicted measurement with its standard deviation.
        subject: What is made, where that differs between recipes.
        believer: Who gives the chance: ``the twin`` or ``the model``.
    """
    anneal = recipe.anneals()[0]
    what = f"{anneal.gas.value} at {anneal.temperature_c:.0f} °C for {anneal.dwell_h:.3g} h"
    what = f"{subject}, {what}" if subject else what
    predicted = f"; predicted {predicted}" if predicted else ""
    if nearest is None:
        if not on_the_way:
            return f"{what}, nothing measured yet; best guess of {believer}{predicted}"
        other = _change(recipe, on_the_way[0])
        return f"{what}, beside the first guess but {other}{predicted}"
    fresh = _untried(recipe, [*(result.recipe for result in results), *on_the_way])
    what += (
        f", {fresh} untried"
        if fresh
        else f", like {nearest.proposal} but {_change(recipe, nearest.recipe)}"
    )
    return f"{what}; {believer} gives {100 * chance:.0f} % to beat the best so far{predicted}"


def _untried(recipe: Recipe, made: Sequence[Recipe]) -> str:
    """The first thing in the recipe that no recipe before had, or an empty text."""
    gas = recipe.anneals()[0].gas
    if all(gas not in {a.gas for a in other.anneals()} for other in made):
        return gas.value
    for dose in recipe.doses():
        if all(dose.lot not in {d.lot for d in other.doses()} for other in made):
            return f"lot {dose.lot}"
    if _regrinds(recipe) > max(map(_regrinds, made)):
        return "regrinding"
    return ""


def _regrinds(recipe: Recipe) -> int:
    return sum(isinstance(step, Regrind) for step in recipe.steps)


def _cooling(recipe: Recipe) -> Cooling:
    return next((s.cooling for s in recipe.steps if isinstance(s, Quench)), Cooling.FURNACE)


def _change(recipe: Recipe, other: Recipe) -> str:
    """The differences to another recipe in words, at most three."""
    words: list[str] = []
    one, two = recipe.anneals()[0], other.anneals()[0]
    if one.gas is not two.gas:
        words.append(f"in {one.gas.value}")
    before = {d.lot: d for d in other.doses()}
    for a in recipe.doses():
        b = before.get(a.lot)
        if b is None:
            words.append(f"with {a.lot}")
        elif abs(a.mass_mg / b.mass_mg - 1.0) > 0.002:
            words.append(f"{100 * (a.mass_mg / b.mass_mg - 1.0):+.1f} % {a.lot}")
    if _regrinds(recipe) != _regrinds(other):
        words.append(f"{_regrinds(recipe)} regrinds")
    warmer = one.temperature_c - two.temperature_c
    if abs(warmer) >= 5:
        words.append(f"{abs(warmer):.0f} °C {'hotter' if warmer > 0 else 'cooler'}")
    longer = one.dwell_h - two.dwell_h
    if abs(longer) >= 0.2:
        words.append(f"{abs(longer):.1f} h {'longer' if longer > 0 else 'shorter'}")
    if _cooling(recipe) is not _cooling(other):
        words.append(f"cooled in {_cooling(recipe).value}")
    milled = _milled(recipe) - _milled(other)
    if abs(milled) >= 2:
        words.append(f"milled {abs(milled):.0f} min {'longer' if milled > 0 else 'less'}")
    return ", ".join(words[:3]) or "with small changes"


def _milled(recipe: Recipe) -> float:
    return sum(step.mill_min for step in recipe.steps if isinstance(step, Mix))
