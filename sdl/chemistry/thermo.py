"""Free energies from tables, of phases and of reactions; nothing is extrapolated silently."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from sdl.core.errors import ChemistryError
from sdl.core.model import Frozen

KJ_PER_MOL_PER_EV = 96.48533212
"""Faraday's constant, kJ/mol per eV (CODATA 2018)."""
GAS_CONSTANT = 8.31446261815324e-3
"""kJ/(mol K) (CODATA 2018)."""
ZERO_CELSIUS_K = 273.15


class GibbsTable(Frozen):
    """Free energy of formation from the elements at evenly spaced temperatures."""

    start_k: Annotated[float, Field(gt=0)]
    """First temperature, K."""
    step_k: Annotated[float, Field(gt=0)]
    """Spacing, K."""
    ev_per_formula: Annotated[tuple[float, ...], Field(min_length=2)]
    """Values, eV per formula unit."""

    @property
    def end_k(self) -> float:
        """Last temperature, K."""
        return self.start_k + self.step_k * (len(self.ev_per_formula) - 1)

    def kj_per_mol(self, temperature_k: float) -> float:
        """Free energy of formation, kJ/mol, linear between the table's temperatures.

        Raises:
            ChemistryError: The temperature is outside the table or not a number.
        """
        if not self.start_k <= temperature_k <= self.end_k:
            raise ChemistryError(
                "a free energy is asked for outside its table",
                got=f"{temperature_k:g} K",
                allowed=f"{self.start_k:g} to {self.end_k:g} K",
                do="stay inside the range; nothing is extrapolated",
            )
        position = (temperature_k - self.start_k) / self.step_k
        index = min(int(position), len(self.ev_per_formula) - 2)
        part = position - index
        low, high = self.ev_per_formula[index], self.ev_per_formula[index + 1]
        return KJ_PER_MOL_PER_EV * (low + part * (high - low))


class GibbsLine(Frozen):
    """A measured free energy of reaction, ``a + b T``."""

    name: str
    a_kj_per_mol: float
    b_kj_per_mol_k: float
    source: str

    def crossing_c(self) -> float:
        """Temperature at which it is zero, degC."""
        return -self.a_kj_per_mol / self.b_kj_per_mol_k - ZERO_CELSIUS_K


def reaction_kj_per_mol(
    equation: Mapping[str, float],
    tables: Mapping[str, GibbsTable],
    temperature_k: float,
    pressures_bar: Mapping[str, float] | None = None,
) -> float:
    """Free energy of a reaction, kJ/mol.

    Args:
        equation: Stoichiometric numbers by phase, negative for what is consumed.
        tables: Free energy of every phase of the equation.
        temperature_k: Temperature, K.
        pressures_bar: Partial pressures of gases, bar; a phase not named has activity 1.

    Raises:
        ChemistryError: Outside a table, a missing table, a pressure not above zero.
    """
    total = 0.0
    for phase, number in equation.items():
        if phase not in tables:
            raise ChemistryError(
                "there is no free energy for a phase of the reaction",
                got=phase,
                allowed=", ".join(sorted(tables)),
            )
        total += number * tables[phase].kj_per_mol(temperature_k)
        pressure = (pressures_bar or {}).get(phase, 1.0)
        if not (pressure > 0 and math.isfinite(pressure)):
            raise ChemistryError(
                "a partial pressure must be above zero", got=pressure, allowed="> 0 bar"
            )
        total += number * GAS_CONSTANT * temperature_k * math.log(pressure)
    return total


def zero_crossing_c(energy: Callable[[float], float], low_k: float, high_k: float) -> float | None:
    """Temperature at which a free energy changes sign, degC; ``None`` if it does not.

    Args:
        energy: Free energy as a function of temperature in K, monotone between the ends.
        low_k: Lower end, K.
        high_k: Upper end, K.
    """
    from scipy.optimize import brentq  # on first use: chemistry must load without scipy

    if energy(low_k) * energy(high_k) > 0:
        return None
    root: Any = brentq(energy, low_k, high_k, xtol=1e-6)  # a float without `full_output`
    return float(root) - ZERO_CELSIUS_K


class Crossing(Frozen):
    """A reaction with the temperatures at which its free energy is known to vanish."""

    name: str
    equation: dict[str, float]
    at_1_bar_c: float | None = None
    at_air_c: float | None = None


class Source(Frozen):
    """A key and the text of a citation."""

    key: str
    text: str


class CrossingTable(Frozen):
    """What gate V2 compares with: free energies, emf lines, zero crossings."""

    name: str
    sources: tuple[Source, ...]
    gibbs: dict[str, GibbsTable]
    lines: tuple[GibbsLine, ...]
    crossings: tuple[Crossing, ...]
    air_co2_bar: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        known = {source.key for source in self.sources}
        for line in self.lines:
            if line.source not in known:
                raise ValueError(f"unknown source {line.source!r}; allowed: {sorted(known)}")
        return self
