"""Faults of answers: half frames, garbage, wrong echoes, two replies in one read (13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from instruments.cores.balance import Balance
from instruments.cores.core import Core
from instruments.readout import Value
from instruments.transports.modbus import ModbusLink
from instruments.transports.rtde import RegisterLink
from instruments.transports.tcp import TcpLink
from sdl.bench.faults.provoking import at_once
from sdl.bench.faults.scenario import expect, scenario
from sdl.bench.loopback import Room, room
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from simulators.wire.proxy import Fault, FaultProxy, Kind

SEEDS = 12
"""Draws of every kind of fault for every channel."""
DEADLINE_S = 0.5
"""Of every exchange here, s of wall time: half frames are waited for."""
KINDS = (Kind.CUT, Kind.GARBAGE, Kind.CORRUPT, Kind.DUPLICATE)
NEAR = 3.0
"""Farthest that two readings of the same thing are apart, in its unit: the thermocouple's noise."""
LINES: tuple[tuple[str, int, int, tuple[str, ...], bool], ...] = (
    ("dispenser", 0, 0, ("mass_mg", "stable", "door"), False),
    ("mixer", 0, 0, ("preset_s", "starts", "running"), False),
    ("furnace_1", 0, 0, ("temperature_c", "setpoint_c", "mode", "remaining_s"), False),
    ("furnace_2", 0, 0, ("temperature_c", "setpoint_c", "mode", "sensor_break"), False),
    ("furnace_1", 1, 1, ("state", "position"), True),
    ("diffractometer", 0, 0, ("ready", "slot_state"), True),
    ("transfer", 0, 0, ("mode", "safety", "program_state"), True),
    ("transfer", 0, 1, ("finished_job", "in_gripper"), False),
)
"""Station, its instrument, its link, channels, and whether all of them are words. Numbers travel
without a checksum (Modbus TCP, RTDE, MT-SICS): a flipped bit inside one passes every parser."""
WRITTEN = {"mixer": "preset_s", "furnace_1": "setpoint_c", "furnace_2": "setpoint_c"}


@dataclass
class Line:
    """One link of one instrument, with what happened on it.

    Args:
        core: The instrument.
        proxy: Stands in the link.
        channels: What goes over it.
        settable: A channel to write, if there is one.
    """

    core: Core
    proxy: FaultProxy
    channels: tuple[str, ...]
    settable: str | None
    faults: int = 0
    told: int = 0
    wrong: list[str] = field(default_factory=list[str])
    guarded: int = 0
    guarded_told: int = 0

    def garble(self) -> None:
        """Asks for every channel under every kind of fault, and once after each."""
        for channel in self.channels:
            true = self.core.fetch(channel)
            for kind in KINDS:
                for seed in range(SEEDS):
                    self._once(Fault(kind, at=seed % 3), channel, true)

    def _once(self, fault: Fault, channel: str, true: Value) -> None:
        self.proxy.script(fault)
        try:
            seen = self.core.fetch(channel)
        except DeviceError as err:
            self._expect_said(err, fault)
            self.told += 1
        else:
            if not _is_near(seen, true):
                self.wrong.append(f"{channel} {true!r} as {seen!r} ({fault.kind.value})")
        self.faults += self.proxy.answers > fault.at
        self.proxy.script()
        again = self.core.fetch(channel)
        expect(_is_near(again, true), f"after {fault.kind.value} the next answer is good", again)

    def guard(self) -> None:
        """Writes, or weighs, while single bytes of the answers are other ones."""
        for seed in range(4 * SEEDS):
            if isinstance(self.core, Balance):
                self._guarded(seed, self.core.gross_mg, lambda: self.core.fetch("mass_mg"))
            elif self.settable is not None:
                channel, value = self.settable, 40.0 + seed
                self._guarded(
                    seed,
                    lambda c=channel, v=value: (self.core.put(c, v), v)[1],
                    lambda c=channel: self.core.fetch(c),
                )

    def _guarded(self, seed: int, do: Callable[[], Value], look: Callable[[], Value]) -> None:
        self.proxy.script(Fault(Kind.CORRUPT, at=seed % 6))
        self.guarded += 1
        try:
            value = do()
        except DeviceError:
            self.guarded_told += 1
            self.proxy.script()
            return
        self.proxy.script()
        expect(_is_near(value, look()), f"{self.core.name} holds what it says", (value, look()))

    def _expect_said(self, err: DeviceError, fault: Fault) -> None:
        of = f"{self.core.name} under {fault.kind.value}"
        expect(isinstance(err, LinkError | ProtocolError), f"{of}: a documented error", err)
        expect(err.where == self.core.name, f"{of}: the error names the device", err)
        # A flipped bit may be a value that means something: a broken thermocouple, say.
        expect(err.got or fault.kind is Kind.CORRUPT, f"{of}: the error shows the bytes", err)


@scenario(13, "half frames, garbage, wrong echoes, two replies in one read")
def garbled_answers(folder: Path) -> str:
    """Only documented errors, which name device and bytes; the next exchange works.

    Where the protocol has no checksum a flipped bit inside a number cannot be seen. There what is
    written is read back, and what decides (a weight, the arm's proof) is read twice.
    """
    proxied = tuple(dict.fromkeys(line[0] for line in LINES))
    with room(folder, proxied=proxied, clock_scale=60.0) as here:
        here.move("S1", "dispenser")
        here.move("S2", "diffractometer")
        lines = [_line(here, *line[:4]) for line in LINES]
        for line in lines:
            for link in _links_of(line.core):
                link.deadline_s = DEADLINE_S
        # The last two are of one instrument: one after the other.
        apart = [*([line] for line in lines[:-2]), lines[-2:]]
        at_once(lambda some: [line.garble() for line in some], apart)
        at_once(Line.guard, lines)
    for line, (*_, is_words) in zip(lines, LINES, strict=True):
        others = [w for w in line.wrong if is_words or Kind.CORRUPT.value not in w]
        expect(not others, f"{line.core.name} takes no wrong value for good", others)
    return (
        f"{sum(x.faults for x in lines)} garbled answers on {len(lines)} links: "
        f"{sum(x.told for x in lines)} errors, all others asked again and right, but "
        f"{sum(len(x.wrong) for x in lines)} flipped bits inside numbers, which Modbus TCP, RTDE "
        f"and MT-SICS cannot show; of {sum(x.guarded for x in lines)} writes and weighings with a "
        f"flipped byte {sum(x.guarded_told for x in lines)} were refused, none left a wrong value"
    )


def _line(here: Room, station: str, core: int, link: int, channels: tuple[str, ...]) -> Line:
    return Line(
        here.drivers[station].cores[core],
        here.proxies[station][link],
        channels,
        WRITTEN.get(station) if link == 0 else None,
    )


def _links_of(thing: object) -> Iterator[TcpLink]:
    """Every connection below an instrument."""
    for part in cast(dict[str, Any], vars(thing)).values():
        if isinstance(part, TcpLink):
            yield part
        elif isinstance(part, ModbusLink | RegisterLink):
            yield from _links_of(part)


def _is_near(one: Value, other: Value) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= NEAR
