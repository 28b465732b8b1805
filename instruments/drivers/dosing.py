"""Powder dosing: one unit per bottle, all over the same pan.

Weights in notes and results are powder: gross less the vial's tare. The tare is the gross weight
when a sample is weighed for the first time, before its first dose; it is noted durably, by sample,
before anything is dosed. The balance's own tare register would be lost with every power cut.

After a crash the balance decides: what fell since the noted reading is compared with what was
asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from instruments.cores.balance import REPEAT_MG, SETTLE_S
from instruments.cores.core import Core
from instruments.cores.dosing import Activity, Door, DoseEnd, DosingHead
from instruments.drivers.dose import Dose, room
from instruments.drivers.job import Job, JobState
from instruments.drivers.wired import Note, Progress, WiredDriver
from instruments.protocols.mt_sics import TARGET_MG
from instruments.site import Site
from sdl.core.capabilities import Station, StationKind
from sdl.core.command import Command, Inspection, Presence, Verb
from sdl.core.errors import (
    BusyError,
    ConfigError,
    DeviceError,
    LabError,
    LinkError,
    ProtocolError,
)
from sdl.core.lab import EndpointText
from sdl.core.model import Frozen, SafeId

LIGHTEST_VIAL_MG = 500.0
"""A pan that shows less holds no vial, mg (choice: empty vials weigh 8 to 20 g)."""
LONGEST_DOSE_S = 3600.0
"""Laboratory time within which a dose ends, s; beyond it the unit is stopped."""
SPARE_WALL_S = 10.0
"""Wall time that exchanges may take on top: in a simulated laboratory it is hours."""
USUAL_DOSE_S = 90.0
"""Guess of a dose's length, s: only tells when to look."""
LARGEST_READING_MG = 1_000_000.0


class DosingSettings(Frozen):
    """What the station needs to know."""

    heads: Annotated[dict[SafeId, EndpointText], Field(min_length=1)]
    """Where the dosing unit of each bottle listens, by lot."""
    tolerance_pct: Annotated[float, Field(ge=0.1, le=40)]
    """How far a dose may be off, % of it."""
    settle_s: Annotated[float, Field(gt=0, le=60)] = SETTLE_S
    """Wall time within which the pan comes to rest, s."""


@dataclass(frozen=True)
class Shield:
    """The front door as the arm uses it; see ``instruments.site.Door``.

    Args:
        station: Whose door it is.
    """

    station: DosingStation

    def open(self) -> None:
        """Opens it; raises ``DeviceError`` while powder falls, or if it is not open in time."""
        running = self.station.running()
        if running:
            raise DeviceError(
                f"the door of {self.station.name} must not be opened now",
                got=f"{running[0]} runs",
                do="wait for the end of the dose",
                where=self.station.name,
            )
        self.station.heads[0].move_door(Door.OPEN)

    def shut(self) -> None:
        """Closes it; raises ``DeviceError`` where it did not."""
        self.station.heads[0].move_door(Door.CLOSED)


class DosingStation(WiredDriver):
    """Doses powder into the vial on the pan.

    Args:
        station: Name and limits.
        site: What the laboratory's drivers share; gets the station's door.
        settings: Units and tolerance.

    Raises:
        ConfigError: The station is no dispenser for one vial.
    """

    verb = Verb.DISPENSE
    arguments = frozenset({"lot", "mass_mg", "balance_before_mg"})
    result_units: Mapping[str, str] = {"balance_before_mg": "mg", "balance_after_mg": "mg"}
    Settings = DosingSettings

    def __init__(self, station: Station, site: Site, settings: DosingSettings) -> None:
        super().__init__(station, site, settings)
        if station.kind is not StationKind.DISPENSER or station.capacity != 1:
            raise ConfigError(
                f"the driver mt-sics-dosing cannot run {station.name}",
                got=f"kind: {station.kind.value}, capacity: {station.capacity}",
                allowed="kind: dispenser, capacity: 1",
                do="correct the laboratory file",
            )
        self._tolerance_pct = settings.tolerance_pct
        self._heads = {
            lot: DosingHead(
                f"{station.name}_{_identifier(lot)}", endpoint, settle_s=settings.settle_s
            )
            for lot, endpoint in settings.heads.items()
        }
        self._first_looks_s: dict[float, float] = {}
        """When this process looked first at each dose, by the dose's start; laboratory time, s."""
        site.doors[station.name] = Shield(self)

    @property
    def cores(self) -> Sequence[Core]:
        """The dosing units."""
        return self.heads

    @property
    def heads(self) -> tuple[DosingHead, ...]:
        """The dosing units, in the order of the laboratory file."""
        return tuple(self._heads.values())

    def check(self, job: Job) -> None:
        """Lot on the shelf with a unit of its own, mass between the limits and within the vial."""
        capacity_mg = self.site.capabilities.vial_capacity_mg
        shelf = [lot.name for lot in self.site.capabilities.shelf]
        self.choice(job, "lot", (lot for lot in shelf if lot in self._heads))
        lowest_mg, highest_mg = TARGET_MG
        smallest_mg = max(self.station.min_dose_mg or 0.0, lowest_mg)
        largest_mg = min(self.station.max_dose_mg or capacity_mg, capacity_mg, highest_mg)
        self.number(job, "mass_mg", smallest_mg, largest_mg)
        if "balance_before_mg" in job.args:
            self.number(job, "balance_before_mg", -LARGEST_READING_MG, LARGEST_READING_MG)

    def evidence(self, job: Job) -> dict[str, Any]:
        """Powder on the balance before the dose, mg; notes the tare of a new vial first.

        Raises:
            BusyError: The unit works on something.
            DeviceError: No stable weight, no vial, no room in it; or powder has fallen since this
                dose was looked for.
        """
        earlier = self._note(job.label)
        try:
            return {"before_mg": self._ready(job, earlier)}
        except ProtocolError as err:
            raise _unknown(err) from err
        except LinkError:
            raise
        except (DeviceError, BusyError) as err:
            if earlier is not None:
                # The first part fell; nothing will follow it.
                self._note_refused(earlier, job.label, err)
            raise

    def act(self, job: Job, note: Note) -> None:
        """Prepares the unit and starts it.

        Raises:
            DeviceError: The unit refuses before powder moves; the job is noted as aborted.
            LinkError: It is not known whether it started: also after a damaged answer.
        """
        head = self._head(job.args)
        try:
            token = head.prepare(float(job.args["mass_mg"]), self._tolerance_pct)
            head.start(token)
        except ProtocolError as err:
            raise _unknown(err) from err
        except LinkError:
            raise
        except DeviceError as err:
            self._note_refused(note, job.label, err)
            raise

    def progress(self, note: Note) -> Progress:
        """Whether the dose has ended, and whether the mass asked for has fallen.

        Raises:
            LinkError: No answer, or a damaged one: nothing is known.
            DeviceError: The dose does not end, or the balance cannot be believed.
        """
        head, sample = self._head(note["args"]), note["samples"][0]
        try:
            end = head.ended()
            if end is None:
                return self._still(head, note)
            after_mg = self._powder_mg(sample, head.gross_mg(), self._known_tare_mg(sample))
        except ProtocolError as err:
            raise _unknown(err) from err
        return self._judged(note, end, after_mg)

    def found(self, command: Command, note: Note) -> Inspection:
        """Weighs the vial and compares with the balance before the dose."""
        dose = self._dose(note)
        doubt = dose.unlike(command) or self._unweighable(command)
        if doubt:
            return Inspection(presence=Presence.UNKNOWN, evidence=doubt)
        head, sample = self._head(note["args"]), command.samples[0]
        try:
            if head.is_busy():
                return Inspection(presence=Presence.STARTED, evidence=f"{head.name} is busy")
            now_mg = self._powder_mg(sample, head.gross_mg(), self._known_tare_mg(sample))
        except ProtocolError as err:
            raise _unknown(err) from err
        except LinkError:
            raise
        except DeviceError as err:
            return Inspection(presence=Presence.UNKNOWN, evidence=str(err))
        return dose.inspection(command, now_mg)

    def halt(self, note: Note) -> None:
        """Stops the unit of the running dose only: four units one after the other take too long."""
        self._head(note["args"]).stop()

    def weigh(self, *, empty: bool = False) -> float:
        """What the balance shows now, mg: powder in the vial, or all that stands there without one.

        Args:
            empty: Whether the pan is empty for certain, as before a check weight is put on. Only
                then the balance is zeroed, once, if it does not come to rest or shows another
                weight than none.

        Raises:
            BusyError: A dose runs.
            DeviceError: No stable weight; a vial of unknown tare; or the pan should be empty and
                the notebook has a vial there.
        """
        running, inside = self.running(), self.occupants()
        if running:
            raise BusyError(f"{self.name} is busy with {running[0]}", do="wait for its end")
        if empty and inside:
            raise DeviceError(
                f"the pan of {self.name} is not empty",
                got=", ".join(inside),
                do="take the vial away first; nothing was zeroed",
                where=self.name,
            )
        gross_mg = self.heads[0].gross_mg(empty=empty)
        if not inside:
            return gross_mg
        return self._powder_mg(inside[0], gross_mg, self._known_tare_mg(inside[0]))

    # -- what a dose was ---------------------------------------------------------------------------

    def _judged(self, note: Note, end: DoseEnd, after_mg: float) -> Progress:
        dose = self._dose(note)
        error = dose.miss(after_mg)
        if error and end.fault:
            error = f"{end.fault}; {error}"
        return Progress(
            JobState.ABORTED if error else JobState.COMPLETE,
            self.site.clock.now_s(),
            {"balance_before_mg": dose.first_mg, "balance_after_mg": after_mg},
            error,
        )

    def _still(self, head: DosingHead, note: Note) -> Progress:
        now_s, start_s = self.site.clock.now_s(), float(note["start_s"])
        # While no controller ran, nobody looked whether it had ended.
        since_s = self._first_looks_s.setdefault(start_s, now_s)
        if now_s - since_s > LONGEST_DOSE_S + SPARE_WALL_S * self.site.clock_scale:
            head.stop()
            raise DeviceError(
                f"{head.name} did not end a dose and was stopped",
                got=f"{now_s - since_s:.0f} s",
                allowed=f"{LONGEST_DOSE_S:.0f} s",
                do="look at the unit, weigh the vial",
                where=self.name,
            )
        return Progress(JobState.RUNNING, max(start_s + USUAL_DOSE_S, now_s + 1.0))

    def _unweighable(self, command: Command) -> str:
        """Why the vial cannot be weighed, in words; empty if it can."""
        if self.occupants() != command.samples:
            inside = ", ".join(self.occupants()) or "nothing"
            return f"on the pan of {self.name} stands {inside}, not {command.samples[0]}"
        if self._tare_mg(command.samples[0]) is None:
            return f"{self.name} has no tare of {command.samples[0]}"
        return ""

    # -- before a dose -----------------------------------------------------------------------------

    def _ready(self, job: Job, earlier: Note | None) -> float:
        """Powder on the pan of a unit that is fit to dose, mg."""
        sample, head = job.samples[0], self._head(job.args)
        if head.activity() is Activity.BUSY:
            raise BusyError(f"{head.name} is busy", do="wait for its end, or look at it")
        head.move_door(Door.CLOSED)
        gross_mg = head.gross_mg()
        tare_mg = self._tare_mg(sample)
        if tare_mg is None:
            tare_mg = self._note_tare(sample, gross_mg)
        before_mg = self._powder_mg(sample, gross_mg, tare_mg)
        mass_mg, capacity_mg = float(job.args["mass_mg"]), self.site.capabilities.vial_capacity_mg
        # Doses miss by up to the tolerance: a recipe that fills the vial exactly must pass.
        room_mg = capacity_mg + room(capacity_mg, self._tolerance_pct) - before_mg
        if mass_mg + room(mass_mg, self._tolerance_pct) > room_mg:
            raise self.refusal(job, "mass_mg", mass_mg, f"{room_mg:.1f} mg of room")
        if earlier is not None:
            self._require_unchanged(job, self._dose(earlier).missing_mg(before_mg))
        return before_mg

    def _require_unchanged(self, job: Job, missing_mg: float) -> None:
        """A dose that was looked for and is sent again finds the pan as that look left it."""
        mass_mg = float(job.args["mass_mg"])
        if mass_mg - missing_mg > 2.0 * REPEAT_MG:
            raise DeviceError(
                f"{self.name} does not dose {job.label} again: powder has fallen meanwhile",
                got=f"{missing_mg:.1f} mg are missing",
                allowed=f"{mass_mg:g} mg",
                do="look at the unit; nothing was started",
                where=self.name,
            )

    def _note_refused(self, note: Note, label: str, err: LabError) -> None:
        before_mg, first_mg = note["before_mg"], self._dose(note).first_mg
        self.site.notebook.write(
            self.name,
            label,
            {
                "state": JobState.ABORTED.value,
                "absent": False,
                "end_s": self.site.clock.now_s(),
                "error": str(err),
                "result": {"balance_before_mg": first_mg, "balance_after_mg": before_mg},
            },
        )

    def _dose(self, note: Note) -> Dose:
        return Dose.of(self.name, note, self._tolerance_pct, self.station.min_dose_mg or 0.0)

    # -- tare --------------------------------------------------------------------------------------

    def _tare_mg(self, sample: str) -> float | None:
        note = self.site.notebook.read(self.name, f"tare-{sample}")
        return None if note is None else float(note["tare_mg"])

    def _known_tare_mg(self, sample: str) -> float:
        tare_mg = self._tare_mg(sample)
        if tare_mg is None:
            raise DeviceError(
                f"{self.name} does not know the tare of {sample}",
                do="weigh a vial here before anything is put in",
                where=self.name,
            )
        return tare_mg

    def _note_tare(self, sample: str, gross_mg: float) -> float:
        if gross_mg < LIGHTEST_VIAL_MG:
            raise DeviceError(
                f"{self.name} holds no vial",
                got=f"{gross_mg:g} mg",
                allowed=f"at least {LIGHTEST_VIAL_MG:g} mg",
                do=f"look where {sample} is",
                where=self.name,
            )
        # With a state, for notes without one are jobs that run.
        tare = {"tare_mg": gross_mg, "state": JobState.COMPLETE.value}
        self.site.notebook.write(self.name, f"tare-{sample}", tare)
        return gross_mg

    def _powder_mg(self, sample: str, gross_mg: float, tare_mg: float) -> float:
        powder_mg = round(gross_mg - tare_mg, 4)
        if powder_mg < -REPEAT_MG:
            raise DeviceError(
                f"{self.name} weighs less than the empty vial of {sample}",
                got=f"{gross_mg:g} mg",
                allowed=f"at least {tare_mg:g} mg",
                do="see whether the vial stands on the pan; if the balance was switched on or "
                "zeroed with it, take it off, zero, and put it back",
                where=self.name,
            )
        return powder_mg

    def _head(self, args: Mapping[str, Any]) -> DosingHead:
        return self._heads[args["lot"]]


def _unknown(err: ProtocolError) -> LinkError:
    """A damaged answer tells as little as none."""
    return LinkError(err.what, got=err.got, allowed=err.allowed, do=err.do, where=err.where)


def _identifier(lot: str) -> str:
    """A lot's name as part of a Python identifier."""
    return "".join(c if c.isalnum() else "_" for c in lot)
