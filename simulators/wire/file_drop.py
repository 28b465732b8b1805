"""Simulator of an instrument that only exchanges files with the controller.

A request ``<id>.json`` (``id``, ``sample``, ``verb``, ``args``) is taken away when the instrument
begins. It leaves ``<id>.xy`` of two columns for a scan, the same and ``<id>.json`` for a measured
property, ``<id>.json`` for all else; that holds ``id``, ``sample`` and what the station's display
shows, or ``failed`` with the reason. A file that is no request, as one half written, lies until it
is one; a request that finds the station at work waits.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from sdl.core.command import Verb
from sdl.core.errors import BusyError, LabError
from sdl.core.lab import LabStation
from sdl.core.property import Property
from simulators.act import Act, ActState
from simulators.wire.plant import Plant
from simulators.wire.result_file import FileFaults, Outbox
from simulators.wire.server import WireSimulator

LOOK_S = 0.005
"""Wall time between two looks at the folder or at an act that runs, s."""
LARGEST_REQUEST = 100_000
"""Bytes."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


class FileDropSimulator(FileFaults, WireSimulator):
    """An instrument behind two folders. Settings: ``requests``, ``results``.

    Args:
        plant: The room; relative folders stand below its folder.
        station: Whose acts are done.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.inbox: Path = plant.folder / self.settings["requests"]
        self.outbox = Outbox(plant.folder / self.settings["results"])
        self._label = ""
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Makes both folders and begins to look."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.outbox.folder.mkdir(parents=True, exist_ok=True)
        self._watch = asyncio.get_running_loop().create_task(self._look())

    async def stop(self) -> None:
        """Looks no more; what runs goes on in the world, and nobody writes its result."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await super().stop()

    def reboot(self) -> None:
        """A power cut: what runs stops and leaves no result; requests that lie there are kept."""
        self.plant.tick()
        if self._label:
            self.plant.world.abort(self.station.name, self._label)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = asyncio.get_running_loop().create_task(self._look())
        super().reboot()

    async def _look(self) -> None:
        """Does one request after the other, in the order of their names."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self._thawed.wait()
            for path in sorted(self.inbox.glob("*.json")):
                request = _request(path)
                if request is None:
                    continue
                self.plant.tick()
                self._label = self.plant.label(self.station.name)
                try:
                    self._begin(request, self._label)
                except BusyError:
                    continue
                except (LabError, KeyError, ValueError, TypeError) as err:
                    path.unlink(missing_ok=True)
                    await self._tell(request, {"failed": str(err)[:200]})
                    continue
                path.unlink(missing_ok=True)
                await self._finish(request, await self._end())

    def _begin(self, request: dict[str, Any], label: str) -> None:
        """Starts the act; errors of the world, or of arguments that are missing or no numbers."""
        world, station = self.plant.world, self.station.name
        sample, args = str(request["sample"]), request["args"]
        verb = Verb(request["verb"])
        inside = world.occupants(station)
        if verb is not Verb.TRANSFER and sample not in inside:
            raise ValueError(f"{sample} is not here, {', '.join(inside) or 'nothing'} is")
        match verb:
            case Verb.SCAN:
                world.start_scan(station, label, float(args["scan_min"]))
            case Verb.MEASURE:
                measured = Property(args["property"])
                world.start_measure(station, label, measured, float(args["temperature_c"]))
            case Verb.MILL:
                world.start_mill(station, label, float(args["mill_min"]))
            case Verb.WASH:
                minutes = float(args["duration_min"])
                world.start_wash(station, label, sample, str(args["solvent"]), minutes)
            case Verb.QUENCH:
                world.start_quench(station, label, sample, str(args["cooling"]))
            case Verb.TRANSFER:
                world.start_transfer(station, label, sample, str(args["destination"]))
            case _:
                raise ValueError(f"no {verb} by files")

    async def _end(self) -> Act | None:
        """Waits for the end of the act."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self._thawed.wait()
            self.plant.tick()
            act = self.plant.world.find(self.station.name, self._label)
            if act is None or act.state is not ActState.RUNNING:
                self._label = ""
                return act

    async def _finish(self, request: dict[str, Any], act: Act | None) -> None:
        if act is None or act.state is not ActState.COMPLETE:
            await self._tell(request, {"failed": "lost" if act is None else act.note})
            return
        if act.verb == Verb.SCAN:
            counts = self.plant.world.pattern(act)
            start_deg = float(act.result["two_theta_start_deg"])
            angles = start_deg + float(act.result["two_theta_step_deg"]) * np.arange(len(counts))
            await self._leave_columns(request, zip(angles, counts, strict=True), "%.4f %d")
            return
        if act.verb == Verb.MEASURE:
            fault, self.outbox.fault = self.outbox.fault, ""
            await self._tell(request, dict(act.result))
            self.outbox.fault = fault
            await self._leave_columns(request, self.plant.world.curve(act), "%.9g %.9g")
            return
        await self._tell(request, dict(act.result))

    async def _tell(self, request: dict[str, Any], told: dict[str, Any]) -> None:
        def document(owner: str) -> bytes:
            return json.dumps({**told, "id": owner, "sample": request["sample"]}).encode("ascii")

        await self.outbox.leave(f"{request['id']}.json", request["id"], document)

    async def _leave_columns(self, request: dict[str, Any], rows: Any, form: str) -> None:
        lines = "".join(f"{form}\n" % tuple(row) for row in rows)

        def document(owner: str) -> bytes:
            return f"# id: {owner}\n# sample: {request['sample']}\n{lines}".encode("ascii")

        await self.outbox.leave(f"{request['id']}.xy", request["id"], document)


def _request(path: Path) -> dict[str, Any] | None:
    """The request in a file, ``None`` while it holds none."""
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST_REQUEST:
            return None
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and {"id", "sample", "verb", "args"} <= found.keys()
    if not whole or not isinstance(found["args"], dict) or found["id"] != path.stem:
        return None
    named = all(
        isinstance(found[key], str) and _ID.fullmatch(found[key]) for key in ("id", "sample")
    )
    return found if named else None
