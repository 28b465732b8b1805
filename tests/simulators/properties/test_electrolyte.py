import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.properties.constants import drawn, nominal
from simulators.properties.electrolyte import (
    ELECTROLYTES,
    activation_ev,
    conduction,
    conductivity,
)
from simulators.properties.specimen import Batch, Specimen

MATERIALS = {name: nominal(name) for name in ELECTROLYTES}
LLZO, LATP, YSZ = ELECTROLYTES[0], ELECTROLYTES[2], ELECTROLYTES[4]


def _total(
    material: str, temperature_c: float = 25.0, grain_um: float = 3.0, **more: float
) -> float:
    specimen = Specimen.model_validate(
        {"phases": {material: 1.0}, "temperature_c": temperature_c, "grain_um": grain_um,
         "relative_density": 1.0, **more}
    )  # fmt: skip
    return float(conductivity(MATERIALS, Batch.of([specimen]))[0])


def test_published_conductivities() -> None:
    # Jackman and Cutler 2012, abstract: 0.7 mS/cm at grains of 1.7 um, about 0.35 eV.
    assert _total(LATP, grain_um=1.7) == pytest.approx(7e-4, rel=0.1)
    batch = Batch.of([Specimen(phases={LATP: 1.0}, grain_um=1.7)])
    assert activation_ev(MATERIALS, batch)[0] == pytest.approx(0.35, abs=0.01)
    # 8YSZ, recalled: 0.04 S/cm at 800 degC.
    assert _total(YSZ, 800.0, 10.0) == pytest.approx(0.04, rel=0.2)


def test_room_temperature_anchors_lie_in_the_measured_table(data_dir: Path) -> None:
    with (data_dir / "obelix/train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    column = "Ionic conductivity (S cm-1)"
    measured = {
        LLZO: [float(r[column]) for r in rows if r["Reduced Composition"] == "Li7La3Zr2O12"],
        LATP: [float(r[column]) for r in rows
               if r["Reduced Composition"] == "Li1.3Al0.3Ti1.7(PO4)3"],
    }  # fmt: skip

    for name, values in measured.items():
        assert min(values) <= _total(name) <= max(values), name


def test_grains_and_boundaries_add_in_series_and_boundaries_vanish_in_coarse_grains() -> None:
    state = conduction(MATERIALS, Batch.of([Specimen(phases={LLZO: 1.0}, relative_density=1.0)]))

    assert state.total_s_per_cm[0] == pytest.approx(
        1.0 / (state.grain_ohm_cm[0] + state.boundary_ohm_cm[0])
    )
    assert state.boundary_ohm_cm[0] == pytest.approx(MATERIALS[LLZO]["boundary"] / 1e-4)
    assert _total(LLZO, grain_um=1e4) == pytest.approx(MATERIALS[LLZO]["grain"], rel=1e-3)


@pytest.mark.parametrize("name", ELECTROLYTES)
def test_activation_lies_between_grain_and_boundary(name: str) -> None:
    temperature_c = MATERIALS[name]["reference_c"]
    batch = Batch.of([Specimen(phases={name: 1.0}, temperature_c=temperature_c, grain_um=2.0)])

    value = float(activation_ev(MATERIALS, batch)[0])

    ends = sorted((MATERIALS[name]["grain_ev"], MATERIALS[name]["boundary_ev"]))
    assert ends[0] - 1e-6 <= value <= ends[1] + 1e-6


def test_what_does_not_conduct_lowers_the_conductivity() -> None:
    pure = Specimen(phases={LLZO: 1.0}, relative_density=1.0)
    porous = pure.model_copy(update={"relative_density": 0.8})
    dirty = pure.model_copy(update={"phases": {LLZO: 0.8, "La2Zr2O7": 0.2}})
    other = pure.model_copy(update={"phases": {"La2Zr2O7": 1.0}})

    values = conductivity(MATERIALS, Batch.of([pure, porous, dirty, other]))

    assert values[1:] == pytest.approx([0.8**1.5 * values[0], 0.8**1.5 * values[0], 0.0])


@given(
    name=st.sampled_from(ELECTROLYTES),
    grain_um=st.floats(0.05, 100.0),
    temperature_c=st.floats(-270.0, 900.0),
    seed=st.integers(0, 100),
)
def test_conductivity_rises_with_temperature_and_grain_in_any_laboratory(
    name: str, grain_um: float, temperature_c: float, seed: int
) -> None:
    materials = {n: drawn(n, seed) for n in ELECTROLYTES}
    cold = Specimen(phases={name: 1.0}, grain_um=grain_um, temperature_c=temperature_c)
    warm = cold.model_copy(update={"temperature_c": temperature_c + 10.0})
    coarse = cold.model_copy(update={"grain_um": 2.0 * grain_um})

    values = conductivity(materials, Batch.of([cold, warm, coarse]))

    assert np.all(np.isfinite(values))
    assert values[1] >= values[0]
    assert values[2] >= values[0]
