import numpy as np
import pytest

from sdl.core.errors import ChemistryError
from simulators.properties.cell import Cell, measure_conductivities, measure_spectrum
from simulators.properties.constants import nominal
from simulators.properties.electrolyte import ELECTROLYTES, conduction
from simulators.properties.specimen import Batch, Specimen

MATERIALS = {name: nominal(name) for name in ELECTROLYTES}
PELLET = Specimen(phases={ELECTROLYTES[0]: 1.0}, grain_um=3.0, temperature_c=0.0)
CELL = Cell(points_per_decade=6)


def test_conductivities_come_back_with_honest_sigmas() -> None:
    state = conduction(MATERIALS, Batch.of([PELLET]))
    truth = (
        state.total_s_per_cm[0], 1.0 / state.grain_ohm_cm[0], 1.0 / state.boundary_ohm_cm[0],
    )  # fmt: skip

    pulls = []
    for seed in range(10):
        found = measure_conductivities(MATERIALS, PELLET, CELL, "pull", seed)
        assert found.quality == "good"
        for (value, sigma), exact in zip(
            (found.total, found.grain, found.boundary), truth, strict=True
        ):
            pulls.append((value - exact) / sigma)

    assert (np.abs(pulls) < 3.0).mean() >= 0.95
    assert 0.5 < np.std(pulls) < 1.6


def test_noise_depends_on_the_key_only() -> None:
    first = measure_spectrum(MATERIALS, PELLET, CELL, 1, "S1")
    measure_spectrum(MATERIALS, PELLET, CELL, 2, "S1")

    again = measure_spectrum(MATERIALS, PELLET, CELL, 1, "S1")
    other = measure_spectrum(MATERIALS, PELLET, CELL, 2, "S1")

    assert np.array_equal(first.impedance_ohm, again.impedance_ohm)
    assert not np.array_equal(first.impedance_ohm, other.impedance_ohm)


def test_spectrum_is_resistive_between_arcs_and_electrode_and_noisier_at_the_ends() -> None:
    spectrum = measure_spectrum(MATERIALS, PELLET, CELL, 1)
    relative = CELL.relative_sigma(spectrum.frequency_hz)

    assert np.all(spectrum.impedance_ohm.real > 0.0)
    assert spectrum.impedance_ohm.imag[-1] < 0.0
    assert relative[0] > relative[len(relative) // 2] < relative[-1]


def test_hot_electrolyte_tells_only_the_total() -> None:
    hot = Specimen(phases={ELECTROLYTES[4]: 1.0}, grain_um=1.0, temperature_c=800.0)
    truth = float(conduction(MATERIALS, Batch.of([hot])).total_s_per_cm[0])

    found = measure_conductivities(MATERIALS, hot, CELL, 3)

    assert found.quality == "grain and boundary overlap: trust the total only"
    assert abs(found.total[0] - truth) < 4.0 * found.total[1]
    assert found.total[1] < 0.05 * truth


@pytest.mark.parametrize("phases", [{"BaTiO3": 1.0}, {ELECTROLYTES[4]: 1.0}])
def test_insulator_is_refused(phases: dict[str, float]) -> None:
    with pytest.raises(ChemistryError, match="insulates"):
        measure_spectrum(MATERIALS, Specimen(phases=phases, temperature_c=25.0), CELL, 1)
