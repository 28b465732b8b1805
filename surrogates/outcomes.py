"""Outcomes of experiments: what was done, which phases were found, who may be split from whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from pydantic import Field

from sdl.core.material import PhaseAmount
from sdl.core.model import Frozen, content_hash
from sdl.core.proposal import Result
from sdl.core.recipe import Recipe
from sdl.core.seeds import generator
from sdl.tasks.formula import parse_formula
from sdl.tasks.routes import Route, RouteTable

TWINS = {"CuCO3": "CuO"}
"""Precursors that a table may hold as the same run entered twice: sets equal after this
replacement share a group."""


class Experiment(Frozen):
    """One sample: its recipe and the crystalline weight fractions that were measured."""

    name: str
    group: str
    """Experiments of one group stay on one side of every split."""
    recipe: Recipe
    measured: dict[str, PhaseAmount]
    """By phase, or by a label that stands for several phases of the twin; a phase that was looked
    for and not found is given as 0, one that nobody looked for is left out."""
    furnace: str = "furnace_1"
    sources: tuple[str, ...] = Field(default=())
    """Hashes of the table and of the cell it comes from; see ``cell_hash``."""


def outcomes_hash(experiments: Iterable[Experiment]) -> str:
    """Hash of a set of experiments; their order does not matter."""
    return content_hash(sorted(content_hash(e) for e in experiments))


def of_results(
    results: Sequence[Result], furnace: Callable[[Recipe], str] | None = None
) -> tuple[Experiment, ...]:
    """The good outcomes of a campaign, each a group of its own.

    Args:
        results: Finished experiments; those without a good observation are left out.
        furnace: Name of the furnace of a recipe; ``furnace_1`` if absent.
    """
    return tuple(
        Experiment(
            name=result.sample,
            group=result.sample,
            recipe=result.recipe,
            measured=result.observation.phases,
            furnace=furnace(result.recipe) if furnace else "furnace_1",
        )
        for result in results
        if result.observation is not None and result.observation.quality == "good"
    )


def of_routes(
    table: RouteTable, label: str, sigma: float, recipes: Sequence[Recipe] | None = None
) -> tuple[Experiment, ...]:
    """Target yields of a table of routes; a group is a set of precursors with its twins.

    Args:
        table: The table.
        label: Name under which the target's fraction is compared.
        sigma: Standard deviation of a measured weight fraction.
        recipes: One per cell; the table's own nominal ones if absent.
    """
    made = table.recipes() if recipes is None else recipes
    whole = table.hash
    return tuple(
        Experiment(
            name=f"{'+'.join(route.precursors)}@{route.temperature_c:g}",
            group=precursor_group(route.precursors),
            recipe=recipe,
            measured={label: PhaseAmount(weight_fraction=route.target_wt_pct / 100.0, sigma=sigma)},
            sources=(whole, cell_hash(route.precursors, route.temperature_c)),
        )
        for route, recipe in zip(table.routes, made, strict=True)
    )


def precursor_group(precursors: Iterable[str], twins: Mapping[str, str] = TWINS) -> str:
    """The group of a set of precursors: its formulas with twins replaced, sorted."""
    return "+".join(sorted({twins.get(p, p) for p in precursors}))


def cell_hash(precursors: Iterable[str], temperature_c: float) -> str:
    """Names a measured cell by what went in and how hot it was, however formulas are written.

    ``Y2(CO3)3`` and ``Y2C3O9`` give one hash, so that no file of a table passes as another.
    """
    compositions = sorted(
        ",".join(f"{e}{n:g}" for e, n in sorted(parse_formula(p).items())) for p in precursors
    )
    return content_hash({"precursors": compositions, "temperature_c": float(temperature_c)})


def table_hashes(table: RouteTable) -> frozenset[str]:
    """Hashes by which a belief that saw any cell of a table is known."""
    return frozenset({table.hash, *(_cell(route) for route in table.routes)})


def halves(experiments: Sequence[Experiment], *key: str | int) -> frozenset[str]:
    """Half of the groups, drawn at random, to be held out."""
    groups = sorted({e.group for e in experiments})
    order = generator("halves", *key).permutation(len(groups))
    return frozenset(groups[i] for i in order[: len(groups) // 2])


def split(
    experiments: Sequence[Experiment], held_out: Collection[str]
) -> tuple[tuple[Experiment, ...], tuple[Experiment, ...]]:
    """Experiments to fit and experiments held out, by group."""
    fitted = tuple(e for e in experiments if e.group not in held_out)
    return fitted, tuple(e for e in experiments if e.group in held_out)


def _cell(route: Route) -> str:
    return cell_hash(route.precursors, route.temperature_c)
