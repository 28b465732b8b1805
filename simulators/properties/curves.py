"""Figures as data: the curves that show what the property models say; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdl.analysis.arrhenius import ArrheniusFit, fit_arrhenius
from sdl.analysis.impedance import ArcFit, Spectrum, fit_arcs
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from simulators.properties import cations, titanate
from simulators.properties.cell import (
    Cell,
    at_temperatures,
    measure_conductivities,
    measure_spectrum,
)
from simulators.properties.constants import nominal
from simulators.properties.electrolyte import ELECTROLYTES
from simulators.properties.model import PropertyModel
from simulators.properties.registry import property_model
from simulators.properties.specimen import Batch, FloatArray, Specimen


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a figure; ``x`` and ``y`` have shape ``(points,)``."""

    label: str
    x: FloatArray
    y: FloatArray
    x_name: str
    y_name: str


def ferrites(cation: str, zinc: FloatArray, **fields: float) -> Batch:
    """(M,Zn)Fe2O4 with mole fractions ``zinc``; ``fields`` as in ``Specimen``."""
    names = (f"{cation}Fe2O4", "ZnFe2O4")
    return _pairs(names, cations.MOLAR_MASS, zinc, fields)


def titanates(strontium: FloatArray, **fields: float) -> Batch:
    """(Ba,Sr)TiO3 with mole fractions ``strontium``; ``fields`` as in ``Specimen``."""
    return _pairs(("BaTiO3", "SrTiO3"), titanate.MOLAR_MASS, strontium, fields)


def _pairs(
    names: tuple[str, str], masses: dict[str, float], second: FloatArray, fields: dict[str, float]
) -> Batch:
    first, other = names
    return Batch.of([
        Specimen.model_validate(
            {"phases": {first: (1.0 - x) * masses[first], other: x * masses[other]}, **fields}
        )
        for x in np.asarray(second, dtype=np.float64).tolist()
    ])  # fmt: skip


def magnetisation_against_zinc(
    temperature_c: float = 27.0, *, model: PropertyModel | None = None
) -> list[Curve]:
    """Saturation magnetisation of (M,Zn)Fe2O4 against zinc, A m2/kg, one curve per cation."""
    model = model or property_model("ferrite-magnetisation")
    zinc = np.linspace(0.0, 1.0, 41)
    return [
        Curve(
            f"({cation},Zn)Fe2O4",
            zinc,
            model.batch(ferrites(cation, zinc, temperature_c=temperature_c, grain_um=5.0)),
            "zinc, mole fraction",
            f"saturation magnetisation at {temperature_c:g} degC, {model.unit}",
        )
        for cation in cations.CATIONS
        if cation != "Zn"
    ]


def ferrite_curie_against_zinc(*, model: PropertyModel | None = None) -> list[Curve]:
    """Curie point of (M,Zn)Fe2O4 against zinc, degC, one curve per cation."""
    model = model or property_model("ferrite-curie-point")
    zinc = np.linspace(0.0, 0.9, 37)
    return [
        Curve(
            f"({cation},Zn)Fe2O4",
            zinc,
            model.batch(ferrites(cation, zinc)) - ZERO_CELSIUS_K,
            "zinc, mole fraction",
            "Curie point, degC",
        )
        for cation in cations.CATIONS
        if cation != "Zn"
    ]


def titanate_curie_against_strontium(*, model: PropertyModel | None = None) -> Curve:
    """Curie point of (Ba,Sr)TiO3 against strontium, K; 0 K: quantum paraelectric."""
    model = model or property_model("titanate-curie-point")
    strontium = np.linspace(0.0, 1.0, 101)
    points = model.batch(titanates(strontium, grain_um=5.0))
    return Curve("(Ba,Sr)TiO3", strontium, points, "strontium, mole fraction", "Curie point, K")


def permittivity_against_temperature(
    strontium: Sequence[float] = (0.0, 0.2, 0.3, 0.5),
    grain_um: float = 2.0,
    *,
    model: PropertyModel | None = None,
) -> list[Curve]:
    """Permittivity of (Ba,Sr)TiO3 against temperature, one curve per composition."""
    model = model or property_model("titanate-permittivity")
    temperature_c = np.linspace(-180.0, 180.0, 181)
    curves: list[Curve] = []
    for fraction in strontium:
        one = titanates(np.full(len(temperature_c), fraction), grain_um=grain_um)
        values = model.batch(one.at(temperature_c + ZERO_CELSIUS_K))
        label = f"Sr {fraction:g}, {grain_um:g} um"
        curves.append(Curve(label, temperature_c, values, "temperature, degC", "permittivity"))
    return curves


def permittivity_against_grain(*, model: PropertyModel | None = None) -> Curve:
    """Permittivity of BaTiO3 at 25 degC against grain size, um."""
    model = model or property_model("titanate-permittivity")
    grain_um = np.geomspace(0.05, 50.0, 61)
    batch = Batch.of([Specimen(phases={"BaTiO3": 1.0}, grain_um=d) for d in grain_um.tolist()])
    return Curve("BaTiO3", grain_um, model.batch(batch), "grain, um", "permittivity at 25 degC")


def nyquist(
    specimen: Specimen, *key: str | int, cell: Cell | None = None
) -> tuple[Spectrum, ArcFit]:
    """A simulated spectrum with noise and its fit; plot real part against minus imaginary part."""
    cell = cell or Cell()
    materials = {name: nominal(name) for name in ELECTROLYTES}
    spectrum = measure_spectrum(materials, specimen, cell, *key)
    return spectrum, fit_arcs(spectrum, cell_f=cell.dielectric_f)


def arrhenius_plot(
    specimen: Specimen, temperatures_c: Sequence[float], *key: str | int
) -> tuple[Curve, FloatArray, ArrheniusFit]:
    """Measured ln(sigma T) against 1000/T, the sigma of each point, and the fitted line."""
    cell = Cell()
    materials = {name: nominal(name) for name in ELECTROLYTES}
    points = [
        measure_conductivities(materials, one, cell, *key, number).total
        for number, one in enumerate(at_temperatures(specimen, temperatures_c))
    ]
    temperature_k = np.array(temperatures_c) + ZERO_CELSIUS_K
    value, sigma = np.array(points).T
    curve = Curve(
        ", ".join(specimen.phases), 1e3 / temperature_k, np.log(value * temperature_k),
        "1000 K / T", "ln(conductivity T), S K/cm",
    )  # fmt: skip
    return curve, sigma / value, fit_arrhenius(temperature_k, value, sigma)
