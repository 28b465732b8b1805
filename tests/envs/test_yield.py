"""The yield of the reward: an excess of lithium is free, everything else that is lost counts."""

import numpy as np
import pytest

from envs.acts import ended_share
from envs.batched import BatchedSynthesis
from sdl.core.recipe import Anneal, Characterise, Gas, Mix, Regrind, Stop
from sdl.tasks.task import load_task
from simulators.laboratory import nominal_laboratory
from simulators.stations import StationModel

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def batch_of(name, rows=1):
    """Environments in the nominal laboratory, whose doses are exact."""
    task = load_task(name)
    system = BatchedSynthesis(name).problem.network.system
    furnaces = [s.name for s in task.laboratory.stations if s.kind == "furnace"]
    laboratory = nominal_laboratory(system, task.laboratory.shelf, furnaces)
    model = StationModel(dosing_sd=0.0)
    return BatchedSynthesis(task, rows, laboratories=[laboratory], stations=model, threads=1)


@pytest.mark.parametrize(
    ("name", "volatile"),
    [("batio3-coarse", [0, 0]), ("licoo2", [1, 0]), ("limn2o4", [1, 0]), ("y2mn2o7", [0, 0]),
     ("ybco", [0, 0, 0])],
)  # fmt: skip
def test_a_cation_is_volatile_where_a_vapour_carries_it(name, volatile):
    assert BatchedSynthesis(name).problem.rules.desk.volatile.tolist() == volatile


def share_of(batch, made, charged):
    """The yield of ``made`` mmol of target out of ``charged`` mmol of each cation."""
    problem, state = batch.problem, batch.problem.state(1)
    desk = problem.rules.desk
    state.vector[0, desk.target] = made
    state.charged[0] = charged
    return float(ended_share(len(problem.network.solid_names), desk, state, 0))


def test_only_the_excess_of_a_volatile_cation_is_free():
    batch = BatchedSynthesis("licoo2")
    assert batch.problem.cations == ("Li", "Co")
    whole = share_of(batch, 3.0, [4.0, 4.0])
    assert whole == 0.75
    assert share_of(batch, 3.0, [4.4, 4.0]) == pytest.approx(whole, rel=1e-15)
    assert share_of(batch, 3.0, [8.0, 4.0]) == pytest.approx(whole, rel=1e-15)
    assert share_of(batch, 3.0, [4.0, 4.4]) == 3.0 / 4.4  # an excess of cobalt
    assert share_of(batch, 3.0, [3.5, 4.0]) == 0.75  # a shortage of lithium leaves cobalt over
    batch = BatchedSynthesis("limn2o4")  # half as much lithium as manganese
    assert share_of(batch, 1.5, [4.0, 4.0]) == share_of(batch, 1.5, [2.0, 4.0]) == 0.75


def test_without_a_volatile_cation_every_share_counts_to_the_last_bit():
    batch = BatchedSynthesis("batio3-coarse")
    rng = np.random.default_rng(1)
    for made, *charged in rng.uniform(0.1, 5.0, (200, 3)):
        plain = min(1.0, made / charged[0], made / charged[1])
        assert share_of(batch, made, charged) == plain


def handed_in(batch, ratio):
    """Purity and yield of fine powders at a ratio of the first cation, well fired."""
    choices = batch.problem.choices
    doses = choices.doses(choices.ratios.index(ratio), [1, 1])
    fire = Anneal(temperature_c=700.0, dwell_h=24.0, ramp_c_per_min=5.0, gas=Gas.AIR)
    steps = [Mix(doses=doses, mill_min=60.0), fire, Regrind(mill_min=60.0), fire]
    info = {}
    for action in choices.actions([*steps, Characterise(scan_min=8.0), Stop()]):
        *_, info = batch.step(action[None])
    return float(info["purity"][0]), float(info["yield"][0])


def test_an_excess_of_lithium_costs_purity_and_no_yield():
    batch = batch_of("licoo2")
    assert batch.problem.choices.lots[0][1] == "Li2CO3-fine"
    found = {ratio: handed_in(batch, ratio) for ratio in (0.85, 1.0, 1.15)}
    purity, share = found[1.0]
    assert purity > 0.999
    assert share > 0.999
    assert found[1.15][1] >= share
    assert 0.92 < found[1.15][0] < 0.97  # the excess lies in the powder as carbonate
    assert found[0.85][1] == pytest.approx(0.85, abs=0.001)  # a shortage leaves cobalt over
