"""The file of a belief: exact, the same bytes, and the door that keeps a judged table out."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace

import numpy as np
import pytest

from sdl.chemistry.system import load_system
from sdl.core.errors import ModelError
from sdl.core.model import content_hash
from sdl.tasks.routes import load_route_table
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task
from simulators.batch import purities
from surrogates.belief_file import KIND, dump_belief, read_belief_card, restore_belief, version_of
from surrogates.outcomes import of_routes, table_hashes
from surrogates.parameters import ParameterSet, of_system, shared
from surrogates.twin_belief import TwinBelief, refuse_if_fitted

TASK = load_task("batio3-coarse")
SYSTEM = load_system(TASK.system)
PARAMETERS = ParameterSet((*of_system(SYSTEM), shared("rule", 0.5, ["ln_k/decarbonation/default"])))
BELIEF = TwinBelief(
    system=SYSTEM.name,
    system_hash=content_hash(SYSTEM),
    parameters=PARAMETERS,
    ensemble=PARAMETERS.draw(12, "file"),
    fitted=frozenset({"a" * 64, "b" * 64}),
    lineage={"key": ["file"], "data": "c" * 64},
    metrics={"held_out.gain.log_density": 0.3},
)


def test_round_trip_is_exact_and_bytes_are_equal() -> None:
    content = dump_belief(BELIEF)
    again = restore_belief(content)
    np.testing.assert_array_equal(again.ensemble, BELIEF.ensemble)
    assert replace(again, ensemble=BELIEF.ensemble) == BELIEF
    assert dump_belief(again) == content
    assert read_belief_card(content)["fitted"] == sorted(BELIEF.fitted)


def test_a_belief_is_a_model_version() -> None:
    version, content = version_of(BELIEF, "M3", parent="d" * 64, reason="held out better")
    assert version.kind == KIND
    assert version.file == hashlib.sha256(content).hexdigest()
    assert version.data == "c" * 64
    assert version.promoted
    unjudged, _ = version_of(replace(BELIEF, metrics={}), "M4")
    assert not unjudged.promoted


def test_members_are_laboratories_of_the_task() -> None:
    furnaces = ("furnace_1", "furnace_2")
    found = BELIEF.laboratories(SYSTEM, TASK.laboratory.shelf, furnaces, TASK.hidden)
    assert len(found) == 12
    place = PARAMETERS.names.index("energy/BaTiO3")
    energies = [lab.phase_energy_kj_per_mol["BaTiO3"] for lab in found]
    np.testing.assert_allclose(energies, BELIEF.ensemble[:, place])
    assert len({lab.thermocouple_c["furnace_2"] for lab in found}) == 12
    plain = BELIEF.laboratories(SYSTEM, TASK.laboratory.shelf, furnaces)
    assert {lab.thermocouple_c["furnace_2"] for lab in plain} == {0.0}
    space = TaskSpace(TASK)
    recipe = space.decode(np.full(space.dimension, 0.6))
    purity = purities(SYSTEM, [recipe], found, TASK.laboratory.shelf, "BaTiO3", threads=1)
    assert purity.shape == (12, 1)
    assert purity.std() > 0.0


def test_another_system_is_refused() -> None:
    changed = SYSTEM.model_copy(update={"interface": SYSTEM.interface * 2})
    with pytest.raises(ModelError, match="another chemical system"):
        BELIEF.laboratories(changed, TASK.laboratory.shelf, ("furnace_1",))


def test_a_belief_fitted_to_one_cell_is_refused_for_the_table() -> None:
    table = load_route_table()
    refuse_if_fitted(BELIEF, table_hashes(table), "the YBCO table")
    cell = of_routes(table, "YBCO", 0.03)[5]
    tainted = replace(BELIEF, fitted=BELIEF.fitted | {cell.sources[1]})
    with pytest.raises(ModelError, match="fitted to the YBCO table"):
        refuse_if_fitted(tainted, table_hashes(table), "the YBCO table")


@pytest.mark.parametrize("bad", [b"", b"no", pickle.dumps([1]), (1 << 60).to_bytes(8, "little")])
def test_other_files_are_refused(bad: bytes) -> None:
    with pytest.raises(ModelError):
        restore_belief(bad)


def test_damaged_files_and_ensembles_are_refused() -> None:
    with pytest.raises(ModelError):
        restore_belief(dump_belief(BELIEF)[:-9])
    with pytest.raises(ModelError, match="one row per member"):
        replace(BELIEF, ensemble=np.zeros((3, 2)))
    with pytest.raises(ModelError, match="not finite"):
        replace(BELIEF, ensemble=np.full_like(BELIEF.ensemble, np.nan))
