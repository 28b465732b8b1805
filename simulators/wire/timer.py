"""A mill and a quench blower behind a generic timer on Modbus TCP.

No maker's protocol for mills is public; this is the relay or small PLC that a laboratory puts in
front. Addresses come from the laboratory file:

* holding registers ``preset_s`` (written), ``remaining_s`` and ``starts`` (read only);
* coils ``start_coil`` and ``stop_coil``: push buttons, they spring back and always read off;
* discrete input ``running_contact``: on while the relay is.

A start that is refused is not counted. A timer that is stopped, or whose machine stops by itself,
keeps what remained until the next start. A power cut loses all three registers.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from pydantic import ConfigDict

from sdl.core.errors import BusyError
from sdl.core.lab import EndpointText, LabStation
from sdl.core.model import Frozen
from simulators.act import Act, ActState
from simulators.wire import modbus
from simulators.wire.modbus import Bank, Code, RefusedError
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

T = TypeVar("T")


class TimerSettings(Frozen):
    """Endpoint, unit and addresses; what concerns the driver only is ignored."""

    model_config = ConfigDict(extra="ignore")

    link: EndpointText
    unit: int = 1
    preset_s: int
    remaining_s: int
    starts: int
    start_coil: int
    stop_coil: int
    running_contact: int


class TimerSimulator(WireSimulator, Bank):
    """The timer; subclasses are the machines behind its relay."""

    most_s: float = 0xFFFF
    """Longest preset it takes, s: the limit of the machine."""

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.wiring = TimerSettings.model_validate(self.settings)
        self.preset_s = 0
        self.starts = 0
        self.stopped_left_s = 0.0
        """What remained when the machine stopped before its time, s."""

    async def start(self) -> None:
        """Listens."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await modbus.serve(self, self.wiring.unit, reader, writer)

        self.settings["link"] = await self.listen(str(self.wiring.link), serve)

    @abstractmethod
    def press(self, now_s: float) -> None:
        """The machine starts for ``preset_s``.

        Raises:
            BusyError: It runs and cannot start again.
            DeviceError: It cannot start.
        """

    @abstractmethod
    def release(self, now_s: float) -> None:
        """The machine stops now, if it runs; sets ``stopped_left_s``."""

    @abstractmethod
    def left_s(self, now_s: float) -> float:
        """How long the machine runs on, s; 0 when it stands still."""

    def reboot(self) -> None:
        """A power cut: the machine stops, registers are 0."""
        self.release(self.plant.tick())
        self.preset_s = self.starts = 0
        self.stopped_left_s = 0.0
        super().reboot()

    def registers(self, address: int, count: int) -> Sequence[int]:
        """Preset, remaining time, starts."""
        now_s = self.plant.tick()
        left_s = self.left_s(now_s) or self.stopped_left_s
        held = {
            self.wiring.preset_s: self.preset_s,
            self.wiring.remaining_s: min(math.ceil(left_s), 0xFFFF),
            self.wiring.starts: self.starts,
        }
        return [_at(held, address + offset) for offset in range(count)]

    def set_registers(self, address: int, values: Sequence[int]) -> None:
        """Writes the preset, the only register that can be written."""
        if address != self.wiring.preset_s or len(values) != 1:
            raise RefusedError(Code.ADDRESS, f"registers from {address} cannot be written")
        if values[0] > self.most_s:
            raise RefusedError(Code.VALUE, f"preset of {values[0]} s; at most {self.most_s:g} s")
        self.preset_s = values[0]

    def coils(self, address: int, count: int) -> Sequence[bool]:
        """Both buttons, which have sprung back."""
        buttons = {self.wiring.start_coil: False, self.wiring.stop_coil: False}
        return [_at(buttons, address + offset) for offset in range(count)]

    def contacts(self, address: int, count: int) -> Sequence[bool]:
        """Whether the relay is on."""
        relay = {self.wiring.running_contact: self.left_s(self.plant.tick()) > 0.0}
        return [_at(relay, address + offset) for offset in range(count)]

    def set_coils(self, address: int, values: Sequence[bool]) -> None:
        """Presses a button; off is taken and does nothing."""
        now_s = self.plant.tick()
        wiring = self.wiring
        buttons = {wiring.start_coil: False, wiring.stop_coil: False}
        for offset in range(len(values)):
            _at(buttons, address + offset)
        for offset, on in enumerate(values):
            if on and address + offset == wiring.stop_coil:
                self.release(now_s)
            elif on:
                self._start(now_s)

    def _start(self, now_s: float) -> None:
        if self.preset_s == 0:
            raise RefusedError(Code.VALUE, "a start without a preset")
        self.press(now_s)
        self.starts = (self.starts + 1) % 0x10000
        self.stopped_left_s = 0.0


class MillSimulator(TimerSimulator):
    """A mill: it runs for the preset, once; a start while it runs is refused as busy."""

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self._label = ""
        self._until_s = 0.0
        if station.max_mill_min is not None:
            self.most_s = station.max_mill_min * 60.0

    def press(self, now_s: float) -> None:
        """Mills the vial that stands in it."""
        label = self.plant.label(self.station.name)
        act = self.plant.world.start_mill(self.station.name, label, self.preset_s / 60.0)
        self._label, self._until_s = label, act.start_s + self.preset_s

    def release(self, now_s: float) -> None:
        """Stops the mill; what it did stays done."""
        left_s = self.left_s(now_s)
        if left_s > 0.0:
            self.plant.world.abort(self.station.name, self._label)
            self.stopped_left_s = left_s

    def left_s(self, now_s: float) -> float:
        """Time to the end of the act, s; a jam of the mill ends it early."""
        act = self.plant.world.find(self.station.name, self._label)
        if act is None:
            return 0.0
        if now_s < act.end_s and act.state is ActState.RUNNING:
            return self._until_s - now_s
        if act.state is ActState.ABORTED and not self.stopped_left_s:
            self.stopped_left_s = max(self._until_s - act.end_s, 0.0)
        return 0.0

    def reboot(self) -> None:
        """A power cut stops the mill; what it did stays done."""
        super().reboot()
        self._label = ""


class QuenchSimulator(TimerSimulator):
    """A blower over the place where hot vials are put down; a start while it blows starts anew.

    Vials go on cooling when it is stopped: glowing powder in the open does not wait.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self._acts: list[Act] = []
        self._until_s = 0.0

    def press(self, now_s: float) -> None:
        """Blows, and cools every hot vial that is not being cooled; without a vial it blows too."""
        world, name = self.plant.world, self.station.name
        for sample in world.occupants(name):
            if world.vial(sample).heat is None:
                continue
            try:
                act = world.start_quench(name, self.plant.label(name), sample, "air")
            except BusyError:
                continue  # this one is being cooled
            self._acts.append(act)
        self._until_s = now_s + self.preset_s

    def release(self, now_s: float) -> None:
        """Stops the blower."""
        left_s = self.left_s(now_s)
        if left_s > 0.0:
            for act in self._acts:
                self.plant.world.abort(self.station.name, act.label)
            self._until_s, self.stopped_left_s = now_s, left_s
        self._acts.clear()

    def left_s(self, now_s: float) -> float:
        """Time the blower runs on, s."""
        return max(self._until_s - now_s, 0.0)


def _at(values: dict[int, T], address: int) -> T:
    if address not in values:
        raise RefusedError(Code.ADDRESS, f"nothing at {address}")
    return values[address]
