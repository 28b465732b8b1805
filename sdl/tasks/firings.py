"""First firings of published solid-state syntheses: temperature and dwell by target, for gate V8.

Counted from the text-mined recipes of Kononova et al., Sci. Data 6:203 (2019), by
``sdl.tasks.mined``; figures with citation, no recipe is in the table. Published recipes are
successes alone and text-mined: they say where chemists fire, not how cold a target can be made.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Annotated, Self

from pydantic import Field, model_validator

from sdl.core.errors import ConfigError
from sdl.core.model import Frozen, SafeId
from sdl.core.recipe import Gas

FILE = "first_firings.csv"

READINGS = ("inside", "all")
"""``inside``: recipes all of whose precursors are solids of the chemical system. ``all``: every
recipe of the target that states a temperature, whatever it starts from."""


class FirstFiring(Frozen):
    """What published recipes say of the first firing of one target, in one reading."""

    system: SafeId
    target: str
    """Name of the phase in the system."""
    reading: str
    """One of ``READINGS``."""
    recipes: Annotated[int, Field(ge=1)]
    """Recipes of the target in the data set, with or without a temperature."""
    n: Annotated[int, Field(ge=1)]
    """Recipes counted: those of the reading that state a first firing at 300 degC or above."""
    low_c: float
    """Lower quartile of the temperature, degC."""
    median_c: float
    high_c: float
    """Upper quartile, degC."""
    dwell_h: Annotated[float, Field(gt=0)]
    """Median of the time of that step, h."""
    gas: Gas
    """The furnace gas stated most often; air where none is."""
    precursors: tuple[str, ...]
    """The set used most often among those inside the system, by names of the system."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low_c <= self.median_c <= self.high_c:
            raise ValueError(f"the quartiles of {self.target} are not in order")
        return self


@cache
def load_first_firings(reading: str) -> tuple[FirstFiring, ...]:
    """The table that ships with the project, most counted first.

    Args:
        reading: One of ``READINGS``.

    Raises:
        ConfigError: No such reading.
    """
    if reading not in READINGS:
        raise ConfigError("there is no such reading", got=reading, allowed=", ".join(READINGS))
    text = (resources.files("sdl.tasks") / "data" / FILE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = [
        FirstFiring.model_validate({**row, "precursors": tuple(row["precursors"].split("+"))})
        for row in csv.DictReader(lines)
    ]
    return tuple(sorted((r for r in rows if r.reading == reading), key=lambda r: (-r.n, r.target)))
