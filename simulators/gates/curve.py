"""Gate V4: the conversion of BaCO3 and TiO2 to BaTiO3 where a paper states it, and pCO2."""

from __future__ import annotations

from itertools import pairwise

from sdl.chemistry.system import load_system
from sdl.core.recipe import Gas
from simulators.gates.figure import Figure
from simulators.gates.recipes import gate_lots
from simulators.laboratory import nominal_laboratory
from simulators.program import ROOM_C
from simulators.reactor import Reactor, Segment

SYSTEM = "ba-ti-c-o"
PRESSURES_BAR = (1e-5, 4e-4, 1e-2, 0.1, 0.3, 1.0)
PUBLISHED = (
    (850.0, 2.5, Gas.AIR, 0.98, ">="),
    (700.0, 4.0, Gas.STEAM, 0.98, ">="),
    (700.0, 2.5, Gas.AIR, 0.2, "<"),
)
"""Temperature in degC, dwell in h, gas, bound of the purity (Kozawa 2009, abstract: single phase;
the last by Ginstling and Brounshtein's law with the published activation energy)."""


def batio3_purity(
    temperature_c: float, dwell_h: float, gas: Gas, p_co2_bar: float | None = None
) -> float:
    """Purity of BaTiO3 from the reference powders, well milled, in the nominal laboratory."""
    system, lots = load_system(SYSTEM), gate_lots()
    laboratory = nominal_laboratory(system, lots, ("furnace_1",))
    reactor = Reactor(system, laboratory, lots, p_co2_bar=p_co2_bar)
    material = reactor.dispense(reactor.empty(), "BaCO3", 1973.36)
    material = reactor.mill(reactor.dispense(material, "TiO2", 798.65), 60.0)
    rise = (temperature_c - ROOM_C) / 10.0 * 60.0
    program = (
        Segment(ROOM_C, temperature_c, rise),
        Segment(temperature_c, temperature_c, dwell_h * 3600.0),
    )
    return reactor.purity(reactor.heat(material, program, gas), "BaTiO3")


def purity_curve(gas: Gas, dwell_h: float, temperatures_c: tuple[float, ...]) -> list[float]:
    """Purities against temperature at one dwell, for the plot."""
    return [batio3_purity(t, dwell_h, gas) for t in temperatures_c]


def gate_v4() -> tuple[Figure, ...]:
    """The BaTiO3 curve: complete where the paper says so, hardly begun 150 K colder in air."""
    figures = []
    for temperature_c, dwell_h, gas, bound, sign in PUBLISHED:
        made = batio3_purity(temperature_c, dwell_h, gas)
        ok = made >= bound if sign == ">=" else made < bound
        name = f"{gas.value} {temperature_c:g} degC {dwell_h:g} h"
        figures.append(Figure("V4", name, made, f"{sign} {bound:g}", ok))
    made = [batio3_purity(820, 2.0, Gas.AIR, p) for p in PRESSURES_BAR]
    step = max(b - a for a, b in pairwise(made))
    return (*figures, Figure("V4", "largest step with pCO2", step, "< 0", step < 0.0))
