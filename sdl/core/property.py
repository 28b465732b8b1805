"""Properties of a sample that a laboratory can measure: name, unit, words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Property(StrEnum):
    """What a measurement is about."""

    FERRITE_MAGNETISATION = "ferrite-magnetisation"
    """Saturation magnetisation per mass of sample."""
    FERRITE_CURIE_POINT = "ferrite-curie-point"
    """Where a ferrite loses its magnetisation on heating."""


@dataclass(frozen=True)
class Quantity:
    """How a property is written.

    Args:
        title: In words.
        unit: Of value and sigma, in ASCII, as it stands in the journal.
        shown: The same unit as a person reads it.
        digits: Digits after the point where sigma is not smaller.
    """

    title: str
    unit: str
    shown: str
    digits: int = 1

    def words(self, value: float | None, sigma: float | None = None) -> str:
        """``81.4 ± 0.5 A m²/kg``; a dash for none."""
        if value is None:
            return "–"
        digits = self.digits + (sigma is not None and 0.0 < sigma < 0.5 * 10.0**-self.digits)
        if sigma is None:
            return f"{value:.{digits}f} {self.shown}"
        return f"{value:.{digits}f} ± {sigma:.{digits}f} {self.shown}"


QUANTITIES: dict[Property, Quantity] = {
    Property.FERRITE_MAGNETISATION: Quantity(
        "saturation magnetisation", "A m2/kg", "A m²/kg (emu/g)"
    ),
    Property.FERRITE_CURIE_POINT: Quantity("Curie point", "degC", "°C", digits=0),
}
"""One entry per property."""
