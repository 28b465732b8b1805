"""Gate V3: isothermal series made with the kernel, refitted as the papers did."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdl.chemistry.system import Law, load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.material import Lot
from sdl.core.recipe import Gas
from simulators.conditions import GAS_CONSTANT
from simulators.gates.figure import Figure
from simulators.laboratory import nominal_laboratory
from simulators.laws import law_integral
from simulators.matter import Material
from simulators.network import LAW_NUMBERS, FloatArray
from simulators.reactor import Reactor, Segment

MILLING_MIN = 90.0
FITTED = (0.05, 0.8)
"""Conversions that are fitted."""
TIMES_H = tuple(float(t) for t in np.geomspace(1e-3, 300.0, 120))
COMPLETE = 0.99
"""Conversion of the grains in contact that counts as complete; milling leaves 0.4 % without a
partner."""


@dataclass(frozen=True)
class Series:
    """One published study: powders, gas, law, temperatures, what it found."""

    name: str
    system: str
    powders: tuple[str, str]
    """The core last; mixed one to one."""
    product: str
    gas: Gas
    law: Law
    temperatures_c: tuple[float, ...]
    activation_kj_per_mol: float
    within_kj_per_mol: float
    source: str
    size_um: float = 1.0
    """Of the grains after milling: the size for which the system's file states the constants."""
    products: float = 1.0
    """Moles of product per mole of core."""


MAGNESIUM_FERRITE = Series(
    "MgFe2O4", "mg-zn-ni-mn-co-fe-o", ("MgO", "Fe2O3"), "MgFe2O4", Gas.AIR, Law.JANDER,
    (800, 850, 900, 950, 1000), 335, 15, "Paik, Lee, Hyun 2005 (abstract)",
)  # fmt: skip
STRONTIUM_TITANATE = Series(
    "SrTiO3 in argon", "sr-ti-c-o", ("SrCO3", "TiO2-anatase"), "SrTiO3", Gas.ARGON,
    Law.GINSTLING_BROUNSHTEIN, (788, 820, 860, 900, 934), 271, 15, "Luo, Zhang, Wang (abstract)",
)  # fmt: skip
BARIUM_TITANATE = Series(
    "BaTiO3 in air", "ba-ti-c-o", ("BaCO3", "TiO2"), "BaTiO3", Gas.AIR, Law.CARTER,
    (750, 775, 800, 825, 850), 361, 20, "Kozawa, Onda, Yanagisawa 2009 (abstract)", 0.5,
)  # fmt: skip
BARIUM_TITANATE_STEAM = Series(
    "BaTiO3 in steam", "ba-ti-c-o", ("BaCO3", "TiO2"), "BaTiO3", Gas.STEAM, Law.CARTER,
    (620, 650, 680, 710, 740), 142, 17, "Kozawa, Onda, Yanagisawa 2009 (abstract)", 0.5,
)  # fmt: skip
SERIES = (MAGNESIUM_FERRITE, STRONTIUM_TITANATE, BARIUM_TITANATE, BARIUM_TITANATE_STEAM)
"""Temperatures of BaTiO3 are ours, on both sides of the published completion."""
_JANDER = (
    "sr-ti-c-o", "SrTiO3", Law.JANDER, (860.0,), 340.0, 15.0, "J. Am. Ceram. Soc. (abstract)",
)  # fmt: skip


@dataclass(frozen=True)
class Refit:
    """Rate constants by temperature and the line through them."""

    series: Series
    k_per_s: tuple[float, ...]
    activation_kj_per_mol: float
    misfit: float
    """Largest distance of a fitted conversion from the simulated one."""


def charge(series: Series) -> tuple[Reactor, Material]:
    """The powders in one vial after long milling, with the size that holds after it."""
    system = load_system(series.system)
    powder = system.powder
    fresh = powder.limit_um + (series.size_um - powder.limit_um) * math.exp(
        MILLING_MIN / powder.grinding_min
    )
    lots = tuple(
        Lot(
            name=name,
            phase=name,
            molar_mass_g_per_mol=system.phase(name).molar_mass_g_per_mol,
            particle_um=fresh,
        )
        for name in series.powders
    )
    reactor = Reactor(system, nominal_laboratory(system, lots, ("furnace_1",)), lots)
    material = reactor.empty()
    for lot in lots:
        material = reactor.dispense(material, lot.name, 10.0 * lot.molar_mass_g_per_mol)
    return reactor, reactor.mill(material, MILLING_MIN)


def conversions(series: Series, temperature_c: float) -> FloatArray:
    """Conversion at ``TIMES_H`` of a powder that is at the temperature from the start."""
    reactor, material = charge(series)
    made, before_h = [], 0.0
    for hours in TIMES_H:
        soak = Segment(temperature_c, temperature_c, (hours - before_h) * 3600.0)
        material = reactor.heat(material, (soak,), series.gas)
        before_h = hours
        made.append(reactor.solid_moles(material)[series.product] / 10.0 / series.products)
    return np.array(made)


def rate_constant(series: Series, temperature_c: float) -> tuple[float, float]:
    """Constant of the published law in 1/s by least squares through zero, and its misfit."""
    alpha = conversions(series, temperature_c)
    used = (alpha > FITTED[0]) & (alpha < FITTED[1])
    seconds, alpha = 3600.0 * np.array(TIMES_H)[used], alpha[used]
    number, ratio = LAW_NUMBERS[series.law], volume_ratio(series)
    grown = np.array([law_integral(number, float(np.cbrt(1.0 - a)), ratio, 0.0) for a in alpha])
    k = float(seconds @ grown / (seconds @ seconds))
    fine = np.linspace(0.0, 1.0, 2001)[:-1]
    curve = [law_integral(number, float(np.cbrt(1.0 - a)), ratio, 0.0) for a in fine]
    return k, float(np.abs(np.interp(k * seconds, curve, fine) - alpha).max())


def volume_ratio(series: Series) -> float:
    """Volume of product per volume of core."""
    system = load_system(series.system)
    core = system.phase(series.powders[-1]).molar_volume_cm3_per_mol or 1.0
    layer = system.phase(series.product).molar_volume_cm3_per_mol or 1.0
    return series.products * layer / core


def refit(series: Series) -> Refit:
    """Arrhenius' line through the constants of an isothermal series."""
    found = [rate_constant(series, t) for t in series.temperatures_c]
    inverse = 1.0 / (np.array(series.temperatures_c) + ZERO_CELSIUS_K)
    slope = float(np.polyfit(inverse, np.log([k for k, _ in found]), 1)[0])
    return Refit(
        series, tuple(k for k, _ in found), -slope * GAS_CONSTANT, max(m for _, m in found)
    )


def gate_v3(system: str | None = None) -> tuple[Figure, ...]:
    """Activation energies, conversion, completion and the ratio of two titanias.

    Args:
        system: Only the series of this system; ``None`` for all.
    """
    figures = [_activation(refit(s)) for s in SERIES if system in (None, s.system)]
    if system in (None, MAGNESIUM_FERRITE.system):
        figures += _ferrite()
    if system in (None, STRONTIUM_TITANATE.system):
        figures.append(_titanias())
    return tuple(figures)


def _activation(found: Refit) -> Figure:
    series, value = found.series, found.activation_kj_per_mol
    near = abs(value - series.activation_kj_per_mol) <= series.within_kj_per_mol
    target = f"{series.activation_kj_per_mol:g} +- {series.within_kj_per_mol:g} kJ/mol"
    note = f"{series.law.value}, {series.source}; misfit of the conversion {found.misfit:.3f}"
    return Figure("V3", f"{series.name}, activation", value, target, near, "kJ/mol", note)


def _ferrite() -> tuple[Figure, Figure]:
    """Conversion after 1 h at 800 degC and time to completion at 1000 degC."""
    part = float(np.interp(1.0, TIMES_H, conversions(MAGNESIUM_FERRITE, 800.0)))
    hot = conversions(MAGNESIUM_FERRITE, 1000.0)
    touching = 1.0 - load_system(MAGNESIUM_FERRITE.system).powder.best_share
    share = COMPLETE * touching
    minutes, whole = (
        60.0 * float(np.interp(x, hot, TIMES_H, right=math.nan)) for x in (share, COMPLETE)
    )
    return (
        Figure("V3", "MgFe2O4, conversion at 800 degC in 1 h", part, "0.28 +- 0.03",
               abs(part - 0.28) <= 0.03),
        Figure("V3", "MgFe2O4, completion at 1000 degC", minutes, "< 15 min", minutes < 15.0,
               "min", f"{COMPLETE:g} of the grains in contact; of all {whole:.1f} min"),
    )  # fmt: skip


def _titanias() -> Figure:
    """Rate of rutile over that of anatase in air, Jander's law."""
    system, product, law, temperatures, energy, width, source = _JANDER
    constants = []
    for titania in ("TiO2", "TiO2-anatase"):
        series = Series(
            titania, system, ("SrCO3", titania), product, Gas.AIR, law, temperatures, energy,
            width, source,
        )  # fmt: skip
        constants.append(rate_constant(series, temperatures[0])[0])
    ratio = constants[0] / constants[1]
    return Figure(
        "V3",
        "SrTiO3, rutile over anatase in air",
        ratio,
        "0.33 +- 0.05",
        abs(ratio - 1 / 3) <= 0.05,
    )
