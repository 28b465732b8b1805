"""Short plans: start a job, or collect an ended one. No plan waits for laboratory time.

Each plan is one run. Arguments are checked before anything moves; an act that cannot be undone is
started where the RunEngine does not rewind, with a checkpoint directly behind it, so that a pause
and resume never starts it twice.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.utils import Msg

from instruments.devices.faces import (
    Diffractometer,
    Dispenser,
    Furnace,
    Mixer,
    QuenchStation,
    TransferArm,
    Washer,
)
from instruments.devices.station import StationFace
from instruments.drivers.base import require_same
from instruments.drivers.job import Job
from sdl.core.command import Verb

Plan = Generator[Msg, Any, Any]
Metadata = Mapping[str, Any] | None


def start_transfer(
    device: TransferArm,
    label: str,
    sample: str,
    origin: str,
    destination: str,
    *,
    md: Metadata = None,
) -> Plan:
    """Moves a vial from ``origin`` to ``destination``."""
    args = {"sample": sample, "origin": origin, "destination": destination}
    return start(device, Job(label, Verb.TRANSFER, (sample,), args), md=md)


def start_dispense(
    device: Dispenser, label: str, sample: str, lot: str, mass_mg: float, *, md: Metadata = None
) -> Plan:
    """Doses ``mass_mg`` of a lot into the vial on the balance."""
    args = {"lot": lot, "mass_mg": mass_mg}
    return start(device, Job(label, Verb.DISPENSE, (sample,), args), md=md)


def start_mill(
    device: Mixer, label: str, sample: str, mill_min: float, *, md: Metadata = None
) -> Plan:
    """Mills a vial for ``mill_min``."""
    return start(device, Job(label, Verb.MILL, (sample,), {"mill_min": mill_min}), md=md)


def start_anneal(
    device: Furnace,
    label: str,
    samples: Sequence[str],
    *,
    temperature_c: float,
    dwell_h: float,
    ramp_c_per_min: float,
    gas: str,
    cooling: str,
    md: Metadata = None,
) -> Plan:
    """Uploads a program, compares what the furnace holds, starts it."""
    args = {
        "temperature_c": temperature_c,
        "dwell_h": dwell_h,
        "ramp_c_per_min": ramp_c_per_min,
        "gas": gas,
        "cooling": cooling,
    }
    return start(device, Job(label, Verb.ANNEAL, tuple(samples), args), md=md)


def start_quench(
    device: QuenchStation, label: str, sample: str, cooling: str, *, md: Metadata = None
) -> Plan:
    """Cools a hot vial."""
    return start(device, Job(label, Verb.QUENCH, (sample,), {"cooling": cooling}), md=md)


def start_wash(
    device: Washer,
    label: str,
    sample: str,
    solvent: str,
    duration_min: float,
    *,
    md: Metadata = None,
) -> Plan:
    """Washes a vial for ``duration_min``, then dries it."""
    args = {"solvent": solvent, "duration_min": duration_min}
    return start(device, Job(label, Verb.WASH, (sample,), args), md=md)


def start_scan(
    device: Diffractometer, label: str, sample: str, scan_min: float, *, md: Metadata = None
) -> Plan:
    """Starts a scan of ``scan_min``."""
    return start(device, Job(label, Verb.SCAN, (sample,), {"scan_min": scan_min}), md=md)


def start(device: StationFace, job: Job, *, md: Metadata = None) -> Plan:
    """Checks, writes, reads back and starts a job; the device goes on by itself.

    Args:
        device: The station.
        job: What to do.
        md: More metadata for the run.

    Raises:
        DeviceError: A limit is broken, or the device holds another job than was written.
        BusyError: The device runs another job.
    """
    device.check(job)
    face: Any = device  # ophyd is untyped: pyright cannot match it with bluesky's protocols
    yield from bps.open_run(_metadata(f"start_{job.verb.value}", device, job.label, job, md))
    yield from bps.prepare(face, job, group="prepare", wait=True)
    loaded = yield from bps.rd(face.loaded, default_value=job.setup_hash)
    require_same(device.name, job, loaded)
    yield from irreversible_stub(bps.abs_set(face, job.label, group="start", wait=True))
    yield from event_stub(device.record, "started")
    yield from bps.close_run()


def collect_transfer(device: TransferArm, label: str, *, md: Metadata = None) -> Plan:
    """Where the vial is."""
    return collect(device, label, md=md)


def collect_dispense(device: Dispenser, label: str, *, md: Metadata = None) -> Plan:
    """Balance readings before and after."""
    return collect(device, label, md=md)


def collect_mill(device: Mixer, label: str, *, md: Metadata = None) -> Plan:
    """The end of milling."""
    return collect(device, label, md=md)


def collect_anneal(device: Furnace, label: str, *, md: Metadata = None) -> Plan:
    """Program, energy and thermocouple."""
    return collect(device, label, md=md)


def collect_quench(device: QuenchStation, label: str, *, md: Metadata = None) -> Plan:
    """The end of cooling."""
    return collect(device, label, md=md)


def collect_wash(device: Washer, label: str, *, md: Metadata = None) -> Plan:
    """The end of washing and drying."""
    return collect(device, label, md=md)


def collect_scan(device: Diffractometer, label: str, *, md: Metadata = None) -> Plan:
    """The pattern's content hash and grid."""
    return collect(device, label, md=md)


def collect(device: StationFace, label: str, *, md: Metadata = None) -> Plan:
    """Reads log and result of an ended job.

    Args:
        device: The station.
        label: Command id.
        md: More metadata for the run.

    Returns:
        The result by names of ``Driver.result_units``, without values the device does not have.

    Raises:
        DeviceError: The device never took the job.
    """
    verb = device.driver.verb
    face: Any = device
    yield from bps.open_run(_metadata(f"collect_{verb.value}", device, label, None, md))
    yield from bps.abs_set(face.selected, label, group="select", wait=True)
    reading = yield from event_stub(device, "primary")
    yield from bps.close_run()
    if reading is None:
        return {}
    values = {
        name: reading[f"{device.name}_outcome_{name}"]["value"]
        for name in device.driver.result_units
    }
    return {name: value for name, value in values.items() if value is not None}


def irreversible_stub(plan: Plan) -> Plan:
    """Runs messages that must never be repeated by a rewind, and a checkpoint behind them."""
    answer = yield from bpp.rewindable_wrapper(plan, False)
    yield from bps.checkpoint()
    return answer


def event_stub(device: Any, stream: str) -> Plan:
    """One event of one device in a stream; returns the reading."""
    yield from bps.create(stream)
    reading = yield from bps.read(device)
    yield from bps.save()
    return reading


def _metadata(
    plan_name: str, device: StationFace, label: str, job: Job | None, md: Metadata
) -> dict[str, Any]:
    about: dict[str, Any] = {
        "plan_name": plan_name,
        "detectors": [device.name],
        "command_id": label,
        "hints": {},
    }
    if job is not None:
        about["samples"] = list(job.samples)
        about["plan_args"] = dict(job.args)
    return {**about, **(md or {})}
