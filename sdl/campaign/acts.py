"""From the steps of a recipe to acts at stations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sdl.core.capabilities import MEASURED_AT, Capabilities, Station, StationKind
from sdl.core.command import Effect, Verb
from sdl.core.errors import PolicyError
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Cooling,
    Gas,
    Measure,
    Mix,
    Quench,
    Recipe,
    Regrind,
    Step,
    Stop,
    Wash,
    describe_step,
)


@dataclass(frozen=True)
class Act:
    """One thing a station does to a sample."""

    verb: Verb
    kind: StationKind
    effect: Effect
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def starts_hot(self) -> bool:
        """Whether the sample comes glowing from a furnace."""
        return self.verb is Verb.QUENCH


def acts_of(steps: Sequence[Step]) -> tuple[Act, ...]:
    """The acts of a list of steps, in order.

    An anneal that is followed by a quench holds its temperature until the sample is taken out; any
    other anneal cools inside the furnace. The acts of a list are the beginning of those of any
    longer list, unless a quench is appended first (``sdl.safety.check_steps`` refuses that).

    Raises:
        PolicyError: No station of any laboratory carries out a step, as ``press`` and ``split``.
    """
    acts: list[Act] = []
    for index, step in enumerate(steps):
        following = steps[index + 1] if index + 1 < len(steps) else None
        acts += _acts(step, following)
    return tuple(acts)


def _acts(step: Step, following: Step | None) -> list[Act]:
    match step:
        case Mix():
            doses = [
                Act(
                    Verb.DISPENSE,
                    StationKind.DISPENSER,
                    Effect.IRREVERSIBLE,
                    {"lot": d.lot, "mass_mg": d.mass_mg},
                )
                for d in step.doses
            ]
            return [*doses, _mill(step.mill_min)]
        case Regrind():
            return [_mill(step.mill_min)]
        case Anneal():
            hot = isinstance(following, Quench) and following.cooling is not Cooling.FURNACE
            args = {
                "temperature_c": step.temperature_c,
                "dwell_h": step.dwell_h,
                "ramp_c_per_min": step.ramp_c_per_min,
                "gas": step.gas.value,
                "cooling": "hold" if hot else "furnace",
            }
            return [Act(Verb.ANNEAL, StationKind.FURNACE, Effect.IRREVERSIBLE, args)]
        case Quench():
            if step.cooling is Cooling.FURNACE:
                return []
            args = {"cooling": step.cooling.value}
            return [Act(Verb.QUENCH, StationKind.QUENCH, Effect.IRREVERSIBLE, args)]
        case Characterise():
            # The powder comes back unchanged, but the tube ages and time passes.
            args = {"scan_min": step.scan_min}
            return [Act(Verb.SCAN, StationKind.DIFFRACTOMETER, Effect.IDEMPOTENT, args)]
        case Measure():
            args = {"property": step.property.value, "temperature_c": step.temperature_c}
            return [Act(Verb.MEASURE, MEASURED_AT[step.property], Effect.IDEMPOTENT, args)]
        case Wash():
            args = {"solvent": step.solvent, "duration_min": step.duration_min}
            return [Act(Verb.WASH, StationKind.WASHER, Effect.IRREVERSIBLE, args)]
        case Stop() | Continue():
            return []
        case _:
            # Left out in silence, the sample would pass for something that it is not.
            raise PolicyError(
                "no station of a laboratory can carry out a step of the recipe",
                got=describe_step(step),
                allowed="mix, anneal, quench, regrind, wash, characterise, measure, stop, continue",
                do="leave the step out of the recipe",
            )


def _mill(mill_min: float) -> Act:
    return Act(Verb.MILL, StationKind.MIXER, Effect.IRREVERSIBLE, {"mill_min": mill_min})


def replay_act(recipe: Recipe) -> Act:
    """The only act of a laboratory that replays a table."""
    return Act(
        Verb.REPLAY, StationKind.TABLE, Effect.PURE, {"recipe": recipe.model_dump(mode="json")}
    )


def furnaces_for(act: Act, capabilities: Capabilities) -> tuple[Station, ...]:
    """Furnaces that can run the program of an anneal, those with the fewest gases first.

    The plain furnace goes first so that the one with steam stays free for those who need it.
    """
    able = [
        s
        for s in capabilities.of_kind(StationKind.FURNACE)
        if Gas(act.args["gas"]) in (s.gases or (Gas.AIR,))
        and act.args["temperature_c"] <= (s.max_temperature_c or float("inf"))
        and act.args["ramp_c_per_min"] <= (s.max_ramp_c_per_min or float("inf"))
        and act.args["dwell_h"] <= (s.max_dwell_h or float("inf"))
    ]
    return tuple(sorted(able, key=lambda s: len(s.gases)))
