"""What the start of an act asks of the station, and what it makes of the vials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sdl.core.capabilities import SOLVENTS
from sdl.core.command import Verb
from sdl.core.errors import DeviceError
from sdl.core.property import Property
from simulators.effects import Effects
from simulators.floor import Floor
from simulators.properties.magnetometer import duration_s
from simulators.stations import RACK, ROOM_C, air_cooling_s
from simulators.vial import Vial


@dataclass(frozen=True)
class Beginning:
    """An act that may start.

    Args:
        verb: What the station does.
        vials: The vials it works on, as they are while it does.
        args: What the device was told.
        duration_s: How long it will take, s.
        result: What the device's display shows from the start on.
        counts: Whether it is an act on the samples; a move is none.
    """

    verb: Verb
    vials: Sequence[Vial]
    args: Mapping[str, Any]
    duration_s: float
    result: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = True


class Beginnings:
    """Checks what a station needs before it starts, and says what it will do. Changes nothing.

    Every method raises ``BusyError`` while the station works (quench and wash: on that vial).

    Args:
        effects: Matter and noise.
        floor: What stands where and what runs.
    """

    def __init__(self, effects: Effects, floor: Floor) -> None:
        self._effects = effects
        self._floor = floor

    def transfer(self, station: str, sample: str, destination: str, now_s: float) -> Beginning:
        """A move; an unknown sample is a new vial from the rack.

        Raises:
            BusyError: Origin or destination works with its door locked.
            DeviceError: No such place, or no room there.
        """
        floor, effects = self._floor, self._effects
        floor.require_idle(station)
        vial = floor.vials.get(sample) or Vial(sample, RACK, effects.reactor.empty())
        floor.require_room(station, vial, destination)
        if vial.heat is not None and vial.heat.inside and vial.place != destination:
            heat = replace(vial.heat, inside=False, since_s=now_s)
            vial = replace(effects.soak_on(vial, vial.heat, now_s), heat=heat)
        args: dict[str, Any] = {
            "sample": sample,
            "origin": vial.place,
            "destination": destination,
        }
        duration_s = effects.model.transfer_s
        if vial.heat is not None and vial.place != destination:
            # It is put down cold: only a quench station takes it as it is.
            args["cooling_s"] = air_cooling_s(vial.heat.program_c)
            target = floor.stations.get(destination)
            duration_s += 0.0 if target is not None else args["cooling_s"]
        moving = vial if vial.place == destination else replace(vial, place=station)
        return Beginning(Verb.TRANSFER, [moving], args, duration_s, counts=False)

    def dispense(
        self, station: str, lot: str, mass_mg: float, note: Mapping[str, Any]
    ) -> Beginning:
        """A dose into the vial on the balance.

        Raises:
            DeviceError: Not one vial on the balance, or no such bottle.
        """
        floor, effects = self._floor, self._effects
        floor.require_idle(station)
        vial = floor.only_vial(station)
        if lot not in floor.stock:
            raise DeviceError(
                f"{station} has no such bottle", got=lot, allowed=", ".join(floor.stock)
            )
        largest_mg = floor.stations[station].max_dose_mg or mass_mg
        before_mg = effects.balance_mg(vial, vial.acts + 1, "before")
        args = {**note, "lot": lot, "mass_mg": mass_mg}
        result = {"balance_before_mg": before_mg}
        dose_s = effects.model.dose_s(mass_mg, largest_mg)
        return Beginning(Verb.DISPENSE, [vial], args, dose_s, result)

    def mill(self, station: str, mill_min: float) -> Beginning:
        """Milling. Raises ``DeviceError`` unless the mixer holds one vial."""
        self._floor.require_idle(station)
        vial = self._floor.only_vial(station)
        return Beginning(Verb.MILL, [vial], {"mill_min": mill_min}, mill_min * 60.0)

    def program(self, station: str, now_s: float) -> Beginning:
        """The furnace's program on whatever is inside, from the temperature it stands at.

        Raises:
            DeviceError: No program is loaded.
        """
        floor = self._floor
        floor.require_idle(station)
        program = floor.program(station)
        if program is None:
            raise DeviceError(f"{station} holds no program", do="load a program first")
        vials = [floor.vials[name] for name in floor.occupants(station)]
        start_c = ROOM_C
        for index, vial in enumerate(vials):
            if vial.heat is not None:
                start_c = vial.heat.program_c
                soaked = self._effects.soak_on(vial, vial.heat, now_s)
                vials[index] = replace(soaked, heat=None)
        args = {"program": asdict(program), "start_c": start_c}
        return Beginning(Verb.ANNEAL, vials, args, program.duration_s(start_c))

    def quench(self, station: str, sample: str, cooling: str) -> Beginning:
        """Cooling of one vial; others may be cooling beside it.

        Raises:
            DeviceError: The vial is not there.
        """
        vial = self._vial_in(station, sample)
        program_c = ROOM_C if vial.heat is None else vial.heat.program_c
        quench_s = self._effects.model.quench_s(program_c, cooling)
        return Beginning(Verb.QUENCH, [vial], {"cooling": cooling}, quench_s)

    def _vial_in(self, station: str, sample: str) -> Vial:
        vial = self._floor.vials.get(sample)
        if vial is None or vial.place != station:
            raise DeviceError(
                f"{sample} is not in {station}", got=None if vial is None else vial.place
            )
        self._floor.require_still(station, sample)
        return vial

    def wash(self, station: str, sample: str, solvent: str, duration_min: float) -> Beginning:
        """A wash of one vial and its drying; others may be in the washer beside it.

        Raises:
            DeviceError: The vial is not there, or the solvent is not.
        """
        vial = self._vial_in(station, sample)
        if solvent not in SOLVENTS:
            raise DeviceError(
                f"{station} has no such solvent", got=solvent, allowed=", ".join(SOLVENTS)
            )
        args = {"solvent": solvent, "duration_min": duration_min}
        return Beginning(Verb.WASH, [vial], args, self._effects.model.wash_s(duration_min))

    def scan(self, station: str, scan_min: float) -> Beginning:
        """A pattern. Raises ``DeviceError`` unless the diffractometer holds one vial."""
        self._floor.require_idle(station)
        vial = self._floor.only_vial(station)
        return Beginning(Verb.SCAN, [vial], {"scan_min": scan_min}, scan_min * 60.0)

    def measure(self, station: str, measured: Property, temperature_c: float) -> Beginning:
        """A property of an aliquot. Raises ``DeviceError`` unless the station holds one vial."""
        self._floor.require_idle(station)
        vial = self._floor.only_vial(station)
        args = {"property": measured.value, "temperature_c": temperature_c}
        time_s = duration_s(measured, temperature_c, ROOM_C)
        return Beginning(Verb.MEASURE, [vial], args, time_s)
