"""Faults of readings: values that grow old (7) and numbers that are none (8)."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instruments.cores.core import Core
from instruments.devices.instrument import face_of
from instruments.drivers.job import JobState
from instruments.readout import Quality
from instruments.supervisor import Supervisor
from sdl.bench.faults.provoking import instead
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room, until
from sdl.core.command import Verb
from sdl.core.errors import DeviceError, SafetyError
from sdl.core.event import Topic
from sdl.core.lab import Interlock
from simulators.wire.proxy import Fault, FaultProxy

STALE_S = 0.5
"""Age limit of the scenario, s of wall time."""


@scenario(7, "the poller dies and a value grows old")
def stale_value(folder: Path) -> str:
    """A value that is not renewed becomes invalid and stops the station; it is not shown again."""
    with room(folder, proxied=("furnace_1",)) as here:
        driver, proxies = here.drivers["furnace_1"], here.proxies["furnace_1"]
        core = driver.cores[0]
        face = face_of(type(core))("", core=core, name=core.name, age_limit_s=STALE_S)
        fresh = shown(face)
        expect(fresh["temperature_c_quality"] == "good", "a fresh value is good", fresh)
        watch = Interlock(
            name="heat", watch="furnace_1.temperature_c", above=900.0, stale_s=STALE_S
        )
        supervisor = Supervisor((watch,), here.drivers, period_s=0.05)
        supervisor.look()
        expect(not supervisor.notes(), "a furnace that answers trips nothing")
        seen = face.look(["temperature_c"])
        expect(seen.readout("temperature_c").ok, "what was just seen is good")
        time.sleep(STALE_S * 1.2)  # whoever looked hangs before it shows what it saw
        old = seen.readout("temperature_c")
        expect(old.quality is Quality.STALE, "a look of long ago is stale", old)
        expect(old.value is None, "and has no number", old)
        for proxy in proxies:
            proxy.freeze()
        frozen_s = time.monotonic()
        supervisor.start()
        notes = until(
            lambda: [n for n in supervisor.notes() if n.topic is Topic.INTERLOCK],
            "the interlock trips",
        )
        tripped_s = time.monotonic() - frozen_s
        expect("no valid reading" in notes[0].message, "the interlock says why", notes)
        refused = refusal(
            lambda: supervisor.require_clear("furnace_1"), SafetyError, of="a start"
        )  # fmt: skip
        silent = shown(face)
        expect(math.isnan(silent["temperature_c"]), "a silent furnace has no number", silent)
        expect(silent["temperature_c_quality"] == "unreachable", "and says why", silent)
        for proxy in proxies:
            proxy.thaw()
        until(lambda: core.read("temperature_c").ok, "the furnace answers again")
        refusal(lambda: supervisor.require_clear("furnace_1"), SafetyError, of="a start")
        supervisor.close()
    return (
        f"a look older than {STALE_S:g} s is stale and NaN; a silent furnace tripped after "
        f"{tripped_s:.1f} s (its stop included) and stays so: {refused[:60]}"
    )


def shown(face: Any) -> dict[str, Any]:
    """The values of a reading without the name of the device."""
    return {key.removeprefix(f"{face.name}_"): e["value"] for key, e in face.read().items()}


NO_NUMBERS = (math.nan, math.inf, -math.inf, 9.9e37, -9999.0)


@scenario(8, "readings of NaN, infinity, 9.9E37, -9999")
def no_numbers(folder: Path) -> str:
    """They are stored as missing with a reason and reach no result."""
    lines = [b"S S        NaN g\r\n", b"S S        Inf g\r\n", b"S S     9.9E37 g\r\n"]
    lines += [b"S S -9999.00000 g\r\n", b"S S      -9999 mg\r\n", b"S S          g\r\n"]
    with room(folder, proxied=("furnace_1", "dispenser"), clock_scale=1800.0) as here:
        furnace, dispenser = here.drivers["furnace_1"], here.drivers["dispenser"]
        heater = here.proxies["furnace_1"][0]
        for value in NO_NUMBERS:
            heater.script(instead(_is_float, _with_float(value)))
            for channel in ("temperature_c", "setpoint_c", "output_pct"):
                _expect_missing(furnace.cores[0], channel, f"{value}")
        heater.script()
        heads = here.proxies["dispenser"]
        here.move("S1", "furnace_1")
        here.move("S2", "dispenser")
        for line in lines:
            heads[0].script(instead(_is_weight, _always(line)))
            _expect_missing(dispenser.cores[0], "mass_mg", f"{line!r}")
        heads[0].script()
        order = {"temperature_c": 300.0, "dwell_h": 0.2, "ramp_c_per_min": 20.0}
        program = here.start("furnace_1", Verb.ANNEAL, "S1", **order, gas="air", cooling="hold")
        told = _looked_at(
            here, "furnace_1", program, heater, instead(_is_float, _with_float(math.nan))
        )
        dose = here.start("dispenser", Verb.DISPENSE, "S2", lot="BaCO3-coarse", mass_mg=300.0)
        worst = instead(_is_weight, _always(lines[0]))
        told += _looked_at(here, "dispenser", dose, heads[0], worst)
        results = [
            here.drivers[s].result(label)
            for s, label in (("furnace_1", program), ("dispenser", dose))
        ]
        numbers = [v for result in results for v in result.values() if isinstance(v, float)]
        expect(all(map(math.isfinite, numbers)), "results hold finite numbers only", results)
        fallen = results[1]["balance_after_mg"] - results[1]["balance_before_mg"]
        expect(abs(fallen - 300.0) < 10.0, "the dose is told from good readings", results[1])
    return (
        f"{len(NO_NUMBERS)} floats on 3 channels and {len(lines)} balance lines missing with a "
        f"reason; {told} looks at running jobs under them told nothing, then "
        f"{len(numbers)} finite numbers"
    )


def _is_float(answer: bytes) -> bool:
    """Whether it answers a request for two holding registers."""
    return len(answer) == 13 and answer[7:9] == b"\x03\x04"


def _with_float(value: float) -> Callable[[bytes], bytes]:
    return lambda answer: answer[:9] + struct.pack(">f", value)


def _expect_missing(core: Core, channel: str, sent: str) -> None:
    readout = core.read(channel)
    expect(readout.value is None, f"{sent} is no {readout.source}", readout)
    expect(readout.reason, f"{readout.source} says why it is missing", readout)


def _looked_at(here: Room, station: str, label: str, proxy: FaultProxy, fault: Fault) -> int:
    """Looks at a job under a fault, then waits for its end without; how often nothing was told."""
    proxy.script(fault)
    nothing, until_s = 0, time.monotonic() + 1.0
    while time.monotonic() < until_s:
        try:
            record = here.drivers[station].record(label)
        except DeviceError:
            nothing += 1
            time.sleep(0.02)
            continue
        expect(record is not None and record.state is JobState.RUNNING, "no end is told", record)
    expect(nothing, "readings that are none are noticed")
    proxy.script()
    here.wait(station, label)
    return nothing


def _is_weight(answer: bytes) -> bool:
    return answer.startswith(b"S ")


def _always(line: bytes) -> Callable[[bytes], bytes]:
    return lambda _: line
