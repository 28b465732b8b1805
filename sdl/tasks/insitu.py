"""The measured in-situ run of Y2Mn2O7: weight fractions of crystalline phases against time."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sdl.core.errors import ConfigError
from sdl.core.model import Frozen

FILE = "y2mn2o7_insitu.csv"
ROUNDING = 0.0055
"""Most by which eleven fractions of three decimals miss 1."""

Fraction = Annotated[float, Field(ge=0, le=1)]


class InsituScan(Frozen):
    """One diffraction scan."""

    scan: Annotated[int, Field(ge=1)]
    """Number in the run; gate V7 fits odd and reports even ones."""
    time_min: Annotated[float, Field(ge=0)]
    """From the start of the ramp, min."""
    temperature_c: float
    weight_fraction: dict[str, Fraction]
    """Of the crystalline part, by phase. A phase that is absent here was not in the refiners' model
    of this scan, which is not a measured zero."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(self.weight_fraction.values())
        if abs(total - 1.0) > ROUNDING:
            raise ValueError(f"scan {self.scan}: the fractions add up to {total:.4f}; allowed: 1")
        return self


class InsituRun(Frozen):
    """The whole run, in the order of time."""

    phases: tuple[str, ...]
    """Names as in the system ``y-mn-na-cl-c-o``."""
    scans: tuple[InsituScan, ...]

    def fractions(self) -> NDArray[np.float64]:
        """Weight fractions, (scans, phases); NaN where a phase was not in the model."""
        return np.array(
            [[s.weight_fraction.get(p, np.nan) for p in self.phases] for s in self.scans]
        )

    def part(self, odd: bool) -> InsituRun:
        """The scans with odd (for fitting) or even (for reporting) numbers."""
        kept = tuple(s for s in self.scans if (s.scan % 2 == 1) == odd)
        return self.model_copy(update={"scans": kept})


@cache
def load_insitu() -> InsituRun:
    """The run that ships with the project; its file names the source and the cautions.

    Raises:
        ConfigError: A row is damaged.
    """
    text = (resources.files("sdl.tasks") / "data" / FILE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    head, *rows = csv.reader(lines)
    phases = tuple(head[3:])
    scans = []
    for row in rows:
        try:
            scans.append(_scan(phases, row))
        except ValueError as err:  # of float, of zip, and of pydantic
            raise ConfigError(
                "a row of the in-situ table is damaged",
                got=",".join(row),
                allowed=",".join(head),
                do="restore the file from the repository",
                where=FILE,
            ) from err
    return InsituRun(phases=phases, scans=tuple(scans))


def _scan(phases: tuple[str, ...], row: list[str]) -> InsituScan:
    number, time_min, temperature_c, *amounts = row
    return InsituScan(
        scan=int(number),
        time_min=float(time_min),
        temperature_c=float(temperature_c),
        weight_fraction={
            phase: float(text) for phase, text in zip(phases, amounts, strict=True) if text
        },
    )
