"""Beside the RunEngine: watches readings, trips interlocks, stops stations, keeps them stopped.

The supervisor runs in a thread of its own and talks to the cores directly, so that neither a plan
that hangs nor a campaign that computes delays it. What trips stays tripped (latching) until a
person releases it. An emergency stop is a file beside the laboratory file, which any process may
write (``sdl estop``) and every supervisor watches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from instruments.cores.core import STOP_S, Core
from instruments.drivers.wired import WiredDriver
from instruments.readout import Readout
from sdl.core.errors import ConfigError, SafetyError, SdlError
from sdl.core.event import Noted, Topic
from sdl.core.lab import Interlock

PERIOD_S = 0.5
"""Wall time between two rounds of readings, s."""
ALL = "laboratory"
"""Stands for every station in notes."""


class Supervisor:
    """Watches one laboratory.

    Args:
        interlocks: Conditions that stop.
        drivers: A driver for every station, by name.
        period_s: Wall time between two rounds, s.
        stop_file: While this file exists everything is stopped; ``None`` for no such file.
    """

    def __init__(
        self,
        interlocks: Sequence[Interlock],
        drivers: Mapping[str, WiredDriver],
        *,
        period_s: float = PERIOD_S,
        stop_file: Path | None = None,
    ) -> None:
        self._drivers = dict(drivers)
        self._watched = [(i, *watched(i, drivers)) for i in interlocks]
        self._good_s = {i.name: time.monotonic() for i in interlocks}
        self._period_s = period_s
        self._stop_file = stop_file
        self._tripped: dict[str, str] = {}
        self._notes: list[Noted] = []
        self._guard = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._rounds, daemon=True, name="supervisor")

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def close(self) -> None:
        """Ends watching; what is tripped stays in the journal's notes."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_S + self._period_s)

    def require_clear(self, station: str) -> None:
        """Refuses a start where something is tripped.

        Raises:
            SafetyError: The station, or the whole laboratory, is stopped.
        """
        if self._stop_file is not None and self._stop_file.exists():
            self._emergency()
        if self._thread.ident is not None and not self._thread.is_alive() and self._watched:
            self.trip(ALL, "the supervisor has ended: nothing watches the interlocks any more")
        with self._guard:
            why = self._tripped.get(station) or self._tripped.get(ALL)
        if why is not None:
            self._tell(Topic.REFUSAL, station, f"a start was refused: {why}")
            raise SafetyError(
                f"{station} is stopped",
                got=why,
                do="look at it, mend the cause, then `sdl release`",
                where=station,
            )

    def trip(self, station: str, why: str) -> None:
        """Stops a station, or all of them, and keeps it stopped until it is released.

        Args:
            station: Its name, or ``ALL``.
            why: In a sentence.
        """
        with self._guard:
            if station in self._tripped:
                return
            self._tripped[station] = why
        named = list(self._drivers) if station == ALL else [station]
        failed = stop_all([core for n in named for core in self._drivers[n].cores])
        words = "" if not failed else f"; NOT stopped: {'; '.join(failed)}"
        self._tell(Topic.INTERLOCK, station, f"{why}{words}")
        for name in named:
            self._tell(Topic.QUARANTINE, name, why)

    def notes(self) -> list[Noted]:
        """What happened since the last call."""
        with self._guard:
            told, self._notes = self._notes, []
        return told

    def look(self) -> None:
        """One round over all interlocks."""
        if self._stop_file is not None and self._stop_file.exists():
            self._emergency()
        for interlock, core, channel in self._watched:
            why = self._judge(interlock, core.read(channel))
            if why is not None:
                station = interlock.watch.rpartition(".")[0]
                self.trip(ALL if interlock.stop == "laboratory" else station, why)

    def _emergency(self) -> None:
        try:
            words = (self._stop_file or Path()).read_text(encoding="utf-8").strip()[:200]
        except OSError:
            words = ""
        self.trip(ALL, f"emergency stop: {words or 'no reason given'}")

    def _judge(self, interlock: Interlock, readout: Readout) -> str | None:
        """Why a reading trips, ``None`` when it does not."""
        now_s = time.monotonic()
        if not isinstance(readout.value, float):
            silent_s = now_s - self._good_s[interlock.name]
            if interlock.stale_s is not None and silent_s > interlock.stale_s:
                return (
                    f"{interlock.name}: no valid reading of {readout.source} for {silent_s:.1f} s "
                    f"({readout.reason or readout.quality.value})"
                )
            return None
        self._good_s[interlock.name] = now_s
        value = readout.value
        if interlock.above is not None and value > interlock.above:
            bound = f"above {interlock.above:g}"
        elif interlock.below is not None and value < interlock.below:
            bound = f"below {interlock.below:g}"
        else:
            return None
        return f"{interlock.name}: {readout.source} is {value:g} {readout.unit}, {bound}"

    def _tell(self, topic: Topic, station: str, message: str) -> None:
        with self._guard:
            self._notes.append(Noted(topic=topic, station=station, message=message))

    def _rounds(self) -> None:
        while not self._end.wait(self._period_s):
            self.look()


def watched(interlock: Interlock, drivers: Mapping[str, WiredDriver]) -> tuple[Core, str]:
    """The core and channel that an interlock watches.

    Raises:
        ConfigError: No instrument of the station has such a channel.
    """
    station, _, channel = interlock.watch.rpartition(".")
    known: list[str] = []
    for core in drivers[station].cores:
        known += [c.name for c in core.channels if not c.text]
        if any(c.name == channel for c in core.channels):
            return core, channel
    raise ConfigError(
        f"the interlock {interlock.name} watches what {station} does not have",
        got=interlock.watch,
        allowed=", ".join(f"{station}.{name}" for name in known) or "no channel",
        do="correct the key `watch`",
    )


def stop_all(cores: Sequence[Core], within_s: float = STOP_S) -> list[str]:
    """Carries out the safe action of many instruments at once.

    Args:
        cores: The instruments.
        within_s: Wall time after which those that have not answered count as not stopped, s.

    Returns:
        A sentence for each that did not confirm; empty when all are safe.
    """
    if not cores:
        return []
    pool = ThreadPoolExecutor(len(cores), thread_name_prefix="stop")
    begun: dict[Future[None], Core] = {pool.submit(core.stop): core for core in cores}
    done, late = wait(begun, timeout=within_s)
    pool.shutdown(wait=False, cancel_futures=True)
    failed = [f"{begun[each].name} did not answer within {within_s:g} s" for each in late]
    for each in done:
        error = each.exception()
        if isinstance(error, SdlError | OSError):
            failed.append(f"{begun[each].name}: {error}")
        elif error is not None:
            raise error
    return failed
