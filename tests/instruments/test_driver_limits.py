"""The driver core refuses what is outside its station's limits before anything moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobState
from instruments.drivers.virtual import VirtualDriver
from sdl.core.command import Verb
from sdl.core.errors import BusyError, DeviceError
from simulators.world import World

NAN, INF = float("nan"), float("inf")
ANNEAL = {
    "temperature_c": 850.0,
    "dwell_h": 2.0,
    "ramp_c_per_min": 5.0,
    "gas": "air",
    "cooling": "hold",
}
MOVE = {"sample": "S1", "origin": "rack", "destination": "dispenser"}
WRONG: list[tuple[str, Verb, dict[str, Any]]] = [
    ("dispenser", Verb.DISPENSE, {"lot": "BaCO3-fine", "mass_mg": value})
    for value in (NAN, INF, -1.0, 0.0, 4.9, 5000.1, "100", None, True)
]
WRONG += [
    ("dispenser", Verb.DISPENSE, {"lot": "gold", "mass_mg": 100.0}),
    ("dispenser", Verb.DISPENSE, {"lot": "BaCO3-fine"}),
    ("dispenser", Verb.DISPENSE, {"lot": "BaCO3-fine", "mass_mg": 100.0, "speed": 3}),
    ("dispenser", Verb.MILL, {"mill_min": 3.0}),
    ("mixer", Verb.MILL, {"mill_min": NAN}),
    ("mixer", Verb.MILL, {"mill_min": 0.0}),
    ("mixer", Verb.MILL, {"mill_min": 60.5}),
    ("quench", Verb.QUENCH, {"cooling": "liquid"}),
    ("diffractometer", Verb.SCAN, {"scan_min": 0.0}),
    ("diffractometer", Verb.SCAN, {"scan_min": -INF}),
    ("transfer", Verb.TRANSFER, {**MOVE, "destination": "cellar"}),
    ("transfer", Verb.TRANSFER, {**MOVE, "destination": "transfer"}),
    ("transfer", Verb.TRANSFER, {**MOVE, "sample": "S2"}),
    ("transfer", Verb.TRANSFER, {**MOVE, "origin": "mixer"}),
]
WRONG += [
    ("furnace_1", Verb.ANNEAL, {**ANNEAL, name: value})
    for name, value in (
        ("temperature_c", 900.5),
        ("temperature_c", 20.0),
        ("temperature_c", NAN),
        ("dwell_h", 0.0),
        ("dwell_h", 73.0),
        ("ramp_c_per_min", 0.0),
        ("ramp_c_per_min", 20.5),
        ("gas", "steam"),
        ("cooling", "liquid"),
    )
]


@pytest.mark.parametrize(("station", "verb", "args"), WRONG)
def test_wrong_orders_are_refused_and_nothing_moves(
    drivers: dict[str, VirtualDriver],
    world: World,
    station: str,
    verb: Verb,
    args: dict[str, Any],
) -> None:
    driver = drivers[station]
    with pytest.raises(DeviceError, match=rf"{station}.*c7"):
        start_job(driver, Job("c7", verb, ("S1",), args))
    assert not world.acts()
    assert driver.record("c7") is None
    with pytest.raises(DeviceError, match="nothing"):
        driver.start()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mass_mg=st.floats())
def test_no_dose_outside_the_limits_is_ever_accepted(
    drivers: dict[str, VirtualDriver], mass_mg: float
) -> None:
    job = Job("c1", Verb.DISPENSE, ("S1",), {"lot": "BaCO3-fine", "mass_mg": mass_mg})
    if 5.0 <= mass_mg <= 5000.0:
        drivers["dispenser"].check_job(job)
    else:
        with pytest.raises(DeviceError):
            drivers["dispenser"].check_job(job)


def test_other_vials_than_the_job_names_are_refused(
    drivers: dict[str, VirtualDriver], world: World
) -> None:
    job = Job("c1", Verb.MILL, ("S1",), {"mill_min": 3.0})
    with pytest.raises(DeviceError, match="other vials"):
        start_job(drivers["mixer"], job)
    move = Job("c2", Verb.TRANSFER, ("S2",), {**MOVE, "sample": "S2", "destination": "mixer"})
    world.advance(start_job(drivers["transfer"], move).end_s)
    with pytest.raises(DeviceError, match="S2"):
        start_job(drivers["mixer"], job)
    elsewhere = Job("c3", Verb.TRANSFER, ("S2",), {**move.args, "destination": "quench"})
    with pytest.raises(DeviceError, match="place"):
        start_job(drivers["transfer"], elsewhere)


def test_a_furnace_reads_its_program_back_and_runs_by_itself(
    drivers: dict[str, VirtualDriver], world: World
) -> None:
    furnace, arm = drivers["furnace_1"], drivers["transfer"]
    move = Job("c1", Verb.TRANSFER, ("S1",), {**MOVE, "destination": "furnace_1"})
    world.advance(start_job(arm, move).end_s)
    job = Job("c2", Verb.ANNEAL, ("S1",), ANNEAL)
    furnace.load(job)
    assert furnace.read_back() == job.setup_hash
    record = furnace.start()
    furnace.stop()
    assert record.state is JobState.RUNNING
    with pytest.raises(BusyError):
        furnace.load(Job("c3", Verb.ANNEAL, ("S1",), ANNEAL))
    with pytest.raises(DeviceError, match="running"):
        furnace.result("c2")
    world.advance(record.end_s)
    assert furnace.result("c2")["program"] == job.setup_hash
