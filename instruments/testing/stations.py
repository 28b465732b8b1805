"""What every station keeps to: refusals, a job from start to result, restarts, aborts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from instruments.drivers.base import start_job
from instruments.drivers.job import Job, JobRecord, JobState
from instruments.drivers.wired import WiredDriver
from instruments.testing.expect import expect, refused, until
from instruments.testing.subject import Subject
from sdl.core.command import Command, Effect, Presence, Verb

NO_ARGUMENTS: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, 1e300, -1e6, True, "nothing-like-it", "", None, [1.0], 10**400,
)  # fmt: skip
"""What no argument of any job may be."""
STRANGER = "stranger"
"""A vial that stands nowhere near the station."""


def check_driver(subject: Subject) -> None:
    """A driver says what it takes and what it reports, before it is connected."""
    driver = subject.driver
    expect(isinstance(driver.verb, Verb), "a driver knows one verb", driver.verb)
    job = subject.job(subject.label())
    expect(job.verb is driver.verb, "its job has that verb", job.verb)
    expect(set(job.args) <= driver.arguments, "its job has its arguments", dict(job.args))
    for name, unit in driver.result_units.items():
        expect(name.isidentifier() and isinstance(unit, str), "results have names and units", name)
    names = [core.name for core in driver.cores]
    expect(len(set(names)) == len(names), "each instrument has a name of its own", names)
    expect(driver.read_back() != job.setup_hash, "it holds no job that nobody loaded")


def check_refusals(subject: Subject) -> None:
    """Wrong jobs are refused before anything is sent or noted."""
    driver = subject.driver
    job = subject.job(subject.label())
    before = (_notes(driver), subject.sent(), subject.acts())
    for wrong in _wrong(job, driver):
        refused(lambda w=wrong: driver.load(w), f"{driver.name}: {wrong!r:.200}")
        refused(driver.start, f"{driver.name}: a start after a refused load")
    after = (_notes(driver), subject.sent(), subject.acts())
    expect(after == before, "a refused job leaves nothing behind", (before, after))


def check_strangers(subject: Subject) -> None:
    """A job for a vial that is not in the station does not start, and is not noted."""
    driver = subject.driver
    driver.site.notebook.put(STRANGER, "elsewhere")
    job = _of_stranger(subject.job(subject.label()))
    before = (_notes(driver), subject.acts())
    refused(lambda: start_job(driver, job), f"{driver.name}: a vial that is not there")
    expect((_notes(driver), subject.acts()) == before, "nothing was noted, nothing happened")
    expect(driver.record(job.label) is None, "there is no record of it")
    driver.stop()


def check_job(subject: Subject) -> None:
    """Unknown, started, running, complete with its result; never started twice."""
    driver, label = subject.driver, subject.label()
    job = subject.job(label)
    command = command_of(job, driver.name)
    expect(driver.record(label) is None, "an unknown job has no record")
    expect(driver.inspect(command).presence is Presence.ABSENT, "an unknown job is absent")
    refused(lambda: driver.result(label), f"{driver.name}: the result of an unknown job")
    driver.load(job)
    expect(driver.read_back() == job.setup_hash, "it holds what was written", driver.read_back())
    driver.stop()
    refused(driver.start, f"{driver.name}: a start after the job was dropped")
    acts = subject.acts()
    first = start_job(driver, job)
    expect(first.label == label and first.verb is job.verb, "the record is of the job", first)
    expect(sorted(first.samples) == sorted(job.samples), "it names its vials", first)
    if first.state is JobState.RUNNING:
        expect(first.end_s >= first.start_s, "the end is after the start", first)
    refused(lambda: start_job(driver, job), f"{driver.name}: a second start while it runs")
    done = ended(subject, driver, label)
    expect(done.state is JobState.COMPLETE, "the job ends well", done)
    expect(done.start_s <= done.end_s, "the end is after the start", done)
    check_result(driver, label)
    found = driver.inspect(command)
    expect(found.presence is Presence.STARTED, "a job that is done was started", found)
    expect(not driver.running(), "no job runs", driver.running())
    refused(lambda: start_job(driver, job), f"{driver.name}: a second start after the end")
    expect(not driver.abort(label), "a job that ended cannot be aborted")
    expect(driver.record(label) == done, "its record does not change", driver.record(label))
    expect(subject.acts() <= acts + 1, "it happened once", subject.acts() - acts)


def check_result(driver: WiredDriver, label: str) -> None:
    """A result has exactly the names that were promised, and finite numbers where units are."""
    result = driver.result(label)
    units = driver.result_units
    expect(set(result) == set(units), f"{driver.name} reports what it promised", result)
    for name, value in result.items():
        if units[name]:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            expect(number and math.isfinite(value), f"{name} is a number in {units[name]}", value)
        else:
            expect(isinstance(value, str) and value, f"{name} is a text", value)


def check_restart(subject: Subject) -> None:
    """A new process over the same notebook sees the same job, and does not start it again."""
    label = subject.label()
    job = subject.job(label)
    acts = subject.acts()
    begun = start_job(subject.driver, job)
    _let_go(subject.driver)
    again = subject.driver = subject.make()
    command = command_of(job, again.name)
    # A device may need a moment before it can tell: then it says so by an error.
    what = f"{again.name} tells of {label}"
    found = until(lambda: again.inspect(command), what, within_s=subject.within_s)
    expect(found.presence is Presence.STARTED, "a job that was started is found so", found)
    refused(lambda: start_job(again, job), f"{again.name}: a start after a restart")
    done = ended(subject, again, label)
    expect(done.state is JobState.COMPLETE, "it ends as without a restart", done)
    expect(done.start_s == begun.start_s, "its start is the same", (begun, done))
    check_result(again, label)
    _let_go(again)
    last = subject.driver = subject.make()
    expect(last.record(label) == done, "the record survives", last.record(label))
    expect(last.result(label) == again.result(label), "so does the result", last.result(label))
    expect(subject.acts() <= acts + 1, "it happened once", subject.acts() - acts)


def check_abort(subject: Subject) -> None:
    """A running job that is aborted ends, and leaves the station safe and without a job."""
    driver, label = subject.driver, subject.label()
    start_job(driver, subject.job(label))
    told = driver.abort(label)
    expect(told is False or subject.can_abort, "only what can be stopped says that it was", told)
    done = ended(subject, driver, label)
    possible = (JobState.ABORTED, JobState.COMPLETE)
    on_order = told and not subject.is_quick
    expect(done.state in (possible[:1] if on_order else possible), "it ended on order", done)
    expect(bool(done.error) is (done.state is JobState.ABORTED), "it says why it ended", done)
    expect(not driver.abort(label), "it can be aborted once")
    expect(not driver.running(), "no job runs", driver.running())
    until(lambda: not subject.unsafe(), f"{driver.name} is safe", within_s=subject.within_s)


def check_silent_start(subject: Subject) -> None:
    """With silent instruments a job does not start, in time, and the station recovers."""
    driver = subject.driver
    job = subject.job(subject.label())
    acts = subject.acts()
    subject.freeze()
    try:
        refused(lambda: start_job(driver, job), f"{driver.name}: a start while it is silent")
    finally:
        subject.thaw()
    expect(subject.acts() == acts, "nothing happened", subject.acts() - acts)


def ended(subject: Subject, driver: WiredDriver, label: str) -> JobRecord:
    """Waits for the end of a job; its record never goes back."""

    def look() -> JobRecord | None:
        subject.tend()
        record = driver.record(label)
        expect(record is not None, f"{driver.name} keeps its record of {label}")
        return None if record is None or record.state is JobState.RUNNING else record

    return until(look, f"{driver.name} ends {label}", within_s=subject.within_s)


def command_of(job: Job, station: str) -> Command:
    """The command a job comes from."""
    return Command(
        id=job.label, station=station, verb=job.verb, samples=job.samples,
        effect=Effect.IRREVERSIBLE, args=dict(job.args), time_s=0.0,
    )  # fmt: skip


def _wrong(job: Job, driver: WiredDriver) -> Iterator[Job]:
    """Jobs that differ from a good one in one thing that must be refused."""
    yield replace(job, verb=next(v for v in Verb if v is not driver.verb))
    yield replace(job, args={**job.args, "no_such_argument": 1.0})
    for name, value in job.args.items():
        yield replace(job, args={k: v for k, v in job.args.items() if k != name})
        for wrong in NO_ARGUMENTS:
            if wrong != value:
                yield replace(job, args={**job.args, name: wrong})
    for unsafe in ("../x", "a b", "", "x" * 65, "a\n", "naïve"):
        yield replace(job, label=unsafe)
        yield replace(job, samples=(unsafe,))
    yield replace(job, samples=())
    yield replace(job, samples=tuple(f"v{n}" for n in range(driver.station.capacity + 1)))


def _of_stranger(job: Job) -> Job:
    """The same job for another vial."""
    args = {k: STRANGER if v in job.samples else v for k, v in job.args.items()}
    return replace(job, samples=(STRANGER,), args=args)


def _notes(driver: WiredDriver) -> tuple[str, ...]:
    return driver.site.notebook.labels(driver.name)


def _let_go(driver: WiredDriver) -> None:
    """What the kernel does with the connections of a process that is killed."""
    for core in driver.cores:
        core.close()


STATION_CHECKS = (
    check_driver, check_refusals, check_strangers, check_job, check_restart, check_abort,
)  # fmt: skip
"""The checks of a healthy station, in an order that leaves it usable."""
