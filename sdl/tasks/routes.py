"""Tables of measured synthesis routes: precursors, temperature, weight per cent of the target."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.errors import ConfigError
from sdl.core.material import Lot, Target
from sdl.core.model import content_hash
from sdl.core.recipe import Anneal, Dose, Mix, Recipe
from sdl.core.yaml import read_text
from sdl.tasks.formula import molar_mass_g_per_mol, parse_formula
from sdl.tasks.task import BudgetLimits, Success, Task, load_task

SHIPPED_TARGET = "YBCO"
"""Target of the table that ships with the project."""

COLUMNS = ("precursor_set", "temperature_c", "target_wt_pct")
"""Columns every table has; ``target`` and ``moles`` are read where they exist."""

BATCH_MG = 1000.0
"""Mass of target that a nominal batch would give, mg."""

# The source has one hold time for all cells, which its table does not state; nothing depends on it.
NOMINAL_DWELL_H = 12.0

_FORMULAS = {SHIPPED_TARGET: "YBa2Cu3O7"}
# Of the shipped table only the temperatures at which every set was fired are counted.
_LIMIT_C = {SHIPPED_TARGET: 900.0}
_TWINS = {"CuCO3": "CuO"}
_GASES_AND_ANIONS = {"O", "C", "H", "N", "F", "Cl", "Br", "I", "S"}


@dataclass(frozen=True)
class Route:
    """One measured cell."""

    precursors: tuple[str, ...]
    """Formulas, sorted."""
    temperature_c: float
    target_wt_pct: float
    """Weight per cent of the target in the product, 0 to 100."""
    moles: tuple[float, ...] | None = None
    """Of each precursor per mole of target, where the table gives them."""


@dataclass(frozen=True)
class RouteTable:
    """All measured cells of one target."""

    target: str
    """Name of the target as the table has it."""
    routes: tuple[Route, ...]
    source: str
    """Where it was read from."""

    def winners(self, tolerance_wt_pct: float = 0.5) -> frozenset[int]:
        """Indices of the cells within a tolerance of the table's best."""
        best = max(r.target_wt_pct for r in self.routes)
        return frozenset(
            i for i, r in enumerate(self.routes) if r.target_wt_pct >= best - tolerance_wt_pct
        )

    def groups(self) -> tuple[int, ...]:
        """For each cell the index of its group; CuO/CuCO3 twins of equal yield share one."""
        seen: dict[tuple[object, ...], int] = {}
        groups: list[int] = []
        for route in self.routes:
            merged = tuple(sorted(_TWINS.get(p, p) for p in route.precursors))
            key = (merged, route.temperature_c, route.target_wt_pct)
            groups.append(seen.setdefault(key, len(seen)))
        return tuple(groups)

    @property
    def hash(self) -> str:
        """SHA-256 of the problem with its outcomes: other figures give another hash."""
        outcomes = [r.target_wt_pct for r in self.routes]
        return content_hash({"task": self.task().hash, "target_wt_pct": outcomes})

    def precursors(self) -> tuple[str, ...]:
        """Every precursor of the table, sorted."""
        return tuple(sorted({p for r in self.routes for p in r.precursors}))

    def recipes(self) -> tuple[Recipe, ...]:
        """One recipe per cell, in the order of the cells: mix, one anneal."""
        return tuple(_recipe(route, self.target) for route in self.routes)

    def task(self) -> Task:
        """The frozen problem of this table: the shipped task, or one made up for another table.

        Its capabilities hold the pool, so its hash changes with any recipe of the table.
        """
        if self.target == SHIPPED_TARGET:
            shipped = load_task("ybco-routes")
            known = {lot.phase for lot in shipped.laboratory.shelf}
            added = shelf([p for p in self.precursors() if p not in known])
            laboratory = shipped.laboratory.model_copy(
                update={"pool": self.recipes(), "shelf": shipped.laboratory.shelf + added}
            )
            return shipped.model_copy(update={"laboratory": laboratory})
        name = lot_name(self.target)
        return Task(
            name=f"{name}-routes",
            title=f"Measured routes to {self.target}",
            system="none",
            target=Target(phase=self.target),
            laboratory=Capabilities(
                name=f"table-{name}",
                stations=(Station(name="table", kind=StationKind.TABLE),),
                shelf=shelf(self.precursors()),
                pool=self.recipes(),
            ),
            budget=BudgetLimits(experiments=len(self.routes), furnace_hours=100_000.0),
            success=Success(purity=1.0),
        )


def lot_name(formula: str) -> str:
    """The name of a precursor's bottle: its formula in characters safe for devices and paths."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", formula).strip("-.")


def shelf(precursors: Sequence[str]) -> tuple[Lot, ...]:
    """One lot per precursor; ``Lot.phase`` keeps the formula.

    Raises:
        ConfigError: A formula cannot be read, or two give the same lot name.
    """
    names = [lot_name(p) for p in precursors]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("two precursors give the same lot name", got=name, do="rename one")
    return tuple(
        Lot(
            name=name,
            phase=formula,
            molar_mass_g_per_mol=round(molar_mass_g_per_mol(parse_formula(formula)), 3),
            source="formula of the table; standard atomic weights",
        )
        for name, formula in zip(names, precursors, strict=True)
    )


def load_route_table(
    path: Path | None = None, target: str = SHIPPED_TARGET, limit_c: float | None = None
) -> RouteTable:
    """Reads a table of routes.

    Args:
        path: A CSV file with the columns ``precursor_set`` (formulas separated by commas),
            ``temperature_c`` and ``target_wt_pct``, perhaps ``target`` and ``moles``; ``#`` begins
            a comment line. ``None``: the table that ships with the project.
        target: Which rows to take where the table has a column ``target``; its name elsewhere.
        limit_c: Hotter cells are left out, degC; ``None``: 900 for ``YBCO``, else no limit.

    Raises:
        ConfigError: With file and line, what was given, what is allowed, what to do.
    """
    if path is None:
        with resources.as_file(resources.files("sdl.tasks") / "data/ybco_routes.csv") as shipped:
            return load_route_table(shipped, target, limit_c)
    text = read_text(path, "the table of routes").removeprefix("\ufeff")
    limit_c = _LIMIT_C.get(target, math.inf) if limit_c is None else limit_c
    routes: dict[tuple[tuple[str, ...], float], Route] = {}
    for where, row in _rows(text, str(path)):
        if row.get("target", target).strip() != target:
            continue
        route = _route(row, where)
        key = (route.precursors, route.temperature_c)
        if key in routes:
            raise ConfigError(
                "the same precursors and temperature stand twice",
                got=f"{', '.join(route.precursors)} at {route.temperature_c:g} degC",
                allowed="each cell once",
                do="remove one of the two rows, or average them",
                where=where,
            )
        if route.temperature_c <= limit_c:
            routes[key] = route
    if not routes:
        raise ConfigError(
            "the table holds no row of this target",
            got=repr(target),
            allowed="a name of the column `target`",
            do="name it with --target",
            where=path,
        )
    return RouteTable(target, tuple(routes[key] for key in sorted(routes)), path.name)


def _rows(text: str, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows by column name, each with ``file:line``."""
    header: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{name}:{number}"
        fields = [f.strip() for f in next(csv.reader([line]))]
        if header is None:
            missing = [c for c in COLUMNS if c not in fields]
            if missing:
                raise ConfigError(
                    f"the table lacks the column {missing[0]!r}",
                    got=", ".join(fields),
                    allowed=", ".join(COLUMNS) + "; also target, moles",
                    do="name the columns in the first line",
                    where=where,
                )
            header = fields
        elif len(fields) != len(header):
            raise ConfigError(
                "this row has another number of fields than the header",
                got=len(fields),
                allowed=len(header),
                do="quote fields that hold commas",
                where=where,
            )
        else:
            yield where, dict(zip(header, fields, strict=True))
    if header is None:
        raise ConfigError("the table is empty", allowed=", ".join(COLUMNS), where=f"{name}:1")


def _route(row: dict[str, str], where: str) -> Route:
    given = [p.strip() for p in row["precursor_set"].split(",")]
    order = sorted(range(len(given)), key=given.__getitem__)
    precursors = tuple(given[i] for i in order)
    if not all(precursors) or len(set(precursors)) < len(precursors) or len(precursors) > 8:
        raise ConfigError(
            "this is not a set of precursors",
            got=repr(row["precursor_set"]),
            allowed="one to eight different formulas, separated by commas",
            do="correct this row",
            where=where,
        )
    for formula in precursors:
        try:
            parse_formula(formula)
        except ConfigError as err:
            raise ConfigError(
                err.what, got=err.got, allowed=err.allowed, do=err.do, where=where
            ) from err
    moles = None
    if row.get("moles"):
        amounts = row["moles"].split(",")
        if len(amounts) != len(given):
            raise ConfigError(
                "the row needs one amount per precursor",
                got=row["moles"],
                allowed=f"{len(given)} numbers separated by commas",
                do="correct the column `moles`",
                where=where,
            )
        moles = tuple(_number(amounts[i], "moles", 1e-6, 1e3, where) for i in order)
    return Route(
        precursors=precursors,
        temperature_c=_number(row["temperature_c"], "temperature_c", -273.15, 3500.0, where),
        target_wt_pct=_number(row["target_wt_pct"], "target_wt_pct", 0.0, 100.0, where),
        moles=moles,
    )


def _number(text: str, column: str, low: float, high: float, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ConfigError(
            f"the column {column!r} needs a number within its range",
            got=repr(text),
            allowed=f"{low:g} to {high:g}",
            do="correct this row",
            where=where,
        )
    return value


def _recipe(route: Route, target: str) -> Recipe:
    compositions = [parse_formula(p) for p in route.precursors]
    weights = [molar_mass_g_per_mol(c) for c in compositions]
    moles, mass = _amounts(route, compositions, target)
    doses = tuple(
        # Whatever a balance says, a listed precursor is in the vial: at least 0.1 mg of it.
        Dose(lot=lot_name(p), mass_mg=max(round(n * w / mass * BATCH_MG, 1), 0.1))
        for p, n, w in zip(route.precursors, moles, weights, strict=True)
    )
    anneal = Anneal(temperature_c=route.temperature_c, dwell_h=NOMINAL_DWELL_H)
    return Recipe(steps=(Mix(doses=doses), anneal))


def _amounts(
    route: Route, compositions: list[dict[str, float]], target: str
) -> tuple[Sequence[float], float]:
    """Moles of each precursor and the molar mass of the target they stand for, g/mol."""
    try:
        wanted = parse_formula(_FORMULAS.get(target, target))
    except ConfigError:
        # A target known by a name only: equal moles, scaled to the batch.
        total = sum(molar_mass_g_per_mol(c) for c in compositions)
        return [1.0] * len(compositions), total
    mass = molar_mass_g_per_mol(wanted)
    if route.moles is not None:
        return route.moles, mass
    cations = [e for e in wanted if e not in _GASES_AND_ANIONS]
    brought = np.array([[c.get(e, 0.0) for c in compositions] for e in cations])
    needed = np.array([wanted[e] for e in cations])
    # Where several mixtures balance, the one nearest to equal amounts.
    equal = np.full(len(compositions), 1.0)
    moles = equal + np.linalg.lstsq(brought, needed - brought @ equal, rcond=None)[0]
    return np.maximum(moles, 0.01).tolist(), mass
