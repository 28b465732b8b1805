"""How the simulated stations behave: durations, accuracies, duty. Assumptions, in one place.

None of these figures comes from a data sheet; each is a usual order of magnitude for a bench-top
instrument, with the width a reader may vary.
"""

from __future__ import annotations

from dataclasses import dataclass

ROOM_C = 25.0
"""Room temperature, degC."""

RACK = "rack"
"""The place where vials stand that no station holds; unlimited."""

OPEN_C = 80.0
"""A furnace that was stopped gives its vials out below this (assumption: 60 to 150 degC)."""
FURNACE_COOLING_C_PER_MIN = 2.0
"""A closed furnace after its program, degC/min (contract of ``Cooling.FURNACE``)."""

QUENCH_C_PER_MIN = {"air": 100.0, "liquid": 1000.0}
"""A hot sample outside the furnace, degC/min (contract of ``Cooling``)."""


@dataclass(frozen=True)
class StationModel:
    """Assumed behaviour of the stations of the virtual world."""

    balance_readability_mg: float = 0.1
    """Last digit of the balance, mg (assumption: 0.01 to 1)."""
    balance_sd_mg: float = 0.1
    """Repeatability of the balance, mg (assumption: 0.05 to 0.5)."""
    dosing_sd: float = 0.005
    """Relative standard deviation of a dose (assumption: 0.002 to 0.02)."""
    dosing_cut: float = 3.0
    """A dose farther off than so many standard deviations would be corrected by the dispenser."""
    dose_base_s: float = 60.0
    """Door, head and tare, s (assumption: 30 to 120)."""
    dose_span_s: float = 60.0
    """What the largest dose takes longer, s (assumption: 30 to 300)."""
    transfer_s: float = 30.0
    """One move of the arm, s (assumption: 15 to 90)."""
    quench_base_s: float = 60.0
    """Shortest occupation of the quench station, s (assumption: 30 to 120)."""
    drying_s: float = 3600.0
    """What a wash takes beyond its time in water: filtering, and drying at some 110 degC, s
    (unsourced: 1800 to 14400). Nothing reacts meanwhile and no powder is lost in the filter."""
    thermocouple_sd_c: float = 0.3
    """Noise of the thermocouple reading, degC; its offset is part of the hidden laboratory."""
    ramp_duty: float = 0.8
    """Share of the rated power while heating (assumption: 0.5 to 1)."""
    soak_duty: float = 0.5
    """Share of the rated power at the highest temperature; in proportion below (0.3 to 0.7)."""

    def dose_s(self, mass_mg: float, largest_mg: float) -> float:
        """Duration of a dose of ``mass_mg`` on a dispenser that gives up to ``largest_mg``, s."""
        return self.dose_base_s + self.dose_span_s * min(mass_mg / largest_mg, 1.0)

    def quench_s(self, temperature_c: float, cooling: str) -> float:
        """Duration of a quench from ``temperature_c`` to room temperature, s."""
        cooling_s = (temperature_c - ROOM_C) / QUENCH_C_PER_MIN[cooling] * 60.0
        return max(self.quench_base_s, cooling_s)

    def wash_s(self, minutes: float) -> float:
        """Duration of a wash of ``minutes`` in water, drying counted, s."""
        return minutes * 60.0 + self.drying_s


@dataclass(frozen=True)
class Program:
    """What a furnace is told to do; it runs by itself.

    Args:
        temperature_c: Soak temperature at the thermocouple, degC.
        dwell_h: Soak, h.
        ramp_c_per_min: Heating rate, degC/min.
        gas: Atmosphere, as in ``sdl.core.recipe.Gas``.
        cooling: ``furnace``: cools inside to room temperature, then complete; ``hold``: complete at
            the end of the soak, stays hot until the samples are taken out.
    """

    temperature_c: float
    dwell_h: float
    ramp_c_per_min: float
    gas: str
    cooling: str

    def segments(self, start_c: float) -> tuple[tuple[float, float, float], ...]:
        """(from degC, to degC, s) at the thermocouple, from the furnace's present temperature."""
        ramp_s = abs(self.temperature_c - start_c) / self.ramp_c_per_min * 60.0
        parts = [
            (start_c, self.temperature_c, ramp_s),
            (self.temperature_c, self.temperature_c, self.dwell_h * 3600.0),
        ]
        if self.cooling == "furnace":
            parts.append(cool_down(self.temperature_c))
        return tuple(parts)

    def duration_s(self, start_c: float) -> float:
        """Length of the program from ``start_c``, s."""
        return sum(duration_s for _, _, duration_s in self.segments(start_c))

    def energy_kwh(
        self, start_c: float, power_kw: float, highest_c: float, model: StationModel
    ) -> float:
        """Energy of ramp and soak, kWh: rated power times a duty; cooling costs nothing."""
        segments = self.segments(start_c)
        soak_duty = model.soak_duty * (self.temperature_c - ROOM_C) / (highest_c - ROOM_C)
        weighted_s = model.ramp_duty * segments[0][2] + soak_duty * segments[1][2]
        return power_kw * weighted_s / 3600.0


def air_cooling_s(temperature_c: float) -> float:
    """How long a vial in air takes from ``temperature_c`` to room temperature, s."""
    return max(temperature_c - ROOM_C, 0.0) / QUENCH_C_PER_MIN["air"] * 60.0


def cool_down(temperature_c: float) -> tuple[float, float, float]:
    """The segment of a closed furnace that cools from ``temperature_c`` to room temperature."""
    return (temperature_c, ROOM_C, (temperature_c - ROOM_C) / FURNACE_COOLING_C_PER_MIN * 60.0)


def cool_until_open(temperature_c: float) -> tuple[float, float, float]:
    """What of ``cool_down`` passes before a furnace that was stopped may be opened."""
    start_c, end_c, duration_s = cool_down(temperature_c)
    if start_c <= OPEN_C:
        return (start_c, start_c, 0.0)
    share = (start_c - OPEN_C) / (start_c - end_c)
    return (start_c, OPEN_C, duration_s * share)


def clip(
    segments: tuple[tuple[float, float, float], ...], elapsed_s: float
) -> tuple[tuple[float, float, float], ...]:
    """The part of a program that ran in the first ``elapsed_s`` seconds."""
    parts: list[tuple[float, float, float]] = []
    left_s = elapsed_s
    for start_c, end_c, duration_s in segments:
        if left_s <= 0.0:
            break
        share = 1.0 if left_s >= duration_s else left_s / duration_s
        parts.append((start_c, start_c + (end_c - start_c) * share, duration_s * share))
        left_s -= duration_s
    return tuple(parts)
