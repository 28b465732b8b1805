"""Numbers with units: floats inside, quantities such as ``900 degC`` at the border.

A field named ``temperature_c`` takes ``900`` or ``"900 degC"`` or ``"1173 K"``; a quantity of
another dimension (``"900 kg"``) is refused with the unit that is allowed.
"""

from __future__ import annotations

import re
import tokenize
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sdl.core.errors import excerpt

_NUMBER = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$")
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)\s*$")
# Pint evaluates arithmetic in a unit, and `9**9**9` would never end: one small power at most.
_UNIT = re.compile(r"(?!.*\d{3})(?!.*(\*\*|\^).*(\*\*|\^))[A-Za-z0-9_ ./*^()%°µμΔ+-]{1,40}")
# What pint's tokenizer and arithmetic raise on texts that are no units, as `hour/0`.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


@cache
def _registry() -> Any:
    # Imported on first use: pint costs a tenth of a second, and plain numbers never need it.
    import pint

    library: Any = pint  # its registry is generic in a type that it leaves unknown
    return library.UnitRegistry(autoconvert_offset_to_baseunit=True)


def to_unit(value: object, unit: str) -> object:
    """Converts a quantity in text to a float in ``unit``; leaves every other value as it is.

    Args:
        value: A number, or text such as ``"900 degC"``.
        unit: The unit of the field, in pint's spelling.

    Raises:
        ValueError: The text is no quantity, or of another dimension.
    """
    if not isinstance(value, str):
        return value
    if _NUMBER.match(value):
        return float(value)
    import pint

    registry = _registry()
    match = _QUANTITY.match(value) if len(value) <= 200 else None
    if match is None or not _UNIT.fullmatch(match[2]):
        raise ValueError(
            f"{excerpt(value)} is not a number or a quantity; allowed: a number in {unit}"
        )
    try:
        return float(registry.Quantity(float(match[1]), match[2]).to(unit).magnitude)
    except (pint.errors.PintError, *_FAULTS) as err:
        raise ValueError(
            f"{excerpt(value)} is not a quantity in {unit}; "
            f"allowed: a number in {unit}, or a quantity that converts to it"
        ) from err


def _in(unit: str) -> BeforeValidator:
    return BeforeValidator(lambda value: to_unit(value, unit))


Celsius = Annotated[float, _in("degC"), Field(ge=-273.15, le=3500)]
"""Temperature in degrees Celsius."""

Hours = Annotated[float, _in("hour"), Field(ge=0, le=100_000)]
"""Duration in hours."""

PositiveHours = Annotated[float, _in("hour"), Field(gt=0, le=100_000)]
"""Duration in hours, above zero."""

Minutes = Annotated[float, _in("minute"), Field(ge=0, le=1_000_000)]
"""Duration in minutes."""

Seconds = Annotated[float, _in("second"), Field(ge=0)]
"""Duration or laboratory time in seconds."""

Milligram = Annotated[float, _in("mg"), Field(ge=0, le=1_000_000)]
"""Mass in milligrams."""

CelsiusPerMinute = Annotated[float, _in("delta_degC/minute"), Field(gt=0, le=2000)]
"""Heating or cooling rate in degrees Celsius per minute."""

Micrometre = Annotated[float, _in("micrometer"), Field(gt=0, le=10_000)]
"""Particle size in micrometres."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""Share between 0 and 1."""

Euro = Annotated[float, Field(ge=0)]
"""Money in euro."""
