"""The virtual world: truth, devices and their clock. A controller can only query the devices.

Every physical start is carried out blindly, as a real device would: a repeated dispense dispenses
again. Each start, stop and jump of the clock is one durable transaction of ``world.db``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sdl.chemistry.system import load_system
from sdl.core.command import Verb
from sdl.core.crashpoint import crashpoint
from sdl.core.errors import DeviceError
from sdl.core.property import Property
from sdl.tasks.task import Task
from simulators.act import Act, ActState
from simulators.beginnings import Beginning, Beginnings
from simulators.effects import Effects
from simulators.endings import Endings, stopped
from simulators.floor import Floor
from simulators.laboratory import Laboratory
from simulators.matter import Material
from simulators.properties import Specimen
from simulators.reactor import Reactor
from simulators.stations import RACK, ROOM_C, Program, StationModel, clip, cool_until_open
from simulators.vial import Vial
from simulators.world_store import WorldStore, audit

__all__ = ["World", "audit"]


class World:
    """One laboratory with its samples. Use ``create`` or ``open``.

    Device functions (``start_*``, ``load_program``, ``abort``, ``weigh``, ``occupants``, ``find``,
    ``pattern``, ``curve``) are what drivers may call; ``material`` and ``plant_stop`` are for
    benches.
    """

    def __init__(
        self, task: Task, *, seed: int, laboratory: Laboratory, store: WorldStore | None
    ) -> None:
        self.task = task
        self.seed = seed
        self.campaign = ""
        """Identity of the campaign its file was made for."""
        self.model = StationModel()
        system = load_system(task.system)
        self.effects = Effects(
            Reactor(system, laboratory, task.laboratory.shelf), task.system, seed, self.model
        )
        self._store = store
        self._now_s = 0.0
        self._floor = Floor(task.laboratory)
        self._vials = self._floor.vials
        self._devices = self._floor.devices
        self._stock = self._floor.stock
        self._endings = Endings(self.effects, self._vials, self._stock, self._floor.stations)
        self._beginnings = Beginnings(self.effects, self._floor)

    @classmethod
    def create(
        cls,
        path: Path | None,
        task: Task,
        *,
        seed: int,
        laboratory: Laboratory,
        campaign: str = "",
    ) -> Self:
        """A new world at time 0 with full bottles and no samples.

        Args:
            path: Its file; ``None`` keeps it in memory. Both behave identically.
            task: Stations, shelf and chemical system.
            seed: World seed, keys all noise together with the hidden laboratory.
            laboratory: What is hidden.
            campaign: Identity of the campaign it is made for; kept in the file.

        Raises:
            LabError: ``path`` exists, or the disk is full or refuses; nothing is left then.
        """
        if path is None:
            return cls(task, seed=seed, laboratory=laboratory, store=None)
        meta = {"task": task.model_dump(mode="json"), "seed": seed, "campaign": campaign}
        WorldStore.create(path, {**meta, "laboratory": laboratory.to_json()})
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The world of a file, exactly as it was left.

        Raises:
            LabError: Absent, damaged, or not a world.
        """
        store = WorldStore(path)
        with store.restoring():
            meta = store.read_meta()
            task = Task.model_validate(meta["task"])
            laboratory = Laboratory.from_json(meta["laboratory"])
            world = cls(task, seed=int(meta["seed"]), laboratory=laboratory, store=store)
            world.campaign = str(meta["campaign"])
            world._now_s = store.now_s()
            world._stock.update(store.stock())
            world._devices.update(store.devices())
            for vial in store.vials(load_system(task.system)):
                world._vials[vial.name] = vial
            for act in store.acts():
                world._floor.remember(act)
            return world

    @property
    def now_s(self) -> float:
        """World time, s."""
        return self._now_s

    def close(self) -> None:
        """Lets go of the file; time stands still until it is opened again."""
        if self._store is not None:
            self._store.close()

    def advance(self, time_s: float) -> float:
        """Lets time pass until ``time_s``, never back; acts that end on the way take effect."""
        time_s = max(time_s, self._now_s)
        due = [a for a in self._floor.running.values() if a.end_s <= time_s]
        if time_s == self._now_s and not due:
            return time_s
        touched: dict[str, Vial] = {}
        stock: dict[str, float] = {}
        ended: list[Act] = []
        for act in sorted(due, key=lambda a: (a.end_s, a.serial)):
            act = self._endings.end(act)
            self._floor.remember(act)
            ended.append(act)
            touched.update({name: self._vials[name] for name in act.samples})
            if act.verb == Verb.DISPENSE:
                stock[act.args["lot"]] = self._stock[act.args["lot"]]
        self._now_s = time_s
        if self._store is not None:
            self._store.commit(now_s=time_s, acts=ended, vials=touched.values(), stock=stock)
        crashpoint("world-advanced")
        return time_s

    # -- device functions -------------------------------------------------------------------------

    def start_transfer(self, station: str, label: str, sample: str, destination: str) -> Act:
        """Moves a vial; an unknown sample is a new vial from the rack.

        Raises:
            BusyError: The arm moves another vial.
            DeviceError: Locked door, no such place, or no room there.
        """
        begun = self._beginnings.transfer(station, sample, destination, self._now_s)
        return self._start(station, label, begun)

    def start_dispense(
        self, station: str, label: str, lot: str, mass_mg: float, note: Mapping[str, Any]
    ) -> Act:
        """Doses into the vial on the balance; ``note`` is kept in the device's log.

        Raises:
            BusyError: A dose runs.
            DeviceError: No vial on the balance, or no such bottle.
        """
        return self._start(station, label, self._beginnings.dispense(station, lot, mass_mg, note))

    def start_mill(self, station: str, label: str, mill_min: float) -> Act:
        """Mills the vial in the mixer. Raises as ``start_dispense``."""
        return self._start(station, label, self._beginnings.mill(station, mill_min))

    def load_program(self, station: str, program: Program) -> None:
        """Writes a program into a furnace, which keeps it through a power cut.

        Raises:
            BusyError: A program runs.
        """
        self._floor.require_idle(station)
        self._devices[station] = {**self._devices[station], "program": asdict(program)}
        if self._store is not None:
            self._store.commit(devices={station: self._devices[station]})

    def program(self, station: str) -> Program | None:
        """The program a furnace holds, as it can be read back."""
        return self._floor.program(station)

    def start_program(self, station: str, label: str) -> Act:
        """Runs the furnace's program on whatever is inside.

        Raises:
            BusyError: A program runs.
            DeviceError: No program is loaded.
        """
        return self._start(station, label, self._beginnings.program(station, self._now_s))

    def start_quench(self, station: str, label: str, sample: str, cooling: str) -> Act:
        """Cools one vial of the quench station.

        Raises:
            BusyError: The vial is being cooled.
            DeviceError: It is not there.
        """
        return self._start(station, label, self._beginnings.quench(station, sample, cooling))

    def start_wash(
        self, station: str, label: str, sample: str, solvent: str, duration_min: float
    ) -> Act:
        """Washes and dries one vial of the washer; drying comes on top of ``duration_min``.

        Raises:
            BusyError: The vial is being washed.
            DeviceError: It is not there, or the solvent is not.
        """
        begun = self._beginnings.wash(station, sample, solvent, duration_min)
        return self._start(station, label, begun)

    def start_scan(self, station: str, label: str, scan_min: float) -> Act:
        """Records a pattern of the vial in the diffractometer. Raises as ``start_dispense``."""
        return self._start(station, label, self._beginnings.scan(station, scan_min))

    def start_measure(
        self, station: str, label: str, measured: Property, temperature_c: float
    ) -> Act:
        """Measures a property of an aliquot of the vial, whose loss does not count.

        Raises:
            BusyError: A measurement runs.
            DeviceError: There is no vial, or more than one.
        """
        begun = self._beginnings.measure(station, measured, temperature_c)
        return self._start(station, label, begun)

    def abort(self, station: str, label: str) -> bool:
        """Stops an act: powder that fell stays, the arm puts back, a furnace cools inside.

        Returns:
            False when it had ended already, or never ran.
        """
        act = self.find(station, label)
        if act is None or act.state is not ActState.RUNNING or act.end_s <= self._now_s:
            return False
        if "stopped_after_s" in act.args:
            return True
        elapsed_s = self._now_s - act.start_s
        act = stopped(
            act, elapsed_s / (act.end_s - act.start_s), f"stopped after {elapsed_s:.0f} s"
        )
        self._floor.remember(act)
        if self._store is not None:
            self._store.commit(acts=[act])
        crashpoint("world-committed")
        return True

    def lose_power(self) -> None:
        """Stops every act, as ``abort`` does."""
        for act in list(self._floor.running.values()):
            self.abort(act.station, act.label)

    def occupants(self, station: str) -> tuple[str, ...]:
        """Labels of the vials in a station, in order of their names as text."""
        return self._floor.occupants(station)

    def place(self, sample: str) -> str:
        """Where a vial is; one that was never moved stands in the rack."""
        vial = self._vials.get(sample)
        return RACK if vial is None else vial.place

    def weigh(self, station: str) -> float:
        """The balance under the vial of a dispenser, mg; changes nothing.

        Raises:
            BusyError: A dose runs.
            DeviceError: No vial.
        """
        self._floor.require_idle(station)
        vial = self._floor.only_vial(station)
        return self.effects.balance_mg(vial, vial.acts, "weigh")

    def temperature_c(self, station: str) -> float:
        """The setpoint a furnace's controller follows now, degC."""
        for act in self._floor.running.values():
            if act.station == station and act.verb == Verb.ANNEAL:
                segments = Program(**act.args["program"]).segments(act.args["start_c"])
                if "stopped_after_s" in act.args:
                    ran = clip(segments, act.args["stopped_after_s"])
                    reached_c = ran[-1][1] if ran else float(act.args["start_c"])
                    segments = (*ran, cool_until_open(reached_c))
                ran = clip(segments, self._now_s - act.start_s)
                return ran[-1][1] if ran else float(act.args["start_c"])
        heats = [self._vials[name].heat for name in self.occupants(station)]
        return next((h.program_c for h in heats if h is not None), ROOM_C)

    def remaining_s(self, station: str) -> float:
        """Time left of what a station does, s; 0 when it is idle."""
        ends = [a.end_s for a in self._floor.running.values() if a.station == station]
        return max(ends, default=self._now_s) - self._now_s

    def find(self, station: str, label: str) -> Act | None:
        """The last act under a label in the log of a device."""
        return self._floor.find(station, label)

    def pattern(self, act: Act) -> npt.NDArray[np.int32]:
        """The result file of a scan: counts, shape ``(points,)``.

        Raises:
            DeviceError: The scan left none.
        """
        return np.frombuffer(self._file(act, "pattern"), dtype=np.int32)

    def curve(self, act: Act) -> npt.NDArray[np.float64]:
        """The result file of a measured property, shape ``(points, 2)``.

        Raises:
            DeviceError: The measurement left none.
        """
        return np.frombuffer(self._file(act, "curve"), dtype=np.float64).reshape(-1, 2)

    def _file(self, act: Act, what: str) -> bytes:
        data = self._floor.acts[act.serial - 1].data
        if data is None and self._store is not None:
            data = self._store.data(act.serial)
        if data is None:
            raise DeviceError(f"{act.station} holds no {what} of {act.label}")
        return data

    # -- for benches and tests --------------------------------------------------------------------

    def acts(self) -> Sequence[Act]:
        """Every physical start so far, in order."""
        return tuple(self._floor.acts)

    def material(self, sample: str) -> Material:
        """The truth about a sample: for scoring and tests, never for decisions.

        Raises:
            KeyError: The world has no such vial.
        """
        return self._vials[sample].material

    def vial(self, sample: str) -> Vial:
        """The whole truth about a vial: place, matter, heat, history. As ``material``.

        Raises:
            KeyError: The world has no such vial.
        """
        return self._vials[sample]

    def specimen(self, sample: str, temperature_c: float) -> Specimen:
        """The truth about a sample as a property sees it: for scoring and tests.

        Raises:
            KeyError: The world has no such vial.
        """
        return self.effects.specimen(self._vials[sample], temperature_c)

    def stock(self) -> dict[str, float]:
        """What is left in the bottles, mg."""
        return dict(self._stock)

    def plant_stop(self, station: str, share: float) -> None:
        """Makes the next act of a station stop after a share of it (a jam, a power cut)."""
        self._devices[station] = {**self._devices[station], "stop_share": share}
        if self._store is not None:
            self._store.commit(devices={station: self._devices[station]})

    # -- inside -----------------------------------------------------------------------------------

    def _start(self, station: str, label: str, begun: Beginning) -> Act:
        """Records an act, gives the vials their new state, commits."""
        share = self._devices[station].pop("stop_share", 1.0)
        act = Act(
            serial=len(self._floor.acts) + 1,
            label=label,
            station=station,
            verb=begun.verb.value,
            samples=tuple(v.name for v in begun.vials),
            args=begun.args,
            start_s=self._now_s,
            end_s=self._now_s + begun.duration_s,
            result=begun.result,
        )
        if share < 1.0:
            act = stopped(act, share, f"jammed after {share:.0%}")
        started = [replace(v, acts=v.acts + 1) if begun.counts else v for v in begun.vials]
        if self._store is not None:
            devices = {station: self._devices[station]} if share < 1.0 else {}
            self._store.commit(acts=[act], vials=started, devices=devices)
        self._vials.update({v.name: v for v in started})
        self._floor.remember(act)
        crashpoint("world-committed")
        return act
