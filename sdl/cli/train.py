"""What stands behind ``sdl train``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agents.learning.config import TrainConfig, read_training
from agents.learning.curve import interquartile_mean, interval, join, read_lines
from agents.learning.runs import folder_of, train_all
from agents.learning.train import CURVE, POLICY, Result
from sdl.bench.report import commit, machine
from sdl.core.errors import ConfigError
from sdl.figures.learning import learning_curve

SUMMARY, PAGE = "train.json", "learning.html"
TOLD_S = 10.0
"""Time between two lines of progress where nobody looks at a terminal, s of wall time."""


def train(
    file: Path, out: Path | None, *, seeds: int | None, fresh: bool, quiet: bool
) -> dict[str, Any]:
    """Trains the policies of a file and returns the summary that is also written.

    Args:
        file: The training file.
        out: Folder; ``runs/NAME`` if ``None``.
        seeds: Seeds 0, 1, ... instead of the file's.
        fresh: Moves what is in the folder aside.
        quiet: No progress.

    Raises:
        ConfigError: The file or an option is wrong.
    """
    config = read_training(file)
    if seeds is not None:
        config = TrainConfig.model_validate(config.model_dump() | {"seeds": tuple(range(seeds))})
    folder = Path("runs") / config.name if out is None else out
    if fresh and folder.exists():
        _move_aside(folder)
    if folder.is_file():
        raise ConfigError("the folder is a file", got=folder, do="choose another one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    hashed = commit()
    if quiet:
        results = train_all(config, folder, commit=hashed)
    else:
        with Watch(config, folder) as watch:
            results = train_all(config, folder, commit=hashed, watch=watch)
    summary = summarise(config, folder, results, hashed)
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def search(
    file: Path, out: Path | None, *, trials: int, fresh: bool, quiet: bool
) -> dict[str, Any]:
    """Searches settings for a file; the best ones and all trials, also written.

    Args:
        file: The training file; its seeds do not count.
        out: Folder; ``runs/NAME-tune`` if ``None``.
        trials: Number of trainings.
        fresh: Moves what is in the folder aside.
        quiet: Prints nothing.

    Raises:
        ConfigError: The file or an option is wrong.
    """
    from agents.learning.tuning import tune

    config = read_training(file)
    folder = Path("runs") / f"{config.name}-tune" if out is None else out
    if fresh and folder.exists():
        _move_aside(folder)
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)

    def tell(line: dict[str, Any]) -> None:
        if not quiet:
            settings = ", ".join(
                f"{k} {v:.3g}" for k, v in line.items() if k not in ("trial", "return")
            )
            console.print(f"trial {line['trial']}: return {line['return']:.3f}; {settings}")

    hashed = commit()
    found = tune(config, trials, folder, commit=hashed, watch=tell)
    found |= {"name": config.name, "tasks": list(config.tasks), "steps": config.steps}
    found |= {"commit": hashed, "machine": machine().model_dump()}
    (folder / "tune.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if not quiet:
        console.print(f"best return {found['return']:.3f}: {found['settings']}")
    return found


def summarise(
    config: TrainConfig, folder: Path, results: list[Result], hashed: str
) -> dict[str, Any]:
    """The figures of all seeds; writes the learning curve beside them."""
    import numpy as np

    returns = np.array([result.return_mean for result in results])
    low, high = interval(returns, "train", config.name)
    random = float(np.mean([result.return_random for result in results]))
    curve = join([folder_of(folder, seed) / CURVE for seed in config.seeds])
    if curve is not None:
        figure = learning_curve(
            curve.steps,
            curve.runs,
            curve.mean,
            (curve.low, curve.high),
            f"{config.name}: {config.algorithm} on {', '.join(config.tasks)}",
            random,
        )
        figure.write_html(folder / PAGE, include_plotlyjs=True, full_html=True)
    best = max(results, key=lambda result: result.return_sampled)
    return {
        "name": config.name,
        "algorithm": config.algorithm,
        "tasks": list(config.tasks),
        "config": config.hash,
        "commit": hashed,
        "machine": machine().model_dump(),
        "return": {
            "interquartile_mean": float(interquartile_mean(returns)),
            "low": float(low),
            "high": float(high),
            "random": random,
            "seeds": len(results),
        },
        "policies": {
            str(each.seed): str(folder_of(folder, each.seed) / POLICY) for each in results
        },
        "best_seed": best.seed,
        "seeds": [asdict(result) for result in results],
    }


def show(summary: dict[str, Any]) -> None:
    """Prints a line per seed and what they have in common."""
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for each in summary["seeds"]:
        console.print(
            f"seed {each['seed']}: return {each['return_mean']:.3f} "
            f"({each['return_sampled']:.3f} drawn, random {each['return_random']:.3f}) "
            f"in {each['episodes']} tuning episodes; {each['steps']} decisions in "
            f"{each['seconds']:.0f} s; {summary['policies'][str(each['seed'])]}"
        )
    whole = summary["return"]
    console.print(
        f"{summary['name']}: interquartile mean {whole['interquartile_mean']:.3f} "
        f"[{whole['low']:.3f}, {whole['high']:.3f}] over {whole['seeds']} seeds, "
        f"random {whole['random']:.3f}"
    )


class Watch:
    """Progress of all seeds: one line on a terminal, one every ten seconds elsewhere.

    Args:
        config: The training file.
        folder: Folder of the runs, whose learning curves are read.
    """

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._console = Console(file=sys.stderr)
        self._live: Live | None = None
        self._told = time.monotonic()

    def __enter__(self) -> Callable[[], None]:
        if self._console.is_terminal:
            self._live = Live(self._text(), console=self._console, auto_refresh=False)
            self._live.start()
        return self._look

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _look(self) -> None:
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._text(), refresh=True)
        elif now - self._told >= TOLD_S:
            self._told = now
            sys.stderr.write(f"{self._text().plain}\n")

    def _text(self) -> Text:
        total = sum(self._config.pieces)
        parts = []
        for seed in self._config.seeds:
            lines = read_lines(folder_of(self._folder, seed) / CURVE)
            if lines:
                last = lines[-1]
                share = 100.0 * last["steps"] / total
                parts.append(f"seed {seed}: {share:.0f} %, return {last['return']:.3f}")
            else:
                parts.append(f"seed {seed}: waits")
        return Text("; ".join(parts))


def _move_aside(folder: Path) -> None:
    """Renames a folder so that nothing of it is lost."""
    for n in range(1, 10_000):
        aside = folder.with_name(f"{folder.name}.{n}")
        if not aside.exists():
            folder.rename(aside)
            return
    raise ConfigError("there are too many earlier runs", got=folder, do="delete some of them")
