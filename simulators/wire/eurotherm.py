"""A furnace behind a Eurotherm EPC3000 or 2400 controller on Modbus TCP, and its door."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import ConfigDict

from sdl.core.errors import BusyError
from sdl.core.lab import EndpointText, LabStation
from sdl.core.model import Frozen
from simulators.stations import ROOM_C, StationModel
from simulators.wire import eurotherm_registers as at
from simulators.wire import modbus
from simulators.wire.door import DoorSimulator
from simulators.wire.eurotherm_registers import EPC3000, SERIES_2400, Register
from simulators.wire.furnace_program import (
    COMPLETE,
    HOLD,
    RESET,
    RUN,
    Run,
    Situation,
    program_of,
    situation,
)
from simulators.wire.modbus import Bank, Code, RefusedError
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator
from simulators.wire.thermocouple import Break, Thermocouple

ALARM_MARGIN_C = 10.0
"""Alarm 1 comes so far above the setpoint's high limit (assumption: 5 to 25)."""
HIGHEST_C = 1200.0
"""Range of a controller whose station names no highest temperature, degC."""
UNDEFINED = 0x5555
"""What stands at an address that no parameter has, in a block where others have one."""
SETPOINTS = ("target_sp", "sp1", "sp2")


class DoorSettings(Frozen):
    """Where the door's Arduino listens, and which of its doors this furnace has."""

    model_config = ConfigDict(extra="ignore")

    link: EndpointText
    name: str


class EurothermSettings(Frozen):
    """What the simulator needs to know; what concerns the driver only is ignored."""

    model_config = ConfigDict(extra="ignore")

    link: EndpointText
    model: Literal["epc3000", "2400"] = "epc3000"
    unit: int = 1
    gas_events: dict[str, int]
    door: DoorSettings | None = None


class EurothermSimulator(WireSimulator, Bank):
    """The controller: registers, a programmer that runs by itself, a thermocouple.

    What a real controller does and this one cannot, because the virtual world runs whole programs
    only: a setpoint is kept and heats nothing; ``HOLD`` and manual operation of a running program
    are refused as a device failure (exception 4), and so is a program of another shape than
    ``furnace_program.program_of`` takes. ``RUN`` while it runs changes nothing; after ``COMPLETE``
    it is refused until the controller is reset (exception 4); while a stopped program cools down it
    is refused as busy (exception 6), and so is every change of a running program.

    ``RESET`` of a running program lets the furnace cool inside at 2 degC/min. An empty furnace that
    is reset after a hold is at room temperature at once: the world keeps no heat without vials.

    It does not know of the door: who runs a program with the door open is listed in ``ran_open``.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.wiring = EurothermSettings.model_validate(self.settings)
        self.is_epc = self.wiring.model == "epc3000"
        self.map = EPC3000 if self.is_epc else SERIES_2400
        self.highest_c = station.max_temperature_c or HIGHEST_C
        self.thermocouple = Thermocouple(plant.world.seed, station.name)
        self.run: Run | None = None
        self.reads_gaps = True
        """Whether a block may hold addresses that no parameter has (handbook of the 2000 series:
        an undefined value is returned; not known of the EPC). A block of such alone is refused."""
        self.ran_open: list[str] = []
        """Acts that were started while the door stood open."""
        self.wall_s: Callable[[], float] = time.monotonic
        """Wall time of the comms watchdog, s."""
        self._heard_s: float | None = None
        self._alarm = self._new_alarm = False
        self._gases = {event: gas for gas, event in self.wiring.gas_events.items()}
        self._model = StationModel()
        names = {register.name: address for address, register in self.map.items()}
        self._values = dict.fromkeys(self.map, 0.0)
        defaults = {"sp1": ROOM_C, "sp_high": self.highest_c, "program_number": 1.0, "cycles": 1.0}
        defaults |= {"ramp_units": 1.0, "dwell_units": 1.0}
        if self.is_epc:
            defaults["time_format"] = 1.0
        self._values.update({names[name]: value for name, value in defaults.items()})
        self._address = names
        self._shown = self._displays()
        self.door = self._meet_door()

    def _displays(self) -> dict[str, Callable[[Situation], float]]:
        """What is not simply kept, by name of the register."""
        return {
            "pv": self._pv,
            "target_sp": lambda now: now.target_c,
            "working_sp": lambda now: now.true_c if now.mode == RUN else now.target_c,
            "working_op": self._output_pct,
            "mode": lambda now: now.mode,
            "segment": lambda now: now.segment,
            "time_left": lambda now: now.left_s / self._unit_s(),
            "segment_left": lambda now: now.segment_left_s / self._unit_s(),
            "status": self._status,
            "alarms": lambda _: self._alarm,
            "new_alarm": lambda _: self._new_alarm,
            "break_output": lambda _: self.thermocouple.broken == "open",
            "pv_status": lambda _: self.thermocouple.broken == "open",
            "segments_used": lambda _: self._segments_used(),
        }

    def _meet_door(self) -> DoorSimulator | None:
        door = self.wiring.door
        if door is None:
            return None
        shared = self.plant.arduinos.get(str(door.link))
        if shared is not None:
            shared.add(door.name, self.station.name)
            return shared
        settings = {"link": str(door.link), "name": door.name}
        own = DoorSimulator(self.plant, self.station.model_copy(update={"settings": settings}))
        if door.link.port != 0:
            self.plant.arduinos[str(door.link)] = own
        return own

    async def start(self) -> None:
        """Listens for the controller and, if there is one, for the door."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await modbus.serve(self, self.wiring.unit, reader, writer)

        self.settings["link"] = await self.listen(str(self.wiring.link), serve)
        if self.door is not None:
            await self.door.start()
            self.settings["door"] = {**self.settings["door"], "link": self.door.settings["link"]}

    async def stop(self) -> None:
        """Closes every connection and stops listening."""
        await super().stop()
        if self.door is not None:
            await self.door.stop()

    # -- faults ------------------------------------------------------------------------------------

    def reboot(self, *, forget: bool = False) -> None:
        """A power cut: the setpoint is back at 25 degC, a running program is lost.

        No recovery strategy can take the program up again in the virtual world, so 518 is kept and
        not obeyed; its coding is not public. Segments are in lasting memory.

        Args:
            forget: The memory's battery is flat: the segments are lost too.
        """
        self._reset(self._look())
        for name, value in {"sp1": ROOM_C, "sp2": 0.0, "manual_op": 0.0, "manual": 0.0}.items():
            self._values[self._address[name]] = value
        if forget:
            self._values.update({a: 0.0 for a in self.map if a >= at.SEGMENTS})
        if self.is_epc:
            self._values[self._address["watchdog_flag"]] = 0.0
        self._new_alarm, self._heard_s = False, None
        super().reboot()

    def break_sensor(self, kind: Break = "open") -> None:
        """Breaks the thermocouple.

        ``open``: sensor break in the status word, PV is NaN as a float and 32767 as an integer, the
        output goes to 0. ``short``: PV is room temperature, no bit is set, a furnace that should be
        hot is heated at full power.
        """
        self.thermocouple.broken = kind

    def stick(self) -> None:
        """PV stays at what it shows now."""
        self._pv(self._look())
        self.thermocouple.stuck = True

    def runaway(self, c_per_min: float = 20.0) -> None:
        """PV rises beyond the setpoint though the output is 0: a relay has welded shut."""
        self.thermocouple.run_away(c_per_min, self.plant.tick())

    def mend(self) -> None:
        """Ends ``break_sensor``, ``stick`` and ``runaway``; alarms stay until acknowledged."""
        self.thermocouple.mend()
        self._alarm = False

    def watchdog_expired(self) -> bool:
        """Whether nobody has spoken to the armed watchdog for its time.

        Only ``WDFlag`` tells of it: the coding of ``WDAction`` is not public, so none is taken.
        """
        if not self.is_epc or self._heard_s is None:
            return False
        limit_s = self._values[self._address["watchdog_time"]] * self._unit_s()
        return 0.0 < limit_s < self.wall_s() - self._heard_s

    # -- Modbus ------------------------------------------------------------------------------------

    def registers(self, address: int, count: int) -> Sequence[int]:
        """16-bit integers, or float32 halves of the EPC's upper range."""
        self._hear()
        now = self._look()
        mirrored = self._mirrored(address, count)
        first, last = address, address + count
        if mirrored:
            first, last = (first - at.MIRROR) // 2, (last - at.MIRROR) // 2
        spots = range(first, last)
        if not self.reads_gaps or not any(spot in self.map for spot in spots):
            spots = [spot for spot in spots if self._register(spot)]
        return [word for spot in spots for word in self._words(spot, now, wide=mirrored)]

    def _words(self, spot: int, now: Situation, *, wide: bool) -> Sequence[int]:
        if spot not in self.map:
            return [UNDEFINED, UNDEFINED] if wide else [UNDEFINED]
        register = self._register(spot)
        value = self._value(spot, register, now)
        return struct.unpack(">HH", struct.pack(">f", value)) if wide else [register.word(value)]

    def inputs(self, address: int, count: int) -> Sequence[int]:
        """The same: Eurotherm controllers make no difference."""
        return self.registers(address, count)

    def set_registers(self, address: int, values: Sequence[int]) -> None:
        """Takes all values of a request or none of them."""
        self._hear()
        now = self._look()
        wanted: dict[int, float] = {}
        if self._mirrored(address, len(values)):
            raw = struct.pack(f">{len(values)}H", *values)
            first = (address - at.MIRROR) // 2
            for offset, value in enumerate(struct.unpack(f">{len(values) // 2}f", raw)):
                wanted[first + offset] = value
        else:
            for spot, word in enumerate(values, address):
                wanted[spot] = self._register(spot, wanted).value(word)
        for spot, value in wanted.items():
            self._check(self._register(spot), value, now)
        for spot, value in wanted.items():
            self._put(spot, self._register(spot).name, value)

    def _mirrored(self, address: int, count: int) -> bool:
        if address < at.MIRROR:
            return False
        if not self.is_epc or address % 2 or count % 2:
            raise RefusedError(Code.ADDRESS, f"no whole float32 values at {address}")
        return True

    def _register(self, address: int, wanted: dict[int, float] | None = None) -> Register:
        register = self.map.get(address)
        if register is None:
            raise RefusedError(Code.ADDRESS, f"nothing at {address}")
        if address >= at.SEGMENTS and (address - at.SEGMENTS) % at.SEGMENT_SIZE == at.AMOUNT:
            kind = self._values[address - at.AMOUNT]
            if wanted is not None:
                kind = wanted.get(address - at.AMOUNT, kind)
            return at.amount(register, kind, is_epc=self.is_epc)
        return register

    def _hear(self) -> None:
        if self.watchdog_expired():
            self._values[self._address["watchdog_flag"]] = 1.0
        self._heard_s = self.wall_s()

    # -- what it shows -----------------------------------------------------------------------------

    def _look(self) -> Situation:
        now_s = self.plant.tick()
        idle_c = self._values[self._address["sp1"]]
        return situation(self.plant.world, self.station.name, self.run, idle_c, now_s)

    def _value(self, address: int, register: Register, now: Situation) -> float:
        show = self._shown.get(register.name)
        return self._values[address] if show is None else float(show(now))

    def _pv(self, now: Situation) -> float:
        pv_c = self.thermocouple.reading_c(now.true_c, self.plant.world.now_s)
        over = pv_c > self._values[self._address["sp_high"]] + ALARM_MARGIN_C
        self._new_alarm |= over and not self._alarm
        self._alarm = over
        return pv_c

    def _status(self, now: Situation) -> int:
        pv_c = self._pv(now)
        bits = self._alarm | (self.thermocouple.broken == "open") << 5
        bits |= (now.mode == COMPLETE) << 9 | math.isnan(pv_c) << 10
        return bits | self._new_alarm << 12 | now.ramping << 13

    def _output_pct(self, now: Situation) -> float:
        broken = self.thermocouple.broken
        if broken == "open" or self.thermocouple.runaway_c_per_min or now.mode == RESET:
            return 0.0
        if now.heating:
            return 100.0 if broken == "short" else 100.0 * self._model.ramp_duty
        if now.ramping or now.target_c <= ROOM_C:
            return 0.0
        share = (now.target_c - ROOM_C) / (self.highest_c - ROOM_C)
        return 100.0 if broken == "short" else 100.0 * self._model.soak_duty * share

    def _unit_s(self) -> float:
        name = "time_format" if self.is_epc else "dwell_units"
        return at.UNIT_S[int(self._values[self._address[name]])]

    def _segments_used(self) -> int:
        kinds = (self._values[at.place(n, at.SEGMENT_TYPE)] for n in range(1, at.SEGMENT_COUNT + 1))
        return next((n for n, kind in enumerate(kinds) if kind == 0.0), at.SEGMENT_COUNT)

    # -- what it takes -----------------------------------------------------------------------------

    def _check(self, register: Register, value: float, now: Situation) -> None:
        name, low_c, high_c = register.name, *self._limits()
        if not register.writable:
            raise RefusedError(Code.ADDRESS, f"{name} is read only")
        if not math.isfinite(value) or (register.choices and value not in register.choices):
            raise RefusedError(Code.VALUE, f"{name} does not take {value}")
        if register.program and now.mode == RUN:
            raise BusyError(f"the program runs; {name} cannot be changed")
        limited = name in SETPOINTS or name.endswith("_target")
        if limited and not low_c <= value <= high_c:
            raise RefusedError(Code.VALUE, f"{name} {value:g}; allowed: {low_c:g} to {high_c:g}")
        if name == "sp_high" and not low_c <= value <= self.highest_c:
            raise RefusedError(Code.VALUE, f"{name} {value:g}; at most {self.highest_c:g}")
        if not register.signed and value < 0.0:
            raise RefusedError(Code.VALUE, f"{name} {value:g} is negative")
        if name == "manual" and value and now.mode == RUN:
            raise RefusedError(Code.FAILURE, "the virtual furnace cannot be run by hand")

    def _limits(self) -> tuple[float, float]:
        return self._values[self._address["sp_low"]], self._values[self._address["sp_high"]]

    def _put(self, address: int, name: str, value: float) -> None:
        match name:
            case "mode":
                self._set_mode(int(value))
            case "acknowledge":
                self._new_alarm &= not value
            case "target_sp":
                self._values[self._address["sp1"]] = value
            case _:
                self._values[address] = value
        if name == "standby" and value:
            self._reset(self._look())

    def _set_mode(self, mode: int) -> None:
        now = self._look()
        if mode == RESET:
            self._reset(now)
        elif mode == HOLD:
            raise RefusedError(Code.FAILURE, "the virtual furnace cannot hold a program")
        elif now.mode == COMPLETE:
            raise RefusedError(Code.FAILURE, "the program is complete: reset it first")
        elif now.mode != RUN:
            self._start()

    def _reset(self, now: Situation) -> None:
        if self.run is not None and now.mode == RUN:
            self.plant.world.abort(self.station.name, self.run.label)
        elif now.mode == COMPLETE:
            self.run = None

    def _start(self) -> None:
        if self.is_epc and self._values[self._address["standby"]]:
            raise RefusedError(Code.FAILURE, "the controller is in standby")
        program, resets = program_of(
            self._values.__getitem__, is_epc=self.is_epc, gases=self._gases
        )
        low_c, high_c = self._limits()
        if not low_c <= program.temperature_c <= high_c:
            raise RefusedError(Code.VALUE, f"a program to {program.temperature_c:g} degC")
        world, name = self.plant.world, self.station.name
        label = self.plant.label(name)
        world.load_program(name, program)
        world.start_program(name, label)
        self.run = Run(label, program, resets)
        if self.door is not None:
            self.door.tick()
        if self.plant.doors.get(name, False):
            self.ran_open.append(label)
