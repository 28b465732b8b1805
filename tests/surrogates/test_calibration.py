"""Calibration on a hidden laboratory: better on recipes that were not fitted, and it says so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdl.chemistry.system import load_system
from sdl.core.errors import ModelError
from sdl.core.material import PhaseAmount
from sdl.core.recipe import Gas
from sdl.core.seeds import generator
from sdl.tasks.routes import shelf
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task
from surrogates.calibration import (
    Calibration,
    CalibrationConfig,
    calibrate,
    judge,
    prior_belief,
    spread_kept,
)
from surrogates.observed import Noise
from surrogates.outcomes import Experiment, outcomes_hash
from surrogates.parameters import Circumstances, Parameter, ParameterSet, of_hidden
from surrogates.smoother import SmootherConfig
from surrogates.twin import Twin, changed, lasting, lots_in

TASK = load_task("batio3-coarse")
SYSTEM = load_system(TASK.system)
LOTS, FURNACES = TASK.laboratory.shelf, ("furnace_1",)
PARAMETERS = ParameterSet(of_hidden(SYSTEM, TASK.hidden, LOTS, FURNACES))
TWIN = Twin(SYSTEM, LOTS, PARAMETERS, FURNACES, threads=1)
CONFIG = CalibrationConfig(
    members=100,
    smoother=SmootherConfig(steps=4),
    noise=Noise(discrepancy=0.02),
    target="BaTiO3",
)
HELD_OUT = {f"S{i}" for i in range(10, 20)}


def measured(truth: np.ndarray, seed: int) -> tuple[Experiment, ...]:
    """Twenty random recipes in a laboratory, measured with 1.5 wt% of noise."""
    space = TaskSpace(TASK)
    points = generator("recipes", seed).random((20, space.dimension))
    asked = [
        Experiment(name=f"S{i}", group=f"S{i}", recipe=space.decode(p), measured={})
        for i, p in enumerate(points)
    ]
    fractions = TWIN.fractions(truth[None], asked)[0]
    fractions = fractions + 0.015 * generator("noise", seed).standard_normal(fractions.shape)
    return tuple(
        e.model_copy(
            update={
                "measured": {
                    phase: PhaseAmount(weight_fraction=float(w), sigma=0.015)
                    for phase, w in zip(TWIN.phases, np.clip(row, 0, 1), strict=True)
                }
            }
        )
        for e, row in zip(asked, fractions, strict=True)
    )


# Every hidden figure two prior standard deviations off, to either side.
TRUTH = 2.0 * PARAMETERS.sd * np.sign(generator("hidden", 1).standard_normal(len(PARAMETERS.sd)))


@pytest.fixture(scope="module")
def outcomes() -> tuple[Experiment, ...]:
    return measured(TRUTH, 1)


@pytest.fixture(scope="module")
def done(outcomes: tuple[Experiment, ...]) -> Calibration:
    return calibrate(TWIN, outcomes, CONFIG, "test", held_out=HELD_OUT)


def test_ten_outcomes_make_ten_other_recipes_better_predicted(done: Calibration) -> None:
    held = done.held_out
    assert held is not None
    assert (held.experiments, done.fitted.experiments) == (10, 10)
    assert held.gain.log_density.low > 0.0
    assert held.gain.rmse.low > 0.0
    assert held.posterior.rmse.value < 0.6 * held.prior.rmse.value
    assert held.posterior.rank.value >= held.prior.rank.value
    # In-sample figures flatter; they are reported apart.
    assert done.fitted.posterior.rmse.value <= held.posterior.rmse.value


def test_the_truth_is_nearer_and_spread_is_lost_only_where_the_data_speak(
    done: Calibration,
) -> None:
    def off(ensemble: np.ndarray) -> float:
        return float(np.sqrt(np.mean(((ensemble.mean(0) - TRUTH) / PARAMETERS.sd) ** 2)))

    assert off(done.belief.ensemble) < off(done.prior.ensemble)
    kept = spread_kept(done.prior, done.belief)
    assert min(kept.values()) < 0.8
    assert np.median(list(kept.values())) > 0.9
    assert max(kept.values()) < 1.02
    # No recipe uses the second furnace or leaves BaO, whose lot is not on the shelf.
    assert kept["ln_k/oxide_titanate/default"] > 0.9


def test_equal_keys_give_equal_beliefs_in_any_order(
    done: Calibration, outcomes: tuple[Experiment, ...]
) -> None:
    again = calibrate(TWIN, outcomes[::-1], CONFIG, "test", held_out=HELD_OUT)
    np.testing.assert_array_equal(again.belief.ensemble, done.belief.ensemble)
    assert again.belief.fitted == done.belief.fitted
    assert again.belief.lineage == done.belief.lineage


def test_the_belief_knows_what_it_has_seen(
    done: Calibration, outcomes: tuple[Experiment, ...]
) -> None:
    assert outcomes_hash(outcomes[:10]) in done.belief.fitted
    assert done.belief.lineage["data"] == outcomes_hash(outcomes[:10])
    assert done.belief.lineage["held_out"] == sorted(HELD_OUT)
    assert done.prior.fitted == frozenset()
    with pytest.raises(ModelError, match="has seen some"):
        calibrate(TWIN, outcomes[:1], CONFIG, "again", prior=done.belief)


def test_a_belief_can_be_updated_with_new_outcomes(
    done: Calibration, outcomes: tuple[Experiment, ...]
) -> None:
    more = calibrate(TWIN, outcomes[10:], CONFIG, "more", prior=done.belief)
    assert more.held_out is None
    assert done.belief.fitted < more.belief.fitted
    assert more.fitted.gain.log_density.value > 0.0
    again = judge(TWIN, done.belief, more.belief, outcomes[10:], CONFIG, "more", "fitted")
    assert again == more.fitted


def test_splits_that_leave_nothing_and_other_parameters_are_refused(
    done: Calibration, outcomes: tuple[Experiment, ...]
) -> None:
    with pytest.raises(ModelError, match="nothing to fit"):
        calibrate(TWIN, outcomes, CONFIG, "x", held_out={e.group for e in outcomes})
    with pytest.raises(ModelError, match="nowhere"):
        calibrate(TWIN, outcomes, CONFIG, "x", held_out={"nowhere"})
    fewer = Twin(SYSTEM, LOTS, ParameterSet(PARAMETERS.parameters[:3]), FURNACES)
    with pytest.raises(ModelError, match="other parameters"):
        calibrate(fewer, outcomes, CONFIG, "x", prior=done.prior)
    elsewhere = outcomes[0].model_copy(update={"furnace": "kiln"})
    with pytest.raises(ModelError, match="furnace"):
        TWIN.fractions(np.zeros((1, len(PARAMETERS.names))), [elsewhere])


def test_circumstances_change_what_happens(outcomes: tuple[Experiment, ...]) -> None:
    outside = ParameterSet(
        (Parameter("co2", 2.0, ("ln_p/CO2",)), Parameter("dwell", 0.5, ("ln_dwell",)))
    )
    twin = Twin(SYSTEM, LOTS, outside, FURNACES, threads=1)
    values = np.array([[0.0, 0.0], [7.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    found = twin.fractions(values, outcomes[:6])
    np.testing.assert_array_equal(found[0], found[3])
    product = twin.phases.index("BaTiO3")
    assert found[1, :, product].sum() < found[0, :, product].sum() - 0.01
    assert found[2, :, product].sum() > found[0, :, product].sum() + 0.01
    co2 = changed(SYSTEM, Circumstances(ln_p=(("CO2", 1.0),))).gases[Gas.AIR].p_bar["CO2"]
    assert co2 == pytest.approx(math.e * SYSTEM.gases[Gas.AIR].p_bar["CO2"])
    with pytest.raises(ModelError, match="this vapour"):
        changed(SYSTEM, Circumstances(ln_p=(("SO3", 1.0),)))
    assert lasting(outcomes[0].recipe, 20.0).anneals()[0].dwell_h == 500.0


def test_lots_of_formulas_find_their_phases() -> None:
    assert [lot.phase for lot in lots_in(SYSTEM, shelf(["TiO2", "BaO"]))] == ["TiO2", "BaO"]
    with pytest.raises(ModelError, match="no solid"):
        lots_in(SYSTEM, shelf(["Y2O3"]))


def test_a_prior_belief_is_the_draw_of_its_parameters() -> None:
    belief = prior_belief(TWIN, 7, "p")
    np.testing.assert_array_equal(belief.ensemble, PARAMETERS.draw(7, "p"))
