"""The arm's core against its simulator, and against one whose answers are out of step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arm_bench import Bench, arm_bench
from instruments.cores.arm import RobotArm
from instruments.readout import Quality
from sdl.core.errors import LinkError, ProtocolError
from sdl.core.lab import Endpoint
from simulators.wire.proxy import Fault, FaultProxy, Kind
from wire_room import wait_for


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with arm_bench(tmp_path) as bench:
        yield bench


def test_the_core_reads_all_its_channels(bench: Bench) -> None:
    arm = bench.driver.arm
    values = {channel.name: arm.read(channel.name).value for channel in arm.channels}
    assert values == {
        "mode": "RUNNING",
        "safety": "NORMAL",
        "program_state": "STOPPED",
        "finished_job": 0.0,
        "in_gripper": 0.0,
    }
    assert arm.identify().firmware == "5.12.0.0"


def test_stop_is_bounded_when_the_arm_is_frozen(bench: Bench) -> None:
    arm = bench.driver.arm
    arm.shows()
    bench.room.ask(bench.room.simulator.freeze)
    begun_s = time.monotonic()
    with pytest.raises(LinkError):
        arm.stop()
    assert time.monotonic() - begun_s < 5.0
    assert arm.read("finished_job").quality is Quality.UNREACHABLE
    bench.room.ask(bench.room.simulator.thaw)


def test_stop_does_not_wait_for_other_exchanges(bench: Bench) -> None:
    bench.start("c1", "S1", "rack", "dispenser")
    arm = bench.driver.arm
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with arm._link._lock, arm._registers._link._lock:
            held.set()
            free.wait(10.0)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5.0)
    arm.stop()
    free.set()
    thread.join(5.0)
    assert arm.program_state().value == "STOPPED"
    arm.stop()


@pytest.mark.parametrize("kind", [Kind.DUPLICATE, Kind.GARBAGE, Kind.CORRUPT, Kind.STALE])
@pytest.mark.parametrize("on", ["answer", "request"])
def test_fault_13_nonsense_is_left_behind_with_its_connection(
    bench: Bench, kind: Kind, on: str
) -> None:
    settings = bench.driver.settings
    with FaultProxy(settings.dashboard) as dashboard, FaultProxy(settings.rtde) as rtde:
        arm = RobotArm("arm", dashboard.endpoint, rtde.endpoint, deadline_s=0.2)
        for channel in arm.channels:
            good = arm.read(channel.name).value
            assert good is not None
            for proxy in (dashboard, rtde):
                proxy.script(Fault(kind, at=0, times=2, on=on))
            arm.read(channel.name)
            for proxy in (dashboard, rtde):
                proxy.script()
            wait_for(lambda name=channel.name, good=good: arm.read(name).value == good)
        arm.close()


def test_another_server_is_not_taken_for_a_dashboard(bench: Bench) -> None:
    settings = bench.driver.settings
    with FaultProxy(settings.dashboard, [Fault(Kind.GARBAGE)]) as proxy:
        arm = RobotArm("arm", proxy.endpoint, Endpoint.of(str(settings.rtde)), deadline_s=0.3)
        with pytest.raises((LinkError, ProtocolError)):
            arm.mode()
        arm.close()
