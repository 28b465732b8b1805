"""Furnace programs: an anneal and its cooling as linear segments; used by every path."""

from __future__ import annotations

from collections.abc import Iterator

from sdl.core.recipe import Anneal, Cooling, Gas, Quench, Recipe, Step
from simulators.reactor import Segment
from simulators.stations import FURNACE_COOLING_C_PER_MIN, QUENCH_C_PER_MIN, ROOM_C

__all__ = ["COOLING_C_PER_MIN", "ROOM_C", "cooling_gas", "program", "with_cooling"]

COOLING_C_PER_MIN: dict[Cooling, float] = {
    Cooling.FURNACE: FURNACE_COOLING_C_PER_MIN,
    Cooling.AIR: QUENCH_C_PER_MIN[Cooling.AIR.value],
    Cooling.LIQUID: QUENCH_C_PER_MIN[Cooling.LIQUID.value],
}


def cooling_gas(anneal: Anneal, cooling: Cooling) -> Gas:
    """The gas around a cooling sample: the furnace's, or air once it is taken out."""
    return anneal.gas if cooling is Cooling.FURNACE else Gas.AIR


def program(anneal: Anneal, cooling: Cooling = Cooling.FURNACE) -> tuple[tuple[Segment, Gas], ...]:
    """Ramp, soak and cooling between room temperature and the soak, programmed temperatures.

    Args:
        anneal: The step.
        cooling: How the sample leaves the soak temperature.
    """
    top = max(anneal.temperature_c, ROOM_C)
    rise = top - ROOM_C
    return (
        (Segment(ROOM_C, top, rise / anneal.ramp_c_per_min * 60.0), anneal.gas),
        (Segment(top, top, anneal.dwell_h * 3600.0), anneal.gas),
        (
            Segment(top, ROOM_C, rise / COOLING_C_PER_MIN[cooling] * 60.0),
            cooling_gas(anneal, cooling),
        ),
    )


def with_cooling(recipe: Recipe) -> Iterator[tuple[Step, Cooling]]:
    """Each step with the cooling that follows it: a ``Quench`` belongs to the anneal before it.

    An anneal that no ``Quench`` follows cools in the furnace.
    """
    for step, following in zip(recipe.steps, (*recipe.steps[1:], None), strict=True):
        quenched = isinstance(step, Anneal) and isinstance(following, Quench)
        yield (
            step,
            following.cooling if quenched and isinstance(following, Quench) else Cooling.FURNACE,
        )
