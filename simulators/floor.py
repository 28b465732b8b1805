"""What stands where and what runs: the present state of the virtual laboratory."""

from __future__ import annotations

from typing import Any

from sdl.core.capabilities import Capabilities, StationKind
from sdl.core.errors import BusyError, DeviceError
from simulators.act import Act, ActState
from simulators.stations import RACK, Program
from simulators.vial import Vial


class Floor:
    """Vials, bottles, devices and their logs. Each vial is in exactly one place.

    Args:
        laboratory: Stations and shelf.
    """

    def __init__(self, laboratory: Capabilities) -> None:
        self.stations = {s.name: s for s in laboratory.stations}
        self.vials: dict[str, Vial] = {}
        self.stock = {lot.name: lot.stock_mg for lot in laboratory.shelf}
        self.devices: dict[str, dict[str, Any]] = {name: {} for name in self.stations}
        self.acts: list[Act] = []
        self.running: dict[int, Act] = {}
        self._last: dict[tuple[str, str], int] = {}

    def remember(self, act: Act) -> None:
        """Writes an act, new or changed, into the log of its device."""
        if act.serial > len(self.acts):
            self.acts.append(act)
        else:
            self.acts[act.serial - 1] = act
        last = self._last.get((act.station, act.label), 0)
        self._last[act.station, act.label] = max(last, act.serial)
        if act.state is ActState.RUNNING:
            self.running[act.serial] = act
        else:
            self.running.pop(act.serial, None)

    def find(self, station: str, label: str) -> Act | None:
        """The last act under a label in the log of a device."""
        serial = self._last.get((station, label))
        return None if serial is None else self.acts[serial - 1]

    def occupants(self, place: str) -> tuple[str, ...]:
        """Labels of the vials at a place, in order of their names as text."""
        return tuple(sorted(v.name for v in self.vials.values() if v.place == place))

    def only_vial(self, station: str) -> Vial:
        """The vial of a station for one.

        Raises:
            DeviceError: There is none, or more than one.
        """
        inside = self.occupants(station)
        if len(inside) != 1:
            raise DeviceError(f"{station} must hold one vial", got=", ".join(inside) or "none")
        return self.vials[inside[0]]

    def program(self, station: str) -> Program | None:
        """The program a furnace holds."""
        held = self.devices[station].get("program")
        return None if held is None else Program(**held)

    def require_idle(self, station: str) -> None:
        """Raises ``BusyError`` while the station works."""
        for act in self.running.values():
            if act.station == station:
                raise BusyError(f"{station} is busy with {act.label}", do="wait for its end")

    def require_still(self, station: str, sample: str) -> None:
        """Raises ``BusyError`` while the station works on a sample."""
        for act in self.running.values():
            if act.station == station and sample in act.samples:
                raise BusyError(f"{station} is busy with {sample} ({act.label})")

    def require_room(self, arm: str, vial: Vial, destination: str) -> None:
        """The arm may take the vial and put it down.

        Raises:
            BusyError: Origin or destination works with its door locked.
            DeviceError: No such place, it is full, a furnace that is still hot, or a hot vial for a
                station that cools none.
        """
        target = self.stations.get(destination)
        if destination != RACK and (target is None or destination == arm):
            raise DeviceError(
                f"{arm} cannot reach {destination}", allowed=f"{RACK}, {', '.join(self.stations)}"
            )
        if vial.place != RACK:
            self.require_still(vial.place, vial.name)
        if target is None or vial.place == destination:
            return
        if vial.heat is not None and target.kind is not StationKind.QUENCH:
            raise DeviceError(
                f"{arm} does not put {vial.name} into {destination}: it is hot",
                allowed=f"{RACK}, a quench station",
                do="let it cool first",
            )
        if target.kind is StationKind.FURNACE:
            self.require_idle(destination)
            if any(self.vials[name].heat is not None for name in self.occupants(destination)):
                raise DeviceError(f"{destination} is hot", do="empty it before loading it again")
        if len(self.occupants(destination)) >= target.capacity:
            raise DeviceError(
                f"{destination} is full", got=vial.name, allowed=f"{target.capacity} vials"
            )
