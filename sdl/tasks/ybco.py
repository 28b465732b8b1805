"""Measured outcomes of YBCO syntheses: yields, phases and pairwise onsets, by our names of phases.

Facts from Szymanski et al., "Autonomous and dynamic precursor selection for solid-state materials
synthesis", Nat. Commun. (2023), 10.1038/s41467-023-42329-9. One hold time, one atmosphere, one
laboratory, no repeats: nothing here tells about time. Names are those of the chemical system
``y-ba-cu-c-o``; YBCO of any oxygen content is ``YBa2Cu3O7``.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import Field, ValidationError

from sdl.core.errors import ConfigError
from sdl.core.model import Frozen
from sdl.tasks.routes import load_route_table

SYSTEM = "y-ba-cu-c-o"
"""The chemical system that the names belong to."""

TARGET = "YBa2Cu3O7"
"""Under this name YBCO of any oxygen content is summed."""

REDUCED = "YBa2Cu3O6"
"""The second solid of the system that counts as the target."""

BARIUM_SOURCES = ("BaO", "BaO2", "BaCO3", "BaCuO2", "Ba2Cu3O6")
"""Precursors that bring barium."""

_OURS = {"Ba2(CuO2)3": "Ba2Cu3O6", "Y2(CO3)3": "Y2C3O9"}
_TWINS = {"CuCO3": "CuO"}

Share = Annotated[float, Field(ge=0, le=1)]


class YbcoCell(Frozen):
    """One firing: a precursor set at a temperature."""

    precursors: tuple[str, ...]
    """Sorted."""
    moles: tuple[float, ...]
    """Of each precursor per mole of YBa2Cu3O(6.5)."""
    temperature_c: float
    target_share: Share
    """Weight fraction of the target among the crystalline phases."""
    weight_fractions: dict[str, Share] | None
    """Of every reported phase, rounded to 0.01; ``None`` where only the target is known."""

    @property
    def group(self) -> str:
        """Key that CuO/CuCO3 twins share, at every temperature: never split a group."""
        return "+".join(sorted(_TWINS.get(p, p) for p in self.precursors))

    @property
    def barium_sources(self) -> tuple[str, ...]:
        """The one or two precursors that bring barium."""
        return tuple(p for p in self.precursors if p in BARIUM_SOURCES)


class YbcoOnset(Frozen):
    """What was learned of one or two solids in air."""

    reactants: tuple[str, ...]
    products: tuple[str, ...]
    """Solids only; empty where nothing happened."""
    lowest_c: float | None
    """The reaction sets in above this, degC; ``None`` where no lower bound is known."""
    highest_c: float
    """It has set in at this temperature, or, if it does not react, not yet, degC."""
    reacts: bool


@cache
def load_cells() -> tuple[YbcoCell, ...]:
    """The 188 firings at 600 to 900 degC, with all phases for 114 of them.

    Raises:
        ConfigError: A table that ships with the project is damaged.
    """
    phases = _phases()
    cells = []
    for route in load_route_table().routes:
        if route.moles is None:
            raise ConfigError("a route of YBCO has no amounts", got=route.precursors)
        pairs = sorted(
            (_OURS.get(p, p), n) for p, n in zip(route.precursors, route.moles, strict=True)
        )
        names = tuple(p for p, _ in pairs)
        cells.append(
            YbcoCell(
                precursors=names,
                moles=tuple(n for _, n in pairs),
                temperature_c=route.temperature_c,
                target_share=route.target_wt_pct / 100.0,
                weight_fractions=phases.pop((names, route.temperature_c), None),
            )
        )
    if phases:
        raise ConfigError("phases of firings that the table of yields lacks", got=sorted(phases))
    return tuple(cells)


@cache
def load_onsets() -> tuple[YbcoOnset, ...]:
    """The 27 pairwise onsets.

    Raises:
        ConfigError: The table that ships with the project is damaged.
    """
    return tuple(_onset(row) for row in _rows("ybco_onsets.csv"))


def summed(weight_fractions: dict[str, float]) -> dict[str, float]:
    """Weight fractions with both forms of YBCO under ``TARGET``, as the measured ones are."""
    merged = {p: w for p, w in weight_fractions.items() if p not in (TARGET, REDUCED)}
    if TARGET in weight_fractions or REDUCED in weight_fractions:
        merged[TARGET] = weight_fractions.get(TARGET, 0.0) + weight_fractions.get(REDUCED, 0.0)
    return merged


def _phases() -> dict[tuple[tuple[str, ...], float], dict[str, float]]:
    found = {}
    for row in _rows("ybco_phases.csv"):
        names = tuple(row.pop("precursors").split())
        temperature_c = float(row.pop("temperature_c"))
        found[names, temperature_c] = {p: float(w) / 100.0 for p, w in row.items() if w}
    return found


def _onset(row: dict[str, str]) -> YbcoOnset:
    try:
        return YbcoOnset(
            reactants=tuple(row["reactants"].split()),
            products=tuple(row["products"].split()),
            lowest_c=float(row["lowest_c"]) if row["lowest_c"] else None,
            highest_c=float(row["highest_c"]),
            reacts={"yes": True, "no": False}[row["reacts"]],
        )
    except (KeyError, ValueError, ValidationError) as err:
        raise ConfigError(
            "a row of the onsets is damaged",
            got=row,
            allowed="reactants, products, lowest_c, highest_c, reacts yes or no",
            where="ybco_onsets.csv",
        ) from err


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("sdl.tasks") / "data" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines))
