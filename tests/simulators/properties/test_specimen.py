import numpy as np
import pytest
from pydantic import ValidationError

from sdl.core.errors import ChemistryError
from simulators.properties.cations import FERRITES, MOLAR_MASS
from simulators.properties.specimen import Batch, Specimen, composition, mole_fractions


def test_composition_from_phase_moles() -> None:
    moles = {"NiFe2O4": 0.5, "ZnFe2O4": 0.5, "Fe2O3": 0.3, "CoFe2O4": 0.0}

    assert composition(moles, FERRITES) == {"Ni": 0.5, "Zn": 0.5}


@pytest.mark.parametrize(
    "moles", [{"Fe2O3": 1.0}, {}, {"NiFe2O4": -1.0}, {"NiFe2O4": float("nan")}]
)
def test_composition_of_nothing_is_refused(moles: dict[str, float]) -> None:
    with pytest.raises(ChemistryError):
        composition(moles, FERRITES)


def test_weights_become_mole_fractions() -> None:
    weights = {"NiFe2O4": 0.6 * MOLAR_MASS["NiFe2O4"], "ZnFe2O4": 0.4 * MOLAR_MASS["ZnFe2O4"]}
    host = sum(weights.values())
    batch = Batch.of([Specimen(phases={**weights, "ZnO": host})])

    fractions, share = mole_fractions(batch, MOLAR_MASS)

    assert fractions[0] == pytest.approx([0.0, 0.4, 0.6, 0.0, 0.0])
    assert share[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "bad", [{"phases": {}}, {"phases": {"A": 0.0}}, {"phases": {"A": -1.0, "B": 2.0}},
            {"phases": {"A": 1.0}, "grain_um": 0.0}, {"phases": {"A": float("nan")}}]
)  # fmt: skip
def test_impossible_specimen_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Specimen.model_validate(bad)


def test_absent_phase_has_no_weight() -> None:
    batch = Batch.of([Specimen(phases={"A": 1.0}), Specimen(phases={"B": 3.0, "A": 1.0})])

    assert batch.phases == ("A", "B")
    assert np.array_equal(batch.of_phases(["C", "B"]), [[0.0, 0.0], [0.0, 0.75]])
