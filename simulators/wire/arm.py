"""Simulator of a UR arm with the project's move program: dashboard, RTDE and the vials it carries.

Reference 5.4. The program reads ``input_int_register_24..28`` (job number, place and slot to take
from, place and slot to put to) when it is played, moves one vial and ends; what it leaves in
``output_int_register_24..26`` is the number of the last finished job, its error code and whether a
vial is in the gripper. The error code is written before the number. A program that is stopped from
outside (``stop``, emergency or protective stop, power cut) finishes nothing: the number stays.

Where the vials stand: slot k of the rack holds vial ``S<k>`` as long as that was never moved (an
endless rack of empty vials); every other slot holds what this arm put there, which is remembered in
the labels of its moves and so survives a restart of the simulators. The arm cannot look: it finds
a slot empty by its gripper and occupied by touch; a furnace whose door nobody simulates has none.

After an emergency or a protective stop the vial stays in the gripper until the operator takes it
out and puts it back where it came from (``release``).

Not as in reality: a vial never hangs in mid-air for the world, which carries a move to its end or
undoes it at once. So a paused move is only reported late, a move that the dashboard stops is undone
with an empty gripper, and a dropped vial ends in the rack, in no slot.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sdl.core.capabilities import StationKind
from sdl.core.errors import LabError
from sdl.core.lab import LabStation
from simulators.act import ActState
from simulators.stations import RACK
from simulators.wire.dashboard import Dashboard
from simulators.wire.plant import Plant
from simulators.wire.rtde import Robot, RtdeSession
from simulators.wire.server import WireSimulator
from simulators.wire.slots import Slot, Slots, label_of

JOB, FROM_PLACE, FROM_SLOT, TO_PLACE, TO_SLOT = 24, 25, 26, 27, 28
"""Input registers of the program."""
FINISHED, ERROR, GRIPPER = 24, 25, 26
"""Output registers of the program."""
NO_ERROR, EMPTY, OCCUPIED, DOOR_SHUT, REFUSED, LOST, UNDONE, HOLDING = range(8)
"""Error codes: nothing in the slot, the slot is taken, a furnace door is shut, a station is locked,
hot, full or unknown, the vial fell, the vial was put back half way, the gripper held one before."""

LOOK_S = 0.002
"""Wall time between two looks at a move, s."""


@dataclass
class Move:
    """One run of the program.

    Args:
        job: Its number.
        vial: What is carried.
        origin: Where from.
        target: Where to.
        label: Of the act in the world.
        fell: Whether the vial fell.
    """

    job: int
    vial: str
    origin: Slot
    target: Slot
    label: str
    fell: bool = False


class ArmSimulator(WireSimulator):
    """An arm. Settings: ``dashboard``, ``rtde``, ``program``, ``places`` (station -> number).

    Args:
        plant: The room.
        station: The arm.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.robot = Robot(self._shown, self._thawed)
        self.dashboard = Dashboard(str(self.settings["program"]), self)
        self.slots = Slots()
        self._places = {int(n): name for name, n in self.settings["places"].items()}
        self._move: Move | None = None
        self._held: tuple[Slot, str] | None = None
        self._drops = False
        self._idle_play = False
        self._work: asyncio.Task[None] | None = None
        self.slots.remember(self.plant.world, self.station.name)

    async def start(self) -> None:
        """Listens; afterwards ``settings`` hold the ports of both servers."""
        self.settings["dashboard"] = await self.listen(
            self.settings["dashboard"], self.dashboard.serve
        )
        self.settings["rtde"] = await self.listen(self.settings["rtde"], self._rtde)

    async def stop(self) -> None:
        """Stops listening; a move that runs goes on in the world."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        await super().stop()

    def reboot(self) -> None:
        """A power cut: the move is undone, registers, the loaded program and stops are lost.

        The installation is set to release the brakes by itself afterwards.
        """
        self.halt()
        self.release()
        for bank in (self.robot.inputs, self.robot.outputs):
            bank[:] = [0] * len(bank)
        self.dashboard.loaded = ""
        super().reboot()

    # -- faults and the operator ------------------------------------------------------------------

    def emergency_stop(self) -> None:
        """The red button: the program ends, the power is off, the gripper keeps its vial."""
        self._hold()
        self.dashboard.safety, self.dashboard.mode = "ROBOT_EMERGENCY_STOP", "POWER_OFF"

    def protective_stop(self) -> None:
        """A collision: the program ends, the power stays on, the gripper keeps its vial."""
        self._hold()
        self.dashboard.safety = "PROTECTIVE_STOP"

    def release(self) -> None:
        """The operator unlocks the arm, powers it up, and puts back what the gripper holds."""
        self.dashboard.safety, self.dashboard.mode = "NORMAL", "RUNNING"
        if self._held is not None:
            self.slots.put[self._held[0]] = self._held[1]
            self._held = None
        self.robot.outputs[GRIPPER] = 0

    def local(self, on: bool = True) -> None:
        """The operator takes control at the pendant (or gives it back)."""
        self.dashboard.remote = not on

    def never_start(self, on: bool = True) -> None:
        """``play`` is answered as ever and nothing happens."""
        self._idle_play = on

    def drop(self) -> None:
        """The gripper loses the vial it holds, or the next one it takes."""
        self._drops = True

    # -- what the dashboard does ------------------------------------------------------------------

    def play(self) -> None:
        """Runs the program from its first line."""
        if self._idle_play:
            return
        self.plant.tick()
        self.slots.look(self.plant.world, self.station.name)
        inputs = self.robot.inputs
        job = inputs[JOB]
        origin = self._slot(inputs[FROM_PLACE], inputs[FROM_SLOT])
        target = self._slot(inputs[TO_PLACE], inputs[TO_SLOT])
        self.robot.outputs[ERROR] = NO_ERROR
        if self._held is not None:
            error = HOLDING
        elif origin is None or target is None:
            error = REFUSED
        else:
            error = self._begin(job, origin, target)
        if error:
            self._finish(job, error)
            return
        self.dashboard.state = "PLAYING"
        self.robot.outputs[GRIPPER] = 1
        self._work = asyncio.get_running_loop().create_task(self._follow())

    def halt(self) -> None:
        """Ends the program where it is; the world puts the vial back."""
        self.plant.tick()
        if self._work is not None:
            self._work.cancel()
            self._work = None
        move, self._move = self._move, None
        if move is not None:
            self.plant.world.abort(self.station.name, move.label)
            self.plant.tick()
            act = self.plant.world.find(self.station.name, move.label)
            done = act is not None and act.state is ActState.COMPLETE
            if not move.fell:
                self.slots.put[move.target if done else move.origin] = move.vial
        self.robot.outputs[GRIPPER] = int(self._held is not None)
        self.dashboard.state = "STOPPED"

    # -- the program ------------------------------------------------------------------------------

    def _begin(self, job: int, origin: Slot, target: Slot) -> int:
        vial = self.slots.vial(origin)
        if self._is_shut(origin) or self._is_shut(target):
            return DOOR_SHUT
        if vial is None:
            return EMPTY
        if target != origin and self.slots.vial(target) is not None:
            return OCCUPIED
        label = self.plant.label(self.station.name) + label_of(origin, target)
        try:
            self.plant.world.start_transfer(self.station.name, label, vial, target[0])
        except LabError:
            return REFUSED
        self.slots.take(origin)
        self._move = Move(job, vial, origin, target, label)
        return NO_ERROR

    async def _follow(self) -> None:
        """Follows the move to its end; a paused program finishes when it is resumed."""
        while self._move is not None:
            await asyncio.sleep(LOOK_S)
            await self._thawed.wait()
            self.plant.tick()
            move = self._move
            if self._drops:
                self._lose(move)
            act = self.plant.world.find(self.station.name, move.label)
            ended = act is None or act.state is not ActState.RUNNING
            if not ended or self.dashboard.state != "PLAYING":
                continue
            self._move = None
            complete = act is not None and act.state is ActState.COMPLETE
            if move.fell:
                self._carry_off(move.vial)
                self._finish(move.job, LOST)
            else:
                self.slots.put[move.target if complete else move.origin] = move.vial
                self._finish(move.job, NO_ERROR if complete else UNDONE)

    def _finish(self, job: int, error: int) -> None:
        self.robot.outputs[GRIPPER] = int(self._held is not None)
        self.robot.outputs[ERROR] = error
        self.robot.outputs[FINISHED] = job
        self.dashboard.state = "STOPPED"

    def _hold(self) -> None:
        """Ends the program; what was on its way stays in the gripper."""
        move = self._move
        self.halt()
        for slot in () if move is None else (move.origin, move.target):
            if move is not None and not move.fell and self.slots.put.get(slot) == move.vial:
                self._held = (slot, self.slots.put.pop(slot))
                self.robot.outputs[GRIPPER] = 1

    def _lose(self, move: Move) -> None:
        self._drops, move.fell = False, True
        self.robot.outputs[GRIPPER] = 0
        self.plant.world.abort(self.station.name, move.label)

    def _carry_off(self, vial: str) -> None:
        """The world has no floor: a dropped vial comes to the rack, where no slot is its own."""
        label = self.plant.label(self.station.name)
        self.plant.world.start_transfer(self.station.name, label, vial, RACK)

    def _is_shut(self, slot: Slot) -> bool:
        stations = {s.name: s for s in self.plant.world.task.laboratory.stations}
        station = stations.get(slot[0])
        furnace = station is not None and station.kind is StationKind.FURNACE
        return furnace and not self.plant.doors.get(slot[0], True)

    def _slot(self, place: int, slot: int) -> Slot | None:
        name = self._places.get(place)
        return None if name is None or slot < 0 else (name, slot)

    # -- RTDE -------------------------------------------------------------------------------------

    async def _rtde(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await RtdeSession(self.robot, reader, writer).serve()

    def _shown(self, name: str) -> float:
        match name:
            case "timestamp":
                return asyncio.get_running_loop().time()
            case "robot_mode":
                return self.dashboard.robot_mode
            case "safety_mode":
                return self.dashboard.safety_mode
            case _:
                return self.dashboard.runtime_state
