"""The laboratory of a file: instruments over their protocols, simulated or real.

Every start and every collection is a short plan through the RunEngine; time is real (or scaled, in
a simulated laboratory), and nobody but the devices says when something ends.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from instruments.devices.faces import faces_of
from instruments.drivers.job import Job
from instruments.drivers.wired import WiredDriver
from instruments.engine import DocumentSink, Engine
from instruments.plans import collect, start
from instruments.site import Site
from instruments.supervisor import Supervisor
from sdl.campaign.labs.common import station_of
from sdl.campaign.labs.started import Pending, Started, soonest_end_s
from sdl.core.capabilities import Capabilities
from sdl.core.command import Command, Inspection, LabEvent, Presence, Verb
from sdl.core.errors import BusyError, DeviceError, LabError, LinkError, ProtocolError
from sdl.core.event import Noted, Topic
from sdl.core.lab import Control, LabFile
from sdl.journal.lock import OwnerLock

LONGEST_WAIT_S = 0.5
"""Wall time after which ``advance`` returns whatever happened: whoever wants a pause gets it."""
NO_VALUES: Mapping[str, Any] = MappingProxyType({})


class WiredLab:
    """A ``sdl.core.protocols.Lab`` over the drivers of a laboratory file.

    Args:
        lab: The file.
        site: Clock, notebook, shelf.
        drivers: A driver for every station, by name.
        done: Ids of commands whose end is journalled already.
        documents: Gets every Bluesky document.
        lock: Let go of at the end.
        supervisor: Watches beside the RunEngine; started and closed here.
        gap: Told first: the time without a controller.
    """

    def __init__(
        self,
        lab: LabFile,
        site: Site,
        drivers: Mapping[str, WiredDriver],
        done: Collection[str] = (),
        documents: DocumentSink | None = None,
        lock: OwnerLock | None = None,
        supervisor: Supervisor | None = None,
        gap: Noted | None = None,
    ) -> None:
        self.lab = lab
        self._lock = lock
        self.site = site
        self.drivers = dict(drivers)
        self.devices = faces_of(self.drivers)
        """ophyd devices by station name."""
        self.engine = Engine(documents)
        self._done = set(done)
        self._notes: list[Noted] = [] if gap is None else [gap]
        self._started = Started(lab, site, self.drivers, self._tell)
        self._supervisor = supervisor or Supervisor((), self.drivers)
        self._supervisor.start()

    def capabilities(self) -> Capabilities:
        """Stations, capacities, limits, gases, shelf."""
        return self.site.capabilities

    def submit(self, command: Command) -> str:
        """Starts a command now; its end comes through ``events``.

        Where the device did not answer while it was told, or answered nonsense, its effect is
        looked for: what did not happen is sent again once, what may have happened never is. An
        order within the limits that an instrument refuses quarantines its station: the next one
        would fare no better.

        Raises:
            DeviceError: The station does not exist, refuses, holds other samples, or it is not
                known whether it started.
            BusyError: The station works on something else.
            SafetyError: The supervisor has stopped it.
        """
        driver, job = self._driver(command), Job.of(command)
        self._supervisor.require_clear(command.station)
        driver.check_job(job)
        if command.verb is Verb.TRANSFER:
            driver.check_samples(job)  # the arm is not to blame for a vial that is elsewhere
        known = command.id in driver.running()
        try:
            try:
                self._start(driver, job)
            except (LinkError, ProtocolError) as err:
                self._settle(driver, command, err)
        except (DeviceError, BusyError) as err:
            if not known and command.id in driver.running():
                driver.give_up(command.id, str(err))  # or its note keeps the station busy for ever
            if isinstance(err, DeviceError):
                blamed = self._to_blame(err, command)
                self._tell(Topic.QUARANTINE, blamed, str(err), {"command": command.id})
            raise
        self._wait_for(command)
        return command.id

    def cancel(self, command_id: str) -> bool:
        """Stops a running command in its device's safe way; False when it had ended."""
        return self._started.abort(command_id)

    def next_event_s(self) -> float | None:
        """Best estimate of the next end; ``None`` when idle, or when only persons can go on."""
        waiting = self._started.at_machines()
        if not waiting:
            self._started.look_at_persons()
        now_s = self.site.clock.now_s()
        if self._started.any_ended:
            return now_s
        if not waiting:
            return None
        soonest_s = now_s + self.lab.poll_s * self.site.clock_scale
        return max(soonest_end_s(waiting) or soonest_s, soonest_s)

    def away_s(self) -> float:
        """Wall time until the next end that a machine expects, s; 0 while one has not said."""
        waiting, scale = self._started.at_machines(), self.site.clock_scale
        if self._started.any_ended or any(
            p.record is None or p.silent_s is not None for p in waiting
        ):
            return 0.0
        return max(((soonest_end_s(waiting) or 0.0) - self.site.clock.now_s()) / scale, 0.0)

    def advance(self, time_s: float) -> float:
        """Waits until ``time_s``, an end, or half a second of wall time; returns the time."""
        until_s = time.monotonic() + LONGEST_WAIT_S
        while True:
            self._started.look()
            now_s = self.site.clock.now_s()
            left_s = (time_s - now_s) / self.site.clock_scale
            pause_s = min(left_s, until_s - time.monotonic(), self.lab.poll_s)
            if pause_s <= 0.0 or self._started.any_ended:
                return now_s
            time.sleep(pause_s)

    def events(self, now_s: float) -> Sequence[LabEvent]:
        """Ends seen so far and not handed over before, by time, then number of the id."""
        self._started.look()
        found = self._started.failed()
        found += [self._event(pending) for pending in self._started.ended()]
        for event in found:
            self._started.forget(event.command)
            self._done.add(event.command)
        return sorted(found, key=lambda e: (e.time_s, len(e.command), e.command))

    def inspect(self, command: Command) -> Inspection:
        """Looks whether a command that was intended before a restart has happened."""
        driver = self._driver(command)
        try:
            found = self._patiently(driver, command)
        except LinkError as err:
            self._done.discard(command.id)
            return self._started.add_unseen(command, err)
        if found.presence is Presence.STARTED and command.id not in self._done:
            self._wait_for(command)
            self._tell(Topic.GAP, command.station, found.evidence, {"command": command.id})
        if found.presence is Presence.UNKNOWN:
            words = f"it is not known whether {command.id} happened: {found.evidence}; look at "
            words += f"{', '.join(command.samples)} and the station"
            if command.verb is Verb.TRANSFER:
                words += f", and put the vial into {command.args['origin']}"
            self._tell(Topic.QUARANTINE, command.station, words, {"command": command.id})
            if command.id in driver.running():
                driver.give_up(command.id, words)
        return found

    def notes(self) -> Sequence[Noted]:
        """What happened beside the commands since the last call."""
        told, self._notes = [*self._notes, *self._supervisor.notes()], []
        return told

    def controls(self) -> Sequence[Control]:
        """Checks on something known that the file asks for."""
        return self.lab.controls

    def waiting_for(self) -> Sequence[str]:
        """What persons are asked to do now."""
        asked: list[str] = []
        for driver in self.drivers.values():
            waiting = getattr(driver, "waiting_for", None)
            asked += [] if waiting is None else waiting()
        return asked

    def close(self) -> None:
        """Ends the RunEngine and lets go of the devices; what runs goes on by itself."""
        self._supervisor.close()
        self.engine.close()
        for driver in self.drivers.values():
            for core in driver.cores:
                core.close()
        self.site.notebook.close()
        if self._lock is not None:
            self._lock.release()

    # -- inside -----------------------------------------------------------------------------------

    def _driver(self, command: Command) -> WiredDriver:
        return station_of(command, self.drivers)

    def _start(self, driver: WiredDriver, job: Job) -> None:
        plan = start(self.devices[driver.name], job, md={"lab_time_s": self.site.clock.now_s()})
        self.engine.run(plan, device=driver.name, command=job.label)

    def _settle(self, driver: WiredDriver, command: Command, err: DeviceError) -> None:
        """After a link that broke during a start: what happened decides, not what was sent."""
        self._tell(Topic.LINK, command.station, str(err), {"command": command.id})
        try:
            found = self._patiently(driver, command)
        except LinkError as silent:
            found = Inspection(presence=Presence.UNKNOWN, evidence=str(silent))
        if found.presence is Presence.STARTED:
            return
        if found.presence is Presence.UNKNOWN:
            raise DeviceError(
                f"it is not known whether {command.id} started at {command.station}",
                got=found.evidence,
                do="look at the station and its samples, then release it",
                where=command.station,
            ) from err
        again = command if found.remainder is None else found.remainder
        self._start(driver, Job.of(again))

    def _to_blame(self, err: DeviceError, command: Command) -> str:
        """The station whose instrument refused: a door that sticks is not the arm's."""
        for name, driver in self.drivers.items():
            if err.where == name or any(err.where == core.name for core in driver.cores):
                return name
        return command.station

    def _patiently(self, driver: WiredDriver, command: Command) -> Inspection:
        """Inspects until the device answers sense or the laboratory's patience ends.

        Raises:
            LinkError: It ended.
        """
        until_s = time.monotonic() + self.lab.patience_s
        while True:
            try:
                return driver.inspect(command)
            except (LinkError, ProtocolError) as err:
                if time.monotonic() >= until_s:
                    words = f"{driver.name} has not answered for {self.lab.patience_s:g} s"
                    raise LinkError(words, got=str(err), where=driver.name) from err
                time.sleep(min(self.lab.poll_s * 10.0, 1.0))
            except (DeviceError, BusyError) as err:
                return Inspection(presence=Presence.UNKNOWN, evidence=str(err))

    def _wait_for(self, command: Command) -> None:
        self._done.discard(command.id)
        self._started.add(command)

    def _event(self, pending: Pending) -> LabEvent:
        command, record = pending.command, pending.record
        if record is None:
            raise LabError(f"{command.id} has not ended", where=command.station)
        plan = collect(
            self.devices[command.station], command.id, md={"lab_time_s": self.site.clock.now_s()}
        )
        result: dict[str, Any] = self.engine.run(plan, device=command.station, command=command.id)
        if command.verb is Verb.TRANSFER:
            self._left(str(command.args["origin"]))
        error = f"{command.station}, {command.id}: {record.error}" if record.error else None
        return LabEvent(
            command=command.id,
            time_s=record.end_s,
            ok=error is None,
            result=result,
            error=error,
        )

    def _left(self, station: str) -> None:
        """A vial has left a station: an empty furnace is not kept hot."""
        driver = self.drivers.get(station)
        if driver is None or driver.occupants():
            return
        try:
            driver.emptied()
        except DeviceError as err:
            self._tell(Topic.QUARANTINE, station, str(err))

    def _tell(
        self, topic: Topic, station: str, message: str, values: Mapping[str, Any] = NO_VALUES
    ) -> None:
        noted = Noted(topic=topic, station=station, message=message, values=dict(values))
        self._notes.append(noted)
