"""A furnace behind an EPICS IOC: setpoint, thermocouple, and a program that runs by itself.

PVs below the prefix (ours; there is no standard for them, the IOC's author can alias):

* ``SP``, ``RBV`` degC, ``RAMP`` degC/min, ``MOVING`` 1 while the setpoint moves, ``STOP`` put 1;
* ``BOOT`` text that is another one after every start of the IOC;
* ``PROG:T`` degC, ``PROG:DWELL`` h, ``PROG:RATE`` degC/min, ``PROG:GAS``, ``PROG:COOL`` (text,
  furnace or hold): the program. A put to one empties ``PROG:TAG`` and makes the state ``IDLE``;
* ``PROG:TAG`` text, put last: whose program it is, and that it was not changed since;
* ``PROG:RUN`` put the tag: starts the program if it is the one with that tag and ``IDLE``;
* ``PROG:STATE`` ``IDLE``, ``RUNNING``, ``COOLING`` (stopped, not cold), ``COMPLETE``, ``ABORTED``;
* ``PROG:SEG`` 1 ramp, 2 dwell, 3 cooling, 0 none; ``PROG:LEFT`` s; ``PROG:RAN`` s, stands still at
  the end; ``PROG:SOAKT`` degC at the end of the dwell; ``PROG:KWH`` energy of this program.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.cores.once import Once
from instruments.protocols.channel_access import INVALID, Sample
from instruments.readout import Value
from instruments.transports.channel_access import ChannelAccessLink
from sdl.core.errors import DeviceError, ProtocolError
from sdl.core.lab import Endpoint

CLOSE_ENOUGH = 1e-6
"""Share by which a number may differ that was written and read back."""


class State(StrEnum):
    """``PROG:STATE``."""

    IDLE = "IDLE"
    RUNNING = "RUNNING"
    COOLING = "COOLING"
    COMPLETE = "COMPLETE"
    ABORTED = "ABORTED"


AT_WORK = (State.RUNNING, State.COOLING)

_SHOWN = (Show.HINTED, Show.NORMAL)
_PVS = {
    "temperature_c": "RBV",
    "setpoint_c": "SP",
    "ramp_c_per_min": "RAMP",
    "moving": "MOVING",
    "program_state": "PROG:STATE",
    "segment": "PROG:SEG",
    "remaining_s": "PROG:LEFT",
    "ran_s": "PROG:RAN",
    "soak_c": "PROG:SOAKT",
    "energy_kwh": "PROG:KWH",
    "tag": "PROG:TAG",
    "boot": "BOOT",
}


@dataclass(frozen=True)
class PvProgram:
    """What the furnace is told to do.

    Args:
        temperature_c: Soak, degC.
        dwell_h: Soak, h.
        ramp_c_per_min: Heating rate, degC/min.
        gas: Atmosphere, as the IOC names it.
        cooling: ``furnace`` or ``hold``.
    """

    temperature_c: float
    dwell_h: float
    ramp_c_per_min: float
    gas: str
    cooling: str

    def pvs(self) -> Mapping[str, Value]:
        """Its values by PV."""
        return {
            "PROG:T": self.temperature_c,
            "PROG:DWELL": self.dwell_h,
            "PROG:RATE": self.ramp_c_per_min,
            "PROG:GAS": self.gas,
            "PROG:COOL": self.cooling,
        }


class EpicsFurnaceCore(Core):
    """A furnace whose IOC holds a program and runs it.

    Args:
        name: Name of the instrument.
        endpoint: Where the IOC's Channel Access server listens (TCP).
        prefix: Of its PVs, as ``SDL:F1:``.
        highest_c: Highest temperature the laboratory allows, degC.
    """

    channels = (
        Channel("temperature_c", "degC", Show.HINTED, -50.0, 2000.0, doc="Thermocouple."),
        Channel("setpoint_c", "degC", low=0.0, high=2000.0, settable=True, doc="Setpoint."),
        Channel("ramp_c_per_min", "degC/min", Show.CONFIG, 0.01, 1000.0, settable=True),
        Channel("moving", low=0.0, high=1.0, doc="1 while the setpoint moves."),
        Channel("program_state", text=True, doc="IDLE, RUNNING, COOLING, COMPLETE, ABORTED."),
        Channel("segment", low=0.0, high=3.0, doc="1 ramp, 2 dwell, 3 cooling, 0 none."),
        Channel("remaining_s", "s", low=0.0, doc="Time left of the program."),
        Channel("ran_s", "s", Show.OMITTED, low=0.0, doc="How long the program has run."),
        Channel("soak_c", "degC", Show.OMITTED, -50.0, 2000.0, doc="At the end of the dwell."),
        Channel("energy_kwh", "kWh", Show.OMITTED, low=0.0, doc="Of the program."),
        Channel("tag", show=Show.OMITTED, text=True, doc="Whose program it is."),
        Channel("boot", show=Show.CONFIG, text=True, doc="Another one after every start."),
    )
    stop_action = "Ends the program, heater off; without one, holds the present temperature."

    def __init__(self, name: str, endpoint: Endpoint, prefix: str, *, highest_c: float) -> None:
        super().__init__(name)
        self.prefix = prefix
        self.highest_c = highest_c
        self.link = ChannelAccessLink(name, endpoint)
        self._shown = Once(self._all_shown)

    def identify(self) -> Identity:
        """The prefix and the boot id: EPICS has no PV for a serial number.

        Raises:
            DeviceError: No answer, or no furnace's PVs.
        """
        self.state()
        return Identity("EPICS furnace", serial=self.prefix)

    def glance(self) -> AbstractContextManager[None]:
        """What events show is asked for in one go."""
        return self._shown.held()

    def fetch(self, channel: str) -> Value:
        """One PV.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense, or the IOC says that the value is invalid.
        """
        sample = self._sample(channel)
        if sample.severity >= INVALID:
            raise ProtocolError(
                f"{self.name}.{channel} is invalid, says its IOC",
                got=f"{sample.value!r}, alarm {sample.status}",
                where=self.name,
            )
        return sample.value

    def assign(self, channel: str, value: Value) -> None:
        """Writes ``SP`` or ``RAMP`` and reads it back."""
        self._write(_PVS[channel], value)

    def limits(self, channel: str) -> tuple[float | None, float | None]:
        """The setpoint no higher than the laboratory allows."""
        low, high = super().limits(channel)
        return (low, self.highest_c) if channel == "setpoint_c" else (low, high)

    def stop(self) -> None:
        """Puts 1 to ``STOP``; two seconds at most."""
        self.link.put(f"{self.prefix}STOP", 1.0)

    def close(self) -> None:
        """Closes the connection."""
        self.link.close()

    def state(self) -> State:
        """What the program does.

        Raises:
            LinkError: No answer.
            ProtocolError: A state that is none.
        """
        word = self.text("program_state")
        if word not in State.__members__:
            raise ProtocolError(
                f"{self.name} is in no known state",
                got=repr(word),
                allowed=", ".join(State),
                where=self.name,
            )
        return State(word)

    def text(self, channel: str) -> str:
        """A text channel.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense.
        """
        return str(self.fetch(channel))

    def is_sensor_broken(self) -> bool:
        """Whether the IOC calls its thermocouple invalid."""
        sample = self._sample("temperature_c")
        number = sample.value if isinstance(sample.value, float) else math.nan
        return sample.severity >= INVALID or not math.isfinite(number)

    def load_program(self, program: PvProgram, tag: str) -> None:
        """Writes a program, each PV read back, then its tag.

        Raises:
            DeviceError: The IOC refuses, or holds another value than was written.
        """
        for pv, value in program.pvs().items():
            self._write(pv, value)
        self._write("PROG:TAG", tag)

    def program(self) -> PvProgram:
        """The program the IOC holds.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense.
        """
        numbers = [self._number(pv) for pv in ("PROG:T", "PROG:DWELL", "PROG:RATE")]
        gas, cooling = (self._get(pv, text=True).value for pv in ("PROG:GAS", "PROG:COOL"))
        return PvProgram(*numbers, gas=str(gas), cooling=str(cooling))

    def run(self, tag: str) -> None:
        """Starts the program with a tag; the IOC does it once.

        Raises:
            LinkError: No answer: it may run.
            DeviceError: The IOC refuses.
        """
        self.link.put(f"{self.prefix}PROG:RUN", tag)

    def _write(self, pv: str, value: Value) -> None:
        self.link.put(f"{self.prefix}{pv}", value)
        held = self._get(pv, text=isinstance(value, str)).value
        if not same(value, held):
            raise DeviceError(
                f"{self.name} holds another value of {pv} than was written",
                got=repr(held),
                allowed=repr(value),
                do="look at the IOC; nothing was started",
                where=self.name,
            )

    def _number(self, pv: str) -> float:
        return float(self._get(pv, text=False).value)

    def _get(self, pv: str, *, text: bool) -> Sample:
        return self.link.get(f"{self.prefix}{pv}", text=text)

    def _sample(self, channel: str) -> Sample:
        found = self.channel(channel)
        if not self._shown.is_held or found.show not in _SHOWN:
            return self._get(_PVS[channel], text=found.text)
        sample = self._shown()[self.prefix + _PVS[channel]]
        if isinstance(sample, DeviceError):
            raise sample
        return sample

    def _all_shown(self) -> Mapping[str, Sample | DeviceError]:
        shown = (c for c in self.channels if c.show in _SHOWN)
        return self.link.get_all({self.prefix + _PVS[c.name]: c.text for c in shown})


def same(written: Value, held: Value) -> bool:
    """Whether a value that was read back is the one that was written."""
    if isinstance(written, str) or isinstance(held, str):
        return written == held
    return math.isclose(written, held, rel_tol=CLOSE_ENOUGH, abs_tol=1e-9)
