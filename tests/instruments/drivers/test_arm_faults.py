"""Moves over bad cables: nothing happens twice, and notebook and world agree in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arm_bench import Bench, arm_bench
from instruments.drivers.arm import ArmStation
from instruments.drivers.job import JobRecord, JobState
from sdl.core.command import Presence
from sdl.core.errors import LinkError
from simulators.wire.proxy import Fault, FaultProxy, Kind
from wire_room import wait_for

ROUTE = ("rack", "furnace_1")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with arm_bench(tmp_path) as bench:
        yield bench


def start_patiently(bench: Bench) -> None:
    """As a laboratory does: what is not known is looked for, what did not happen is sent once."""
    try:
        bench.start("c1", "S1", *ROUTE)
    except LinkError:
        found: list[Presence] = []

        def answers() -> bool:
            try:
                found.append(bench.driver.inspect(bench.command("c1", "S1", *ROUTE)).presence)
            except LinkError:
                return False
            return True

        wait_for(answers)
        assert found[0] in (Presence.ABSENT, Presence.STARTED)
        if found[0] is Presence.ABSENT:
            bench.start("c1", "S1", *ROUTE)


def end_patiently(bench: Bench) -> JobRecord:
    records: list[JobRecord] = []

    def ended() -> bool:
        try:
            record = bench.driver.record("c1")
        except LinkError:
            return False
        assert record is not None
        records.append(record)
        return record.state is not JobState.RUNNING

    bench.room.wait(100.0)
    wait_for(ended)
    return records[-1]


@pytest.mark.parametrize("on", ["answer", "request"])
@pytest.mark.parametrize("kind", [Kind.CUT, Kind.CORRUPT, Kind.DUPLICATE, Kind.HANG_UP])
@pytest.mark.parametrize("which", ["dashboard", "rtde"])
def test_fault_6_and_13_one_move_is_one_move(bench: Bench, which: str, kind: Kind, on: str) -> None:
    settings = bench.driver.settings
    proxied = settings.dashboard if which == "dashboard" else settings.rtde
    with FaultProxy(proxied, seed=3) as proxy:
        changed = settings.model_copy(update={which: proxy.endpoint})
        bench.driver.arm.close()
        for at in range(0, 10, 3):
            bench.driver = ArmStation(bench.driver.station, bench.site, changed)
            proxy.script(Fault(kind, at=at, on=on))
            start_patiently(bench)
            proxy.script()
            ended = end_patiently(bench)
            assert (ended.state, ended.error) == (JobState.COMPLETE, "")
            assert bench.site.place("S1") == "furnace_1" == bench.room.world.place("S1")
            assert bench.room.plant.doors["furnace_1"] is False
            bench.move("back", "S1", "furnace_1", "rack")
            for label in ("c1", "back"):  # the next round uses the same labels anew
                bench.site.notebook._db.execute("delete from notes where label = ?", (label,))
            bench.driver.arm.close()
        assert len(bench.room.world.acts()) == 8
