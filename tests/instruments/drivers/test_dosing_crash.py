"""A controller that dies around a dose: the balance decides, and no powder falls twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dosing_unit import VIAL_MG, DosingUnit, listening
from instruments.cores.dosing import DosingHead
from instruments.drivers.base import start_job
from instruments.drivers.dosing import DosingSettings, DosingStation
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.site import Site
from line_device import wait_for
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Effect, Inspection, Presence, Verb
from sdl.core.errors import DeviceError, LabError, LinkError
from sdl.core.lab import Endpoint
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task

LOT = "BaCO3-coarse"
MASS_MG = 300.0
COMMAND = Command(
    id="c1",
    station="dispenser",
    verb=Verb.DISPENSE,
    samples=("s1",),
    effect=Effect.IRREVERSIBLE,
    args={"lot": LOT, "mass_mg": MASS_MG},
    time_s=0.0,
)


class Killed(BaseException):
    """kill -9: nothing of ours runs afterwards."""


class Room:
    """What outlives a controller: the unit and the notebook."""

    def __init__(self, unit: DosingUnit, endpoint: Endpoint, folder: Path) -> None:
        self.unit = unit
        self.notebook = folder / "notebook.db"
        self._endpoint = endpoint
        self._folder = folder
        self._open: list[tuple[DosingStation, Notebook]] = []

    def controller(self) -> DosingStation:
        """A new process."""
        notebook = Notebook(self.notebook)
        laboratory = load_task("batio3-coarse").laboratory
        site = Site(laboratory, VirtualClock(), 1.0, notebook, MemoryBlobs(), self._folder)
        made = DosingSettings(heads={LOT: self._endpoint}, tolerance_pct=2.0, settle_s=0.05)
        station = DosingStation(laboratory.station("dispenser"), site, made)
        self._open.append((station, notebook))
        return station

    def die(self) -> None:
        """The kernel closes what a killed process had open."""
        for station, notebook in self._open:
            for head in station.cores:
                head.close()
            notebook.close()
        self._open.clear()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    unit = DosingUnit()
    with listening(unit) as endpoint:
        it = Room(unit, endpoint, tmp_path)
        it.controller().site.notebook.put("s1", "dispenser")
        it.die()
        yield it
        it.die()


def die_at(
    room: Room, monkeypatch: pytest.MonkeyPatch, method: str, *, after: bool, command: Command
) -> None:
    """Starts a command in a controller that dies before or after a step of the unit."""
    step: Callable[..., object] = getattr(DosingHead, method)

    def dies(self: DosingHead, *args: object) -> object:
        if after:
            step(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DosingHead, method, dies)
        with pytest.raises(Killed):
            start_job(room.controller(), Job.of(command))
    room.die()


def end_of(station: DosingStation) -> JobRecord:
    found: list[JobRecord] = []

    def look() -> bool:
        with suppress(LinkError):
            record = station.record("c1")
            assert record is not None
            found.append(record)
        return bool(found) and found[-1].state is not JobState.RUNNING

    wait_for(look)
    return found[-1]


def carry_on(room: Room, station: DosingStation, command: Command) -> Inspection:
    """What a campaign does after a restart, to the end of the dose."""
    found = station.inspect(command)
    if found.presence in (Presence.ABSENT, Presence.PARTIAL):
        start_job(station, Job.of(found.remainder or command))
    if room.unit.dosing:
        room.unit.finish()
    assert end_of(station).state is JobState.COMPLETE
    return found


def holds_the_dose_once(room: Room) -> bool:
    return abs(room.unit.gross_mg - VIAL_MG - MASS_MG) < 0.01


@pytest.mark.parametrize(
    ("method", "after"),
    [("activity", False), ("gross_mg", True), ("prepare", False), ("prepare", True)],
)
def test_killed_before_the_start(
    room: Room, monkeypatch: pytest.MonkeyPatch, method: str, after: bool
) -> None:
    die_at(room, monkeypatch, method, after=after, command=COMMAND)
    found = carry_on(room, room.controller(), COMMAND)
    assert found.presence is Presence.ABSENT
    assert (room.unit.starts, holds_the_dose_once(room)) == (1, True)


def test_killed_before_the_start_twice(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        die_at(room, monkeypatch, "start", after=False, command=COMMAND)
        station = room.controller()
        assert station.inspect(COMMAND).presence is Presence.ABSENT
        assert station.running() == ()
        room.die()
    carry_on(room, room.controller(), COMMAND)
    assert (room.unit.starts, holds_the_dose_once(room)) == (1, True)


def test_killed_after_the_start_while_it_doses(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    found = carry_on(room, room.controller(), COMMAND)
    assert found.presence is Presence.STARTED
    assert (room.unit.starts, holds_the_dose_once(room)) == (1, True)


def test_killed_after_the_start_and_found_when_it_is_done(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish()
    station = room.controller()
    found = carry_on(room, station, COMMAND)
    assert found.presence is Presence.STARTED
    assert station.result("c1") == {"balance_before_mg": 0.0, "balance_after_mg": MASS_MG}
    assert (room.unit.starts, holds_the_dose_once(room)) == (1, True)


def test_a_part_of_it_fell(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish(0.4)
    station = room.controller()
    found = carry_on(room, station, COMMAND)
    assert found.presence is Presence.PARTIAL
    assert found.remainder is not None
    assert found.remainder.id == "c1"
    assert found.remainder.args == {"lot": LOT, "mass_mg": 180.0, "balance_before_mg": 0.0}
    assert (room.unit.starts, room.unit.target_mg) == (2, 180.0)
    assert holds_the_dose_once(room)
    assert station.result("c1") == {"balance_before_mg": 0.0, "balance_after_mg": MASS_MG}


@pytest.mark.parametrize(("after", "share"), [(False, 0.0), (True, 0.0), (True, 0.3), (True, 1.0)])
@pytest.mark.parametrize("ask_whole", [True, False])
def test_killed_again_around_the_rest(
    room: Room, monkeypatch: pytest.MonkeyPatch, after: bool, share: float, ask_whole: bool
) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish(0.4)
    rest = room.controller().inspect(COMMAND).remainder
    room.die()
    assert rest is not None
    die_at(room, monkeypatch, "start", after=after, command=rest)
    if after:
        room.unit.finish(share)
    station = room.controller()
    found = carry_on(room, station, COMMAND if ask_whole else rest)
    assert found.presence is (Presence.STARTED if share == 1.0 else Presence.PARTIAL)
    assert holds_the_dose_once(room)
    assert station.result("c1") == {"balance_before_mg": 0.0, "balance_after_mg": MASS_MG}


def test_killed_before_the_rest_was_noted(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish(0.4)
    rest = room.controller().inspect(COMMAND).remainder
    room.die()
    assert rest is not None
    found = carry_on(room, room.controller(), rest)
    assert found.remainder == rest
    assert holds_the_dose_once(room)


def test_what_is_too_little_to_be_dosed_fails_the_sample(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = COMMAND.model_copy(update={"args": {"lot": LOT, "mass_mg": 12.0}})
    die_at(room, monkeypatch, "start", after=True, command=small)
    room.unit.finish(0.75)  # 3 mg are missing, and the station doses 5 mg at least
    station = room.controller()
    assert station.inspect(small).presence is Presence.STARTED
    assert "3.0 mg of 12.0 mg" in end_of(station).error


def test_the_smallest_dose_that_never_fell_is_absent(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = COMMAND.model_copy(update={"args": {"lot": LOT, "mass_mg": 5.0}})
    die_at(room, monkeypatch, "start", after=False, command=small)
    assert room.controller().inspect(small).presence is Presence.ABSENT


def test_powder_that_falls_after_the_look_stops_the_second_dose(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_at(room, monkeypatch, "start", after=False, command=COMMAND)
    station = room.controller()
    assert station.inspect(COMMAND).presence is Presence.ABSENT
    room.unit.gross_mg += MASS_MG
    with pytest.raises(DeviceError, match="powder has fallen meanwhile"):
        start_job(station, Job.of(COMMAND))
    assert (room.unit.starts, station.running()) == (0, ())
    assert end_of(station).state is JobState.ABORTED


@pytest.mark.parametrize("busy", [True, False])
def test_a_rest_that_is_refused_frees_the_station(
    room: Room, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish(0.4)
    station = room.controller()
    rest = station.inspect(COMMAND).remainder
    assert rest is not None
    room.unit.dosing, room.unit.drift_mg = busy, 3.0
    with pytest.raises(LabError):
        start_job(station, Job.of(rest))
    record = station.record("c1")
    assert record is not None
    assert (record.state, station.running()) == (JobState.ABORTED, ())


def test_the_tare_of_before_the_crash_holds(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish()
    station = room.controller()
    carry_on(room, station, COMMAND)
    start_job(station, Job("c2", Verb.DISPENSE, ("s1",), dict(COMMAND.args)))
    assert station.site.notebook.read("dispenser", "tare-s1") == {
        "tare_mg": VIAL_MG,
        "state": "complete",
    }
    room.unit.finish()


def unknown(room: Room, command: Command = COMMAND) -> str:
    found = room.controller().inspect(command)
    assert found.presence is Presence.UNKNOWN
    return found.evidence


def test_what_cannot_be_told_is_for_a_person(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.finish()
    other = {"lot": "BaCO3-fine", "mass_mg": MASS_MG}
    assert "lot" in unknown(room, COMMAND.model_copy(update={"args": other}))
    other = {"lot": LOT, "mass_mg": 100.0}
    assert "300.0 mg" in unknown(room, COMMAND.model_copy(update={"args": other}))
    other = {"lot": LOT, "mass_mg": 100.0, "balance_before_mg": 7.0}
    assert "300.0 mg" in unknown(room, COMMAND.model_copy(update={"args": other}))
    room.unit.drift_mg = 3.0
    assert "no stable weight" in unknown(room)
    room.unit.drift_mg, room.unit.gross_mg = 0.0, 0.0
    assert "less than the empty vial" in unknown(room)
    station = room.controller()
    station.site.notebook.put("s1", "rack")
    assert "stands nothing" in unknown(room)
    station.site.notebook.put("s2", "dispenser")
    assert "stands s2" in unknown(room)
    assert room.unit.starts == 1


def test_powder_that_went_is_for_a_person(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    start_job(station := room.controller(), Job("c0", Verb.DISPENSE, ("s1",), dict(COMMAND.args)))
    room.unit.finish()
    wait_for(lambda: (r := station.record("c0")) and r.state is not JobState.RUNNING)
    room.die()
    die_at(room, monkeypatch, "start", after=False, command=COMMAND)
    room.unit.gross_mg -= 50.0
    assert "-50.0 mg" in unknown(room)


def test_a_dose_without_a_tare_is_for_a_person(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    monkeypatch.setattr(DosingStation, "_tare_mg", lambda *_: None)
    assert "no tare of s1" in unknown(room)


def test_a_silent_unit_tells_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(room, monkeypatch, "start", after=True, command=COMMAND)
    room.unit.says["QRD 2 3 7"] = [b"\xff\r\n"] * 2
    station = room.controller()
    with pytest.raises(LinkError):
        station.inspect(COMMAND)
    assert carry_on(room, station, COMMAND).presence is Presence.STARTED


def test_a_start_whose_answer_was_lost(room: Room) -> None:
    unit = room.unit
    unit.says["QRA 61 1"] = [b"\xff\r\n"]  # heard, but not begun
    station = room.controller()
    with pytest.raises(LinkError):
        start_job(station, Job.of(COMMAND))
    assert carry_on(room, station, COMMAND).presence is Presence.ABSENT
    assert holds_the_dose_once(room)
