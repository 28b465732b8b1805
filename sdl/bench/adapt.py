"""``sdl bench adapt``: laboratories that are not as believed, and whoever learns about them.

Shifted laboratories lie two prior standard deviations off (``agents.adapting.shifted``). Structural
ones are ordinary draws whose truth has another rate law, a hidden side phase or a spread of grain
sizes (``agents.adapting.structure`` and ``truth``). Everybody makes the same number of samples in
the same laboratories with the same noise; a regret is the return of the laboratory's best plan
less that of the sample, summed over the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np

from agents.adapting.adaptive import (
    LIBRARY_SEARCH,
    MEAN_SEARCH,
    AdaptivePolicy,
    AdaptiveSettings,
    Library,
    library_of,
)
from agents.adapting.bayesian import BayesChooser, Table, table_of
from agents.adapting.chooser import Base, Chooser, FixedChooser
from agents.adapting.oracle import SEARCH, actions_over, best_plans
from agents.adapting.shifted import drawn_laboratory, shifted_laboratory
from agents.adapting.structure import with_hidden_phase, with_other_law
from agents.adapting.truth import TrueLaboratories
from agents.adapting.twin import Twin
from agents.cross_entropy import Search
from agents.planners import FixedSettings, best_fixed
from agents.reference import SMALL
from agents.trial import SEEDS, TOLERANCE, Trial
from sdl.bench.report import BenchReport, Gate, Row, commit, machine, mean_row
from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError
from sdl.core.extras import require_extra
from sdl.core.model import content_hash
from sdl.core.seeds import generator
from sdl.tasks.task import Task, load_task
from simulators.laboratory import Split
from simulators.network import FloatArray, IntArray

TASKS = ("batio3-coarse", "srtio3", "mgal2o4")
EXPERIMENTS = 12
LABORATORIES = 20
"""Of either kind and system."""
MOST_REGRET = 0.5
"""Largest regret over that of the unadapted policy and of Bayesian optimisation."""
STRUCTURES = ("law", "phase", "spread")
RIVALS = ("unadapted", "remembering", "bayes", "bayes_greedy")
RESAMPLES = 4000


@dataclass(frozen=True)
class Sizes:
    """How much is searched; ``--quick`` searches less."""

    fixed: FixedSettings = SMALL.fixed
    library: tuple[Search, Search] = (LIBRARY_SEARCH, MEAN_SEARCH)
    singles: int = 40
    candidates: int = 512
    oracle: Search = SEARCH
    policy: AdaptiveSettings = field(default_factory=AdaptiveSettings)
    twin_rows: int = 2048


@dataclass(frozen=True)
class Prepared:
    """What is worked out once per task, before any laboratory is met.

    Attributes:
        task: The task.
        twin: The believed chemistry of the rivals: the task's own.
        open_twin: That of the adapting policy, in which a phase without a name may be.
        fixed: The best fixed recipe.
        library: Plans of the adapting policy.
        table: Candidates of the rivals.
    """

    task: Task
    twin: Twin
    open_twin: Twin
    fixed: IntArray
    library: Library
    table: Table


@dataclass(frozen=True)
class Group:
    """Regrets in laboratories of one kind.

    Attributes:
        kind: ``shifted`` or one of ``STRUCTURES``.
        regrets: By policy, summed over the experiments, ``(L,)``.
        drops: By policy, the mean return that its own plans lose by the structure, ``(L,)``: what
            they return where everything is as hidden but the structure is the believed one, less
            what they returned.
        oracle: Mean returns of the best plans, ``(L,)``.
        last: Regret of the adapting policy's last sample, ``(L,)``.
    """

    kind: str
    regrets: Mapping[str, FloatArray]
    drops: Mapping[str, FloatArray]
    oracle: FloatArray
    last: FloatArray


def run(
    *,
    laboratories: int = LABORATORIES,
    experiments: int = EXPERIMENTS,
    quick: bool = False,
    policy: Path | None = None,
    tasks: Sequence[str] | None = None,
    split: Split = "judge",
    sizes: Sizes | None = None,
) -> BenchReport:
    """Lets everybody make samples in laboratories off the prior.

    Args:
        laboratories: Shifted ones of each system, and as many structural ones.
        experiments: Samples in each.
        quick: One system and three laboratories of either kind.
        policy: A trained policy (file, or folder with one per seed) that is the unadapted one in
            every system; shipped ones, and else the best fixed recipe, if ``None``.
        tasks: Names of tasks with a space.
        split: Range of the laboratories; anything but ``judge`` is for development.
        sizes: Of the searches.

    Raises:
        ConfigError: A package is not installed, or there is no policy at the path.
    """
    require_extra("bayes", "the bench adapt", "torch", "gpytorch")
    names = tuple(tasks or (TASKS[:1] if quick else TASKS))
    for name in names:
        _policy_files(name, policy)  # refused before anything is worked out
    count = min(laboratories, 3) if quick else laboratories
    sizes = sizes or Sizes()
    groups = {name: judge(name, count, experiments, policy, split, sizes) for name in names}
    return report_of(groups)


def report_of(groups: Mapping[str, Sequence[Group]]) -> BenchReport:
    """Rows and gates of some tasks' groups, by the task's name."""
    rows = [row for name, found in groups.items() for row in _task_rows(name, found)]
    gates: list[Gate] = []
    for kind, members in (("shifted", ("shifted",)), ("structural", STRUCTURES)):
        pooled = _pooled(groups, members)
        rows += [mean_row(f"{kind}.{n}.regret", v.tolist(), "return") for n, v in pooled.items()]
        for rival in RIVALS:
            ratio = _ratio_row(f"{kind}.adaptive_over_{rival}", pooled["adaptive"], pooled[rival])
            rows.append(ratio)
            gates.append(
                Gate(
                    id=f"adapt.{kind}.{rival}",
                    target=f"<= {MOST_REGRET:g}",
                    value=ratio.value,
                    passed=ratio.value <= MOST_REGRET,
                )
            )
    return BenchReport(
        bench="adapt",
        commit=commit(),
        task=content_hash([load_task(name).hash for name in groups]),
        machine=machine(),
        rows=tuple(rows),
        gates=tuple(gates),
    )


def judge(
    name: str, count: int, experiments: int, policy: Path | None, split: Split, sizes: Sizes
) -> list[Group]:
    """All groups of one task."""
    ready = prepare(load_task(name), sizes)
    kinds = ["shifted", *STRUCTURES]
    found: list[Group] = []
    for kind in kinds:
        numbers = range(count)
        if kind != "shifted":
            numbers = [n for n in numbers if n % len(STRUCTURES) == STRUCTURES.index(kind)]
        if len(numbers):
            found.append(play(ready, kind, numbers, experiments, policy, split, sizes))
    return found


def prepare(task: Task, sizes: Sizes) -> Prepared:
    """Searches on training laboratories and on the prior alone."""
    twin = Twin(task, rows=sizes.twin_rows)
    train = Trial(task, "train", sizes.fixed.laboratories, tolerance=TOLERANCE)
    tune = Trial(task, "tune", sizes.fixed.final, tolerance=TOLERANCE)
    fixed = best_fixed(train, tune, sizes.fixed).genes
    open_twin = Twin(task, rows=sizes.twin_rows, unnamed=True)
    library = library_of(
        open_twin, sizes.policy, laboratories=sizes.singles, given=fixed[None], sizes=sizes.library
    )
    given = np.concatenate([fixed[None], library.genes[:8]])
    table = table_of(twin, given, sizes.candidates)
    return Prepared(task, twin, open_twin, fixed, library, table)


def true_laboratories(
    task: Task, kind: str, numbers: Sequence[int], split: Split, *, believed: bool = False
) -> TrueLaboratories:
    """Laboratories of a kind; ``believed``: the same ones with the structure that is believed."""
    make = shifted_laboratory if kind == "shifted" else drawn_laboratory
    laboratories = [make(task, split, n) for n in numbers]
    system, target = None, task.target.phase
    if kind == "law" and not believed:
        system = with_other_law(load_system(task.system), target)
    if kind == "phase" and not believed:
        system = with_hidden_phase(load_system(task.system), target)
    return TrueLaboratories(
        task,
        laboratories,
        system=system,
        spread=kind == "spread" and not believed,
        seed=SEEDS[split],
    )


def play(
    ready: Prepared,
    kind: str,
    numbers: Sequence[int],
    experiments: int,
    policy: Path | None,
    split: Split,
    sizes: Sizes,
) -> Group:
    """Everybody in the laboratories of one kind."""
    task, twin, count = ready.task, ready.twin, len(numbers)
    truth = true_laboratories(task, kind, numbers, split)
    plain = true_laboratories(task, kind, numbers, split, believed=True)
    bases = _trained(ready, count, policy, remembers=True)

    def adapting(seed: int) -> Callable[[], Chooser]:
        return lambda: AdaptivePolicy(
            ready.open_twin, ready.library, count, sizes.policy, seed, base=bases[seed]()
        )

    makers: dict[str, Sequence[Callable[[], Chooser]]] = {
        "unadapted": _trained(ready, count, policy, remembers=False),
        "remembering": bases,
        "adaptive": [adapting(seed) for seed in range(len(bases))],
        "bayes": [lambda: BayesChooser(twin, ready.table, count, "purity")],
        "bayes_greedy": [lambda: BayesChooser(twin, ready.table, count, "greedy")],
    }
    given = np.concatenate([ready.fixed[None], ready.library.genes[:3]])
    best = best_plans(truth, given, experiments, sizes.oracle)
    # What anybody ends with is tried too: an oracle that is too weak flatters whoever is good.
    returns: dict[str, FloatArray] = {}
    drops: dict[str, FloatArray] = {}
    for name, each in makers.items():
        players = [make() for make in each]
        played = [_samples(player, truth, plain, ready, experiments) for player in players]
        for player in players:
            ends = player.choose()
            best = best.take_better(actions_over(truth, ends, experiments))
        returns[name] = np.mean([own for own, _ in played], axis=0)
        drops[name] = np.mean([(there - own).mean(axis=1) for own, there in played], axis=0)
    regrets = {name: (best.returns - own).sum(axis=1) for name, own in returns.items()}
    last = best.returns[:, -1] - returns["adaptive"][:, -1]
    return Group(kind, regrets, drops, best.returns.mean(axis=1), last)


def _samples(
    chooser: Chooser,
    truth: TrueLaboratories,
    plain: TrueLaboratories,
    ready: Prepared,
    experiments: int,
) -> tuple[FloatArray, FloatArray]:
    """Returns of the samples, and of the same plans under the believed structure, ``(L, n)``."""
    own, there = list[FloatArray](), list[FloatArray]()
    for number in range(experiments):
        actions = chooser.choose()
        seen, outcomes = truth.make(actions, number, ready.twin.solid_names)
        own.append(outcomes.returns)
        there.append(plain.make(actions, number, ready.twin.solid_names)[1].returns)
        if number + 1 < experiments:
            chooser.learn(seen)
    return np.stack(own, axis=1), np.stack(there, axis=1)


def _trained(
    ready: Prepared, count: int, policy: Path | None, *, remembers: bool
) -> list[Callable[[], Base]]:
    """The trained policies of a task, one per seed, else the one policy for all targets.

    The best fixed recipe where none is shipped.
    """
    files = _policy_files(ready.task.name, policy)
    if not files:
        return [lambda: FixedChooser("unadapted", ready.twin, ready.fixed, count)]
    from agents.adapting.unadapted import UnadaptedPolicy

    def of(file: Path) -> Callable[[], Base]:
        return lambda: UnadaptedPolicy(file, ready.task, count, remembers=remembers)

    return [of(file) for file in files]


def _policy_files(name: str, policy: Path | None) -> list[Path]:
    """Files of the trained policies that play a task.

    Raises:
        ConfigError: There is no policy at the path that was asked for.
    """
    shipped = Path(str(resources.files("agents") / "policies"))
    own = shipped / name
    folder = policy or (own if own.is_dir() else shipped / "all-targets")
    files = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else [folder]
    files = [file for file in files if file.is_file()]
    if policy is not None and not files:
        raise ConfigError(
            "there is no such policy",
            got=str(policy),
            allowed="a policy of `sdl train`, or a folder with some",
            do="check the path, or leave --policy out for the shipped ones",
        )
    return files


def _task_rows(name: str, groups: Sequence[Group]) -> list[Row]:
    rows: list[Row] = []
    for group in groups:
        first = f"{name}.{group.kind}"
        rows.append(mean_row(f"{first}.oracle.return", group.oracle.tolist(), "return"))
        for who, regret in group.regrets.items():
            rows.append(mean_row(f"{first}.{who}.regret", regret.tolist(), "return"))
            if group.kind != "shifted":
                drop = group.drops[who].tolist()
                rows.append(mean_row(f"{first}.{who}.drop", drop, "return per sample"))
        rows.append(mean_row(f"{first}.adaptive.last_regret", group.last.tolist(), "return"))
    return rows


def _pooled(groups: Mapping[str, Sequence[Group]], kinds: Sequence[str]) -> dict[str, FloatArray]:
    """Regrets over all systems, a laboratory each."""
    chosen = [g for found in groups.values() for g in found if g.kind in kinds]
    return {n: np.concatenate([g.regrets[n] for g in chosen]) for n in ("adaptive", *RIVALS)}


def _ratio_row(name: str, ours: FloatArray, theirs: FloatArray) -> Row:
    """Ratio of the summed regrets, its interval over laboratories drawn anew in pairs."""
    draws = generator("bootstrap", name).integers(len(ours), size=(RESAMPLES, len(ours)))
    ratios = ours[draws].sum(axis=1) / np.maximum(theirs[draws].sum(axis=1), 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Row(
        name=name,
        value=float(ours.sum() / max(float(theirs.sum()), 1e-9)),
        unit="ratio of regrets",
        low=float(low),
        high=float(high),
        n=len(ours),
    )
