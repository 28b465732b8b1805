"""Plans are short, start an act once whatever happens, and refuse before anything moves."""

from __future__ import annotations

from typing import Any

import pytest
from bluesky import plan_stubs as bps
from bluesky.protocols import Movable, Readable, Stoppable
from bluesky.utils import Msg

from instruments import plans
from instruments.devices.faces import Dispenser, Furnace, TransferArm
from instruments.devices.station import StationFace
from instruments.drivers.job import Job
from instruments.engine import Engine
from sdl.core.command import Verb
from sdl.core.errors import DeviceError, LabError
from simulators.world import World

Devices = dict[str, StationFace]


def run(engine: Engine, plan: Any) -> Any:
    return engine.run(plan, device="test", command="c0")


def end(world: World, device: StationFace, label: str) -> None:
    record = device.driver.record(label)
    assert record is not None
    world.advance(record.end_s)


def load_vial(engine: Engine, world: World, devices: Devices, place: str) -> None:
    arm = devices["transfer"]
    assert isinstance(arm, TransferArm)
    run(engine, plans.start_transfer(arm, f"to-{place}", "S1", "rack", place))
    end(world, arm, f"to-{place}")


def test_every_station_speaks_bluesky_and_describes_units(devices: Devices) -> None:
    for name, device in devices.items():
        assert device.name == name
        assert isinstance(device, Movable)
        assert isinstance(device, Readable)
        assert isinstance(device, Stoppable)
        assert set(device.read()) == set(device.describe())
    keys = devices["dispenser"].describe()
    assert keys["dispenser_outcome_balance_after_mg"]["units"] == "mg"
    assert devices["dispenser"].hints["fields"] == ["dispenser_outcome_balance_after_mg"]
    furnace = devices["furnace_1"]
    assert isinstance(furnace, Furnace)
    assert furnace.readback.describe()["furnace_1_readback"]["units"] == "degC"
    assert furnace.readback.get() == 25.0
    assert furnace.remaining_s.get() == 0.0
    with pytest.raises(TypeError):
        furnace.readback.put(900.0)


def test_a_dose_from_start_to_result(engine: Engine, world: World, devices: Devices) -> None:
    documents: list[tuple[str, dict[str, Any]]] = []
    engine.run_engine.subscribe(lambda name, doc: documents.append((name, doc)))
    load_vial(engine, world, devices, "dispenser")
    documents.clear()
    device = devices["dispenser"]
    assert isinstance(device, Dispenser)
    run(engine, plans.start_dispense(device, "c1", "S1", "BaCO3-fine", 500.0, md={"extra": 1}))
    assert [name for name, _ in documents] == ["start", "descriptor", "event", "stop"]
    begun = documents[0][1]
    assert (begun["plan_name"], begun["command_id"]) == ("start_dispense", "c1")
    assert (begun["samples"], begun["extra"]) == (["S1"], 1)
    assert documents[2][1]["data"]["dispenser_record_state"] == "running"
    assert device.outcome.balance_after_mg.get() is None
    end(world, device, "c1")
    result = run(engine, plans.collect_dispense(device, "c1"))
    assert result == device.driver.result("c1")
    assert result["balance_after_mg"] == pytest.approx(500.0, rel=0.02)
    assert documents[-2][1]["data"]["dispenser_outcome_balance_after_mg"] == pytest.approx(
        result["balance_after_mg"]
    )
    device.trigger()
    assert device.record.state.get() == "complete"


def test_an_anneal_is_uploaded_read_back_and_survives_a_stop(
    engine: Engine, world: World, devices: Devices
) -> None:
    load_vial(engine, world, devices, "furnace_1")
    furnace = devices["furnace_1"]
    assert isinstance(furnace, Furnace)
    plan = plans.start_anneal(
        furnace,
        "c1",
        ["S1"],
        temperature_c=800.0,
        dwell_h=1.0,
        ramp_c_per_min=10.0,
        gas="air",
        cooling="hold",
    )
    run(engine, plan)
    furnace.stop()
    world.advance(world.now_s + 77.5 * 60.0)
    assert furnace.readback.get() == pytest.approx(800.0)
    assert furnace.remaining_s.get() == pytest.approx(3600.0)
    end(world, furnace, "c1")
    result = run(engine, plans.collect_anneal(furnace, "c1"))
    assert result["program"] == furnace.loaded.get()


def test_wrong_arguments_open_no_run(engine: Engine, world: World, devices: Devices) -> None:
    documents: list[str] = []
    engine.run_engine.subscribe(lambda name, _: documents.append(name))
    device = devices["dispenser"]
    assert isinstance(device, Dispenser)
    with pytest.raises(DeviceError, match="mass_mg"):
        run(engine, plans.start_dispense(device, "c1", "S1", "BaCO3-fine", float("nan")))
    assert not documents
    assert not world.acts()


def test_a_pause_behind_the_start_does_not_start_twice(
    engine: Engine, world: World, devices: Devices
) -> None:
    load_vial(engine, world, devices, "dispenser")
    device = devices["dispenser"]
    job = Job("c1", Verb.DISPENSE, ("S1",), {"lot": "BaCO3-fine", "mass_mg": 500.0})

    def paused_after_start(plan: Any) -> Any:
        answer = None
        while True:
            try:
                message = plan.send(answer)
            except StopIteration:
                return
            answer = yield message
            if message.command == "set":
                yield Msg("pause", None, defer=False)

    with pytest.raises(LabError, match="paused"):
        run(engine, paused_after_start(plans.start(device, job)))
    assert engine.run_engine.state == "paused"
    engine.run_engine.resume()
    assert [a.label for a in world.acts()].count("c1") == 1
    record = device.driver.record("c1")
    assert record is not None
    assert record.state == "running"


def test_a_device_that_holds_another_job_is_not_started(
    engine: Engine, world: World, devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_vial(engine, world, devices, "mixer")
    device = devices["mixer"]
    monkeypatch.setattr(device.driver, "read_back", lambda: "0" * 64)
    job = Job("c1", Verb.MILL, ("S1",), {"mill_min": 5.0})
    with pytest.raises(DeviceError, match="another job"):
        run(engine, plans.start(device, job))
    assert device.driver.record("c1") is None


def test_a_start_without_its_preparation_is_refused(engine: Engine, devices: Devices) -> None:
    device: Any = devices["mixer"]
    with pytest.raises(DeviceError, match="not prepared"):
        run(engine, bps.abs_set(device, "c9", wait=True))


def test_plans_are_short(engine: Engine, world: World, devices: Devices) -> None:
    messages: list[str] = []
    run_engine: Any = engine.run_engine
    run_engine.msg_hook = lambda m: messages.append(m.command)
    load_vial(engine, world, devices, "mixer")
    assert len(messages) <= 16
    assert "sleep" not in messages
