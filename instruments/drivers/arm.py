"""The arm that moves vials between rack and stations: a Universal Robots arm with one program."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from instruments.cores.arm import CODES, HELD, LOST, ArmMove, ArmShows, RobotArm
from instruments.drivers.job import Job, JobState
from instruments.drivers.patience import asked_again
from instruments.drivers.slots import Slots
from instruments.drivers.wired import Note, Progress, WiredDriver
from instruments.protocols.rtde import INT_MAX
from instruments.protocols.ur_dashboard import PROGRAM, ProgramState, SafetyStatus
from instruments.site import RACK, Site
from instruments.transports.tcp import FIRST_PAUSE_S
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import EndpointText
from sdl.core.model import Frozen, SafeId

START_S = 2.0
"""Wall time within which a started program is seen to run, s."""
POLL_S = 0.002
LEAST_PATIENCE_S = 60.0
"""Wall time that a move may take at least, however fast the laboratory's clock runs, s."""
MOVING = (SafetyStatus.NORMAL, SafetyStatus.REDUCED)
"""Safety statuses in which a program goes on."""


class ArmSettings(Frozen):
    """Settings of an arm's station."""

    dashboard: EndpointText
    rtde: EndpointText
    program: Annotated[str, StringConstraints(pattern=f"^{PROGRAM.pattern}$")]
    """Program on the controller that moves a vial; see ``instruments.cores.arm``."""
    places: dict[SafeId, Annotated[int, Field(ge=0, le=INT_MAX)]]
    """Number of each place in that program."""
    move_s: Annotated[float, Field(gt=0)] = 60.0
    """Laboratory time a move takes, s: an estimate."""
    longest_move_s: Annotated[float, Field(gt=0)] = 3600.0
    """Laboratory time after which a move that still runs is an error, s."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if RACK not in self.places:
            raise ValueError(f"places must name the {RACK}")
        if len(set(self.places.values())) < len(self.places):
            raise ValueError("two places have the same number; allowed: each its own")
        return self


class ArmStation(WiredDriver):
    """Moves one vial at a time; the number of the job in the arm's register proves its end.

    While a vial is on the move the notebook says that it stands at the arm. It is put down in the
    notebook once the program has said that it put it down.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share; ``doors`` are opened and shut around a move.
        settings: Endpoints, program, places.
    """

    Settings: ClassVar[type[Frozen]] = ArmSettings
    verb = Verb.TRANSFER
    arguments = frozenset({"sample", "origin", "destination"})
    result_units: Mapping[str, str] = {"place": ""}

    def __init__(self, station: Station, site: Site, settings: ArmSettings) -> None:
        super().__init__(station, site, settings)
        self.settings = settings
        self.arm = RobotArm(station.name, settings.dashboard, settings.rtde)
        self.slots = Slots(site.notebook, station.name, site.capabilities)

    @property
    def cores(self) -> tuple[RobotArm]:
        """The arm."""
        return (self.arm,)

    def place(self, sample: str) -> str:
        """Where a vial is."""
        return self.site.place(sample)

    def check(self, job: Job) -> None:
        """One vial, from and to places that exist and that the arm's program knows."""
        stations = self.site.capabilities.stations
        places = [RACK, *(s.name for s in stations if s.kind is not StationKind.TRANSFER)]
        places = [place for place in places if place in self.settings.places]
        self.choice(job, "sample", job.samples)
        self.choice(job, "origin", places)
        self.choice(job, "destination", places)

    def check_samples(self, job: Job) -> None:
        """The vial is where it should be taken from, or already where it should go."""
        place = self.place(job.args["sample"])
        if place not in (job.args["origin"], job.args["destination"]):
            raise self.refusal(job, "the place of the vial", place, job.args["origin"])

    def evidence(self, job: Job) -> dict[str, Any]:
        """The number of the job and the counter before it; of a vial that is there, nothing."""
        sample, destination = job.args["sample"], job.args["destination"]
        if self.place(sample) == destination:
            return {"no_op": True}
        shows = self._ready()
        return {
            "no_op": False,
            "from_slot": self.slots.held(sample, job.args["origin"]),
            "to_slot": self.slots.free(sample, destination),
            "finished_before": shows.finished_job,
            "job": self._next_job(shows.finished_job),
        }

    def act(self, job: Job, note: Note) -> None:
        """Opens the doors, writes the job, starts the program.

        Raises:
            LinkError: The arm did not say whether it started, or fell silent before.
            DeviceError: A door or the arm refused: nothing was moved, and the doors are shut again.
        """
        if note["no_op"]:
            return
        try:
            for door in self._doors(note):
                self.site.doors[door].open()
            self.arm.prepare(self._move(note), self.settings.program)
        except DeviceError as err:
            self._give_up(job, note, err)
            raise
        self.site.notebook.put(job.args["sample"], self.name)
        try:
            self.arm.play()
        except (LinkError, ProtocolError) as err:
            # The arm may move: its doors stay open, and what it does must be looked at.
            raise LinkError(
                f"{self.name} did not say whether it started {job.label}",
                got=err.got,
                do="nothing is sent again; its job counter tells",
                where=self.name,
            ) from err
        except DeviceError as err:
            self.site.notebook.put(job.args["sample"], job.args["origin"])
            self._give_up(job, note, err)
            raise
        try:
            ran = self._is_started(note)
        except (LinkError, ProtocolError):
            return  # it said that it started: the next look tells more
        self.site.notebook.write(self.name, job.label, {"ran": ran})

    def progress(self, note: Note) -> Progress:
        """By the job counter; a program that only stopped has finished nothing.

        Raises:
            LinkError: No answer of the arm or of a door.
            DeviceError: The move takes longer than any.
        """
        if note["no_op"]:
            return self._end(note, note["args"]["destination"])
        # The program is looked at first: once it is seen stopped, the counter is final.
        with asked_again(self.name):
            state, safety = self.arm.program_state(), self.arm.safety()
            shows = self.arm.shows()
            # A packet has no checksum, and this is the proof.
            confirmed = shows.finished_job != note["job"] or self.arm.shows() == shows
        if not confirmed:
            return Progress(JobState.RUNNING, self.site.clock.now_s())
        if state is ProgramState.STOPPED and shows.finished_job == note["job"]:
            return self._ended(note, shows)
        if safety not in MOVING:
            return self._stranded(note, shows, f"safety status {safety.value}", halt=True)
        if state is ProgramState.STOPPED:
            if not note.get("ran", True):
                return self._never_ran(note, shows)
            why = f"the program stopped and never finished job {note['job']}"
            return self._stranded(note, shows, why, halt=False)
        now_s, start_s = self.site.clock.now_s(), float(note["start_s"])
        longest_s = max(self.settings.longest_move_s, LEAST_PATIENCE_S * self.site.clock_scale)
        if now_s - start_s > longest_s:
            raise DeviceError(
                f"{self.name} has moved {note['args']['sample']} for {now_s - start_s:.0f} s",
                got=f"program {state.value}",
                allowed=f"{longest_s:.0f} s",
                do="quarantine the arm and look at it",
                where=self.name,
            )
        return Progress(JobState.RUNNING, max(start_s + self.settings.move_s, now_s))

    def found(self, command: Command, note: Note) -> Inspection:
        """By the job counter, the running program and the gripper."""
        if note["no_op"]:
            return Inspection(presence=Presence.STARTED, evidence="the vial was there already")
        with asked_again(self.name):
            running = self.arm.program_state() is not ProgramState.STOPPED
            shows = self.arm.shows()
        gripper = "holds a vial" if shows.in_gripper else "is empty"
        evidence = (
            f"{command.id} is job {note['job']}; the counter was {note['finished_before']} and is "
            f"{shows.finished_job}, the program {'runs' if running else 'does not run'}, the "
            f"gripper {gripper}"
        )
        if running or shows.finished_job == note["job"]:
            return Inspection(presence=Presence.STARTED, evidence=evidence)
        if shows.in_gripper or shows.finished_job != note["finished_before"]:
            return Inspection(presence=Presence.UNKNOWN, evidence=evidence)
        sample, origin = note["args"]["sample"], note["args"]["origin"]
        if self.place(sample) == self.name:
            self.site.notebook.put(sample, origin)
        else:
            # It was never told to start, so it stands clear of the doors.
            evidence = "; ".join([evidence, *self._shut_doors(note, patient=False)])
        return Inspection(presence=Presence.ABSENT, evidence=evidence)

    # -- inside -----------------------------------------------------------------------------------

    def _ready(self) -> ArmShows:
        """Asks once more where a connection broke: nothing was moved or written yet."""
        try:
            return self.arm.require_ready()
        except (LinkError, ProtocolError):
            time.sleep(FIRST_PAUSE_S)
            return self.arm.require_ready()

    def _ended(self, note: Note, shows: ArmShows) -> Progress:
        """The program ended by itself: the vial is put down, the doors are shut."""
        sample, destination = note["args"]["sample"], note["args"]["destination"]
        errors: list[str] = []
        if shows.error_code == 0 and not shows.in_gripper:
            place = destination
            self.slots.keep(sample, destination, int(note["to_slot"]))
        else:
            place, words = self._left_at(note, shows)
            code = CODES.get(shows.error_code, "not a code of its own")
            errors.append(f"the program ended with error {shows.error_code}: {code}; {words}")
        if self.place(sample) != place:
            self.site.notebook.put(sample, place)
        errors += self._shut_doors(note)
        return self._end(note, place, "; ".join(errors))

    def _never_ran(self, note: Note, shows: ArmShows) -> Progress:
        """The program was started and never seen to run: the arm stands where it stood before."""
        place, words = self._left_at(note, shows)
        self.site.notebook.put(note["args"]["sample"], place)
        why = f"the program was started and never ran job {note['job']}"
        errors = [why, words, *self._shut_doors(note)]
        return self._end(note, place, "; ".join(errors))

    def _stranded(self, note: Note, shows: ArmShows, why: str, *, halt: bool) -> Progress:
        """The arm stands somewhere on its way: no door is shut on it."""
        place, words = self._left_at(note, shows)
        errors = [why, words]
        if halt:
            # A person who clears the stop must not set a move going that nobody counts with.
            try:
                self.arm.stop()
            except DeviceError as err:
                errors.append(str(err))
        doors = self._doors(note)
        if doors:
            errors.append(f"open doors, for the arm may stand in them: {', '.join(doors)}")
        errors.append(f"quarantine {self.name}")
        self.site.notebook.put(note["args"]["sample"], place)
        return self._end(note, place, "; ".join(errors))

    def _left_at(self, note: Note, shows: ArmShows) -> tuple[str, str]:
        """Where an undelivered vial is by the gripper's sensor, and that in words."""
        args = note["args"]
        code = shows.error_code if shows.finished_job == note["job"] else 0
        if shows.in_gripper and code == HELD:
            return args["origin"], f"take out what the gripper holds: it is not {args['sample']}"
        if shows.in_gripper:
            return self.name, f"the gripper holds {args['sample']}: take it out by hand"
        if code == LOST:
            return self.name, f"find {args['sample']} and say where it stands"
        return args["origin"], (
            f"the gripper is empty: look that {args['sample']} stands at {args['origin']} and not "
            f"at {args['destination']}"
        )

    def _end(self, note: Note, place: str, error: str = "") -> Progress:
        state = JobState.ABORTED if error else JobState.COMPLETE
        return Progress(state, self.site.clock.now_s(), {"place": place}, error)

    def _is_started(self, note: Note) -> bool:
        """Whether the program is seen to run, or has run; directly after the start it may not yet.

        Raises:
            LinkError: No answer.
        """
        until_s = time.monotonic() + START_S
        while True:
            running = self.arm.program_state() is not ProgramState.STOPPED
            if running or self.arm.shows().finished_job == note["job"]:
                return True
            if time.monotonic() >= until_s:
                return False
            time.sleep(POLL_S)

    def _give_up(self, job: Job, note: Note, err: DeviceError) -> None:
        """Nothing was started: the doors are shut again, and the label may be used again.

        Raises:
            DeviceError: A door did not shut either.
        """
        self.site.notebook.write(self.name, job.label, {"absent": True})
        errors = self._shut_doors(note, patient=False)
        if errors:
            what = "; ".join([err.what, *errors])
            raise DeviceError(what, got=err.got, do=err.do, where=err.where) from err

    def _shut_doors(self, note: Note, *, patient: bool = True) -> list[str]:
        """Shuts the doors of a move whose arm is out of their way; says which did not shut.

        Args:
            note: The move.
            patient: Whether a door that does not answer is asked again at the next look.

        Raises:
            LinkError: Such a door, if so.
        """
        errors: list[str] = []
        for door in self._doors(note):
            try:
                self.site.doors[door].shut()
            except DeviceError as err:
                if patient and isinstance(err, LinkError):
                    raise
                errors.append(f"the door of {door} did not shut: {err}")
        return errors

    def _doors(self, note: Note) -> list[str]:
        """Stations of a move that have doors."""
        ends = (note["args"]["origin"], note["args"]["destination"])
        return [station for station in ends if station in self.site.doors]

    def _move(self, note: Note) -> ArmMove:
        places, args = self.settings.places, note["args"]
        return ArmMove(
            job=int(note["job"]),
            from_place=places[args["origin"]],
            from_slot=int(note["from_slot"]),
            to_place=places[args["destination"]],
            to_slot=int(note["to_slot"]),
        )

    def _next_job(self, finished: int) -> int:
        """A number that no job of this notebook had, and that the arm does not show.

        Raises:
            DeviceError: There is none left.
        """
        page = f"{self.name}.jobs"
        last = int((self.site.notebook.read(page, "last") or {"job": 0})["job"])
        number = max(last, finished) + 1
        if number > INT_MAX:
            raise DeviceError(
                f"{self.name} has no number left for a job",
                got=number,
                allowed=f"1 to {INT_MAX}",
                do="set the arm's output register 24 to 0 and begin a new notebook",
                where=self.name,
            )
        self.site.notebook.write(page, "last", {"job": number})
        return number
