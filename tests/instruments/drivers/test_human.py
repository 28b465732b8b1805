"""A person as an instrument: requests in words, answers that are checked, days between them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.drivers.base import start_job
from instruments.drivers.handover import RESULT_UNITS
from instruments.drivers.human import HumanSettings, HumanStation
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.notebook import Notebook
from instruments.site import Site
from sdl.cli.answer import answer
from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, DeviceError, LabError
from sdl.core.material import Lot
from sdl.core.recipe import Cooling
from sdl.journal.blobs import MemoryBlobs
from sdl.tasks.task import load_task

DAY_S = 86_400.0
STATIONS = (
    Station(name="dispenser", kind=StationKind.DISPENSER, min_dose_mg=5, max_dose_mg=5000),
    Station(name="mixer", kind=StationKind.MIXER, max_mill_min=60, power_kw=0.4),
    Station(
        name="furnace_1", kind=StationKind.FURNACE, capacity=4, max_temperature_c=900,
        max_ramp_c_per_min=20, power_kw=3.0,
    ),
    Station(name="quench", kind=StationKind.QUENCH, capacity=2, coolings=(Cooling.AIR,)),
    Station(name="washer", kind=StationKind.WASHER, power_kw=0.1),
    Station(name="xrd", kind=StationKind.DIFFRACTOMETER, power_kw=0.6),
    Station(name="vsm", kind=StationKind.MAGNETOMETER, max_temperature_c=600, power_kw=1.0),
    Station(name="arm", kind=StationKind.TRANSFER),
)  # fmt: skip
JOBS = {
    job.label: (station, job)
    for station, job in (
        ("dispenser", Job("c1", Verb.DISPENSE, ("S3",), {
            "lot": "TiO2-rutile-fine", "mass_mg": 500.0})),
        ("mixer", Job("c2", Verb.MILL, ("S3",), {"mill_min": 30.0})),
        ("furnace_1", Job("c3", Verb.ANNEAL, ("S3", "S4"), {
            "temperature_c": 900.0, "dwell_h": 4.0, "ramp_c_per_min": 5.0, "gas": "air",
            "cooling": "furnace"})),
        ("quench", Job("c4", Verb.QUENCH, ("S3",), {"cooling": "air"})),
        ("washer", Job("c5", Verb.WASH, ("S3",), {"solvent": "water", "duration_min": 30.0})),
        ("xrd", Job("c6", Verb.SCAN, ("S3",), {"scan_min": 8.0})),
        ("vsm", Job("c7", Verb.MEASURE, ("S3",), {
            "property": "ferrite-magnetisation", "temperature_c": 25.0})),
        ("arm", Job("c8", Verb.TRANSFER, ("S3",), {
            "sample": "S3", "origin": "rack", "destination": "mixer"})),
    )
}  # fmt: skip
VALUES: dict[str, list[str]] = {
    "c1": ["balance_before_mg=12001.5", "balance_after_mg=12.5013g"],
    "c2": ["done"],
    "c3": ["thermocouple_c=1171.15 K"],
    "c4": ["done"],
    "c5": ["energy_kwh=0.07"],
    "c6": ["done"],
    "c7": ["mass_mg=21.5"],
    "c8": ["done"],
}


class Bench:
    """A laboratory of persons, in time that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        shelf: tuple[Lot, ...] = load_task("batio3-coarse").laboratory.shelf
        self.clock = VirtualClock(1000.0)
        self.site = Site(
            Capabilities(name="lab", stations=STATIONS, shelf=shelf), self.clock, 1.0,
            Notebook(None), MemoryBlobs(), folder,
        )  # fmt: skip
        self.inbox = folder / "inbox"

    def driver(self, name: str) -> HumanStation:
        settings = HumanSettings(inbox="inbox")
        return HumanStation(self.site.capabilities.station(name), self.site, settings)

    def start(self, label: str) -> HumanStation:
        station, job = JOBS[label]
        driver = self.driver(station)
        if job.verb is not Verb.TRANSFER:
            for sample in job.samples:
                self.site.notebook.put(sample, station)
        assert start_job(driver, job).state is JobState.RUNNING
        return driver

    def put_data(self, label: str) -> None:
        answers = self.inbox / "answers"
        if label == "c6":
            (answers / "c6.xy").write_text("10.0 3\n10.2 5\n10.4 900\n")
        if label == "c7":
            (answers / "c7.csv").write_text("field_t,moment\n0.0,0.1\n0.5,1.2\n1.0,1.3\n")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("instruments.drivers.human.SETTLE_S", 0.0)
    return Bench(tmp_path)


def looked(driver: HumanStation, label: str) -> JobRecord:
    for _ in range(3):
        driver.record(label)
    record = driver.record(label)
    assert record is not None
    return record


def command(label: str) -> Command:
    station, job = JOBS[label]
    return Command(
        id=label, station=station, verb=job.verb, samples=job.samples, effect=Effect.IRREVERSIBLE,
        args=dict(job.args), time_s=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("label", JOBS)
def test_every_verb_is_asked_answered_and_reported(bench: Bench, label: str) -> None:
    driver = bench.start(label)
    assert (bench.inbox / f"{label}.txt").is_file()
    bench.clock.advance_to(3.0 * DAY_S)
    record = looked(driver, label)
    assert record.state is JobState.RUNNING
    assert record.end_s == 3.0 * DAY_S + 3600.0
    bench.put_data(label)
    assert f"{label} is answered" in answer(bench.inbox, label, VALUES[label], "A. Chemist")
    assert looked(driver, label).state is JobState.COMPLETE
    result = driver.result(label)
    assert set(result) == set(RESULT_UNITS[JOBS[label][1].verb]) == set(driver.result_units)
    assert driver.waiting_for() == []
    assert not list(bench.inbox.glob("*.txt"))


def results(bench: Bench, label: str) -> dict[str, Any]:
    driver = bench.start(label)
    bench.put_data(label)
    answer(bench.inbox, label, VALUES[label], "A. Chemist")
    assert looked(driver, label).state is JobState.COMPLETE
    return driver.result(label)


def test_numbers_come_in_the_units_that_were_asked_for(bench: Bench) -> None:
    assert results(bench, "c1") == pytest.approx(
        {"balance_before_mg": 12001.5, "balance_after_mg": 12501.3}
    )
    anneal = results(bench, "c3")
    assert anneal["thermocouple_c"] == pytest.approx(898.0)
    assert anneal["energy_kwh"] == pytest.approx(3.0 * (875.0 / 5.0 / 60.0 + 4.0))
    assert results(bench, "c2")["energy_kwh"] == pytest.approx(0.2)
    assert results(bench, "c5")["energy_kwh"] == 0.07


def test_files_of_data_become_arrays(bench: Bench) -> None:
    scan = results(bench, "c6")
    assert bench.site.blobs.get_array(scan["pattern"]).tolist() == [3, 5, 900]
    assert scan["two_theta_step_deg"] == pytest.approx(0.2)
    curve = results(bench, "c7")
    found = bench.site.blobs.get_array(curve["curve"])
    assert found.dtype == np.float64
    assert found.tolist() == [[0.0, 0.1], [0.5, 1.2], [1.0, 1.3]]
    assert (curve["property"], curve["temperature_c"]) == ("ferrite-magnetisation", 25.0)
    assert curve["mass_mg"] == 21.5


def test_a_moved_vial_is_noted_at_its_new_place(bench: Bench) -> None:
    driver = bench.start("c8")
    assert bench.site.place("S3") == "rack"
    answer(bench.inbox, "c8", ["done"], "A. Chemist")
    looked(driver, "c8")
    assert bench.site.place("S3") == "mixer"


def test_the_sheet_says_what_a_chemist_must_know(bench: Bench) -> None:
    driver = bench.start("c3")
    sheet = (bench.inbox / "c3.txt").read_text()
    for words in (
        "samples S3, S4", "900 degC", "4 h", "5 degC per minute", "gas: air", "furnace_1",
        "sdl answer", "thermocouple_c", "0 to 3000 degC", "failed=", "c3.json", "closed furnace",
    ):  # fmt: skip
        assert words in sheet
    bench.start("c1")
    sheet = (bench.inbox / "c1.txt").read_text()
    for words in ("TiO2-rutile-fine", "500 mg", "before", "50 to 5000 mg"):
        assert words in sheet
    assert driver.waiting_for() == [
        "S3, S4 (c3): anneal at 900 degC for 4 h in furnace_1; answer with `sdl answer "
        f"{bench.inbox} c3 thermocouple_c=VALUE --by NAME`"
    ]


def test_a_person_may_report_a_failure(bench: Bench) -> None:
    driver = bench.start("c3")
    told = answer(bench.inbox, "c3", ["failed=crucible broke"], "A. Chemist")
    assert "crucible broke" in told
    record = looked(driver, "c3")
    assert record.state is JobState.ABORTED
    assert record.error == "A. Chemist reports: crucible broke"
    assert driver.running() == ()


@pytest.mark.parametrize(
    ("label", "job", "values", "by", "words"),
    [
        ("c1", "c1", ["done"], "A", "balance_before_mg is missing"),
        ("c1", "c1", ["balance_before_mg=1"], "A", "balance_after_mg is missing"),
        ("c1", "c1", ["balance_before_mg=0", "balance_after_mg=0.5"], "A", "less balance_before"),
        ("c1", "c1", ["balance_before_mg=0", "balance_after_mg=5 s"], "A", "not a quantity"),
        ("c1", "c1", ["balance_before_mg=0", "balance_after_mg=nan"], "A", "not a number"),
        ("c1", "c1", ["balance_before_mg=0", "balance_after_mg=1e999"], "A", "outside its limits"),
        ("c1", "c1", ["balance_before_mg=-50", "balance_after_mg=500"], "A", "outside its limits"),
        ("c1", "c1", ["colour=red"], "A", "not asked for"),
        ("c3", "c3", ["thermocouple_c=9000"], "A", "0 to 3000 degC"),
        ("c3", "c3", ["thermocouple_c=1", "thermocouple_c=2"], "A", "twice"),
        ("c3", "c3", ["thermocouple_c"], "A", "no value"),
        ("c3", "c3", ["thermocouple_c=1", "failed=x"], "A", "values or a failure"),
        ("c3", "c3", ["failed=a\nb"], "A", "no line of text"),
        ("c3", "c3", [], "A", "empty"),
        ("c3", "c3", ["done"], " ", "nobody is named"),
        ("c3", "c3", ["done"], "x" * 500, "nobody is named"),
        ("c3", "c99", ["done"], "A", "allowed: c3"),
        ("c3", "../c3", ["done"], "A", "no such open request"),
        ("c3", "c3\0", ["done"], "A", "no such open request"),
        ("c6", "c6", ["done"], "A", "data file is missing"),
        ("c7", "c7", ["mass_mg=999999"], "A", "outside its limits"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_written(
    bench: Bench, label: str, job: str, values: list[str], by: str, words: str
) -> None:
    bench.start(label)
    with pytest.raises(ConfigError, match=words) as caught:
        answer(bench.inbox, job, values, by)
    assert caught.value.do
    assert not list((bench.inbox / "answers").glob("*"))


def test_a_wrong_data_file_is_found_when_it_is_answered(bench: Bench) -> None:
    driver = bench.start("c6")
    (bench.inbox / "answers" / "c6.xy").write_text("10.0 0.3\n10.2 0.5\n")
    with pytest.raises(ConfigError, match="no counts"):
        answer(bench.inbox, "c6", ["done"], "A")
    # An answer by a program is not checked before: the list of open requests says what is wrong.
    (bench.inbox / "answers" / "c6.json").write_text('{"id": "c6", "by": "LIMS"}')
    assert looked(driver, "c6").state is JobState.RUNNING
    assert "not taken" in driver.waiting_for()[0]
    assert "no counts" in driver.waiting_for()[0]
    bench.put_data("c6")
    assert looked(driver, "c6").state is JobState.COMPLETE


def test_nobody_answers_twice(bench: Bench) -> None:
    driver = bench.start("c2")
    answer(bench.inbox, "c2", ["done"], "A")
    with pytest.raises(ConfigError, match="answered already"):
        answer(bench.inbox, "c2", ["failed=no"], "B")
    assert looked(driver, "c2").state is JobState.COMPLETE
    with pytest.raises(ConfigError, match="answered already"):
        answer(bench.inbox, "c2", ["failed=no"], "B")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"id": "c3", "by": "A", "thermocouple_c": 9e9}', "outside its limits"),
        ('{"id": "c3", "by": "A", "thermocouple_c": NaN}', "no JSON"),
        ('{"id": "c3", "thermocouple_c": 900}', "nobody signed"),
        ('{"id": "c9", "by": "A", "thermocouple_c": 900}', "of the sample 'c9'"),
        ('{"by": "A", "thermocouple_c": 900}', "unnamed"),
        ('{"id": "c3", "by": "A", "therm', "no JSON"),
        ("", "no JSON"),
    ],
)
def test_a_wrong_file_is_no_answer_and_is_told(bench: Bench, text: str, words: str) -> None:
    driver = bench.start("c3")
    path = bench.inbox / "answers" / "c3.json"
    path.write_text(text)
    assert looked(driver, "c3").state is JobState.RUNNING
    assert words in driver.waiting_for()[0]
    path.write_text('{"id": "c3", "by": "A", "values": {"thermocouple_c": "900 degC"}}')
    assert looked(driver, "c3").state is JobState.COMPLETE


def test_an_answer_of_an_earlier_campaign_does_not_count(bench: Bench) -> None:
    answers = bench.inbox / "answers"
    answers.mkdir(parents=True)
    path = answers / "c2.json"
    path.write_text('{"id": "c2", "by": "A"}')
    driver = bench.start("c2")
    assert looked(driver, "c2").state is JobState.RUNNING
    path.write_text('{"id": "c2", "by": "A"}')
    os.utime(path, (time.time() - 60.0, time.time() - 60.0))
    assert looked(driver, "c2").state is JobState.RUNNING
    assert "before the start" in driver.waiting_for()[0]


def test_a_new_process_goes_on_days_later(bench: Bench) -> None:
    bench.start("c3")
    bench.clock.advance_to(2.0 * DAY_S)
    again = bench.driver("furnace_1")
    assert again.inspect(command("c3")).presence is Presence.STARTED
    assert len(again.waiting_for()) == 1
    answer(bench.inbox, "c3", VALUES["c3"], "A")
    third = bench.driver("furnace_1")
    assert third.inspect(command("c3")).presence is Presence.STARTED
    assert looked(third, "c3").state is JobState.COMPLETE


def test_a_request_that_was_never_written_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(HumanStation, "_ask", lambda *_: (_ for _ in ()).throw(LabError("killed")))
        with pytest.raises(LabError, match="killed"):
            bench.start("c2")
    driver = bench.driver("mixer")
    assert driver.inspect(command("c2")).presence is Presence.ABSENT
    bench.start("c2")
    assert len(list(bench.inbox.glob("c2.*"))) == 2


def test_a_request_that_was_tidied_away_comes_back(bench: Bench) -> None:
    driver = bench.start("c2")
    for path in bench.inbox.glob("c2.*"):
        path.unlink()
    looked(driver, "c2")
    request = json.loads((bench.inbox / "c2.json").read_text())
    assert (request["id"], request["verb"], request["samples"]) == ("c2", "mill", ["S3"])


def test_an_aborted_request_is_withdrawn(bench: Bench) -> None:
    driver = bench.start("c2")
    assert driver.abort("c2") is True
    assert looked(driver, "c2").state is JobState.ABORTED
    assert driver.waiting_for() == []
    with pytest.raises(ConfigError, match="no such open request"):
        answer(bench.inbox, "c2", ["done"], "A")
    assert driver.abort("c2") is False


def test_a_station_is_asked_as_much_as_it_holds(bench: Bench) -> None:
    driver = bench.start("c4")
    for sample in ("S4", "S5"):
        bench.site.notebook.put(sample, "quench")
    start_job(driver, Job("c14", Verb.QUENCH, ("S4",), {"cooling": "air"}))
    with pytest.raises(BusyError, match="busy"):
        start_job(driver, Job("c24", Verb.QUENCH, ("S5",), {"cooling": "air"}))
    mixer = bench.start("c2")
    with pytest.raises(BusyError, match="busy"):
        start_job(mixer, Job("c12", Verb.MILL, ("S3",), {"mill_min": 1.0}))


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("c1", {"mass_mg": 9000.0}), ("c1", {"lot": "gold"}), ("c1", {"mass_mg": float("nan")}),
        ("c2", {"mill_min": 61.0}), ("c3", {"temperature_c": 901.0}), ("c3", {"gas": "steam"}),
        ("c4", {"cooling": "water"}), ("c5", {"solvent": "acid"}), ("c6", {"scan_min": 0.0}),
        ("c7", {"property": "colour"}), ("c8", {"destination": "cellar"}), ("c2", {"more": 1}),
    ],
)  # fmt: skip
def test_limits_hold_for_persons_too(bench: Bench, label: str, change: dict[str, Any]) -> None:
    station, job = JOBS[label]
    wrong = Job(job.label, job.verb, job.samples, {**job.args, **change})
    with pytest.raises(DeviceError, match=f"{station} refuses"):
        start_job(bench.driver(station), wrong)
    assert not bench.inbox.exists()


@pytest.mark.parametrize("name", ["@END", "../x", "a..b", "S3\0", "S3\n", "x" * 300, ""])
def test_unsafe_names_are_refused(bench: Bench, name: str) -> None:
    driver = bench.driver("mixer")
    for job in (
        Job(name, Verb.MILL, ("S3",), {"mill_min": 1.0}),
        Job("c2", Verb.MILL, (name,), {"mill_min": 1.0}),
    ):
        with pytest.raises(DeviceError, match="refuses"):
            start_job(driver, job)
    assert not bench.inbox.exists()


def test_a_table_is_no_work_for_a_person(bench: Bench) -> None:
    table = Station(name="table", kind=StationKind.TABLE)
    with pytest.raises(ConfigError, match="cannot run table"):
        HumanStation(table, bench.site, HumanSettings(inbox="inbox"))
