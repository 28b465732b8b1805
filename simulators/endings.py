"""What the end of an act does to the vials, the bottles and the device's display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdl.analysis.pattern import DEFAULT_GRID
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Verb
from sdl.core.model import content_hash
from sdl.core.property import Property
from simulators.act import Act, ActState
from simulators.effects import Effects
from simulators.stations import ROOM_C, Program, clip, cool_until_open
from simulators.vial import Heat, Vial


class Endings:
    """Carries acts out at their end.

    Args:
        effects: Matter and noise.
        vials: All vials by name; changed in place.
        stock: What the bottles hold, mg; changed in place.
        stations: All stations by name.
    """

    def __init__(
        self,
        effects: Effects,
        vials: dict[str, Vial],
        stock: dict[str, float],
        stations: Mapping[str, Station],
    ) -> None:
        self._effects = effects
        self._vials = vials
        self._stock = stock
        self._stations = stations

    def end(self, act: Act) -> Act:
        """The act as it stands in the device's log after its end."""
        match act.verb:
            case Verb.TRANSFER:
                act = self._transfer(act)
            case Verb.DISPENSE:
                act = self._dispense(act)
            case Verb.MILL:
                act = self._mill(act)
            case Verb.ANNEAL:
                act = self._anneal(act)
            case Verb.QUENCH:
                act = self._quench(act)
            case Verb.WASH:
                act = self._wash(act)
            case Verb.MEASURE:
                act = self._measure(act)
            case _:
                act = self._scan(act)
        return replace(act, state=ActState.ABORTED if act.note else ActState.COMPLETE)

    def _show(self, act: Act, **result: Any) -> Act:
        return replace(act, result={**act.result, **result})

    def _energy(self, act: Act, duration_s: float) -> float:
        return self._stations[act.station].power_kw * duration_s / 3600.0

    def _transfer(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        place = act.args["origin"] if act.note else act.args["destination"]
        heat = vial.heat
        station = self._stations.get(place)
        quenched = station is not None and station.kind is StationKind.QUENCH
        if heat is not None and not heat.inside and not quenched:
            # Put down hot where nothing cools it on purpose: it cools in air by itself.
            vial, heat = self._effects.cool(vial, heat, "air"), None
        self._vials[vial.name] = replace(vial, place=place, heat=heat)
        return self._show(act, place=place)

    def _dispense(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        lot, asked_mg = act.args["lot"], act.args["mass_mg"]
        fallen_mg = self._effects.dose_mg(vial, vial.acts, asked_mg) * act.stop_share
        if fallen_mg > self._stock[lot]:
            fallen_mg = self._stock[lot]
            act = replace(act, note=f"the bottle {lot} is empty")
        self._stock[lot] -= fallen_mg
        if fallen_mg > 0.0:
            vial = replace(vial, material=self._effects.dispense(vial.material, lot, fallen_mg))
        self._vials[vial.name] = vial
        return self._show(act, balance_after_mg=self._effects.balance_mg(vial, vial.acts, "after"))

    def _mill(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        minutes = act.args["mill_min"] * act.stop_share
        if minutes > 0.0:
            vial = replace(vial, material=self._effects.mill(vial.material, minutes))
        self._vials[vial.name] = vial
        return self._show(act, energy_kwh=self._energy(act, minutes * 60.0))

    def _anneal(self, act: Act) -> Act:
        program, start_c = Program(**act.args["program"]), float(act.args["start_c"])
        segments = program.segments(start_c)
        holds = program.cooling == "hold"
        if act.note:
            ran = clip(segments, act.args["stopped_after_s"])
            reached_c = ran[-1][1] if ran else start_c
            segments, holds = (*ran, cool_until_open(reached_c)), False
        for name in act.samples:
            vial = self._vials[name]
            vial = self._effects.run_program(vial, act.station, segments, program.gas)
            heat = None
            if holds:
                true_c = self._effects.true_c(act.station, program.temperature_c)
                heat = Heat(act.station, program.temperature_c, true_c, program.gas, act.end_s)
            self._vials[name] = replace(vial, heat=heat)
        station = self._stations[act.station]
        highest_c = station.max_temperature_c or max(program.temperature_c, ROOM_C + 1.0)
        energy_kwh = program.energy_kwh(start_c, station.power_kw, highest_c, self._effects.model)
        first = self._vials[act.samples[0]] if act.samples else None
        shown_c = (
            program.temperature_c
            if first is None
            else self._effects.thermocouple_c(first.name, first.acts, program.temperature_c)
        )
        return self._show(
            act,
            program=content_hash(act.args["program"]),
            energy_kwh=energy_kwh * act.stop_share,
            thermocouple_c=shown_c,
        )

    def _quench(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        if vial.heat is not None:
            # Stopped or not, a glowing vial outside the furnace goes on cooling.
            vial = self._effects.cool(vial, vial.heat, act.args["cooling"])
            self._vials[vial.name] = replace(vial, heat=None)
        return act

    def _wash(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        elapsed_s = act.end_s - act.start_s
        # The water comes first: who stops the drying has washed all the same.
        minutes = min(float(act.args["duration_min"]), elapsed_s / 60.0)
        if minutes > 0.0:
            vial = replace(vial, material=self._effects.wash(vial.material, minutes))
        self._vials[vial.name] = vial
        return self._show(act, energy_kwh=self._energy(act, elapsed_s))

    def _scan(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        scan_min = act.args["scan_min"]
        energy_kwh = self._energy(act, scan_min * 60.0 * act.stop_share)
        if act.note:
            return self._show(act, energy_kwh=energy_kwh)
        counts = self._effects.counts(vial, vial.acts, scan_min)
        return self._show(
            replace(act, data=counts.tobytes()),
            two_theta_start_deg=DEFAULT_GRID.start_deg,
            two_theta_step_deg=DEFAULT_GRID.step_deg,
            energy_kwh=energy_kwh,
        )

    def _measure(self, act: Act) -> Act:
        vial = self._vials[act.samples[0]]
        energy_kwh = self._energy(act, act.end_s - act.start_s)
        if act.note:
            return self._show(act, energy_kwh=energy_kwh)
        measured, temperature_c = Property(act.args["property"]), act.args["temperature_c"]
        curve = self._effects.curve(vial, vial.acts, measured, temperature_c)
        return self._show(
            replace(act, data=curve.points.tobytes()),
            mass_mg=curve.mass_mg,
            energy_kwh=energy_kwh,
        )


def stopped(act: Act, share: float, note: str) -> Act:
    """The act if it ends after ``share`` of its time.

    A furnace then cools in the furnace, a hot vial of the arm where it was taken from, one of the
    quench station goes on cooling: none of them is at hand before it is cold.
    """
    elapsed_s = share * (act.end_s - act.start_s)
    end_s = act.start_s + elapsed_s
    args = {**act.args, "stopped_after_s": elapsed_s}
    if act.verb == Verb.QUENCH:
        end_s = act.end_s
    elif act.verb == Verb.TRANSFER:
        end_s += act.args.get("cooling_s", 0.0)
    if act.verb == Verb.ANNEAL:
        ran = clip(Program(**act.args["program"]).segments(act.args["start_c"]), elapsed_s)
        end_s += cool_until_open(ran[-1][1] if ran else act.args["start_c"])[2]
    return replace(act, end_s=end_s, args=args, note=note, stop_share=share)
