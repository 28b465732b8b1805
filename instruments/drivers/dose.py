"""What a noted dose was, and what a balance reading says of it; pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from instruments.cores.balance import REPEAT_MG
from sdl.core.command import Command, Inspection, Presence


def room(mass_mg: float, tolerance_pct: float) -> float:
    """How far a dose of a mass may be off, mg: its tolerance and two readings of the balance."""
    return mass_mg * tolerance_pct / 100.0 + REPEAT_MG


@dataclass(frozen=True)
class Dose:
    """A dose as it was noted before it began; perhaps only the last part of a whole one.

    Args:
        station: For messages.
        lot: The bottle.
        part_mg: What the unit was told to dose, mg.
        before_mg: Powder in the vial before it, mg.
        first_mg: Powder in the vial before the whole dose, mg.
        is_rest: Whether it is the last part of a whole dose.
        tolerance_pct: How far a whole dose may be off, %.
        smallest_mg: Smallest dose of the station, mg.
    """

    station: str
    lot: str
    part_mg: float
    before_mg: float
    first_mg: float
    is_rest: bool
    tolerance_pct: float
    smallest_mg: float

    @classmethod
    def of(
        cls, station: str, note: Mapping[str, Any], tolerance_pct: float, smallest_mg: float
    ) -> Self:
        """The dose of a note of ``DosingStation``."""
        args, before_mg = note["args"], float(note["before_mg"])
        return cls(
            station=station,
            lot=args["lot"],
            part_mg=float(args["mass_mg"]),
            before_mg=before_mg,
            first_mg=float(args.get("balance_before_mg", before_mg)),
            is_rest="balance_before_mg" in args,
            tolerance_pct=tolerance_pct,
            smallest_mg=smallest_mg,
        )

    @property
    def whole_mg(self) -> float:
        """Mass of the whole dose, mg."""
        return self.part_mg + self.before_mg - self.first_mg

    @property
    def room_mg(self) -> float:
        """How far the whole dose may be off, mg."""
        return room(self.whole_mg, self.tolerance_pct)

    def missing_mg(self, now_mg: float) -> float:
        """What has not fallen yet if the vial holds ``now_mg``, mg; negative for too much."""
        return self.before_mg + self.part_mg - now_mg

    def miss(self, now_mg: float) -> str:
        """By how much an ended dose is off, in words; empty if it is within its tolerance."""
        missing_mg = self.missing_mg(now_mg)
        if abs(missing_mg) <= self.room_mg:
            return ""
        if missing_mg > 0.0:
            return f"{missing_mg:.1f} mg of {self.whole_mg:.1f} mg {self.lot} are missing"
        return f"{-missing_mg:.1f} mg more than {self.whole_mg:.1f} mg {self.lot} are in the vial"

    def unlike(self, command: Command) -> str:
        """How this is no part of what is commanded, in words; empty if it is.

        Each part of a dose carries what the balance showed before the first, so both the part that
        was noted and the one that is asked about give the whole mass.
        """
        asked, asked_mg = command.args, float(command.args["mass_mg"])
        if asked["lot"] != self.lot:
            return f"{self.station} noted {command.id} with lot {self.lot}"
        room_mg = max(self.smallest_mg, room(asked_mg, self.tolerance_pct))
        if "balance_before_mg" in asked:
            is_part = asked_mg <= self.whole_mg + room_mg
            same = is_part and asked["balance_before_mg"] == self.first_mg
        else:
            same = abs(self.whole_mg - asked_mg) <= room_mg
        return "" if same else f"{self.station} noted {command.id} with {self.whole_mg:.1f} mg"

    def inspection(self, command: Command, now_mg: float) -> Inspection:
        """What the balance says of it after a crash, at a unit that does nothing.

        Args:
            command: What was intended: the whole dose, or its rest.
            now_mg: Powder in the vial now, mg.
        """
        missing_mg = self.missing_mg(now_mg)
        fallen_mg = now_mg - self.before_mg
        evidence = (
            f"{self.station} weighs {fallen_mg:.1f} mg more than before {self.part_mg:.1f} mg"
        )
        if fallen_mg < -REPEAT_MG:
            # Powder does not leave a vial by itself.
            return Inspection(presence=Presence.UNKNOWN, evidence=evidence)
        if self.part_mg <= 2.0 * REPEAT_MG:
            evidence = f"{evidence}, too little to be seen"
            return Inspection(presence=Presence.UNKNOWN, evidence=evidence)
        nothing_fell = fallen_mg <= REPEAT_MG
        if nothing_fell and not self.is_rest and "balance_before_mg" not in command.args:
            return Inspection(presence=Presence.ABSENT, evidence=evidence)
        if missing_mg <= (self.room_mg if nothing_fell else max(self.smallest_mg, self.room_mg)):
            # What is missing, if anything, is too little to be dosed by itself.
            return Inspection(presence=Presence.STARTED, evidence=evidence)
        rest = {"mass_mg": round(missing_mg, 1), "balance_before_mg": self.first_mg}
        remainder = command.model_copy(update={"args": {**command.args, **rest}})
        return Inspection(presence=Presence.PARTIAL, remainder=remainder, evidence=evidence)
