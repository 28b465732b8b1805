"""The furnace of PVs: a fake that can be used, and the real one against the soft IOC."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("epics", reason="needs the extra epics")
pytest.importorskip("caproto", reason="needs the extra epics")

from ophyd import Kind
from ophyd.sim import make_fake_device

from instruments.devices.epics import EpicsFurnace
from wire_room import Room, room


@pytest.fixture
def fake() -> Any:
    furnace: Any = make_fake_device(EpicsFurnace)("SDL:F1:", name="furnace_1")
    furnace.readback.sim_put(25.0)
    furnace.setpoint.sim_put(25.0)
    furnace.setpoint.sim_set_limits((0.0, 900.0))
    furnace.ramp_c_per_min.sim_put(600.0)
    furnace.done.sim_put(0)
    furnace.boot.sim_put("one")
    furnace.program_state.sim_put("IDLE")
    furnace.program_left_s.sim_put(0.0)
    return furnace


def test_kinds_and_names(fake: Any) -> None:
    assert fake.readback.kind is Kind.hinted
    assert "furnace_1_readback" in fake.read()
    assert set(fake.read_configuration()) == {"furnace_1_ramp_c_per_min", "furnace_1_boot"}
    assert fake.egu == "degC"


def test_a_move_to_where_it_is_ends_at_once(fake: Any) -> None:
    status = fake.set(25.2)
    status.wait(5.0)
    assert status.success


def test_a_move_ends_when_the_furnace_is_there(fake: Any) -> None:
    status = fake.set(325.0)
    assert status.timeout == pytest.approx(30.0 * 1.2 + 30.0)
    fake.done.sim_put(1)
    fake.readback.sim_put(325.0)
    assert not status.done
    fake.done.sim_put(0)
    status.wait(5.0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 901.0, -1.0])
def test_what_is_outside_the_limits_is_refused(fake: Any, wrong: float) -> None:
    with pytest.raises(ValueError, match=r"setpoint|limits|range"):
        fake.set(wrong)
    assert fake.setpoint.get() == 25.0


def test_stop_writes_stop(fake: Any) -> None:
    fake.stop()
    assert fake.stop_signal.get() == 1


PROGRAM = """
import json, sys
from bluesky import RunEngine
from bluesky.plans import scan
from instruments.devices.epics import EpicsFurnace
f = EpicsFurnace("SDL:F1:", name="furnace_1")
f.wait_for_connection(timeout=10)
said = {"boot": f.boot.get(), "limits": f.limits}
f.set(f.setpoint.get()).wait(10)
events = []
RunEngine({})(scan([f], f, 100.0, 300.0, 3), lambda n, d: events.append(d) if n == "event" else 0)
said["readings"] = [e["data"]["furnace_1_readback"] for e in events]
try:
    f.set(5000.0)
except ValueError as err:
    said["refused"] = str(err)
print("SAID" + json.dumps(said), flush=True)
import os; os._exit(0)
"""


def test_the_real_device_on_the_soft_ioc(root: Path) -> None:
    settings = {"address": "127.0.0.1:0", "prefix": "SDL:F1:"}
    with room("furnace_1", "epics-furnace", settings) as there:
        run_at(there, 60.0)
        host, port = there.simulator.settings["address"].removeprefix("tcp://").split(":")
        environment = {
            **os.environ,
            "EPICS_CA_ADDR_LIST": f"{host}:{port}",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": port,
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "SAID" in done.stdout, done.stderr
        said = json.loads(done.stdout.partition("SAID")[2])
        assert said["boot"] == there.simulator.furnace.boot
    assert said["limits"] == [0.0, 900.0]
    assert said["readings"] == pytest.approx([100.0, 200.0, 300.0], abs=2.0)
    assert "5000" in said["refused"]


def run_at(there: Room, scale: float) -> None:
    """Lets world time run by itself."""
    from simulators.wire.plant import ScaledClock

    def change() -> None:
        there.plant.clock = ScaledClock(scale, there.world.now_s)

    there.ask(change)
