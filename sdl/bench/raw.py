"""Raw recipes and commands: far outside the limits, at their edge, in disorder; some sound.

Steps are drawn as plain dictionaries, so that one can hold what the models of ``sdl.core`` refuse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Cooling,
    Dose,
    Gas,
    Measure,
    Mix,
    Press,
    Quench,
    Recipe,
    Regrind,
    Split,
    Step,
    Stop,
    Wash,
)
from sdl.core.seeds import generator

Manner = Literal["far", "near", "disorder", "sound"]
MANNERS: tuple[Manner, ...] = ("far", "near", "disorder", "sound")
T = TypeVar("T")

FAR = (
    math.nan, math.inf, -math.inf, -1.0, -273.15, -1e-9, 0.0, 1e-12, 0.1, 1200.0, 1500.0, 2000.0,
    3500.0, 4000.0, 1e5, 1e6, 1e300,
)  # fmt: skip
"""Numbers for any field, whatever its unit."""
STRANGE = (None, "100", True, 10**400, 10**5000, [], {}, "nan", 3 + 4j)
"""What is no number at all; commands only, whose arguments have no types."""
LOTS = ("gold", "BaCO3", "x", "../shelf", "")
GASES = ("chlorine", "hydrogen", "argon", "nitrogen", "carbon_dioxide", "steam", "oxygen", "")
COOLINGS = ("liquid", "air", "furnace", "ice")
PROPERTIES = ("ferrite-magnetisation", "ferrite-curie-point", "taste")
EDGE = 1e-9
_MODELS: dict[str, type[Any]] = {
    "mix": Mix,
    "anneal": Anneal,
    "quench": Quench,
    "regrind": Regrind,
    "press": Press,
    "wash": Wash,
    "split": Split,
    "characterise": Characterise,
    "measure": Measure,
    "stop": Stop,
    "continue": Continue,
}


class Draws:
    """Cheap draws from a keyed generator.

    Args:
        key: What they are for.
    """

    def __init__(self, *key: str | int) -> None:
        self._rng = generator(*key)
        self._left: list[float] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._left:
            self._left = self._rng.random(4096).tolist()
        return self._left.pop()

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both possible."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True in a share of all cases."""
        return self.unit() < share

    def pick(self, options: Sequence[T]) -> T:
        """One of several."""
        return options[int(self.unit() * len(options))]

    def number(self, manner: str, low: float, high: float) -> float:
        """A number for a field with limits."""
        if manner == "near" and self.chance(0.5):
            edge = high if self.chance(0.7) else low
            return self.pick(
                (edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf),
                 edge * (1.0 + EDGE), edge * (1.0 - EDGE), edge * 1.01, edge * 0.99)
            )  # fmt: skip
        if manner == "far" and self.chance(0.25):
            return self.pick(FAR)
        return low + (high - low) * self.unit()

    def word(self, manner: str, sound: Sequence[str], others: Sequence[str]) -> str:
        """A word out of the laboratory's, or another."""
        strange = 0.2 if manner == "far" else 0.08 if manner == "near" else 0.0
        return self.pick(others) if not sound or self.chance(strange) else self.pick(sound)


class RawRecipes:
    """Draws recipes for one laboratory.

    Args:
        laboratory: Whose limits they break.
    """

    def __init__(self, laboratory: Capabilities) -> None:
        self._vial_mg = laboratory.vial_capacity_mg
        self._lots = [lot.name for lot in laboratory.shelf]
        of_kind = laboratory.of_kind
        self._furnaces = of_kind(StationKind.FURNACE)
        self._coolings = sorted({c.value for s in of_kind(StationKind.QUENCH) for c in s.coolings})
        self._washer = bool(of_kind(StationKind.WASHER))
        ovens = of_kind(StationKind.MAGNETOMETER)
        self._oven_c = max((s.max_temperature_c or 25.0 for s in ovens), default=None)
        mixers = of_kind(StationKind.MIXER)
        self._mill_min = max((s.max_mill_min or 600.0 for s in mixers), default=60.0)
        self._least_mg = min(s.min_dose_mg or 0.1 for s in of_kind(StationKind.DISPENSER))

    def steps(self, draws: Draws, manner: Manner) -> list[dict[str, Any]]:
        """Raw steps of a recipe."""
        if manner == "disorder":
            kinds = list(_MODELS) if draws.chance(0.4) else ["mix", "anneal", "quench", "regrind"]
            count = draws.whole(0, 9) if draws.chance(0.98) else draws.whole(64, 70)
            return [self.step(draws, "sound", draws.pick(kinds)) for _ in range(count)]
        steps = [self.step(draws, manner, "mix")]
        for _ in range(draws.whole(1, 2)):
            steps.append(self.step(draws, manner, "anneal"))
            if self._coolings and draws.chance(0.4):
                steps.append(self.step(draws, manner, "quench"))
            if draws.chance(0.4):
                steps.append(self.step(draws, manner, "regrind"))
            if draws.chance(0.3 if self._washer else 0.02):
                steps.append(self.step(draws, "far" if manner == "sound" else manner, "wash"))
        last = "measure" if self._oven_c is not None and draws.chance(0.5) else "characterise"
        return [*steps, self.step(draws, manner, last)]

    def step(self, draws: Draws, manner: str, kind: str) -> dict[str, Any]:
        """One raw step."""
        match kind:
            case "mix":
                return {"kind": kind, "doses": self._doses(draws, manner),
                        "mill_min": draws.number(manner, 0.5, self._mill_min)}  # fmt: skip
            case "anneal":
                return {"kind": kind, **self.program(draws, manner, draws.pick(self._furnaces))}
            case "quench":
                return {"kind": kind, "cooling": draws.word(manner, self._coolings, COOLINGS)}
            case "regrind":
                return {"kind": kind, "mill_min": draws.number(manner, 0.5, self._mill_min)}
            case "wash":
                return {"kind": kind, "duration_min": draws.number(manner, 1.0, 600.0),
                        "solvent": draws.word(manner, ("water",), ("ethanol", "acid"))}  # fmt: skip
            case "characterise":
                return {"kind": kind, "scan_min": draws.number(manner, 1.0, 600.0)}
            case "measure":
                top = self._oven_c or 500.0
                return {"kind": kind, "temperature_c": draws.number(manner, 25.0, top),
                        "property": draws.word(manner, PROPERTIES[:2], PROPERTIES)}  # fmt: skip
            case "press":
                return {"kind": kind, "pressure_mpa": draws.number(manner, 10.0, 2000.0)}
            case "split":
                return {"kind": kind, "mass_mg": draws.number(manner, 5.0, 500.0)}
            case _:
                return {"kind": kind}

    def program(self, draws: Draws, manner: str, furnace: Station) -> dict[str, Any]:
        """Arguments of an anneal, but the cooling."""
        return {
            "temperature_c": draws.number(manner, 300.0, furnace.max_temperature_c or 1200.0),
            "dwell_h": draws.number(manner, 0.1, furnace.max_dwell_h or 100.0),
            "ramp_c_per_min": draws.number(manner, 1.0, furnace.max_ramp_c_per_min or 20.0),
            "gas": draws.word(manner, [g.value for g in furnace.gases] or ["air"], GASES),
        }

    def dose(self, draws: Draws, manner: str, most_mg: float) -> dict[str, Any]:
        """One raw dose."""
        lot = draws.word(manner, self._lots, LOTS)
        return {"lot": lot, "mass_mg": draws.number(manner, self._least_mg, most_mg)}

    def _doses(self, draws: Draws, manner: str) -> list[dict[str, Any]]:
        count = draws.whole(1, 4)
        # Half of the sound ones share a vial; the near ones fill it to the last milligram or more.
        most_mg = self._vial_mg / (count if manner != "far" or draws.chance(0.5) else 1)
        doses = [self.dose(draws, manner, most_mg) for _ in range(count)]
        if manner == "near" and draws.chance(0.3):
            rest = self._vial_mg - math.fsum(d["mass_mg"] for d in doses[:-1])
            doses[-1]["mass_mg"] = draws.number("near", rest, rest)
        return doses


def validated(raw: list[dict[str, Any]]) -> Recipe | None:
    """The recipe of raw steps, ``None`` where its models refuse it."""
    try:
        return Recipe.model_validate({"steps": raw})
    except ValidationError:
        return None


def unvalidated(raw: list[dict[str, Any]]) -> Recipe:
    """The recipe of raw steps without a question asked: what code that skips the models makes."""
    return Recipe.model_construct(steps=tuple(bare_step(step) for step in raw))


def bare_step(raw: Mapping[str, Any]) -> Step:
    """A step without validation; words that mean something become what they mean."""
    fields = dict(raw)
    if "doses" in fields:
        fields["doses"] = tuple(Dose.model_construct(**dose) for dose in fields["doses"])
    for name, words in (("gas", Gas), ("cooling", Cooling)):
        if fields.get(name) in tuple(words):
            fields[name] = words(fields[name])
    return _MODELS[fields["kind"]].model_construct(**fields)
