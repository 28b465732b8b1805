"""Simulator of powder dosing: one Quantos head for each bottle, all over the pan of one balance.

Every head has a TCP endpoint of its own that speaks MT-SICS with the Quantos commands (reference
5.2). Decided where the reference is silent:

* Answers repeat the command without its last parameter (``QRA 60 7 A``); ``QRA 61 1`` is answered
  with ``QRA 61 1 B`` at once and with ``QRA 61 1 A`` or ``QRA 61 1 I <code>`` at the end of the
  dose, on the connection that asked. The value of a query stands before its status.
* ``QRA 61 4`` and ``@`` stop the dose of that head; what fell stays, the code is 8.
* Target and tolerance belong to a head and stay after a refused value: the next dose would run with
  the old one. A head without a target is "not selected" (4), with its pin unlocked "not mounted".
* Doors, pins and heads move at once; draught shield and tare belong to the balance, thus to all.
* ``@`` clears the tare and drops what waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sdl.core.errors import BusyError, DeviceError
from sdl.core.lab import LabStation
from simulators.act import ActState
from simulators.wire.mt_sics import COMMANDS, IDENTITY, Balance, identity_lines, weight_line
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

TARGET_MG = (0.1, 250_000.0)
TOLERANCE_PCT = (0.1, 40.0)
STABILITY_TIMEOUT_S = 40.0
"""Device time after which ``S`` gives up with ``S I``, s."""
LOOK_S = 0.002
"""Wall time between two looks while something is waited for, s."""
REPEAT_S = 0.05
"""Wall time between two lines of ``SIR``, s."""
LONGEST_LINE = 255
_DECIMAL = re.compile(r"[+-]?\d{1,9}(\.\d{0,9})?", re.ASCII)

# Error codes of the dosing unit.
NOT_MOUNTED, BUSY, NOT_SELECTED, NOT_ALLOWED = 1, 2, 4, 5
UNSTABLE, POWDER_FLOW, EXTERNAL_STOP = 6, 7, 8


@dataclass
class Head:
    """One dosing head: a bottle and what was set for it."""

    lot: str
    target_mg: float | None = None
    tolerance_pct: float = 2.0
    locked: bool = True
    position: int = 0
    dose: str = ""
    """Label of the dose that runs."""


@dataclass
class Talk:
    """One connection: lines that wait, and what goes on for them."""

    writer: asyncio.StreamWriter
    lines: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    resets: int = 0
    """How often ``@`` came: whoever waits gives up when it changes."""
    repeating: asyncio.Task[None] | None = None

    def say(self, *lines: str) -> None:
        """Sends answers; to a peer that is gone, nothing."""
        if not self.writer.is_closing():
            self.writer.write("".join(f"{line}\r\n" for line in lines).encode("ascii"))

    def hush(self) -> None:
        """Ends ``SIR``."""
        if self.repeating is not None:
            self.repeating.cancel()
            self.repeating = None


class DosingSimulator(WireSimulator):
    """The dosing heads of a dispenser. Settings: ``heads``, bottle -> endpoint.

    Args:
        plant: The room.
        station: The dispenser.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.balance = Balance(plant, station.name)
        self.heads = {lot: Head(lot) for lot in self.settings["heads"]}
        self.shield_open = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens for every head; afterwards ``settings["heads"]`` holds the ports."""
        self.settings["heads"] = {
            lot: await self.listen(endpoint, partial(self._serve, self.heads[lot]))
            for lot, endpoint in self.settings["heads"].items()
        }

    async def stop(self) -> None:
        """Stops listening; a dose that runs goes on in the world."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().stop()

    def reboot(self) -> None:
        """A power cut: doses stop, tare, targets and tolerances are lost, pins lock."""
        self.plant.tick()
        for head in self.heads.values():
            self._stop_dose(head)
            head.target_mg, head.tolerance_pct, head.locked, head.position = None, 2.0, True, 0
        self.balance.power_up()
        super().reboot()

    # -- faults -----------------------------------------------------------------------------------

    def drift(self, by_mg: float) -> None:
        """From now on every reading is wrong by so much, mg; zeroing takes it away."""
        self.balance.drift_mg += by_mg

    def unstable(self, on: bool = True) -> None:
        """No reading becomes stable any more (or again)."""
        self.balance.restless = on

    def overload(self, on: bool = True) -> None:
        """Every weight is answered with ``+`` (or no more)."""
        self.balance.overloaded = on

    def underload(self, on: bool = True) -> None:
        """Every weight is answered with ``-`` (or no more)."""
        self.balance.underloaded = on

    def negative(self, by_mg: float = 12.5) -> None:
        """Lets the display show ``-by_mg`` for what stands on the pan now: a wrong tare."""
        self.plant.tick()
        balance = self.balance
        balance.tare_mg += balance.net_mg() + by_mg

    # -- lines ------------------------------------------------------------------------------------

    async def _serve(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        talk = Talk(writer)
        worker = self._task(self._work(head, talk))
        try:
            while True:
                raw = (await reader.readuntil(b"\n")).rstrip(b"\r\n")
                if len(raw) > LONGEST_LINE or not raw.isascii():
                    talk.say("ET")
                    continue
                line = raw.decode("ascii")
                if line == "@":
                    talk.resets += 1
                    while not talk.lines.empty():
                        talk.lines.get_nowait()
                talk.lines.put_nowait(line)
        finally:
            talk.hush()
            worker.cancel()

    async def _work(self, head: Head, talk: Talk) -> None:
        """Answers line after line, in order."""
        while True:
            line = await talk.lines.get()
            self.plant.tick()
            words = line.split(" ")
            if line in ("S", "SI", "SIR", "@"):
                talk.hush()
            if line in ("S", "Z", "T"):
                await self._when_stable(line, talk)
            elif line == "SIR":
                talk.repeating = self._task(self._repeat(talk))
            elif line == "@":
                self.balance.tare_mg = 0.0
                self._stop_dose(head)
                talk.say(*identity_lines("I4"))
            elif line == "I0" or line in IDENTITY:
                talk.say(*identity_lines(line))
            elif words[0] in ("QRA", "QRD"):
                self._dosing_line(head, words, talk)
            else:
                talk.say(self._at_once(words))

    def _at_once(self, words: list[str]) -> str:
        balance = self.balance
        match words:
            case ["SI"]:
                return balance.weigh("S")
            case ["ZI"]:
                return balance.zero("ZI")
            case ["TI"]:
                return balance.tare("TI")
            case ["TAC"]:
                balance.tare_mg = 0.0
                return "TAC A"
            case ["TA"]:
                return weight_line("TA", "A", balance.tare_mg)
            case ["TA", grams, "g"]:
                mass_mg = _number(grams, (0.0, 220.0))
                if mass_mg is None:
                    return "TA L"
                balance.tare_mg = mass_mg * 1000.0
                return weight_line("TA", "A", balance.tare_mg)
            case [command, *_] if command in COMMANDS and command != "@":
                return f"{command} L"
            case _:
                return "ES"

    async def _when_stable(self, command: str, talk: Talk) -> None:
        """Waits for a stable reading as long as a balance does, then does ``S``, ``Z``, ``T``."""
        since_s, resets = self.plant.tick(), talk.resets
        balance = self.balance
        while not (balance.is_stable() or balance.out_of_range()):
            await asyncio.sleep(LOOK_S)
            if talk.resets != resets:
                return
            if self.plant.tick() - since_s > STABILITY_TIMEOUT_S:
                talk.say(f"{command} I")
                return
        await self._thawed.wait()
        act = {"S": balance.weigh, "Z": balance.zero, "T": balance.tare}[command]
        talk.say(act(command))

    async def _repeat(self, talk: Talk) -> None:
        with contextlib.suppress(ConnectionError):
            while not talk.writer.is_closing():
                await self._thawed.wait()
                self.plant.tick()
                talk.say(self.balance.weigh("S"))
                await talk.writer.drain()
                await asyncio.sleep(REPEAT_S)

    # -- the dosing unit --------------------------------------------------------------------------

    def _dosing_line(self, head: Head, words: list[str], talk: Talk) -> None:
        match words:
            case ["QRA", "61", "1"]:
                self._dose(head, talk)
            case ["QRA", "61", "4"]:
                self._stop_dose(head)
                talk.say("QRA 61 4 A")
            case ["QRA", "60", "7", "2" | "3" as move]:
                if self.balance.running() is not None:
                    talk.say(f"QRA 60 7 I {BUSY}")
                    return
                self.shield_open = move == "3"
                talk.say("QRA 60 7 A")
            case ["QRA", "60", "2", "3" | "4" as move]:
                if head.dose:
                    talk.say(f"QRA 60 2 I {BUSY}")
                    return
                head.locked = move == "4"
                talk.say("QRA 60 2 A")
            case ["QRA", "60", "8", position] if position.isdigit() and int(position) <= 30:
                head.position = int(position)
                talk.say("QRA 60 8 A")
            case ["QRD", "2", "3", "7"]:
                talk.say(f"QRD 2 3 7 {3 if self.shield_open else 2} A")
            case ["QRD", "1", "1", "5", text]:
                target_mg = _number(text, TARGET_MG)
                head.target_mg = head.target_mg if target_mg is None else target_mg
                talk.say(f"QRD 1 1 5 {'L' if target_mg is None else 'A'}")
            case ["QRD", "1", "1", "6", text]:
                tolerance_pct = _number(text, TOLERANCE_PCT)
                head.tolerance_pct = head.tolerance_pct if tolerance_pct is None else tolerance_pct
                talk.say(f"QRD 1 1 6 {'L' if tolerance_pct is None else 'A'}")
            case ["QRA", "60", "7" | "2" | "8" as part, *_]:
                talk.say(f"QRA 60 {part} L")
            case _:
                talk.say("ES")

    def _dose(self, head: Head, talk: Talk) -> None:
        refused = self._why_not(head)
        label = self.plant.label(self.station.name)
        if not refused:
            try:
                self.plant.world.start_dispense(
                    self.station.name, label, head.lot, head.target_mg or 0.0, {}
                )
            except BusyError:
                refused = BUSY
            except DeviceError:
                refused = NOT_SELECTED  # the bottle of this head is none of this laboratory's
        if refused:
            talk.say(f"QRA 61 1 I {refused}")
            return
        head.dose = label
        talk.say("QRA 61 1 B")
        self._task(self._follow(head, label, talk))

    def _why_not(self, head: Head) -> int:
        """Error code of what forbids a dose now; 0 when nothing does."""
        balance = self.balance
        if balance.running() is not None:
            return BUSY
        if not head.locked or not self.plant.world.occupants(self.station.name):
            return NOT_MOUNTED
        if self.shield_open:
            return NOT_ALLOWED
        if head.target_mg is None:
            return NOT_SELECTED
        return UNSTABLE if balance.restless or balance.out_of_range() else 0

    async def _follow(self, head: Head, label: str, talk: Talk) -> None:
        """Waits for the end of a dose and says it where it was asked for."""
        while True:
            self.plant.tick()
            act = self.plant.world.find(self.station.name, label)
            if act is None or act.state is not ActState.RUNNING:
                break
            await asyncio.sleep(LOOK_S)
        await self._thawed.wait()
        if head.dose == label:
            head.dose = ""
        note = "" if act is None else act.note
        if not note:
            talk.say("QRA 61 1 A")
        else:
            code = EXTERNAL_STOP if note.startswith("stopped") else POWDER_FLOW
            talk.say(f"QRA 61 1 I {code}")

    def _stop_dose(self, head: Head) -> None:
        if head.dose:
            self.plant.world.abort(self.station.name, head.dose)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _number(text: str, allowed: tuple[float, float]) -> float | None:
    """The number of a parameter, ``None`` where it is none or is not allowed."""
    value = float(text) if _DECIMAL.fullmatch(text) else math.nan
    return value if allowed[0] <= value <= allowed[1] else None
