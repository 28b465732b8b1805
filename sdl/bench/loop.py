"""``sdl bench loop``: whole campaigns on simulated laboratories, paired by laboratory.

Every policy meets the same hidden laboratories with the same noise. The figure of a campaign is the
area under its best measured purity so far: the mean over its experiments. A part of the campaigns
runs again through the RunEngine and must agree record for record.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from sdl.bench.overhead import Overhead, measure_overhead
from sdl.bench.report import (
    BenchReport,
    Gate,
    Row,
    commit,
    machine,
    mean_row,
    median_row,
    paired_row,
)
from sdl.campaign.config import BudgetConfig, CampaignConfig
from sdl.campaign.loop import Campaign
from sdl.campaign.opening import begin
from sdl.campaign.places import MEMORY
from sdl.core.event import EventKind
from sdl.core.model import content_hash
from sdl.journal.projection import projection
from sdl.tasks.task import load_task

TASK = "batio3-coarse"
POLICIES = ("random", "published", "no_twin", "default")
"""``no_twin`` is ``default`` without the twin's belief: what the statistics alone are worth."""

RIVALS = ("random", "published")
"""Policies that ``default`` must beat."""

EXPERIMENTS = 24
THROUGH_ENGINE = 10
"""Campaigns of ``default`` that run a second time through the RunEngine."""


@dataclass(frozen=True)
class Score:
    """What one campaign reached."""

    best: tuple[float, ...]
    """Best measured purity after each finished experiment."""
    record: str
    """Hash of the canonical projection without the campaign file."""

    @property
    def auc(self) -> float:
        """Area under best-so-far, as its mean."""
        return float(np.mean(self.best))

    def to_success(self, purity: float) -> int:
        """Experiments to the purity; one more than the budget if it was not reached."""
        reached = [i for i, best in enumerate(self.best, start=1) if best >= purity]
        return reached[0] if reached else len(self.best) + 1


def bench_config(policy: str, laboratory: int, lab: str, experiments: int) -> CampaignConfig:
    """The campaign of one policy in one laboratory; its seed is the laboratory's number."""
    return CampaignConfig.model_validate(
        {
            "name": "bench-loop",
            "task": TASK,
            "lab": lab,
            "policy": policy,
            "budget": BudgetConfig(experiments=experiments),
            "seed": laboratory,
            "laboratory": laboratory,
        }
    )


def score(policy: str, laboratory: int, lab: str, experiments: int) -> Score:
    """Runs one campaign in memory."""
    campaign = begin(bench_config(policy, laboratory, lab, experiments), load_task(TASK), MEMORY)
    try:
        campaign.run()
        return _score(campaign)
    finally:
        campaign.close()


def _score(campaign: Campaign) -> Score:
    best, curve = 0.0, list[float]()
    for finished in campaign.state.finished.values():
        best = max(best, finished.event.purity or 0.0)
        curve.append(best)
    events = [e for e in campaign.journal.events() if e.kind is not EventKind.CAMPAIGN]
    return Score(best=tuple(curve), record=content_hash(projection(events)))


def run(laboratories: int = 30, *, quick: bool = False, workers: int = 2) -> BenchReport:
    """Runs every policy in every laboratory.

    Args:
        laboratories: Number of hidden laboratories, numbered from 0.
        quick: Campaigns of 8 experiments, two of them through the RunEngine.
        workers: Processes.
    """
    experiments = 8 if quick else EXPERIMENTS
    again = min(2 if quick else THROUGH_ENGINE, laboratories)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = {
            (policy, i): pool.submit(score, policy, i, "fast", experiments)
            for i in range(laboratories)
            for policy in POLICIES
        }
        engine = [pool.submit(score, "default", i, "virtual", experiments) for i in range(again)]
        scores = {
            policy: [jobs[policy, i].result() for i in range(laboratories)] for policy in POLICIES
        }
        agreeing = sum(
            job.result().record == scores["default"][i].record for i, job in enumerate(engine)
        )
    # Alone on the machine, after the workers have gone: it measures time.
    overhead = measure_overhead(bench_config("default", 0, "virtual", experiments))
    return _report(scores, agreeing, again, overhead)


def _report(
    scores: dict[str, list[Score]], agreeing: int, again: int, overhead: Overhead
) -> BenchReport:
    goal = load_task(TASK).success.purity
    rows: list[Row] = []
    for policy in POLICIES:
        rows.append(mean_row(f"{policy}.auc", [s.auc for s in scores[policy]], "purity"))
        rows.append(
            median_row(
                f"{policy}.to_success", [s.to_success(goal) for s in scores[policy]], "experiments"
            )
        )
        rows.append(median_row(f"{policy}.best", [s.best[-1] for s in scores[policy]], "purity"))
    gates: list[Gate] = []
    for other in POLICIES[:-1]:
        ours, theirs = ([s.auc for s in scores[p]] for p in ("default", other))
        row = paired_row(f"default_minus_{other}.auc", ours, theirs, "purity")
        rows.append(row)
        low = row.low if row.low is not None else row.value
        if other in RIVALS:
            target = "> 0 (lower end of the interval)"
            gates.append(Gate(id=f"loop.above_{other}", target=target, value=low, passed=low > 0))
    rows.append(Row(name="engine.agrees", value=agreeing, unit="campaigns", n=again))
    gates.append(
        Gate(id="loop.engine", target=f"== {again}", value=agreeing, passed=agreeing == again)
    )
    rows += overhead.rows()
    ratio = overhead.ratio
    gates.append(Gate(id="loop.overhead", target="<= 2", value=ratio, passed=ratio <= 2.0))
    return BenchReport(
        bench="loop",
        commit=commit(),
        task=load_task(TASK).hash,
        machine=machine(),
        rows=tuple(rows),
        gates=tuple(gates),
    )
