"""Simulator of an Aeris diffractometer: text queries on TCP, result files in a shared folder.

Reference 5.3. One query per connection: the answer is sent and the connection closed. The exact
form of a successful answer is not published; decided here: it repeats the subject of the query and
gives the published tokens, ``@STATUS@UNIT=xrd@READY=yes@END``, ``@STATUS@SYSTEM=remote@END``,
``@STATUS@LOCATION=0,2@STATE=free@END``; a command is answered with ``@STATUS=normal`` (as by sister
instruments of the same maker) or ``@STATUS=fatal: why``, as ``@SAMPLE@ADD@SAMPLE_ID=x@...@END``.

As in the real instrument: the slot of a sample that is being measured is free, since the sample is
inside; ``READY=yes`` comes before the file is complete, which is written in two parts; a file of an
earlier scan of that id is overwritten. An id that could leave the folder is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sdl.core.errors import LabError
from sdl.core.lab import LabStation
from simulators.act import Act, ActState
from simulators.wire.plant import Plant
from simulators.wire.result_file import FileFaults, Outbox
from simulators.wire.server import WireSimulator
from simulators.wire.xrdml import xrdml_document

BELT, LAST_SLOT = 1, 6
"""Slots: the belt, then positions 1 to 5."""
LOOK_S = 0.002
"""Wall time between two looks at a scan that runs, s."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_AT = re.compile(r"0,([1-9]\d{0,2})")


@dataclass
class Sample:
    """A sample in the instrument's memory: which slot it was added at."""

    slot: int


@dataclass
class Scan:
    """A measurement that runs: its label in the world, of what, since when (wall time)."""

    label: str
    sample_id: str
    started: datetime


class AerisSimulator(FileFaults, WireSimulator):
    """A diffractometer. Settings: ``link``, ``results``, ``slot``, ``programs`` (name -> min).

    Args:
        plant: The room; relative ``results`` stand below its folder.
        station: The diffractometer.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.outbox = Outbox(plant.folder / self.settings["results"])
        self.remote = True
        """Whether the instrument obeys the network; switched at its screen."""
        self.samples: dict[str, Sample] = {}
        self._scan: Scan | None = None
        self._vial = ""
        self._slot = int(self.settings["slot"])
        self._work: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Makes the folder and listens; afterwards ``settings["link"]`` holds the port."""
        self.outbox.folder.mkdir(parents=True, exist_ok=True)
        self.settings["link"] = await self.listen(self.settings["link"], self._serve)

    async def stop(self) -> None:
        """Stops listening; a file that is being written stays as it is."""
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await super().stop()

    def reboot(self) -> None:
        """A power cut: the scan stops without a file, the samples in memory are lost."""
        self.plant.tick()
        if self._scan is not None:
            self.plant.world.abort(self.station.name, self._scan.label)
            self._scan = None
        for task in list(self._work):
            task.cancel()
        self.samples.clear()
        super().reboot()

    # -- messages ---------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readuntil(b"@END")
        writer.write(self.answer(raw))
        await writer.drain()

    def answer(self, raw: bytes) -> bytes:
        """The answer to one message."""
        self.plant.tick()
        self._look_at_slot()
        try:
            parts = raw.decode("ascii").strip().strip("@").split("@")[:-1]
        except UnicodeDecodeError:
            return b"@STATUS=fatal: not ASCII@END"
        fields = {name: value for name, _, value in (part.partition("=") for part in parts)}
        match parts[:2]:
            case ["STATUS_REQUEST", "UNIT=xrd"]:
                text = f"STATUS@UNIT=xrd@READY={'no' if self._scan else 'yes'}"
            case ["STATUS_REQUEST", "SYSTEM"]:
                text = f"STATUS@SYSTEM={'remote' if self.remote else 'local'}"
            case ["STATUS_REQUEST", location] if location.startswith("LOCATION="):
                text = self._location(fields["LOCATION"])
            case ["SAMPLE", "ADD" | "MEASURE" | "MOVE" | "REMOVE" as verb]:
                text = self._command(verb, fields)
            case _:
                text = "STATUS=fatal: unknown message"
        return f"@{text}@END".encode("ascii")

    def _location(self, location: str) -> str:
        slot = _slot(location)
        if slot is None:
            return f"STATUS@LOCATION={location}@STATUS=fatal: no such slot"
        return f"STATUS@LOCATION={location}@STATE={'occupied' if self._holds(slot) else 'free'}"

    def _command(self, verb: str, fields: dict[str, str]) -> str:
        do = {"ADD": self._add, "MEASURE": self._measure, "MOVE": self._move}
        why = do.get(verb, self._remove)(fields) if self.remote else "not in remote control"
        sample_id = fields.get("SAMPLE_ID", "")
        named = f"@SAMPLE_ID={sample_id}" if _ID.fullmatch(sample_id) else ""
        return f"SAMPLE@{verb}{named}@STATUS={'fatal: ' + why if why else 'normal'}"

    def _add(self, fields: dict[str, str]) -> str:
        """Does a command; returns why not, empty when done. So do the other three."""
        sample_id, slot = fields.get("SAMPLE_ID", ""), _slot(fields.get("AT", ""))
        if _ID.fullmatch(sample_id) is None or ".." in sample_id:
            return "sample id not allowed"
        if slot is None:
            return "no such slot"
        if fields.get("APPLICATION") not in self.settings["programs"]:
            return "unknown application"
        if sample_id in self.samples or any(s.slot == slot for s in self.samples.values()):
            return "sample id or slot in use"
        self.samples[sample_id] = Sample(slot)
        return ""

    def _measure(self, fields: dict[str, str]) -> str:
        sample_id, program = fields.get("SAMPLE_ID", ""), fields.get("APPLICATION", "")
        if self._scan is not None:
            return "busy"
        if sample_id not in self.samples:
            return "unknown sample"
        if program not in self.settings["programs"]:
            return "unknown application"
        if not self._holds(self.samples[sample_id].slot):
            return "no sample in the slot"
        label = self.plant.label(self.station.name)
        minutes = float(self.settings["programs"][program])
        try:
            self.plant.world.start_scan(self.station.name, label, minutes)
        except LabError as err:
            return re.sub(r"[^A-Za-z0-9 _.-]", " ", err.what)
        self._scan = Scan(label, sample_id, datetime.now(UTC))
        self._begin(self._follow(self._scan))
        return ""

    def _move(self, fields: dict[str, str]) -> str:
        origin, target = _slot(fields.get("AT", "")), _slot(fields.get("TO", ""))
        if origin is None or target is None:
            return "no such slot"
        if self._scan is not None:
            return "busy"
        if not self._holds(origin) or self._holds(target):
            return "nothing to move, or no room"
        self._slot = target
        for sample in self.samples.values():
            if sample.slot == origin:
                sample.slot = target
        return ""

    def _remove(self, fields: dict[str, str]) -> str:
        sample_id, slot = fields.get("SAMPLE_ID", ""), _slot(fields.get("AT", ""))
        for name, sample in self.samples.items():
            if name == sample_id or (not sample_id and sample.slot == slot):
                if self._scan is not None and self._scan.sample_id == name:
                    return "busy"
                del self.samples[name]
                return ""
        return "unknown sample"

    # -- slots and scans --------------------------------------------------------------------------

    def _look_at_slot(self) -> None:
        """The arm puts every new vial into the slot of the settings."""
        vial = next(iter(self.plant.world.occupants(self.station.name)), "")
        if vial != self._vial:
            self._vial, self._slot = vial, int(self.settings["slot"])

    def _holds(self, slot: int) -> bool:
        return bool(self._vial) and self._scan is None and slot == self._slot

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _follow(self, scan: Scan) -> None:
        """Waits for the end of a scan, whoever asks or not, and writes its file."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self._thawed.wait()
            self.plant.tick()
            act = self.plant.world.find(self.station.name, scan.label)
            if act is None or act.state is not ActState.RUNNING:
                break
        self._scan = None
        if act is not None and act.state is ActState.COMPLETE:
            await self._leave(scan, act)

    async def _leave(self, scan: Scan, act: Act) -> None:
        pattern = self.plant.world.pattern(act)
        ended = datetime.now(UTC)

        def document(sample_id: str) -> bytes:
            return xrdml_document(
                sample_id,
                [int(count) for count in pattern],
                start_deg=float(act.result["two_theta_start_deg"]),
                step_deg=float(act.result["two_theta_step_deg"]),
                scan_min=float(act.args["scan_min"]),
                started=scan.started,
                ended=ended,
            )

        await self.outbox.leave(f"{scan.sample_id}.xrdml", scan.sample_id, document)


def _slot(location: str) -> int | None:
    """The slot of ``0,<slot>``, ``None`` where there is none."""
    match = _AT.fullmatch(location)
    slot = 0 if match is None else int(match[1])
    return slot if BELT <= slot <= LAST_SLOT else None
