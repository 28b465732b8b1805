"""Powder dosing over scripted units: weights, notes, refusals, how doses end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from dosing_unit import VIAL_MG, DosingUnit, listening
from golden import mt_sics as golden
from instruments.cores import dosing as core
from instruments.drivers import dosing as module
from instruments.drivers.base import start_job
from instruments.drivers.dosing import DosingSettings, DosingStation
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.site import Site
from line_device import wait_for
from sdl.core.clock import VirtualClock
from sdl.core.command import Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LinkError
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task

LOT, OTHER_LOT = "BaCO3-coarse", "TiO2-rutile-fine"


@pytest.fixture
def units() -> dict[str, DosingUnit]:
    return {LOT: DosingUnit(), OTHER_LOT: DosingUnit()}


@pytest.fixture
def unit(units: dict[str, DosingUnit]) -> DosingUnit:
    return units[LOT]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    laboratory = load_task("batio3-coarse").laboratory
    site = Site(laboratory, VirtualClock(), 1.0, Notebook(None), MemoryBlobs(), tmp_path)
    site.notebook.put("s1", "dispenser")
    return site


@pytest.fixture
def station(site: Site, units: dict[str, DosingUnit]) -> Iterator[DosingStation]:
    with ExitStack() as stack:
        heads = {lot: stack.enter_context(listening(unit)) for lot, unit in units.items()}
        made = DosingSettings(heads=heads, tolerance_pct=2.0, settle_s=0.05)
        it = DosingStation(site.capabilities.station("dispenser"), site, made)
        yield it
        for head in it.cores:
            head.close()


def job(mass_mg: float = 300.0, label: str = "c1", **more: object) -> Job:
    return Job(label, Verb.DISPENSE, ("s1",), {"lot": LOT, "mass_mg": mass_mg, **more})


def end_of(station: DosingStation, label: str = "c1") -> JobRecord:
    found: list[JobRecord] = []

    def look() -> bool:
        with suppress(LinkError):
            record = station.record(label)
            assert record is not None
            found.append(record)
        return bool(found) and found[-1].state is not JobState.RUNNING

    wait_for(look)
    return found[-1]


def test_doses_what_was_asked(station: DosingStation, unit: DosingUnit) -> None:
    record = start_job(station, job(812.3))
    assert (record.state, unit.target_mg, unit.starts) == (JobState.RUNNING, 812.3, 1)
    unit.finish()
    assert end_of(station).state is JobState.COMPLETE
    assert station.result("c1") == {"balance_before_mg": 0.0, "balance_after_mg": 812.3}
    assert station.weigh() == 812.3


def test_weights_are_less_the_tare_that_was_noted_before_the_first_dose(
    station: DosingStation, site: Site, units: dict[str, DosingUnit]
) -> None:
    start_job(station, job())
    noted = site.notebook.read("dispenser", "tare-s1")
    assert noted is not None
    assert noted["tare_mg"] == VIAL_MG
    units[LOT].finish()
    end_of(station)
    units[OTHER_LOT].gross_mg = units[LOT].gross_mg  # all units stand over the same pan
    start_job(station, Job("c2", Verb.DISPENSE, ("s1",), {"lot": OTHER_LOT, "mass_mg": 100.0}))
    units[OTHER_LOT].finish()
    end_of(station, "c2")
    assert station.result("c2") == {"balance_before_mg": 300.0, "balance_after_mg": 400.0}
    assert not any(line.startswith("T") for u in units.values() for line in u.heard)
    assert site.notebook.read("dispenser", "tare-s1") == noted


def test_a_tare_note_is_no_job(station: DosingStation, unit: DosingUnit) -> None:
    start_job(station, job())
    unit.finish()
    end_of(station)
    assert station.running() == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lot": "gold"}, "allowed: BaCO3-coarse, TiO2-rutile-fine"),
        ({"lot": "BaCO3-fine"}, "BaCO3-coarse"),
        ({"mass_mg": 0.0}, "mass_mg"),
        ({"mass_mg": 4.9}, "mass_mg"),
        ({"mass_mg": 9e9}, "mass_mg"),
        ({"mass_mg": float("nan")}, "mass_mg"),
        ({"balance_before_mg": float("inf")}, "balance_before_mg"),
        ({"speed": 3}, "speed"),
    ],
)
def test_refuses_before_anything_is_sent(
    station: DosingStation, units: dict[str, DosingUnit], changed: dict[str, object], words: str
) -> None:
    asked = Job("c1", Verb.DISPENSE, ("s1",), {"lot": LOT, "mass_mg": 300.0, **changed})
    with pytest.raises(DeviceError, match=words):
        start_job(station, asked)
    assert all(not unit.heard for unit in units.values())


def test_refuses_another_vial(station: DosingStation, site: Site, unit: DosingUnit) -> None:
    site.notebook.put("s1", "rack")
    with pytest.raises(DeviceError, match="other vials"):
        start_job(station, job())
    assert unit.heard == []


def test_refuses_what_finds_no_room(station: DosingStation, unit: DosingUnit) -> None:
    start_job(station, job(3_000.0))
    unit.finish()
    end_of(station)
    with pytest.raises(DeviceError, match="mg of room"):
        start_job(station, job(3_000.0, "c2"))
    start_job(station, job(2_000.0, "c3"))
    assert unit.starts == 2


def test_refuses_an_empty_pan(station: DosingStation, site: Site, unit: DosingUnit) -> None:
    unit.gross_mg = 0.1
    with pytest.raises(DeviceError, match="holds no vial"):
        start_job(station, job())
    assert (unit.starts, site.notebook.read("dispenser", "tare-s1")) == (0, None)


def test_notices_a_balance_that_was_zeroed_under_the_vial(
    station: DosingStation, unit: DosingUnit
) -> None:
    start_job(station, job())
    unit.finish()
    end_of(station)
    unit.zero_mg = unit.gross_mg  # as at power-up
    with pytest.raises(DeviceError, match="less than the empty vial"):
        start_job(station, job(label="c2"))
    with pytest.raises(DeviceError, match="take it off, zero, and put it back"):
        station.weigh()
    assert unit.starts == 1


def test_an_unstable_balance_lets_nothing_begin(station: DosingStation, unit: DosingUnit) -> None:
    unit.drift_mg = 3.0
    with pytest.raises(DeviceError, match="no stable weight"):
        start_job(station, job())
    assert (unit.starts, unit.heard.count("Z"), station.running()) == (0, 0, ())


def test_a_busy_unit_is_told_nothing(station: DosingStation, unit: DosingUnit) -> None:
    unit.dosing = True
    with pytest.raises(BusyError):
        start_job(station, job())
    assert unit.starts == 0


def test_busy_at_the_start_never_leads_to_a_second_dose(
    station: DosingStation, unit: DosingUnit
) -> None:
    unit.says["QRA 61 1"] = [golden.BUSY]
    start_job(station, job())
    record = end_of(station)
    assert (record.state, unit.starts) == (JobState.ABORTED, 1)
    assert "busy with another job" in record.error


def test_one_dose_at_a_time(station: DosingStation, unit: DosingUnit) -> None:
    start_job(station, job())
    with pytest.raises(BusyError, match="c1"):
        start_job(station, job(label="c2"))
    with pytest.raises(BusyError, match="before"):
        start_job(station, job())
    with pytest.raises(BusyError):
        station.weigh()
    assert unit.starts == 1


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("QRD 1 1 5 300.0", golden.TARGET_REFUSED),
        ("QRD 1 1 6 2", golden.TOLERANCE_REFUSED),
        ("QRA 60 2 4", b"QRA 60 2 I 1\r\n"),
    ],
)
def test_a_refused_preparation_ends_the_job_and_frees_the_station(
    station: DosingStation, unit: DosingUnit, command: str, answer: bytes
) -> None:
    # The pin is locked once to see whether the unit is busy, and once to dose.
    usual = [golden.PIN_MOVED] if command.startswith("QRA") else []
    unit.says[command] = [*usual, answer]
    with pytest.raises(DeviceError, match="no powder has moved"):
        start_job(station, job())
    record = station.record("c1")
    assert record is not None
    assert (record.state, unit.starts, station.running()) == (JobState.ABORTED, 0, ())
    start_job(station, job(label="c2"))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (golden.NO_FLOW, "the powder does not flow; 180.0 mg of 300.0 mg BaCO3-coarse are missing"),
        (b"QRA 61 1 I 11\r\n", "limit"),
        (b"QRA 61 1 I 12\r\n", "expired"),
        (b"QRA 61 1 I 77\r\n", "code 77, which is not known"),
        (golden.SAMPLER_BLOCKED, "sampler is blocked"),
        (golden.DOSED, "180.0 mg of 300.0 mg"),
    ],
)
def test_a_short_dose_fails_and_says_what_is_missing(
    station: DosingStation, unit: DosingUnit, end: bytes, words: str
) -> None:
    start_job(station, job())
    unit.finish(0.4, end)
    record = end_of(station)
    assert record.state is JobState.ABORTED
    assert words in record.error
    assert station.result("c1") == {"balance_before_mg": 0.0, "balance_after_mg": 120.0}
    assert unit.starts == 1


def test_too_much_fails_too(station: DosingStation, unit: DosingUnit) -> None:
    start_job(station, job())
    unit.finish(2.0)
    assert "300.0 mg more than 300.0 mg" in end_of(station).error


@pytest.mark.parametrize(("share", "state"), [(0.981, "complete"), (0.97, "aborted")])
def test_the_balance_decides_within_the_tolerance(
    station: DosingStation, unit: DosingUnit, share: float, state: str
) -> None:
    start_job(station, job())
    unit.finish(share, golden.NO_FLOW)
    assert end_of(station).state.value == state


def test_a_damaged_answer_to_the_start_is_a_link_that_broke(
    station: DosingStation, unit: DosingUnit
) -> None:
    unit.says["QRA 61 1"] = [b"QRA 61 \x00 B\r\n"]
    with pytest.raises(LinkError):
        start_job(station, job())
    assert station.running() == ("c1",)


def test_a_silent_unit_is_asked_again_later(station: DosingStation, unit: DosingUnit) -> None:
    start_job(station, job())
    unit.says["QRD 2 3 7"] = [b"\xff\r\n"] * 2
    with pytest.raises(LinkError):
        station.record("c1")
    unit.cut()
    unit.finish()
    assert end_of(station).state is JobState.COMPLETE


def test_a_dose_that_does_not_end_is_stopped(
    station: DosingStation, site: Site, unit: DosingUnit
) -> None:
    start_job(station, job())
    site.clock.advance_to(module.LONGEST_DOSE_S + module.SPARE_WALL_S + 1.0)
    with pytest.raises(DeviceError, match="did not end"):
        station.record("c1")
    assert unit.heard[-1] == "@"


def test_abort_stops_the_one_unit(station: DosingStation, units: dict[str, DosingUnit]) -> None:
    start_job(station, job())
    assert station.abort("c1")
    assert units[LOT].heard[-1] == "@"
    units[LOT].finish(0.5, golden.STOPPED)
    record = end_of(station)
    assert "stopped from outside; 150.0 mg of 300.0 mg" in record.error
    assert not station.abort("c1")
    assert units[OTHER_LOT].heard == []


def test_the_arm_opens_the_door_between_doses_only(
    station: DosingStation, site: Site, unit: DosingUnit
) -> None:
    door = site.doors["dispenser"]
    door.open()
    assert unit.door == "3"
    door.shut()
    assert unit.door == "2"
    start_job(station, job())
    with pytest.raises(DeviceError, match="must not be opened now"):
        door.open()
    unit.finish()
    end_of(station)
    door.open()
    assert unit.door == "3"


def test_weighing_without_a_dose(station: DosingStation, site: Site, unit: DosingUnit) -> None:
    with pytest.raises(DeviceError, match="does not know the tare of s1"):
        station.weigh()
    with pytest.raises(DeviceError, match="not empty"):
        station.weigh(empty=True)
    site.notebook.put("s1", "rack")
    unit.gross_mg = 500.2
    assert station.weigh() == 500.2
    assert "Z" not in unit.heard
    unit.gross_mg = 2.0
    assert station.weigh(empty=True) == 0.0
    assert unit.heard.count("Z") == 1


def test_settings_and_kind_are_checked(site: Site) -> None:
    heads = {LOT: "tcp://127.0.0.1:1"}
    for wrong in (
        {"heads": heads, "tolerance_pct": 41.0},
        {"heads": heads, "tolerance_pct": 0.05},
        {"heads": {}, "tolerance_pct": 2.0},
        {"heads": {LOT: "serial"}, "tolerance_pct": 2.0},
        {"heads": heads, "tolerance_pct": 2.0, "settle_s": 0.0},
    ):
        with pytest.raises(ValidationError):
            DosingSettings.model_validate(wrong)
    made = DosingSettings.model_validate({"heads": heads, "tolerance_pct": 2.0})
    with pytest.raises(ConfigError, match="mt-sics-dosing"):
        DosingStation(site.capabilities.station("mixer"), site, made)


def test_instruments_have_names_and_channels(station: DosingStation) -> None:
    assert [c.name for c in station.cores] == [
        "dispenser_BaCO3_coarse",
        "dispenser_TiO2_rutile_fine",
    ]
    assert all(c.name.isidentifier() for c in station.cores)
    assert core.DosingHead.channel("mass_mg").unit == "mg"
