"""The dosing station against the simulator of another hand: true bytes, a world's powder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from instruments.cores.dosing import DosingHead
from instruments.drivers.base import start_job
from instruments.drivers.dosing import DosingSettings, DosingStation
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.readout import Quality
from instruments.site import Site
from line_device import wait_for
from sdl.core.clock import MonotonicClock
from sdl.core.command import Command, Effect, Inspection, Presence, Verb
from sdl.core.errors import DeviceError, LinkError
from sdl.core.lab import LabFile
from sdl.core.yaml import load
from sdl.journal.blobs import MemoryBlobs
from simulators.wire.dosing import DosingSimulator
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.world import World

LOT, OTHER_LOT = "BaCO3-coarse", "TiO2-rutile-fine"
SCALE = 600.0
COMMAND = Command(
    id="c1",
    station="dispenser",
    verb=Verb.DISPENSE,
    samples=("s1",),
    effect=Effect.IRREVERSIBLE,
    args={"lot": LOT, "mass_mg": 812.3},
    time_s=0.0,
)


class Room:
    """A simulated laboratory with one dispenser, and controllers that come and go."""

    def __init__(self, world: World, sim: SimulatedLaboratory, folder: Path) -> None:
        self.world, self.sim = world, sim
        self._notebook = Notebook(None)
        self._folder = folder
        self._made: list[DosingStation] = []

    @property
    def simulator(self) -> DosingSimulator:
        simulator = self.sim.simulators["dispenser"]
        assert isinstance(simulator, DosingSimulator)
        return simulator

    def ask(self, look: Callable[[], Any]) -> Any:
        return self.sim.ask(look)

    def controller(self) -> DosingStation:
        """A new process over the same notebook; the one before is dead."""
        self.die()
        lab = self.sim.lab
        made = DosingSettings.model_validate(lab.station("dispenser").settings)
        site = Site(
            lab.capabilities(self.world.task.laboratory.shelf),
            MonotonicClock(0.0, SCALE), SCALE, self._notebook, MemoryBlobs(), self._folder,
        )  # fmt: skip
        self._made.append(DosingStation(lab.station("dispenser").plain(), site, made))
        return self._made[-1]

    def die(self) -> None:
        for station in self._made:
            for head in station.cores:
                head.close()
        self._made.clear()

    def bring(self) -> None:
        def carry() -> None:
            self.sim.plant.tick()
            self.world.start_transfer("transfer", "arm-1", "s1", "dispenser")

        self.ask(carry)
        wait_for(lambda: self.ask(lambda: (self.sim.plant.tick(), self.place())[1]) == "dispenser")
        self._notebook.put("s1", "dispenser")

    def place(self) -> str:
        return self.world.place("s1")

    @property
    def doses(self) -> int:
        return self.ask(lambda: sum(a.verb == Verb.DISPENSE for a in self.world.acts()))

    @property
    def powder_mg(self) -> float:
        def weigh() -> float:
            self.sim.plant.tick()
            return self.world.weigh("dispenser")

        return self.ask(weigh)

    @property
    def is_idle(self) -> bool:
        def look() -> bool:
            self.sim.plant.tick()
            return self.world.remaining_s("dispenser") == 0.0

        return self.ask(look)


@pytest.fixture
def room(world: World, tmp_path: Path, root: Path) -> Iterator[Room]:
    file = load(root / "labs" / "loopback.yaml", LabFile)
    station = file.station("dispenser")
    heads = dict.fromkeys(station.settings["heads"], "tcp://127.0.0.1:0")
    made = {**station.settings, "heads": heads, "settle_s": 0.5}
    only = (station.model_copy(update={"settings": made}),)
    lab = file.model_copy(update={"stations": only, "clock_scale": SCALE})
    with SimulatedLaboratory(lab, world) as sim:
        it = Room(world, sim, tmp_path)
        it.bring()
        yield it
        it.die()


def end_of(station: DosingStation, label: str = "c1") -> JobRecord:
    found: list[JobRecord] = []

    def look() -> bool:
        with suppress(LinkError):
            record = station.record(label)
            assert record is not None
            found.append(record)
            return record.state is not JobState.RUNNING
        return False

    wait_for(look)
    return found[-1]


def patiently(station: DosingStation) -> Inspection:
    found: list[Inspection] = []

    def look() -> bool:
        with suppress(LinkError):
            found.append(station.inspect(COMMAND))
        return bool(found)

    wait_for(look)
    return found[0]


def test_doses_of_two_bottles(room: Room) -> None:
    station = room.controller()
    start_job(station, Job.of(COMMAND))
    assert end_of(station).state is JobState.COMPLETE
    result = station.result("c1")
    assert result["balance_before_mg"] == 0.0
    assert result["balance_after_mg"] == pytest.approx(812.3, rel=0.02)
    start_job(station, Job("c2", Verb.DISPENSE, ("s1",), {"lot": OTHER_LOT, "mass_mg": 300.0}))
    record = end_of(station, "c2")
    assert (record.state, record.error) == (JobState.COMPLETE, "")
    assert station.weigh() == pytest.approx(room.powder_mg, abs=1.0)
    assert room.powder_mg == pytest.approx(1112.3, rel=0.02)
    assert room.doses == 2
    assert [h.link.connections for h in station.heads] == [1, 0, 0, 1]


def test_identity_and_channels(room: Room) -> None:
    head = room.controller().heads[0]
    assert head.identify().serial == "SIM0000001"
    assert [head.read(c.name).quality for c in head.channels] == [Quality.GOOD] * 3
    head.stop()


def test_a_jam_fails_the_dose_and_says_what_is_missing(room: Room) -> None:
    room.ask(lambda: room.world.plant_stop("dispenser", 0.4))
    station = room.controller()
    start_job(station, Job.of(COMMAND))
    record = end_of(station)
    assert record.state is JobState.ABORTED
    assert "of 812.3 mg BaCO3-coarse are missing" in record.error
    after_mg = station.result("c1")["balance_after_mg"]
    assert after_mg == pytest.approx(room.powder_mg, abs=1.0)
    assert room.doses == 1


def test_an_abort_leaves_what_fell(room: Room) -> None:
    station = room.controller()
    start_job(station, Job.of(COMMAND))
    assert station.abort("c1")
    record = end_of(station)
    assert record.state is JobState.ABORTED
    assert station.result("c1")["balance_after_mg"] == pytest.approx(room.powder_mg, abs=1.0)


@pytest.mark.parametrize("waits", [False, True])
def test_killed_after_the_start(room: Room, waits: bool) -> None:
    start_job(room.controller(), Job.of(COMMAND))
    station = room.controller()
    if waits:
        wait_for(lambda: room.is_idle)
    assert patiently(station).presence is Presence.STARTED
    assert end_of(station).state is JobState.COMPLETE
    assert room.doses == 1


def test_killed_after_a_part_fell(room: Room) -> None:
    room.ask(lambda: room.world.plant_stop("dispenser", 0.4))
    start_job(room.controller(), Job.of(COMMAND))
    station = room.controller()
    wait_for(lambda: room.is_idle)
    found = patiently(station)
    assert found.presence is Presence.PARTIAL
    assert found.remainder is not None
    start_job(station, Job.of(found.remainder))
    assert end_of(station).state is JobState.COMPLETE
    assert room.powder_mg == pytest.approx(812.3, rel=0.02)
    assert room.doses == 2


@pytest.mark.parametrize("method", ["prepare", "start"])
def test_a_unit_that_froze_and_does_later_what_it_was_told(
    room: Room, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    step: Callable[..., object] = getattr(DosingHead, method)

    def freezes(self: DosingHead, *args: object) -> object:
        room.ask(room.simulator.freeze)
        return step(self, *args)

    station = room.controller()
    with monkeypatch.context() as patch:
        patch.setattr(DosingHead, method, freezes)
        with pytest.raises(LinkError):
            start_job(station, Job.of(COMMAND))
    room.ask(room.simulator.thaw)
    found = patiently(station)
    if found.presence is Presence.ABSENT:
        start_job(station, Job.of(COMMAND))
    assert end_of(station).state is JobState.COMPLETE
    assert room.powder_mg == pytest.approx(812.3, rel=0.02)
    assert room.doses == 1


def test_a_tare_survives_the_power_of_the_balance(room: Room) -> None:
    station = room.controller()
    start_job(station, Job.of(COMMAND))
    assert end_of(station).state is JobState.COMPLETE
    room.ask(room.simulator.reboot)  # a tare register would be lost now
    start_job(station, Job("c2", Verb.DISPENSE, ("s1",), {"lot": OTHER_LOT, "mass_mg": 300.0}))
    assert end_of(station, "c2").state is JobState.COMPLETE
    assert station.result("c2")["balance_before_mg"] == pytest.approx(812.3, rel=0.02)


def test_a_balance_that_was_zeroed_under_the_vial(room: Room) -> None:
    station = room.controller()
    start_job(station, Job.of(COMMAND))
    assert end_of(station).state is JobState.COMPLETE
    room.ask(room.simulator.negative)
    with pytest.raises(DeviceError, match="less than the empty vial"):
        start_job(station, Job("c2", Verb.DISPENSE, ("s1",), {"lot": OTHER_LOT, "mass_mg": 300.0}))
    assert room.doses == 1


@pytest.mark.parametrize("fault", ["unstable", "overload", "underload"])
def test_no_dose_on_a_weight_that_is_none(room: Room, fault: str) -> None:
    station = room.controller()
    room.ask(getattr(room.simulator, fault))
    assert station.heads[0].read("mass_mg").value is None
    with pytest.raises(DeviceError, match="no stable weight"):
        start_job(station, Job.of(COMMAND))
    assert room.doses == 0
