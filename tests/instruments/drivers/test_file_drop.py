"""An instrument behind folders: against files by hand, and against its simulator."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from instruments.drivers.base import start_job
from instruments.drivers.file_drop import FileDropSettings, FileDropStation
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.site import Site
from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.clock import Clock, MonotonicClock, VirtualClock
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LabError, LinkError
from sdl.core.lab import LabFile, LabStation
from sdl.core.recipe import Cooling
from sdl.journal.blobs import MemoryBlobs
from simulators.act import Act
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.world import World

STATIONS = (
    Station(name="mixer", kind=StationKind.MIXER, max_mill_min=60, power_kw=0.4),
    Station(name="quench", kind=StationKind.QUENCH, capacity=2, coolings=(Cooling.AIR,)),
    Station(name="washer", kind=StationKind.WASHER, power_kw=0.1),
    Station(name="diffractometer", kind=StationKind.DIFFRACTOMETER, power_kw=0.6),
    Station(name="vsm", kind=StationKind.MAGNETOMETER, max_temperature_c=600, power_kw=1.0),
    Station(name="transfer", kind=StationKind.TRANSFER),
)
SCAN = Job("c6", Verb.SCAN, ("S3",), {"scan_min": 2.0})
MILL = Job("c2", Verb.MILL, ("S3",), {"mill_min": 30.0})
MEASURE = Job(
    "c7", Verb.MEASURE, ("S3",), {"property": "ferrite-magnetisation", "temperature_c": 25.0}
)
MOVE = Job("c8", Verb.TRANSFER, ("S3",), {"sample": "S3", "origin": "rack", "destination": "mixer"})
WASH = Job("c5", Verb.WASH, ("S3",), {"solvent": "water", "duration_min": 30.0})
QUENCH = Job("c4", Verb.QUENCH, ("S3",), {"cooling": "air"})
WHERE = {
    Verb.SCAN: "diffractometer", Verb.MILL: "mixer", Verb.MEASURE: "vsm", Verb.TRANSFER: "transfer",
    Verb.WASH: "washer", Verb.QUENCH: "quench",
}  # fmt: skip
FOLDERS: dict[str, Any] = {"requests": "requests", "results": "results", "settle_s": 0.0}


class Bench:
    """One station and its folders."""

    def __init__(self, folder: Path, job: Job, clock: Clock | None = None) -> None:
        self.clock = clock or VirtualClock(1000.0)
        scale = clock.scale if isinstance(clock, MonotonicClock) else 1.0
        self.site = Site(
            Capabilities(name="lab", stations=STATIONS, shelf=()), self.clock, scale,
            Notebook(None), MemoryBlobs(), folder,
        )  # fmt: skip
        self.job = job
        self.driver = self.again()
        if job.verb is not Verb.TRANSFER:
            self.site.notebook.put("S3", WHERE[job.verb])

    def again(self) -> FileDropStation:
        """The driver of a new process."""
        station = self.site.capabilities.station(WHERE[self.job.verb])
        return FileDropStation(station, self.site, FileDropSettings.model_validate(FOLDERS))

    def start(self) -> None:
        assert start_job(self.driver, self.job).state is JobState.RUNNING

    @property
    def name(self) -> str:
        note = self.site.notebook.read(self.driver.name, self.job.label)
        assert note is not None
        return str(note["file_id"])

    def leave(self, ending: str, text: str) -> Path:
        path = self.site.folder / "results" / f"{self.name}{ending}"
        path.write_text(text)
        return path

    def tell(self, **values: object) -> None:
        self.leave(".json", json.dumps({"id": self.name, **values}))

    def looked(self) -> JobRecord:
        for _ in range(3):
            self.driver.record(self.job.label)
        record = self.driver.record(self.job.label)
        assert record is not None
        return record

    def command(self) -> Command:
        return Command(
            id=self.job.label, station=self.driver.name, verb=self.job.verb,
            samples=self.job.samples, effect=Effect.IRREVERSIBLE, args=dict(self.job.args),
            time_s=0.0,
        )  # fmt: skip


XY = "10.0 3\n10.2 5\n10.4 900\n"


def test_a_scan_by_files(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SCAN)
    bench.start()
    request = json.loads((tmp_path / "requests" / f"{bench.name}.json").read_text())
    assert request == {
        "id": bench.name, "sample": "S3", "verb": "scan", "args": {"scan_min": 2.0},
    }  # fmt: skip
    assert bench.looked().state is JobState.RUNNING
    bench.leave(".xy", f"# id: {bench.name}\n{XY}")
    bench.clock.advance_to(1200.0)
    assert bench.looked().state is JobState.COMPLETE
    result = bench.driver.result("c6")
    assert bench.site.blobs.get_array(result["pattern"]).tolist() == [3, 5, 900]
    assert set(result) == set(bench.driver.result_units)
    assert result["energy_kwh"] == pytest.approx(0.02)


def test_a_curve_needs_the_mass_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MEASURE)
    bench.start()
    bench.leave(".csv", "0.0,0.1\n0.5,1.2\n")
    assert bench.looked().state is JobState.RUNNING
    bench.tell(energy_kwh=0.5)
    assert bench.looked().state is JobState.RUNNING
    bench.tell(mass_mg=21.5, energy_kwh=0.5, more="than asked")
    assert bench.looked().state is JobState.COMPLETE
    result = bench.driver.result("c7")
    assert bench.site.blobs.get_array(result["curve"]).tolist() == [[0.0, 0.1], [0.5, 1.2]]
    assert (result["mass_mg"], result["temperature_c"], result["energy_kwh"]) == (21.5, 25.0, 0.5)


@pytest.mark.parametrize("job", [MILL, WASH, QUENCH, MOVE], ids=lambda job: job.verb.value)
@pytest.mark.parametrize("how", ["empty", "named", "json"])
def test_done_is_a_file(tmp_path: Path, job: Job, how: str) -> None:
    bench = Bench(tmp_path, job)
    bench.start()
    if how == "json":
        bench.tell(done=True)
    else:
        bench.leave(".done", "" if how == "empty" else f"{bench.name}\n")
    assert bench.looked().state is JobState.COMPLETE
    assert set(bench.driver.result(job.label)) == set(bench.driver.result_units)
    if job is MOVE:
        assert bench.site.place("S3") == "mixer"


def test_a_failure_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MILL)
    bench.start()
    bench.tell(failed="jar broke")
    record = bench.looked()
    assert record.state is JobState.ABORTED
    assert record.error == "mixer reports: jar broke"


def _old(bench: Bench) -> None:
    path = bench.leave(".xy", XY)
    os.utime(path, (time.time() - 60.0, time.time() - 60.0))


def _link(bench: Bench) -> None:
    secret = bench.site.folder / "secret.xy"
    secret.write_text(XY)
    (bench.site.folder / "results" / f"{bench.name}.xy").symlink_to(secret)


FAULTS: dict[str, Callable[[Bench], object]] = {
    "there is no": lambda bench: None,
    "is not whole": lambda bench: bench.leave(".xy", XY[:-2]),
    "before the start": _old,
    "is of the sample 'S4-c1'": lambda bench: bench.leave(".xy", f"# id: S4-c1\n{XY}"),
    "a link or no plain file": _link,
    "unnamed": lambda bench: bench.tell(sample="S3") or bench.leave(".json", '{"sample": "S3"}'),
    "no counts": lambda bench: bench.leave(".csv", "10.0 0.5\n10.2 0.6\n"),
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_wrong_file_never_counts(tmp_path: Path, words: str) -> None:
    bench = Bench(tmp_path, MILL if words == "unnamed" else SCAN)
    bench.start()
    FAULTS[words](bench)
    bench.clock.advance_to(1000.0 + 86_400.0)
    assert bench.looked().state is JobState.RUNNING
    bench.clock.advance_to(1000.0 + 86_400.0 + 3600.0 + 5.1)
    record = bench.looked()
    assert record.state is JobState.ABORTED
    assert words in record.error


def test_a_new_process_finds_what_was_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MILL)
    bench.start()
    (tmp_path / "requests" / f"{bench.name}.json").unlink()  # taken by the instrument
    again = bench.again()
    assert again.inspect(bench.command()).presence is Presence.STARTED
    bench.tell()
    again.record("c2")
    record = again.record("c2")
    assert record is not None
    assert record.state is JobState.COMPLETE


@pytest.mark.parametrize(
    ("job", "presence"), [(SCAN, Presence.ABSENT), (MILL, Presence.UNKNOWN)], ids=["scan", "mill"]
)
def test_a_request_that_was_perhaps_never_written(
    tmp_path: Path, job: Job, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, job)
    with monkeypatch.context() as patch:
        patch.setattr("instruments.cores.folder.Folder.write", _killed)
        with pytest.raises(LabError, match="killed"):
            bench.start()
    assert bench.again().inspect(bench.command()).presence is presence
    if presence is Presence.ABSENT:
        first = bench.name
        bench.start()
        assert bench.name != first


def _killed(*_: object) -> None:
    raise LabError("killed")


def test_an_aborted_request_is_withdrawn(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MILL)
    bench.start()
    assert bench.driver.abort("c2") is True
    assert list((tmp_path / "requests").glob("*.json")) == []
    assert "withdrawn" in bench.looked().error
    bench.tell()
    assert bench.looked().state is JobState.ABORTED


def test_one_job_at_a_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MILL)
    bench.start()
    with pytest.raises(BusyError, match="busy"):
        start_job(bench.driver, Job("c3", Verb.MILL, ("S3",), {"mill_min": 1.0}))


@pytest.mark.parametrize("name", ["@END", "../x", "a..b", "S3\0", "S3\n", "x" * 300, ""])
def test_unsafe_names_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    bench = Bench(tmp_path, MILL)
    for job in (
        Job(name, Verb.MILL, ("S3",), {"mill_min": 1.0}),
        Job("c2", Verb.MILL, (name,), {"mill_min": 1.0}),
    ):
        with pytest.raises(DeviceError, match="refuses"):
            start_job(bench.driver, job)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [StationKind.DISPENSER, StationKind.FURNACE, StationKind.TABLE])
def test_a_dose_or_a_program_is_not_left_to_files(tmp_path: Path, kind: StationKind) -> None:
    bench = Bench(tmp_path, MILL)
    with pytest.raises(ConfigError, match="cannot run it"):
        FileDropStation(
            Station(name="it", kind=kind), bench.site, FileDropSettings.model_validate(FOLDERS)
        )


def test_folders_outside_the_laboratory_are_refused_or_missed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without"):
        FileDropSettings(requests="../x", results="results")
    bench = Bench(tmp_path, SCAN)
    settings = FileDropSettings(requests=str(tmp_path / "no" / "share"), results="results")
    driver = FileDropStation(bench.driver.station, bench.site, settings)
    with pytest.raises(LinkError, match="cannot use its folder"):
        start_job(driver, SCAN)


# -- against the simulator ------------------------------------------------------------------------

SCALE = 3600.0


@pytest.fixture
def pair(world: World, tmp_path: Path) -> Iterator[tuple[Bench, SimulatedLaboratory]]:
    plain = next(s for s in STATIONS if s.name == "diffractometer").model_dump(
        exclude_defaults=True
    )
    station = LabStation.model_validate({**plain, "driver": "file-drop", "settings": FOLDERS})
    lab = LabFile(name="lab", clock_scale=SCALE, stations=(station,))
    world.start_transfer("transfer", "t1", "S3", "dispenser")
    world.advance(1000.0)
    world.start_dispense("dispenser", "d1", "TiO2-rutile-fine", 500.0, {})
    world.advance(5000.0)
    world.start_transfer("transfer", "t2", "S3", "diffractometer")
    world.advance(6000.0)
    with SimulatedLaboratory(lab, world, start_s=6000.0, folder=tmp_path) as laboratory:
        yield Bench(tmp_path, SCAN, MonotonicClock(6000.0, SCALE)), laboratory


def ended(bench: Bench, label: str) -> JobRecord:
    until_s = time.monotonic() + 9.0
    while time.monotonic() < until_s:
        record = bench.driver.record(label)
        assert record is not None
        if record.state is not JobState.RUNNING:
            return record
        time.sleep(0.05)  # longer than the simulator's pause in the middle of a file
    raise AssertionError("the scan does not end")


def last_pattern(world: World) -> tuple[Act, npt.NDArray[np.int32]]:
    act = world.acts()[-1]
    return act, world.pattern(act)


def test_pair_a_pattern_comes_back_as_the_world_made_it(
    pair: tuple[Bench, SimulatedLaboratory],
) -> None:
    bench, laboratory = pair
    for label in ("c12", "c13"):
        start_job(bench.driver, Job(label, Verb.SCAN, ("S3",), {"scan_min": 2.0}))
        assert ended(bench, label).state is JobState.COMPLETE
        result = bench.driver.result(label)
        act, made = laboratory.ask(partial(last_pattern, laboratory.plant.world))
        np.testing.assert_array_equal(bench.site.blobs.get_array(result["pattern"]), made)
        assert result["two_theta_start_deg"] == pytest.approx(act.result["two_theta_start_deg"])
        assert result["two_theta_step_deg"] == pytest.approx(
            act.result["two_theta_step_deg"], rel=1e-4
        )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("lose_file", "there is no"),
        ("half_file", "is not whole"),
        ("old_file", "before the start"),
        ("foreign_file", "is of the sample"),
    ],
)
def test_pair_a_wrong_file_ends_the_scan_with_its_own_words(
    pair: tuple[Bench, SimulatedLaboratory],
    fault: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, laboratory = pair
    monkeypatch.setattr("instruments.drivers.file_drop.TRANSFER_WALL_S", 0.3)
    monkeypatch.setattr(bench.driver, "_patience_s", 0.0)
    laboratory.ask(getattr(laboratory.simulators["diffractometer"], fault))
    start_job(bench.driver, SCAN)
    record = ended(bench, "c6")
    assert record.state is JobState.ABORTED
    assert words in record.error
