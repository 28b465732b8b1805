"""Requests to persons and what their answers must hold: checked the same way on both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from sdl.core.command import Verb
from sdl.core.errors import ConfigError, excerpt
from sdl.core.model import Frozen, SafeId
from sdl.core.units import to_unit


class Ask(Frozen):
    """One number that an answer holds."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    unit: str
    low: float
    high: float
    required: bool = True
    doc: str

    @property
    def allowed(self) -> str:
        """The limits in words."""
        return f"{self.low:g} to {self.high:g} {self.unit}"


class Difference(Frozen):
    """A limit on one number less another: a slip of the unit shows in it."""

    of: str
    less: str
    unit: str
    low: float
    high: float


class Request(Frozen):
    """What is asked of a person, as it stands in ``<id>.json``."""

    id: SafeId
    station: SafeId
    verb: Verb
    samples: tuple[SafeId, ...]
    args: dict[str, Any]
    asks: tuple[Ask, ...] = ()
    difference: Difference | None = None
    data: tuple[str, ...] = ()
    """Endings of a data file that is part of the answer; any of them."""

    def check(self, values: Mapping[str, float | str]) -> dict[str, float]:
        """The numbers of an answer in the units that are asked for.

        Args:
            values: Numbers, or quantities such as ``1.41 g``, by name.

        Raises:
            ConfigError: A name is not asked for or missing, a value is no finite number of that
                dimension, or outside its limits.
        """
        known = {ask.name: ask for ask in self.asks}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise self._wrong("this was not asked for", excerpt(unknown[0]), self.names or "done")
        numbers = {name: self._number(known[name], value) for name, value in values.items()}
        missing = [ask for ask in self.asks if ask.required and ask.name not in numbers]
        if missing:
            allowed = f"{missing[0].name}: {missing[0].allowed}, {missing[0].doc}"
            raise self._wrong(f"{missing[0].name} is missing", self.said(values), allowed)
        self._check_difference(numbers)
        return numbers

    @property
    def example(self) -> str:
        """An answer with all that it must hold."""
        return " ".join(f"{ask.name}=VALUE" for ask in self.asks if ask.required) or "done"

    @property
    def names(self) -> str:
        """Names of the numbers that are asked for, in a row."""
        return ", ".join(ask.name for ask in self.asks)

    @staticmethod
    def said(values: Mapping[str, object]) -> str:
        """Names that were given, in words."""
        return ", ".join(sorted(values)) or "no value"

    def _number(self, ask: Ask, value: float | str) -> float:
        try:
            number = to_unit(value, ask.unit)
        except ValueError as err:
            raise self._wrong(f"{ask.name}: {err}", excerpt(value), ask.allowed) from err
        # Whole numbers may be too large to become a float: compared first.
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not ask.low <= number <= ask.high
            or not math.isfinite(number)
        ):
            raise self._wrong(f"{ask.name} is outside its limits", excerpt(value), ask.allowed)
        return float(number)

    def _check_difference(self, numbers: Mapping[str, float]) -> None:
        limit = self.difference
        if limit is None or limit.of not in numbers or limit.less not in numbers:
            return
        found = numbers[limit.of] - numbers[limit.less]
        if not limit.low <= found <= limit.high:
            raise self._wrong(
                f"{limit.of} less {limit.less} is not what was asked for",
                f"{found:g} {limit.unit}",
                f"{limit.low:g} to {limit.high:g} {limit.unit}",
            )

    def _wrong(self, what: str, got: object, allowed: object) -> ConfigError:
        return ConfigError(
            what,
            got=got,
            allowed=allowed,
            do="correct the answer (mind the unit), or answer failed='why' where it went wrong",
            where=self.id,
        )
