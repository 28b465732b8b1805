"""Counts first firings in the text-mined recipes; writes the table of ``sdl.tasks.firings``.

``python -m sdl.tasks.mined DATA`` with the folder of the measured data prints the table.
"""

from __future__ import annotations

import json
import lzma
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdl.chemistry.system import load_system, system_names
from sdl.core.errors import ConfigError
from sdl.core.recipe import Gas
from sdl.tasks.firings import READINGS, FirstFiring
from sdl.tasks.formula import parse_formula

SOURCE = "recipes_textmined/solid-state_dataset_2019-12-03.json.xz"
LEAST_C = 300.0
"""Colder steps are drying."""
LEAST_RECIPES = 15
COLUMNS = (
    "system", "target", "reading", "recipes", "n", "low_c", "median_c", "high_c", "dwell_h", "gas",
    "precursors",
)  # fmt: skip

_GASES = {
    "air": Gas.AIR, "O2": Gas.OXYGEN, "oxygen": Gas.OXYGEN, "N2": Gas.NITROGEN,
    "nitrogen": Gas.NITROGEN, "Ar": Gas.ARGON, "argon": Gas.ARGON, "CO2": Gas.CARBON_DIOXIDE,
}  # fmt: skip
_HEADER = """\
# First firings of published solid-state syntheses: quartiles of the temperature of the first
# heating step at 300 degC or above, median time of that step. Counted by sdl.tasks.mined from the
# text-mined recipes of Kononova et al., Sci. Data 6:203 (2019), CederGroupHub/
# text-mined-synthesis_public (commit fca0a99). Reading `inside`: all precursors are solids of the
# chemical system; `all`: every recipe of the target that states a temperature. Targets with 15 or
# more recipes. Successes only, extraction errors included. The table is our own.
"""

Key = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Firing:
    """The first firing of one recipe."""

    temperature_c: float
    dwell_h: float | None
    gases: tuple[Gas, ...]
    precursors: tuple[str, ...] | None
    """By names of the system; ``None`` where one is no solid of it."""


def read_reactions(data: Path) -> list[dict[str, Any]]:
    """The recipes of the data set.

    Args:
        data: Folder of the measured data.

    Raises:
        ConfigError: The file is not there.
    """
    path = data / SOURCE
    if not path.is_file():
        raise ConfigError("the text-mined recipes are not there", got=path, do="set SDL_DATA")
    with lzma.open(path) as file:
        return json.load(file)["reactions"]


def count_first_firings(reactions: Iterable[Mapping[str, Any]]) -> tuple[FirstFiring, ...]:
    """Quartiles for every solid of every shipped system with 15 recipes or more."""
    solids = _solids()
    total: Counter[tuple[str, str]] = Counter()
    firings: dict[tuple[str, str], list[Firing]] = defaultdict(list)
    for reaction in reactions:
        key, cations = _target_keys(reaction["target"])
        for system, names in solids.items():
            name = names.get(key) or names.get(cations)
            if name is None:
                continue
            total[system, name] += 1
            firing = _first(reaction, names)
            if firing is not None:
                firings[system, name].append(firing)
    rows = [
        row
        for (system, target), found in firings.items()
        if total[system, target] >= LEAST_RECIPES
        for row in _rows(system, target, total[system, target], found)
    ]
    return tuple(sorted(rows, key=lambda r: (r.reading, r.system, r.target)))


def to_csv(rows: Sequence[FirstFiring]) -> str:
    """The table as it ships."""
    lines = [",".join(COLUMNS)]
    for row in rows:
        values = row.model_dump(mode="json")
        values["precursors"] = "+".join(row.precursors)
        lines.append(
            ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in map(values.get, COLUMNS))
        )
    return _HEADER + "\n".join(lines) + "\n"


def _solids() -> dict[str, dict[Key, str]]:
    """Names of the solids of each system by composition; the first of two polymorphs stands."""
    found: dict[str, dict[Key, str]] = {}
    for system in map(load_system, system_names()):
        names: dict[Key, str] = {}
        for phase in system.solids:
            names.setdefault(_key(phase.composition), phase.name)
            if phase.name == "YBa2Cu3O7":  # any oxygen content: matched by its cations
                names[_key({e: n for e, n in phase.composition.items() if e != "O"})] = phase.name
        found[system.name] = names
    return found


def _key(composition: Mapping[str, float]) -> Key:
    total = sum(composition.values())
    return tuple(sorted((e, round(n / total, 4)) for e, n in composition.items()))


def _numbers(words: Mapping[str, str]) -> dict[str, float] | None:
    try:
        return {element: float(word) for element, word in words.items()}
    except ValueError:
        return None


def _target_keys(target: Mapping[str, Any]) -> tuple[Key, Key]:
    """Composition of a target, and that of its cations where its oxygen is open; else empty."""
    parts = target["composition"]
    if len(parts) != 1:
        return (), ()
    words = dict(parts[0]["elements"])
    numbers = _numbers(words)
    if numbers is not None:
        return (_key(numbers), ()) if sum(numbers.values()) > 0 else ((), ())
    if not re.fullmatch(r"[\d.]+ - del_O", words.pop("O", "")):
        return (), ()
    cations = _numbers(words)
    return (), _key(cations) if cations and sum(cations.values()) > 0 else ()


def _first(reaction: Mapping[str, Any], names: Mapping[Key, str]) -> Firing | None:
    """The first heating step at 300 degC or above; a range counts with its mean."""
    for operation in reaction["operations"]:
        conditions = operation["conditions"] or {}
        if operation["type"] != "HeatingOperation":
            continue
        said = [v for t in conditions.get("heating_temperature") or [] for v in t["values"]]
        hot = [v for v in said if v >= LEAST_C]
        if not hot:
            continue
        times = [v for t in conditions.get("heating_time") or [] for v in t["values"] if v > 0]
        gases = [_GASES[g] for g in conditions.get("heating_atmosphere") or [] if g in _GASES]
        used = [_precursor(p["material_formula"], names) for p in reaction["precursors"]]
        inside = tuple(sorted(p for p in used if p)) if used and all(used) else None
        dwell = float(np.mean(times)) if times else None
        return Firing(float(np.mean(hot)), dwell, tuple(gases), inside)
    return None


def _precursor(formula: str, names: Mapping[Key, str]) -> str | None:
    try:
        return names.get(_key(parse_formula(formula)))
    except ConfigError:
        return None


def _rows(system: str, target: str, recipes: int, found: Sequence[Firing]) -> list[FirstFiring]:
    inside = [f for f in found if f.precursors is not None and target not in f.precursors]
    sets = Counter(f.precursors for f in inside)
    if not sets:
        return []  # nothing of it can be simulated
    common = max(sets.items(), key=lambda item: (item[1], item[0]))[0]
    rows = []
    for reading, counted in zip(READINGS, (inside, found), strict=True):
        low, middle, high = np.quantile([f.temperature_c for f in counted], [0.25, 0.5, 0.75])
        dwells = [f.dwell_h for f in counted if f.dwell_h is not None]
        gases = Counter(g for f in counted for g in f.gases)
        rows.append(
            FirstFiring(
                system=system,
                target=target,
                reading=reading,
                recipes=recipes,
                n=len(counted),
                low_c=round(float(low), 1),
                median_c=round(float(middle), 1),
                high_c=round(float(high), 1),
                dwell_h=round(float(np.median(dwells or [12.0])), 2),
                gas=max(gases, key=lambda g: (gases[g], g == Gas.AIR)) if gases else Gas.AIR,
                precursors=common or (),
            )
        )
    return rows


if __name__ == "__main__":
    sys.stdout.write(to_csv(count_first_firings(read_reactions(Path(sys.argv[1])))))
