"""What a task is about beside the purity: a measured property and which way it should go."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError, ValidatorFunctionWrapHandler, field_validator

from sdl.core.model import Frozen
from sdl.core.property import QUANTITIES, Property, Quantity
from sdl.core.recipe import Measure
from sdl.core.units import Celsius

_FERRITES = ("MgFe2O4", "ZnFe2O4", "NiFe2O4", "MnFe2O4", "CoFe2O4")

CARRIERS: dict[Property, tuple[str, ...]] = {
    Property.FERRITE_MAGNETISATION: _FERRITES,
    Property.FERRITE_CURIE_POINT: _FERRITES,
}
"""Phases whose property it is; ``simulators.properties`` has laws for the same."""


class Near(Frozen):
    """A value to hit instead of an extreme."""

    near: float
    """In the unit of the property."""


class Objective(Frozen):
    """A property to measure, and what is wanted of it."""

    property: Property
    temperature_c: Celsius = 25.0
    """At which it is measured; of a transition, the highest of the sweep, degC."""
    aim: Literal["maximise", "minimise"] | Near = "maximise"
    """``maximise``, ``minimise``, or ``{near: 120}`` to hit a value."""
    success: float
    """In the unit of the property: the value to reach; with ``near``, how near is near enough."""

    @field_validator("aim", mode="wrap")
    @classmethod
    def _one_message(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """One error for all forms instead of one for each."""
        try:
            return handler(value)
        except ValidationError as err:
            raise ValueError("no such aim; allowed: maximise, minimise, {near: 120}") from err

    def quantity(self) -> Quantity:
        """Unit and words of the property."""
        return QUANTITIES[self.property]

    def step(self) -> Measure:
        """The step that measures it."""
        return Measure(property=self.property, temperature_c=self.temperature_c)

    def merit(self, value: float) -> float:
        """What counts: larger is better, in the unit of the property."""
        if isinstance(self.aim, Near):
            return -abs(value - self.aim.near)
        return value if self.aim == "maximise" else -value

    def reached(self, value: float, level: float | None = None) -> bool:
        """Whether a value is good enough.

        Args:
            value: Measured.
            level: Stands instead of ``success``.
        """
        level = self.success if level is None else level
        if isinstance(self.aim, Near):
            return abs(value - self.aim.near) <= level
        return value >= level if self.aim == "maximise" else value <= level

    def goal(self, level: float | None = None) -> str:
        """The goal in words: ``at least 80.0 A m²/kg (emu/g)``."""
        level = self.success if level is None else level
        quantity = self.quantity()
        if isinstance(self.aim, Near):
            off = f"{level:.{quantity.digits}f}"
            return f"{self.aim.near:.{quantity.digits}f} ± {off} {quantity.shown}"
        side = "at least" if self.aim == "maximise" else "at most"
        return f"{side} {quantity.words(level)}"
