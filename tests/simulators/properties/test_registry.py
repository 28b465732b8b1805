import doctest

import numpy as np
import pytest

from sdl.core.errors import ChemistryError, ConfigError
from sdl.core.model import canonical_json
from simulators.properties import (
    Batch,
    PropertyModel,
    Specimen,
    model,
    property_model,
    property_names,
)
from simulators.properties.instrument import Meter

SAMPLES = {
    "ferrite": Specimen(phases={"NiFe2O4": 0.6, "ZnFe2O4": 0.4}, grain_um=3.0),
    "titanate": Specimen(phases={"BaTiO3": 0.8, "SrTiO3": 0.2}, grain_um=3.0),
    "electrolyte": Specimen(phases={"Li7La3Zr2O12-cubic": 1.0}, grain_um=3.0),
}
DIRECT = [name for name in property_names() if not name.startswith("electrolyte")]


def _sample(name: str) -> Specimen:
    return SAMPLES[name.partition("-")[0]]


@pytest.mark.parametrize("name", property_names())
def test_batch_and_mean_agree(name: str) -> None:
    found = property_model(name)
    sample = _sample(name)

    values = found.batch(Batch.of([sample, sample]))

    assert values.shape == (2,)
    assert values == pytest.approx(found.mean(sample), rel=1e-12)
    assert found.name == name


@pytest.mark.parametrize("name", DIRECT)
def test_reading_scatters_by_its_sigma_around_the_truth(name: str) -> None:
    found, sample = property_model(name), _sample(name)

    truth = found.mean(sample)

    readings = [found.instrument.read(found.groups, sample, truth, seed) for seed in range(400)]

    pulls = np.array([(r.value - truth) / r.sigma for r in readings])
    assert pulls.mean() == pytest.approx(0.0, abs=0.15)
    assert pulls.std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", property_names())
def test_reading_depends_on_its_key_only(name: str) -> None:
    found, sample = property_model(name), _sample(name)

    first = found.measure(sample, 1, "S1")
    assert canonical_json(found.measure(sample, 1, "S1")) == canonical_json(first)
    assert found.measure(sample, 2, "S1").value != first.value
    assert first.unit == found.unit
    assert abs(first.value - found.mean(sample)) < 5.0 * first.sigma


@pytest.mark.parametrize("name", property_names())
def test_hidden_laboratory_differs_and_is_the_same_for_one_key(name: str) -> None:
    sample = _sample(name)
    nominal = property_model(name).mean(sample)

    hidden = [property_model(name).draw("laboratory", seed).mean(sample) for seed in range(6)]

    assert property_model(name).draw("laboratory", 0).mean(sample) == hidden[0]
    assert len({nominal, *hidden}) == 7
    assert np.abs(np.log(np.array(hidden) / nominal)).max() < 3.0


def test_properties_of_one_laboratory_share_their_constants() -> None:
    names = ("ferrite-magnetisation", "ferrite-curie-point")

    groups = [property_model(n).draw("laboratory", 3).groups["ferrite"] for n in names]

    assert groups[0] == groups[1]


def test_calibration_error_of_a_laboratory_is_common_to_its_readings() -> None:
    hidden: PropertyModel = property_model("ferrite-magnetisation").draw("laboratory", 5)
    sample = _sample("ferrite")
    truth = hidden.mean(sample)

    readings = [
        hidden.instrument.read(hidden.groups, sample, truth, seed).value for seed in range(400)
    ]

    assert isinstance(hidden.instrument, Meter)
    assert np.mean(readings) / truth == pytest.approx(hidden.instrument.scale, abs=1e-3)
    assert abs(hidden.instrument.scale - 1.0) > 1e-3


def test_quantum_paraelectric_shows_no_transition() -> None:
    reading = property_model("titanate-curie-point").measure(Specimen(phases={"SrTiO3": 1.0}), 1)

    assert reading.quality == "no transition found"


def test_specimen_without_the_property_is_refused() -> None:
    found = property_model("ferrite-curie-point")
    sample = Specimen(phases={"ZnO": 1.0})

    assert not found.measurable(sample)
    with pytest.raises(ChemistryError, match="ferrite-curie-point"):
        found.measure(sample, 1)


def test_unknown_property_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such property"):
        property_model("colour")


def test_example_of_the_docstring_runs() -> None:
    assert doctest.testmod(model).failed == 0
