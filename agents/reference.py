"""Reference figures of a task: random, published, best fixed recipe and oracle of each sample.

They cost minutes, so they are kept as files in the user's cache, named by what they depend on: the
task, the code and the data of the physics, the code of the search, and its settings.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from agents.baselines import RandomPlayer, published_genes, ranked_genes, sobol_genes
from agents.cross_entropy import Search
from agents.planners import FixedSettings, Oracle, OracleSettings, best_fixed, oracle, oracle_again
from agents.score import Yardstick
from agents.trial import JUDGED, SEEDS, TOLERANCE, Outcomes, Trial, mean_of
from sdl.core.errors import ModelError, PolicyError
from sdl.core.model import content_hash
from sdl.tasks.task import Task, load_task
from simulators.laboratory import Split
from simulators.network import FloatArray, IntArray

FOLDER = "SDL_CACHE"
"""Environment variable: folder of the cache instead of the user's own."""
RANDOM_DRAWS = 16
"""Episodes of the random player per laboratory."""
SOBOL_DRAWS = 4
"""Recipes of the Sobol sequence per laboratory."""
SLOW = 30
"""Rate constants of a network above which searches are smaller: there a plan takes milliseconds."""
MODULES = (
    "baselines",
    "cross_entropy",
    "planners",
    "plans",
    "published",
    "reference",
    "trial",
)
"""Modules of ``agents`` that the figures depend on."""


@dataclass(frozen=True)
class Settings:
    """How reference figures are made.

    Attributes:
        fixed: Search of the best fixed recipe.
        oracle: Search of the oracle.
        random_draws: Episodes of the random player per laboratory, shared by its samples.
        sobol_draws: Sobol recipes per laboratory, shared by its samples.
    """

    fixed: FixedSettings
    oracle: OracleSettings
    random_draws: int = RANDOM_DRAWS
    sobol_draws: int = SOBOL_DRAWS


STANDARD = Settings(FixedSettings(), OracleSettings())
SMALL = Settings(
    FixedSettings(
        search=Search(population=64, generations=10, elite=8),
        laboratories=24,
        finalists=12,
        final=128,
        starts=1,
    ),
    OracleSettings(search=Search(population=32, generations=6, elite=6), doublings=3),
    random_draws=4,
    sobol_draws=2,
)
"""For networks whose plans take milliseconds; the oracle's budget and whether it converged are in
the figures."""


@dataclass(frozen=True)
class Reference:
    """Figures of one task in the first laboratories of the split ``judge``, an entry per sample.

    Attributes:
        task: Hash of the task.
        key: What the figures depend on, as a hash.
        random: Means over the draws of the random player.
        sobol: Means over the draws of Sobol recipes.
        published: The literature's recipe; ``None`` where there is none.
        ranked: The published program with the precursors of the largest driving force.
        fixed: The best fixed recipe.
        oracle: The best plan of each sample.
        plans: These plans, ``(entries, genes)``.
        recipes: Plans by name, ``(genes,)``, of ``published``, ``ranked`` and ``fixed``.
        tables: Probabilities at the end of the search of the fixed recipe.
        notes: Budgets, means, convergence and seconds of the searches.
        samples: Samples of each laboratory.
    """

    task: str
    key: str
    random: Outcomes
    sobol: Outcomes
    published: Outcomes | None
    ranked: Outcomes | None
    fixed: Outcomes
    oracle: Outcomes
    plans: IntArray
    recipes: dict[str, list[int]]
    tables: FloatArray
    notes: dict[str, Any]
    samples: int = 1

    def __len__(self) -> int:
        """Number of laboratories."""
        return len(self.oracle) // self.samples

    @property
    def yardstick(self) -> Yardstick:
        """What scores are measured with."""
        return Yardstick(
            self.random.returns,
            self.oracle.returns,
            self.random.value,
            self.oracle.value,
            self.samples,
        )

    def recipe(self, name: str) -> IntArray:
        """A plan by name, ``(genes,)``."""
        return np.array(self.recipes[name], dtype=np.int64)

    def first(self, count: int) -> Reference:
        """The figures of the first laboratories alone."""
        part = slice(0, count * self.samples)
        cut: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name).take(part)
            for name in _TABLES
        }
        cut["plans"] = self.plans[part]
        return Reference(**{**{f.name: getattr(self, f.name) for f in fields(self)}, **cut})


_TABLES = ("random", "sobol", "published", "ranked", "fixed", "oracle")


def reference(
    task: Task | str,
    laboratories: int = JUDGED,
    *,
    samples: int = 1,
    settings: Settings | None = None,
    threads: int | None = None,
    again: bool = False,
) -> Reference:
    """The figures of a task, from the cache or made now.

    Args:
        task: A task with a space, or its name.
        laboratories: Number of judged laboratories; more than are in the cache are made anew.
        samples: Samples of each; of more than one, what is found for one is the start.
        settings: Sizes; by the size of the task's network if ``None``.
        threads: Threads to use; the figures do not depend on it.
        again: Make them anew whatever the cache holds.
    """
    task = load_task(task) if isinstance(task, str) else task
    judged = Trial(task, "judge", laboratories, samples, threads=threads)
    settings = settings or settings_of(judged)
    key = _key(task, settings, samples)
    path = cache_folder() / f"{task.name}-{key[:16]}.json"
    if path.is_file() and not again:
        known = _read(path)
        if known.key == key and len(known) >= laboratories:
            return known.first(laboratories)
    if samples == 1:
        made = make_reference(judged, settings, key)
    else:
        one = reference(task, laboratories, settings=settings, threads=threads, again=again)
        made = extend_reference(judged, settings, one, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two may write at once: each its own file, and the last one's stays.
    own = path.with_suffix(f".{os.getpid()}.tmp")
    own.write_text(json.dumps(_to_json(made)), encoding="utf-8")
    own.replace(path)
    return made


def settings_of(trial: Trial) -> Settings:
    """Sizes that fit the speed of a task's network."""
    network = trial.batch(trial.laboratories[:1]).problem.network
    return SMALL if len(network.row_names) > SLOW else STANDARD


def make_reference(judged: Trial, settings: Settings, key: str = "") -> Reference:
    """Makes the figures of one sample per laboratory, whatever the cache holds."""
    began = time.perf_counter()
    train = _searched(judged, "train", settings.fixed.laboratories)
    tune = _searched(judged, "tune", settings.fixed.final)
    recipes: dict[str, IntArray] = {}
    try:
        recipes["published"], recipes["ranked"] = published_genes(judged), ranked_genes(judged)
    except PolicyError:  # nothing is published for this target
        recipes = {}
    given = np.stack(list(recipes.values())) if recipes else None
    before = time.perf_counter()
    found = best_fixed(train, tune, settings.fixed, given)
    fixed_s = time.perf_counter() - before
    tried = [found.genes, *found.finalists[1:4], *recipes.values()]
    recipes["fixed"] = found.genes
    before = time.perf_counter()
    best = oracle(judged, np.stack(tried), found.tables, settings.oracle)
    notes = {
        "laboratories": len(judged),
        "words": {name: judged.plans.words(genes) for name, genes in recipes.items()},
        "fixed_tuning_mean": found.mean,
        "fixed_episodes": found.played,
        "fixed_s": round(fixed_s, 1),
        **_oracle_notes(best),
        "oracle_s": round(time.perf_counter() - before, 1),
    }
    made = _plain_figures(judged, settings, recipes, best, found.tables, notes, key)
    made.notes["seconds"] = round(time.perf_counter() - began, 1)
    return made


def extend_reference(judged: Trial, settings: Settings, one: Reference, key: str = "") -> Reference:
    """Makes the figures of several samples per laboratory from those of one.

    Args:
        judged: The laboratories with their samples.
        settings: Sizes.
        one: Figures of one sample of each of these laboratories.
        key: What the figures depend on.
    """
    began = time.perf_counter()
    recipes = {name: one.recipe(name) for name in one.recipes}
    best = oracle_again(
        judged, one.plans, np.stack(list(recipes.values())), one.tables, settings.oracle
    )
    notes = {
        **one.notes,
        **_oracle_notes(best),
        "oracle_s": round(time.perf_counter() - began, 1),
        "samples": judged.samples,
        "one_sample": {name: one.notes[name] for name in one.notes if name.startswith("oracle")},
    }
    made = _plain_figures(judged, settings, recipes, best, one.tables, notes, key)
    made.notes["seconds"] = round(time.perf_counter() - began, 1)
    return made


def _oracle_notes(best: Oracle) -> dict[str, Any]:
    return {
        "oracle_budgets": list(best.budgets),
        "oracle_means": list(best.means),
        "oracle_converged": best.converged,
    }


def _plain_figures(
    judged: Trial,
    settings: Settings,
    recipes: dict[str, IntArray],
    best: Oracle,
    tables: FloatArray,
    notes: dict[str, Any],
    key: str,
) -> Reference:
    """The figures with those that need no search."""
    options = judged.batch(judged.laboratories[:1]).nvec
    draws = range(max(1, settings.random_draws // judged.samples))
    drawn = [judged.play(RandomPlayer(options, seed=n)) for n in draws]
    draws = range(max(1, settings.sobol_draws // judged.samples))
    sobol = [judged.play_genes(sobol_genes(judged, n)) for n in draws]
    plain = {name: judged.play_one(genes) for name, genes in recipes.items()}
    return Reference(
        task=judged.task.hash,
        key=key or _key(judged.task, settings, judged.samples),
        random=mean_of(drawn),
        sobol=mean_of(sobol),
        published=plain.get("published"),
        ranked=plain.get("ranked"),
        fixed=plain["fixed"],
        oracle=best.outcomes,
        plans=best.genes,
        recipes={name: genes.tolist() for name, genes in recipes.items()},
        tables=tables,
        notes=notes,
        samples=judged.samples,
    )


def _searched(judged: Trial, split: Split, count: int) -> Trial:
    """Laboratories to search in, like the judged ones but of another split."""
    return Trial(
        judged.task,
        split,
        count,
        max_decisions=judged.max_decisions,
        tolerance=TOLERANCE,
        threads=judged.threads,
    )


def cache_folder() -> Path:
    """Where the figures are kept: ``$SDL_CACHE``, else the user's cache."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named) / "reference"
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return root / "solid-state-sdl" / "reference"


def _key(task: Task, settings: Settings, samples: int) -> str:
    """Hash of everything the figures depend on but the number of laboratories."""
    return content_hash(
        {
            "task": task.hash,
            "code": code_hash(task.system),
            "settings": asdict(settings),
            "samples": samples,
            "seeds": {name: SEEDS[name] for name in sorted(SEEDS)},
        }
    )


@cache
def code_hash(system: str) -> str:
    """Hash of the source files and of the data behind the simulated outcomes of a system."""
    found: dict[str, str] = {}
    for package in ("simulators", "envs", "sdl.chemistry", "sdl.analysis"):
        for entry in resources.files(package).iterdir():
            if entry.name.endswith(".py"):
                found[f"{package}/{entry.name}"] = entry.read_text(encoding="utf-8")
    for entry in (resources.files("sdl.chemistry") / "data").iterdir():
        if entry.name.startswith(f"{system}."):
            found[f"data/{entry.name}"] = entry.read_text(encoding="utf-8")
    for name in MODULES:
        file = resources.files("agents") / f"{name}.py"
        found[f"agents/{name}"] = file.read_text(encoding="utf-8")
    return content_hash(found)


def _to_json(made: Reference) -> dict[str, Any]:
    tables = {
        name: None if getattr(made, name) is None else _columns(getattr(made, name))
        for name in _TABLES
    }
    rest = {
        "task": made.task,
        "key": made.key,
        "recipes": made.recipes,
        "tables": made.tables.tolist(),
        "plans": made.plans.tolist(),
        "notes": made.notes,
        "samples": made.samples,
    }
    return {**rest, **{f"outcomes_{name}": table for name, table in tables.items()}}


def _columns(outcomes: Outcomes) -> dict[str, list[Any]]:
    return {field.name: getattr(outcomes, field.name).tolist() for field in fields(outcomes)}


def _read(path: Path) -> Reference:
    data = json.loads(path.read_text(encoding="utf-8"))

    def played(name: str) -> Outcomes | None:
        table = data[f"outcomes_{name}"]
        return None if table is None else Outcomes(**{k: np.array(v) for k, v in table.items()})

    def always(name: str) -> Outcomes:
        found = played(name)
        if found is None:
            raise ModelError(
                "a file of reference figures is not whole",
                got=f"{path}: no {name}",
                do="delete the file; it is made again",
            )
        return found

    return Reference(
        task=data["task"],
        key=data["key"],
        random=always("random"),
        sobol=always("sobol"),
        published=played("published"),
        ranked=played("ranked"),
        fixed=always("fixed"),
        oracle=always("oracle"),
        plans=np.array(data["plans"], dtype=np.int64),
        recipes=data["recipes"],
        tables=np.array(data["tables"]),
        notes=data["notes"],
        samples=data["samples"],
    )
