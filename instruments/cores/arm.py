"""A Universal Robots arm: program by the dashboard, proof by the registers of the program itself.

What the program on the arm must do (``sdl_move.urp``): read the job from integer input registers 24
to 28 (number, from place, from slot, to place, to slot), move one vial, go where no door can hit
it, write its error code to output register 25 and then, last of all, the number of the job to
output register 24. Register 26 shows the gripper's sensor all the time: 1 while it holds a vial.
Error code 0 means that the vial stands at its destination; the others are in ``CODES``. A program
that is not running has proved nothing: only the number has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.cores.once import Once
from instruments.protocols import ur_dashboard as wire
from instruments.protocols.ur_dashboard import ProgramState, RobotMode, SafetyStatus
from instruments.transports.rtde import RegisterLink
from instruments.transports.tcp import TcpLink
from sdl.core.errors import BusyError, DeviceError, ProtocolError
from sdl.core.lab import Endpoint

T = TypeVar("T")

FINISHED, ERROR, GRIPPER = (f"output_int_register_{n}" for n in (24, 25, 26))
JOB = tuple(f"input_int_register_{n}" for n in (24, 25, 26, 27, 28))
LOST = 5
"""Error code of a vial that fell: it is neither in the gripper nor where it was."""
HELD = 7
"""Error code of a gripper that held another vial when the program began."""
CODES = {
    1: "nothing stands where the vial should be taken from",
    2: "something stands where the vial should be put",
    3: "the door of a furnace is shut",
    4: "the station is locked, hot, full or not known to the program",
    LOST: "the vial fell out of the gripper",
    6: "the move was cut short and the vial put back",
    HELD: "the gripper held another vial at the beginning",
}
"""What the program's error codes mean. Where the gripper is empty after one of them, the vial
stands at its origin, but for a vial that fell."""
HALT_S = 1.5
"""Wall time for each exchange of a stop, s, and for the program to be seen stopped."""
POLL_S = 0.005


@dataclass(frozen=True)
class ArmMove:
    """One job as the program reads it.

    Args:
        job: Its number, 1 to 2147483647.
        from_place: Number of the origin in the program.
        from_slot: Position there.
        to_place: Number of the destination.
        to_slot: Position there.
    """

    job: int
    from_place: int
    from_slot: int
    to_place: int
    to_slot: int


@dataclass(frozen=True)
class ArmShows:
    """What the program's output registers show.

    Args:
        finished_job: Number of the last job that ended by itself.
        error_code: How it ended; 0 is good.
        in_gripper: Whether the gripper holds a vial now.
    """

    finished_job: int
    error_code: int
    in_gripper: bool


class RobotArm(Core):
    """The arm behind its dashboard and its registers.

    Args:
        name: Name of the instrument.
        dashboard: Where its dashboard server listens (29999).
        rtde: Where its real-time data exchange listens (30004).
        deadline_s: Wall time for one exchange, s.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("mode", text=True, doc="Robot mode: RUNNING when powered and released."),
        Channel("safety", text=True, doc="Safety status: NORMAL, PROTECTIVE_STOP, ..."),
        Channel("program_state", show=Show.HINTED, text=True, doc="STOPPED, PLAYING or PAUSED."),
        Channel("finished_job", low=0, doc="Number of the last job that ended by itself."),
        Channel("in_gripper", show=Show.HINTED, low=0, high=1, doc="1 while it holds a vial."),
    )
    stop_action: ClassVar[str] = (
        "Stops the program: the arm halts where it is and the gripper keeps the vial it holds."
    )

    def __init__(
        self, name: str, dashboard: Endpoint, rtde: Endpoint, *, deadline_s: float = 1.0
    ) -> None:
        super().__init__(name)
        self._endpoint = dashboard
        self._link = TcpLink(name, dashboard, deadline_s=deadline_s, greeting=wire.greeting_frame)
        self._registers = RegisterLink(
            name, rtde, outputs=(FINISHED, ERROR, GRIPPER), inputs=JOB, deadline_s=deadline_s
        )
        self._seen = Once(self.shows)

    def identify(self) -> Identity:
        """Version of the controller's software; the protocols tell no serial number."""
        self.mode()
        return Identity("Universal Robots e-Series", firmware=self._registers.controller())

    def fetch(self, channel: str) -> float | str:
        """Texts from the dashboard, numbers from the registers."""
        if channel == "mode":
            return self.mode().value
        if channel == "safety":
            return self.safety().value
        if channel == "program_state":
            return self.program_state().value
        shows = self._seen()
        return float(shows.finished_job if channel == "finished_job" else shows.in_gripper)

    def glance(self) -> AbstractContextManager[None]:
        """All registers are from the same packet."""
        return self._seen.held()

    def mode(self) -> RobotMode:
        """What the arm is ready for. Raises ``LinkError`` or ``ProtocolError``."""
        return self._ask(wire.ROBOT_MODE, wire.robot_mode)

    def safety(self) -> SafetyStatus:
        """What its safety system says. Raises as ``mode``."""
        return self._ask(wire.SAFETY_STATUS, wire.safety_status)

    def program_state(self) -> ProgramState:
        """What the loaded program does. Raises as ``mode``."""
        return self._ask(wire.PROGRAM_STATE, wire.program_state)

    def shows(self) -> ArmShows:
        """What the program's registers show.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense, or values that no program of ours writes.
        """
        return self._once_more(self._shows)

    def _shows(self) -> ArmShows:
        held = self._registers.read()
        if held[FINISHED] < 0 or held[GRIPPER] not in (0, 1):
            raise ProtocolError(
                f"{self.name} shows registers that its program cannot have written",
                got=held,
                allowed=f"{FINISHED} >= 0, {GRIPPER} 0 or 1",
                do="load the right program",
                where=self.name,
            )
        return ArmShows(held[FINISHED], held[ERROR], held[GRIPPER] == 1)

    def require_ready(self) -> ArmShows:
        """Looks whether a program may be started; returns what the registers show.

        Raises:
            DeviceError: Not powered, not under remote control, a safety stop, a vial in the
                gripper; or it does not answer.
            BusyError: A program runs.
        """
        seen: tuple[tuple[str, object, object], ...] = (
            ("safety status", self.safety(), SafetyStatus.NORMAL),
            ("robot mode", self.mode(), RobotMode.RUNNING),
            ("remote control", self._ask(wire.REMOTE_CONTROL, wire.is_remote), True),
        )
        for what, got, allowed in seen:
            if got != allowed:
                raise DeviceError(
                    f"{self.name} is not fit to move: {what}",
                    got=got,
                    allowed=allowed,
                    do="put it right at the arm's panel; nothing was moved",
                    where=self.name,
                )
        running = self._ask(wire.RUNNING, wire.is_running)
        if running or self.program_state() is not ProgramState.STOPPED:
            raise BusyError(f"{self.name} runs a program", do="wait for its end, or stop it")
        shows = self.shows()
        if shows.in_gripper:
            raise DeviceError(
                f"{self.name} is not fit to move: its gripper holds a vial",
                allowed="an empty gripper",
                do="take the vial out and say where it stands",
                where=self.name,
            )
        return shows

    def prepare(self, move: ArmMove, program: str) -> None:
        """Writes a job into the registers and loads the program; nothing moves.

        Raises:
            DeviceError: The arm refuses, or does not answer.
        """
        values = (move.job, move.from_place, move.from_slot, move.to_place, move.to_slot)
        self._once_more(lambda: self._registers.write(dict(zip(JOB, values, strict=True))))
        answer = self._ask(wire.load(program), wire.loading)
        if not wire.is_loaded(answer, program):
            raise self._refusal_of(f"load {program}", answer, f"Loading program: {program}")

    def play(self) -> None:
        """Starts the loaded program, once.

        Raises:
            DeviceError: The arm says that it did not start.
            LinkError: No answer: whether it started is not known.
            ProtocolError: An answer that does not tell whether it started.
        """
        answer = self._link.exchange(wire.PLAY, wire.frame)
        if wire.is_refused(answer):
            raise self._refusal_of("play", answer, "Starting program")
        if not wire.is_started(answer):
            self._link.close()
            raise wire.wrong(answer, "Starting program", self.name)

    def stop(self) -> None:
        """Carries out ``stop_action`` over a connection of its own, whatever else is going on.

        Raises:
            DeviceError: The arm did not say that it stopped, or its program still runs.
            LinkError: No answer.
        """
        link = TcpLink(self.name, self._endpoint, deadline_s=HALT_S, greeting=wire.greeting_frame)
        try:
            answer = link.exchange(wire.STOP, wire.frame)
            until_s = time.monotonic() + HALT_S
            while wire.is_running(link.exchange(wire.RUNNING, wire.frame), self.name):
                if time.monotonic() >= until_s:
                    raise self._refusal_of("stop", answer, "Stopped")
                time.sleep(POLL_S)
        finally:
            link.close()

    def close(self) -> None:
        """Lets go of both connections."""
        self._link.close()
        self._registers.close()

    def _ask(self, question: bytes, read: Callable[[bytes, str], T]) -> T:
        """The answer to a line that moves nothing."""
        return self._once_more(lambda: read(self._link.exchange(question, wire.frame), self.name))

    def _once_more(self, ask: Callable[[], T]) -> T:
        """Repeats what moves nothing where the answer was nonsense, over new connections.

        On the old ones the next answer might still be the one to an earlier question.
        """
        try:
            return ask()
        except ProtocolError:
            self.close()
        try:
            return ask()
        except ProtocolError:
            self.close()
            raise

    def _refusal_of(self, what: str, answer: bytes, allowed: str) -> DeviceError:
        return DeviceError(
            f"{self.name} did not carry out {what}",
            got=repr(answer[:80]),
            allowed=allowed,
            do="look at the arm's panel",
            where=self.name,
        )
