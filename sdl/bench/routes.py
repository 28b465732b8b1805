"""Experiments needed on a table of measured routes, through the same loop as any campaign."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from agents.pool_baselines import POOL_POLICIES
from sdl.bench.report import BenchReport, Gate, Row, commit, machine, mean_row, median_row
from sdl.campaign.config import CampaignConfig
from sdl.campaign.labs.table import TableLab
from sdl.campaign.loop import Campaign
from sdl.core.event import CampaignBegun
from sdl.core.protocols import Policy
from sdl.journal.journal import Journal
from sdl.tasks.routes import SHIPPED_TARGET, RouteTable, load_route_table

TOLERANCE_WT_PCT = 0.5
"""A route counts as one of the best within this distance of the table's best."""

FIRST_GATE, ALL_GATE = 10, 50
QUICK_SEEDS = 10
_STANDARD_ERRORS = 3.0

PolicyMaker = Callable[[], Policy]


@dataclass(frozen=True)
class Counts:
    """Experiments one campaign needed.

    Attributes:
        first: To the first of the best routes.
        all: To all of them.
        first_merged: As ``first``, twins of equal yield counted as one experiment.
        all_merged: As ``all``, twins of equal yield counted as one route and one experiment.
    """

    first: int
    all: int
    first_merged: int
    all_merged: int


def run(
    seeds: int = 30,
    quick: bool = False,
    table: Path | None = None,
    target: str = SHIPPED_TARGET,
    *,
    policies: Mapping[str, PolicyMaker] | None = None,
    executor: Executor | None = None,
) -> BenchReport:
    """Runs every policy on every seed until it has made all of the table's best routes.

    Args:
        seeds: Campaigns per policy.
        quick: At most 10 seeds.
        table: A CSV table of routes; ``None`` for the one that ships with the project.
        target: Which target of the table.
        policies: Maker of each policy by name; ``None`` for all pool policies. A maker must be
            picklable where ``executor`` runs processes.
        executor: Where campaigns run; ``None`` for one process per core.

    Returns:
        Rows ``<policy>.first``, ``.all``, ``.first_merged``, ``.all_merged`` (medians), means of
        ``random``, the number of data files behind the twin (none is used), and the gates of
        ``default`` and of ``random``.

    Raises:
        ConfigError: The table is wrong, with file and line.
    """
    routes = load_route_table(table, target)
    seeds = min(seeds, QUICK_SEEDS) if quick else seeds
    makers = POOL_POLICIES if policies is None else policies
    with nullcontext(executor) if executor else _processes() as pool:
        waiting = {
            name: [pool.submit(campaign_counts, routes, maker, seed) for seed in range(seeds)]
            for name, maker in makers.items()
        }
        found = {name: [f.result() for f in futures] for name, futures in waiting.items()}
    rows: list[Row] = []
    for name in makers:
        for metric in ("first", "all", "first_merged", "all_merged"):
            values = [getattr(c, metric) for c in found[name]]
            rows.append(median_row(f"{name}.{metric}", values, "experiments"))
    if "random" in found:
        for metric in ("first", "all"):
            values = [getattr(c, metric) for c in found["random"]]
            rows.append(mean_row(f"random.{metric}_mean", values, "experiments"))
    # A pool policy has no twin, so no figure of the table can have been in one.
    rows.append(Row(name="twin.data_files", value=0.0, unit="files"))
    return BenchReport(
        bench="routes",
        commit=commit(),
        task=routes.hash,
        machine=machine(),
        rows=tuple(rows),
        gates=_gates(routes, found, target),
    )


def _processes() -> ProcessPoolExecutor:
    # Not forked: the caller may hold threads, and a lock one of them holds would never be let go.
    return ProcessPoolExecutor(machine().cores, mp_context=get_context("spawn"))


def campaign_counts(routes: RouteTable, maker: PolicyMaker, seed: int) -> Counts:
    """One campaign on a journal in memory, one experiment at a time, until all best are made."""
    order = replay(routes, maker(), seed)
    first, everything = _first_and_all(order, routes.winners())
    groups = routes.groups()
    # dict.fromkeys keeps the first of each group: a twin of a route that was made is no experiment.
    merged = list(dict.fromkeys(groups[i] for i in order))
    winners = frozenset(groups[i] for i in routes.winners())
    first_merged, all_merged = _first_and_all(merged, winners)
    return Counts(first, everything, first_merged, all_merged)


def replay(routes: RouteTable, policy: Policy, seed: int, in_flight: int = 1) -> list[int]:
    """Cells in the order in which a campaign finished them, up to the last of the best.

    Args:
        routes: The table.
        policy: A fresh policy.
        seed: Seed of the campaign.
        in_flight: Experiments at a time.
    """
    task = routes.task()
    index = {recipe: i for i, recipe in enumerate(task.laboratory.pool)}
    lab = TableLab(routes, capacity=in_flight)
    # The record names the table by the task's hash; the pool itself would be most of its bytes.
    bare = task.laboratory.model_copy(update={"pool": ()})
    config = CampaignConfig(
        name="routes",
        task=task.name,
        lab="table",
        policy=policy.name,
        in_flight=in_flight,
        seed=seed,
    )
    begun = CampaignBegun(
        config=config.model_dump(mode="json"),
        task=task.model_copy(update={"laboratory": bare}).model_dump(mode="json"),
        task_hash=task.hash,
        capabilities={**bare.model_dump(mode="json"), "replays": True},
        seed=seed,
    )
    missing = set(routes.winners())
    order: list[int] = []
    with Journal.create("sqlite://", begun) as journal:
        campaign = Campaign(config, task, journal, lab, policy)
        for finished in campaign:
            order.append(index[campaign.state.proposals[finished.proposal].recipe])
            missing.discard(order[-1])
            if not missing:
                break
    lab.close()
    return order


def expectation(cells: int, winners: int) -> tuple[float, float, float]:
    """Mean number of random draws to the first and to all winners, and their standard deviation.

    Draws without replacement (negative hypergeometric): the first is expected at (N + 1)/(K + 1),
    the last at K times that; both have the same variance.
    """
    n, k = cells, winners
    first = (n + 1) / (k + 1)
    variance = (n + 1) * (n - k) * k / ((k + 1) ** 2 * (k + 2))
    return first, k * first, math.sqrt(variance)


def _first_and_all(order: Sequence[int], winners: frozenset[int]) -> tuple[int, int]:
    places = [place for place, cell in enumerate(order, start=1) if cell in winners]
    return places[0], places[-1]


def _gates(
    routes: RouteTable, found: Mapping[str, Sequence[Counts]], target: str
) -> tuple[Gate, ...]:
    gates: list[Gate] = []
    if "default" in found and target == SHIPPED_TARGET:
        for metric, limit in (("first", FIRST_GATE), ("all", ALL_GATE)):
            value = float(np.median([getattr(c, metric) for c in found["default"]]))
            gates.append(
                Gate(
                    id=f"routes.{metric}",
                    target=f"<= {limit}",
                    value=value,
                    passed=value <= limit,
                )
            )
    if "random" in found:
        first, everything, sd = expectation(len(routes.routes), len(routes.winners()))
        margin = _STANDARD_ERRORS * sd / math.sqrt(len(found["random"]))
        for metric, mean in (("first", first), ("all", everything)):
            value = float(np.mean([getattr(c, metric) for c in found["random"]]))
            gates.append(
                Gate(
                    id=f"routes.random_{metric}",
                    target=f"{mean:.1f} ± {margin:.1f}",
                    value=value,
                    passed=abs(value - mean) <= margin,
                )
            )
    return tuple(gates)
