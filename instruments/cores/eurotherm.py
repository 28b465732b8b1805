"""A furnace behind a Eurotherm controller over Modbus TCP.

The controller's own programmer, setpoint limits and watchdog are the last line of defence: the
whole program is written into it, compared, and only then run; afterwards it needs nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.protocols import eurotherm as wire
from instruments.protocols import eurotherm_program as programs
from instruments.protocols.eurotherm import AT_WORK, MODES, Cell, Mode, RegisterMap
from instruments.protocols.eurotherm_program import FurnaceProgram
from instruments.readout import judged
from instruments.transports.modbus import ModbusLink, insist
from instruments.transports.tcp import FIRST_PAUSE_S
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint
from sdl.core.model import content_hash

DEADLINE_S = 1.0
"""Wall time for one exchange, s."""
TRY_STOP_S = 3.5
"""Wall time after which ``stop`` begins no further exchange, s: with the last one it is below
``STOP_S``."""
RUN_S = 2.0
"""Wall time within which a controller that was told to run must show that it does, s."""
TIME_UNITS = {"s": 0, "min": 1, "h": 2}
"""Codes of units of time."""


@dataclass(frozen=True)
class Watchdog:
    """The controller's own comms watchdog.

    Args:
        timeout_s: Silence after which it acts, s.
        action: Value of WDAction. Its meanings are not public: the user must know them.
    """

    timeout_s: float
    action: int


class EurothermCore(Core):
    """One controller. Never tried on hardware.

    The setpoint limits (and the watchdog) are written and read back once for every connection,
    before anything else is written: a controller that was restarted is armed again.

    Args:
        name: Name of the instrument.
        endpoint: Where the controller or its gateway listens.
        regs: Map of its model.
        highest_c: Highest setpoint, degC: its SPHighLimit.
        lowest_c: Lowest setpoint, degC: its SPLowLimit, and the setpoint of the safe state.
        unit: Modbus unit.
        decimals: Decimals of its temperatures, where they are scaled integers: of the
            instrument's configuration.
        time_unit: Unit of its time registers: ``s``, ``min`` or ``h``; asked of its register
            ``RegisterMap.time_format`` if empty.
        watchdog: What to arm its watchdog with; left alone if ``None``.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("temperature_c", "degC", Show.HINTED, -50.0, 2000.0, doc="Process value."),
        Channel("setpoint_c", "degC", settable=True, doc="Target setpoint."),
        Channel("working_setpoint_c", "degC", doc="Setpoint the loop follows now."),
        Channel("output_pct", "%", low=-100.0, high=100.0, doc="Working output."),
        Channel("mode", text=True, doc="Programmer: reset, run, hold, holdback, complete."),
        Channel("segment", low=0.0, high=255.0, doc="Running segment, from 1."),
        Channel("remaining_s", "s", low=0.0, doc="Time left of the program."),
        Channel("program", show=Show.CONFIG, text=True, doc="Hash of the program; empty if none."),
        Channel("sensor_break", low=0.0, high=1.0, doc="1 while the thermocouple is broken."),
        Channel("loop_break", low=0.0, high=1.0, doc="1 when heating shows no effect."),
        Channel("heater_fail", low=0.0, high=1.0, doc="1 when the heater draws no current."),
    )
    stop_action: ClassVar[str] = (
        "Resets the program and puts the setpoint to its low limit, so that the heater is off; a "
        "pause of the plan does not call it."
    )

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        regs: RegisterMap,
        *,
        highest_c: float,
        lowest_c: float = 0.0,
        unit: int = 1,
        decimals: int = 1,
        time_unit: str = "",
        watchdog: Watchdog | None = None,
    ) -> None:
        super().__init__(name)
        self.regs = regs
        self.highest_c = highest_c
        self.lowest_c = lowest_c
        self.decimals = decimals
        self._time_unit = TIME_UNITS[time_unit] if time_unit else None
        self._watchdog = watchdog
        self._link = ModbusLink(name, endpoint, unit=unit, deadline_s=DEADLINE_S)
        self._writing = threading.RLock()
        self._armed = 0

    def identify(self) -> Identity:
        """The registers used tell no serial number: looks that a programmer answers, and arms it.

        Raises:
            DeviceError: No answer, or register 23 holds what no programmer mode is.
        """
        self.mode()
        self.arm()
        return Identity(model=self.regs.model)

    def glance(self) -> AbstractContextManager[None]:
        """Values in one exchange, what the programmer does in another; flags.

        Between the registers asked for lie some that no parameter has: the handbook of the 2000
        series says that their values are undefined, not that they are refused.
        """
        regs = self.regs
        first, last = min(regs.pv, regs.output), max(regs.pv, regs.working_sp)
        values = [(first, last - first + 1), (regs.time_left, 1)]
        programmer = [(each, 1) for each in (regs.mode, regs.segment, regs.status)]
        single = [(regs.sensor_break, 1)]
        if not regs.floats:
            return self._link.snapshot([*values, *programmer], single)
        floats = [(0x8000 + 2 * start, 2 * count) for start, count in values]
        return self._link.snapshot(floats, programmer, single)

    def limits(self, channel: str) -> tuple[float | None, float | None]:
        """The setpoint's are the station's."""
        if channel == "setpoint_c":
            return self.lowest_c, self.highest_c
        return super().limits(channel)

    def fetch(self, channel: str) -> float | str:
        """One channel; a temperature is refused while its thermocouple is broken."""
        regs = self.regs
        match channel:
            case "temperature_c":
                if self.is_sensor_broken():
                    raise ProtocolError(f"{self.name} reports a sensor break", where=self.name)
                return self._number(regs.pv, self.decimals)
            case "setpoint_c":
                return self._number(regs.target_sp, self.decimals)
            case "working_setpoint_c":
                return self._number(regs.working_sp, self.decimals)
            case "output_pct":
                return self._number(regs.output, 1)
            case "mode":
                return self.mode().value
            case "segment":
                return self._number(regs.segment)
            case "remaining_s":
                return self._number(regs.time_left, 1) * wire.UNIT_S[self._unit_of_times()]
            case "program":
                return self._program_hash()
            case "sensor_break":
                return float(self.is_sensor_broken())
            case _:
                return float(self._has_status(channel))

    def assign(self, channel: str, value: float | str) -> None:
        """Writes the setpoint; refused while a program owns it."""
        if self.mode() in AT_WORK:
            raise DeviceError(
                f"{self.name} runs a program, which owns the setpoint",
                do="wait for its end, or abort it",
                where=self.name,
            )
        with self._writing:
            self.arm()
            self._write(Cell("TargetSP", self.regs.target_sp, float(value), self.decimals))

    def believed(self, channel: str) -> float:
        """A number that may be believed; unlike ``number``, a silent controller is told apart.

        Raises:
            LinkError: No answer.
            DeviceError: The number cannot be believed; says why.
        """
        value, found = self.fetch(channel), self.channel(channel)
        source = f"{self.name}.{channel}"
        low, high = found.low, found.high
        readout = judged(float(value), found.unit, source, low=low, high=high)
        if not isinstance(readout.value, float):
            raise DeviceError(f"{source} cannot be believed", got=readout.reason, where=self.name)
        return readout.value

    def mode(self) -> Mode:
        """What the programmer does.

        Raises:
            ProtocolError: No programmer mode: another instrument, or another model.
        """
        raw = self._link.read(self.regs.mode)[0]
        if raw not in MODES:
            raise ProtocolError(
                f"{self.name}: register {self.regs.mode} holds no programmer mode",
                got=raw,
                allowed=", ".join(map(str, MODES)),
                do="look whether the setting `model` is right",
                where=self.name,
            )
        return MODES[raw]

    def is_sensor_broken(self) -> bool:
        """Whether the thermocouple is broken, by its own register or by the status word."""
        broken = self._link.read(self.regs.sensor_break)[0]
        return broken != 0 or self._has_status("sensor_break")

    def held(self) -> Mapping[int, int]:
        """Every register of the program it holds."""
        held: dict[int, int] = {}
        for first, count in programs.ranges(self.regs):
            held.update(
                zip(range(first, first + count), self._link.read(first, count), strict=True)
            )
        return held

    def differs(self, program: FurnaceProgram, held: Mapping[int, int]) -> str:
        """The first parameter of the registers that is another than the program's, in words."""
        return programs.difference(self.regs, self._cells(program), held)

    def program_in(self, held: Mapping[int, int]) -> FurnaceProgram | None:
        """The program of the registers; ``None`` if there is none, or none of this project's."""
        program = programs.program_in(self.regs, self.decimals, held)
        return None if program is None or self.differs(program, held) else program

    def check(self, program: FurnaceProgram) -> None:
        """Looks, without asking the controller, whether its registers can hold a program.

        Raises:
            ValueError: They cannot.
        """
        programs.cells(self.regs, program, self.decimals)

    def load_program(self, program: FurnaceProgram) -> None:
        """Writes a program and compares all of it with what the controller then holds.

        Only what differs is written: the memory of old controllers wears out.

        Raises:
            DeviceError: It holds something else than was written, or refuses.
        """
        with self._writing:
            before = self.held()
            self.arm()
            for cell in self._cells(program):
                if programs.difference(self.regs, [cell], before):
                    self._send(cell)
            wrong = self.differs(program, self.held())
        if wrong:
            raise DeviceError(
                f"{self.name} does not hold the program that was written",
                got=wrong,
                do="look at the controller's own limits and resolution; nothing was started",
                where=self.name,
            )

    def run(self) -> None:
        """Runs program 1 and looks that it runs.

        Raises:
            DeviceError: It does not within ``RUN_S``.
        """
        with self._writing:
            self._write(Cell("ProgramNumber", self.regs.program_number, 1))
            self.arm()
            self._send(Cell("Mode", self.regs.mode, 2))
        until_s = time.monotonic() + RUN_S
        while (mode := self.mode()) is Mode.RESET:
            if time.monotonic() >= until_s:
                raise DeviceError(
                    f"{self.name} was told to run its program and did not",
                    got=mode.value,
                    allowed=f"run within {RUN_S:g} s",
                    do="look at the controller",
                    where=self.name,
                )
            time.sleep(FIRST_PAUSE_S)

    def arm(self) -> None:
        """Writes the setpoint limits and the watchdog, once for every connection, and reads back.

        Raises:
            DeviceError: It refuses, or holds other limits.
        """
        regs = self.regs
        with self._writing:
            if self._armed == self._link.link.connections != 0:
                return
            wanted = [
                Cell("SPHighLimit", regs.sp_high, self.highest_c, self.decimals),
                Cell("SPLowLimit", regs.sp_low, self.lowest_c, self.decimals),
            ]
            if self._watchdog is not None:
                if regs.watchdog_timeout is None or regs.watchdog_action is None:
                    raise DeviceError(f"{regs.model} has no watchdog", where=self.name)
                timeout = self._watchdog.timeout_s / wire.UNIT_S[self._unit_of_times()]
                wanted.append(Cell("WDTimeout", regs.watchdog_timeout, timeout, 1))
                wanted.append(Cell("WDAction", regs.watchdog_action, self._watchdog.action))
            for cell in wanted:
                self._write(cell)
            self._armed = self._link.link.connections

    def stop(self) -> None:
        """Resets the program and puts the setpoint to its low limit; both read back.

        Not armed first, and repeated while time is left: to say it twice is harmless.
        """
        insist(self._make_safe, self._link.link, TRY_STOP_S)

    def close(self) -> None:
        """Closes the connection."""
        self._link.close()

    def _make_safe(self, until_s: float) -> None:
        low = Cell("TargetSP", self.regs.target_sp, self.lowest_c, self.decimals)
        steps: tuple[Callable[[], None], ...] = (
            lambda: self._send(Cell("Mode", self.regs.mode, 1)),
            lambda: self._send(low),
            lambda: self._confirm(low),
            self._confirm_reset,
        )
        for step in steps:
            if time.monotonic() >= until_s:
                raise LinkError(f"{self.name} answers too slowly to be stopped", where=self.name)
            step()

    def _confirm_reset(self) -> None:
        if (mode := self.mode()) is not Mode.RESET:
            raise DeviceError(
                f"{self.name} did not reset its program", got=mode.value, where=self.name
            )

    def _cells(self, program: FurnaceProgram) -> Sequence[Cell]:
        unit = self._unit_of_times() if self.regs.times_by_format else None
        return programs.cells(self.regs, program, self.decimals, unit)

    def _unit_of_times(self) -> int:
        if self._time_unit is not None:
            return self._time_unit
        unit = self._link.read(self.regs.time_format)[0]
        if unit not in wire.UNIT_S:
            raise ProtocolError(
                f"{self.name}: register {self.regs.time_format} holds no unit of time",
                got=unit,
                allowed="0 s, 1 min, 2 h",
                do="say the unit in the setting `time_unit`",
                where=self.name,
            )
        return unit

    def _has_status(self, flag: str) -> bool:
        return bool(self._link.read(self.regs.status)[0] >> wire.STATUS_BITS[flag] & 1)

    def _program_hash(self) -> str:
        program = self.program_in(self.held())
        return "" if program is None else content_hash(vars(program))

    def _number(self, address: int, decimals: int | None = None) -> float:
        wide = decimals is not None and self.regs.floats
        first, count = (0x8000 + 2 * address, 2) if wide else (address, 1)
        return wire.number(self.regs, decimals, self._link.read(first, count))

    def _send(self, cell: Cell) -> None:
        address, registers = wire.words(self.regs, cell)
        if len(registers) == 1:
            self._link.write(address, registers[0])
        else:
            self._link.write_many(address, registers)

    def _confirm(self, cell: Cell) -> None:
        got = self._number(cell.address, cell.decimals)
        if not wire.is_held(self.regs, cell, got):
            raise DeviceError(
                f"{self.name} holds another {cell.name} than was written",
                got=f"{got:g}",
                allowed=f"{cell.value:g}",
                do=f"look at register {cell.address} of the controller",
                where=self.name,
            )

    def _write(self, cell: Cell) -> None:
        """Writes what differs, and reads back."""
        if not wire.is_held(self.regs, cell, self._number(cell.address, cell.decimals)):
            self._send(cell)
            self._confirm(cell)
