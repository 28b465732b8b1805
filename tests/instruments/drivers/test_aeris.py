"""The diffractometer station: against a scripted instrument, and against its simulator."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from golden import aeris as golden
from instruments.drivers.aeris import AerisSettings, AerisStation
from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.readout import Quality
from instruments.site import Site
from instruments.transports.tcp import TcpLink
from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.clock import Clock, MonotonicClock, VirtualClock
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LinkError
from sdl.core.lab import Endpoint, LabFile, LabStation
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task
from simulators.act import Act
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.world import World

STATION = Station(name="diffractometer", kind=StationKind.DIFFRACTOMETER, power_kw=0.6)
JOB = Job("c12", Verb.SCAN, ("S3",), {"scan_min": 2.0})
COMMAND = Command(
    id="c12", station="diffractometer", verb=Verb.SCAN, samples=("S3",),
    effect=Effect.IDEMPOTENT, args={"scan_min": 2.0}, time_s=0.0,
)  # fmt: skip
PROGRAMS = {"sdl-2min": 2, "sdl-8min": 8}


class Instrument:
    """Answers by the first words of a request; ``None`` is silence."""

    def __init__(self) -> None:
        self.answers: dict[bytes, bytes | None] = {
            golden.ASK_READY: golden.READY,
            golden.ASK_SYSTEM: golden.REMOTE,
            golden.ASK_SLOT: golden.OCCUPIED,
            b"@SAMPLE@ADD": b"@STATUS=normal@END",
            b"@SAMPLE@MEASURE": b"@STATUS=normal@END",
            b"@SAMPLE@REMOVE": b"@STATUS=normal@END",
        }
        self.heard: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.link = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def told(self, word: bytes) -> list[bytes]:
        return [m for m in self.heard if m.startswith(b"@SAMPLE@" + word)]

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(5.0)

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                link.settimeout(2.0)
                message = b""
                while not message.endswith(b"@END"):
                    piece = link.recv(4096)
                    if not piece:
                        break
                    message += piece
                self.heard.append(message)
                answer = next(a for m, a in self.answers.items() if message.startswith(m))
                if answer is not None:
                    # In two pieces: an answer is not a single packet.
                    link.sendall(answer[:5])
                    link.sendall(answer[5:])


@pytest.fixture
def instrument() -> Iterator[Instrument]:
    instrument = Instrument()
    yield instrument
    instrument.close()


def site(folder: Path, clock: Clock, notebook: Notebook | None = None) -> Site:
    shelf = load_task("batio3-coarse").laboratory.shelf
    capabilities = Capabilities(name="lab", stations=(STATION,), shelf=shelf)
    scale = clock.scale if isinstance(clock, MonotonicClock) else 1.0
    return Site(capabilities, clock, scale, notebook or Notebook(None), MemoryBlobs(), folder)


def driver_at(link: str, place: Site) -> AerisStation:
    settings = AerisSettings.model_validate(
        {"link": link, "results": "results", "slot": 2, "programs": PROGRAMS}
    )
    place.notebook.put("S3", "diffractometer")
    return AerisStation(STATION, place, settings)


def document(
    sample_id: str, counts: tuple[int, ...] = (3, 5, 900, 4), status: str = "Completed"
) -> bytes:
    """The elements of a real file that count."""
    return (
        '\ufeff<?xml version="1.0"?><xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/2.2">'
        f"<sample><id>{sample_id}</id></sample>"
        f'<xrdMeasurement status="{status}"><usedWavelength><kAlpha1>1.5405980</kAlpha1>'
        "<kAlpha2>1.5444260</kAlpha2><ratioKAlpha2KAlpha1>0.5000</ratioKAlpha2KAlpha1>"
        f'</usedWavelength><scan status="{status}"><dataPoints><positions axis="2Theta">'
        "<startPosition>10.0</startPosition><endPosition>10.6</endPosition></positions>"
        "<commonCountingTime>1.0</commonCountingTime>"
        f"<counts>{' '.join(map(str, counts))}</counts></dataPoints></scan></xrdMeasurement>"
        "</xrdMeasurements>"
    ).encode()


class Bench:
    """A driver beside a scripted instrument, in time that is moved by hand."""

    def __init__(self, instrument: Instrument, folder: Path) -> None:
        self.instrument = instrument
        self.clock = VirtualClock(1000.0)
        self.site = site(folder, self.clock)
        self.driver = driver_at(instrument.link, self.site)

    @property
    def result(self) -> Path:
        note = self.site.notebook.read("diffractometer", "c12")
        assert note is not None
        return self.site.folder / "results" / f"{note['file_id']}.xrdml"

    def record(self) -> JobRecord:
        """What a second look in a row says."""
        self.driver.record("c12")
        record = self.driver.record("c12")
        assert record is not None
        return record


@pytest.fixture
def bench(instrument: Instrument, tmp_path: Path) -> Bench:
    return Bench(instrument, tmp_path)


def test_a_scan_is_registered_measured_read_and_removed(bench: Bench) -> None:
    record = start_job(bench.driver, JOB)
    assert record.state is JobState.RUNNING
    assert record.end_s == 1000.0 + 120.0
    bench.instrument.answers[golden.ASK_READY] = golden.BUSY
    bench.clock.advance_to(1100.0)
    assert bench.record().state is JobState.RUNNING
    name = bench.result.stem
    assert name.startswith("S3-c12-")
    bench.instrument.answers[golden.ASK_READY] = golden.READY
    bench.clock.advance_to(1130.0)
    bench.result.write_bytes(document(name))
    first = bench.driver.record("c12")
    assert first is not None
    assert first.state is JobState.RUNNING  # one look is none
    assert bench.record().state is JobState.COMPLETE
    assert bench.record().end_s == 1120.0
    result = bench.driver.result("c12")
    counts = bench.site.blobs.get_array(result.pop("pattern"))
    assert counts.dtype == np.int32
    assert counts.tolist() == [3, 5, 900, 4]
    assert result == pytest.approx({
        "two_theta_start_deg": 10.0, "two_theta_step_deg": 0.2, "scan_min": 2.0, "energy_kwh": 0.02,
    })  # fmt: skip
    assert set(result) | {"pattern"} == set(bench.driver.result_units)
    told = bench.instrument
    assert told.told(b"ADD") == [
        b"@SAMPLE@ADD@APPLICATION=sdl-2min@SAMPLE_ID=" + name.encode() + b"@AT=0,2@END"
    ]
    assert told.told(b"MEASURE") == [golden.MEASURE.replace(b"S3-c12", name.encode())]
    assert told.told(b"REMOVE") == [golden.REMOVE.replace(b"S3-c12", name.encode())]


@pytest.mark.parametrize("sample", ["@END", "../x", "S3\0", "S3\n", "x" * 300, "S3@END", "a..b"])
def test_an_unsafe_sample_id_is_refused_before_anything_is_sent(bench: Bench, sample: str) -> None:
    with pytest.raises(DeviceError, match="nothing was sent"):
        start_job(bench.driver, Job("c12", Verb.SCAN, (sample,), {"scan_min": 2.0}))
    with pytest.raises(DeviceError, match="nothing was sent"):
        start_job(bench.driver, Job(sample, Verb.SCAN, ("S3",), {"scan_min": 2.0}))
    assert bench.instrument.heard == []


@pytest.mark.parametrize("scan_min", [3.0, 0.0, -2.0, float("nan"), float("inf"), "2", True, None])
def test_a_length_without_a_program_is_refused(bench: Bench, scan_min: object) -> None:
    with pytest.raises(DeviceError, match="scan_min is outside"):
        start_job(bench.driver, Job("c12", Verb.SCAN, ("S3",), {"scan_min": scan_min}))
    assert bench.instrument.heard == []


def test_the_refusal_names_the_programs(bench: Bench) -> None:
    with pytest.raises(DeviceError, match=r"2 \(sdl-2min\), 8 \(sdl-8min\)"):
        bench.driver.check_job(Job("c12", Verb.SCAN, ("S3",), {"scan_min": 3.0}))


@pytest.mark.parametrize(
    ("question", "answer", "error", "words"),
    [
        (golden.ASK_SYSTEM, golden.LOCAL, DeviceError, "remote control"),
        (golden.ASK_READY, golden.BUSY, BusyError, "measures something"),
        (golden.ASK_SLOT, golden.FREE, DeviceError, "feels no sample"),
        (golden.ASK_SLOT, b"@STATE=broken@END", DeviceError, "STATE=free or occupied"),
    ],
)
def test_an_instrument_that_is_not_fit_starts_nothing(
    bench: Bench, question: bytes, answer: bytes, error: type[Exception], words: str
) -> None:
    bench.instrument.answers[question] = answer
    with pytest.raises(error, match=words):
        start_job(bench.driver, JOB)
    assert bench.site.notebook.labels("diffractometer") == ()
    assert bench.instrument.told(b"") == []


@pytest.mark.parametrize("word", [b"@SAMPLE@ADD", b"@SAMPLE@MEASURE"])
def test_fatal_ends_the_job_and_frees_the_station(bench: Bench, word: bytes) -> None:
    bench.instrument.answers[word] = b"@STATUS=fatal: no such application@END"
    with pytest.raises(DeviceError, match="no such application"):
        start_job(bench.driver, JOB)
    assert bench.driver.running() == ()
    assert len(bench.instrument.told(b"REMOVE")) == 1
    bench.instrument.answers[word] = b"@STATUS=normal@END"
    start_job(bench.driver, Job("c13", Verb.SCAN, ("S3",), {"scan_min": 8.0}))


def _missing(_: Path) -> None:
    """Writes nothing."""


def _partial(path: Path) -> None:
    path.write_bytes(document(path.stem)[:-40])


def _old(path: Path) -> None:
    path.write_bytes(document(path.stem))
    os.utime(path, (time.time() - 3600.0, time.time() - 3600.0))


def _foreign(path: Path) -> None:
    path.write_bytes(document("S4-c9"))


def _nameless(path: Path) -> None:
    path.write_bytes(document(""))


def _aborted(path: Path) -> None:
    path.write_bytes(document(path.stem, status="Aborted"))


def _link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere.xrdml"
    elsewhere.write_bytes(document(path.stem))
    path.symlink_to(elsewhere)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_missing, "there is no S3-c12"),
        (_partial, "is not whole"),
        (_old, "s before the start"),
        (_foreign, "is of the sample 'S4-c9'"),
        (_nameless, "unnamed"),
        (_aborted, "scan was not completed"),
        (_link, "a link or no plain file"),
        (_pipe, "a link or no plain file"),
    ],
)
def test_a_wrong_result_file_never_counts(
    bench: Bench, fault: Callable[[Path], None], words: str
) -> None:
    start_job(bench.driver, JOB)
    fault(bench.result)
    # Twice the scan, ten minutes, and five seconds of wall time at a scale of 1.
    bench.clock.advance_to(1000.0 + 240.0 + 600.0 + 5.0)
    assert bench.record().state is JobState.RUNNING
    bench.clock.advance_to(bench.clock.now_s() + 1.0)
    record = bench.record()
    assert record.state is JobState.ABORTED
    assert words in record.error
    assert "what to do" in record.error
    assert bench.driver.running() == ()
    assert bench.driver.result("c12") == {}


def test_a_good_file_found_days_later_still_counts(bench: Bench) -> None:
    start_job(bench.driver, JOB)
    bench.result.write_bytes(document(bench.result.stem))
    bench.clock.advance_to(3.0 * 86400.0)
    assert bench.record().state is JobState.COMPLETE
    assert bench.record().end_s < 1300.0


def test_a_file_of_the_same_id_is_moved_aside_before_the_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instruments.cores.folder.secrets.token_hex", lambda _: "00aa00")
    results = bench.site.folder / "results"
    results.mkdir()
    (results / "S3-c12-00aa00.xrdml").write_bytes(document("S3-c12-00aa00", (1, 1, 1, 1)))
    start_job(bench.driver, JOB)
    assert not bench.result.exists()
    assert len(list(results.glob("*.aside-*"))) == 1


def test_a_dead_instrument_is_a_broken_link_not_a_lost_scan(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_job(bench.driver, JOB)
    monkeypatch.setattr(
        bench.driver.core, "_link", TcpLink("x", Endpoint.of(bench.instrument.link), deadline_s=0.1)
    )
    bench.instrument.answers[golden.ASK_READY] = None
    with pytest.raises(LinkError):
        bench.driver.record("c12")
    readout = bench.driver.core.read("ready")
    assert readout.quality is Quality.UNREACHABLE
    assert readout.value is None


def test_an_answer_to_measure_that_got_lost_is_settled_by_looking(bench: Bench) -> None:
    bench.instrument.answers[b"@SAMPLE@MEASURE"] = b"@SAMPLE_ID=other@END"
    with pytest.raises(LinkError, match="whether it took"):
        start_job(bench.driver, JOB)
    with pytest.raises(LinkError, match="does not show yet"):
        bench.driver.inspect(COMMAND)
    bench.instrument.answers[golden.ASK_READY] = golden.BUSY
    assert bench.driver.inspect(COMMAND).presence is Presence.STARTED
    bench.instrument.answers[golden.ASK_READY] = golden.READY
    bench.clock.advance_to(1100.0)
    found = bench.driver.inspect(COMMAND)
    assert found.presence is Presence.ABSENT
    assert "no harm" in found.evidence
    first = bench.result
    bench.instrument.answers[b"@SAMPLE@MEASURE"] = b"@STATUS=normal@END"
    start_job(bench.driver, JOB)
    assert bench.result != first
    assert bench.instrument.told(b"REMOVE") == [
        b"@SAMPLE@REMOVE@SAMPLE_ID=" + first.stem.encode() + b"@END"
    ]


def test_a_new_process_finds_the_scan_by_its_file(bench: Bench) -> None:
    start_job(bench.driver, JOB)
    bench.result.write_bytes(document(bench.result.stem))
    again = driver_at(bench.instrument.link, bench.site)
    assert again.inspect(COMMAND).presence is Presence.STARTED
    again.record("c12")
    record = again.record("c12")
    assert record is not None
    assert record.state is JobState.COMPLETE


def test_stop_and_abort_leave_a_scan_alone(bench: Bench) -> None:
    start_job(bench.driver, JOB)
    heard = len(bench.instrument.heard)
    begun_s = time.monotonic()
    bench.driver.stop()
    bench.driver.core.stop()
    assert bench.driver.abort("c12") is False
    assert time.monotonic() - begun_s < 1.0
    assert len(bench.instrument.heard) == heard


def test_settings_and_stations_that_cannot_work_are_refused(tmp_path: Path) -> None:
    good = {"link": "tcp://127.0.0.1:702", "results": "r", "slot": 2, "programs": PROGRAMS}
    for wrong in (
        {"slot": 1}, {"slot": 7}, {"programs": {}}, {"programs": {"a@END": 2}},
        {"programs": {"a": 2, "b": 2}}, {"programs": {"a": 0}}, {"results": "../x"},
        {"programs": {"a..b": 2}}, {"results": "r\0"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="validation error"):
            AerisSettings.model_validate({**good, **wrong})
    mixer = Station(name="mixer", kind=StationKind.MIXER)
    with pytest.raises(ConfigError, match="cannot run mixer"):
        AerisStation(mixer, site(tmp_path, VirtualClock()), AerisSettings.model_validate(good))


# -- against the simulator ------------------------------------------------------------------------

SCALE = 3600.0


@pytest.fixture
def pair(world: World, tmp_path: Path) -> Iterator[tuple[AerisStation, SimulatedLaboratory]]:
    settings = {
        "link": "tcp://127.0.0.1:0", "results": "results", "slot": 2, "programs": PROGRAMS,
    }  # fmt: skip
    plain = STATION.model_dump(exclude_defaults=True)
    station = LabStation.model_validate({**plain, "driver": "aeris", "settings": settings})
    lab = LabFile(name="lab", clock_scale=SCALE, stations=(station,))
    world.start_transfer("transfer", "t1", "S3", "dispenser")
    world.advance(1000.0)
    world.start_dispense("dispenser", "d1", "TiO2-rutile-fine", 500.0, {})
    world.advance(5000.0)
    world.start_transfer("transfer", "t2", "S3", "diffractometer")
    world.advance(6000.0)
    with SimulatedLaboratory(lab, world, start_s=6000.0, folder=tmp_path) as laboratory:
        link = laboratory.lab.station("diffractometer").settings["link"]
        driver = driver_at(link, site(tmp_path, MonotonicClock(6000.0, SCALE)))
        yield driver, laboratory


def ended(driver: AerisStation, label: str) -> JobRecord:
    until_s = time.monotonic() + 9.0
    while time.monotonic() < until_s:
        record = driver.record(label)
        assert record is not None
        if record.state is not JobState.RUNNING:
            return record
        time.sleep(0.005)
    raise AssertionError("the scan does not end")


def last_pattern(world: World) -> tuple[Act, npt.NDArray[np.int32]]:
    act = world.acts()[-1]
    return act, world.pattern(act)


def test_pair_a_pattern_comes_back_as_the_world_made_it(
    pair: tuple[AerisStation, SimulatedLaboratory],
) -> None:
    driver, laboratory = pair
    assert driver.core.identify().model == "Aeris"
    for label in ("c12", "c13"):
        start_job(driver, Job(label, Verb.SCAN, ("S3",), {"scan_min": 2.0}))
        assert ended(driver, label).state is JobState.COMPLETE
        result = driver.result(label)
        act, made = laboratory.ask(partial(last_pattern, laboratory.plant.world))
        counts = driver.site.blobs.get_array(result["pattern"])
        np.testing.assert_array_equal(counts, made)
        assert result["two_theta_start_deg"] == pytest.approx(act.result["two_theta_start_deg"])
        assert result["two_theta_step_deg"] == pytest.approx(act.result["two_theta_step_deg"])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("lose_file", "there is no S3-c12"),
        ("half_file", "is not whole"),
        ("old_file", "before the start"),
        ("foreign_file", "is of the sample"),
    ],
)
def test_pair_a_wrong_file_ends_the_scan_with_its_own_words(
    pair: tuple[AerisStation, SimulatedLaboratory],
    fault: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("instruments.drivers.aeris.TRANSFER_WALL_S", 0.3)
    driver, laboratory = pair
    laboratory.ask(getattr(laboratory.simulators["diffractometer"], fault))
    start_job(driver, JOB)
    record = ended(driver, "c12")
    assert record.state is JobState.ABORTED
    assert words in record.error
    # The slot is free again for the next scan.
    monkeypatch.undo()
    start_job(driver, Job("c13", Verb.SCAN, ("S3",), {"scan_min": 2.0}))
    assert ended(driver, "c13").state is JobState.COMPLETE
