"""Benches by name."""

from __future__ import annotations

from pathlib import Path

from sdl.bench.report import BenchReport
from sdl.core.errors import ConfigError

NAMES = (
    "physics", "env", "throughput", "gpu", "train", "targets", "response", "offline", "adapt",
    "loop", "crash", "routes", "safety",
)  # fmt: skip
PLOTTED, STORED = ("physics", "response"), ("train", "targets")
"""Benches that draw, and those that train or judge what ships."""


def run_bench(
    name: str,
    *,
    seeds: int | None = None,
    quick: bool = False,
    stored: bool = False,
    table: Path | None = None,
    target: str | None = None,
    system: str | None = None,
    plots: Path | None = None,
    policy: Path | None = None,
) -> BenchReport:
    """Runs one bench.

    Args:
        name: One of ``NAMES``.
        seeds: Laboratories (loop, adapt), kills (crash), seeds (routes, train, offline);
            ``None``: its own number.
        quick: A smaller run of the same kind.
        stored: ``train`` and ``targets``: judge the shipped policies instead of training.
        table: ``routes`` only: another table.
        target: ``routes`` only: the target in it.
        system: ``physics`` only: gates that concern this chemical system.
        plots: ``physics`` and ``response``: folder for the plots.
        policy: ``safety``: a trained policy whose unmasked actions are among the inputs; ``adapt``:
            the unadapted policy, a file or a folder with one per seed.

    Raises:
        ConfigError: There is no such bench, or an option does not belong to it.
    """
    _check(
        name,
        routes=table is not None or target is not None,
        physics=system is not None,
        plots=plots is not None,
        stored=stored,
        policy=policy is not None,
    )
    if name == "physics":
        from sdl.bench import physics

        return physics.run(quick=quick, system=system, plots=plots)
    if name == "env":
        from sdl.bench import env

        return env.run(quick=quick)
    if name == "throughput":
        from sdl.bench import throughput

        return throughput.run(quick=quick)
    if name == "gpu":
        from sdl.bench import gpu

        return gpu.run(quick=quick)
    if name == "train":
        from sdl.bench import train

        return train.run(seeds=seeds, quick=quick, stored=stored)
    if name == "targets":
        from sdl.bench import targets

        return targets.run(quick=quick, stored=stored)
    if name == "response":
        from sdl.bench import response

        return response.run(quick=quick, plots=plots)
    if name == "offline":
        from sdl.bench import offline

        return offline.run(seeds=seeds, quick=quick)
    if name == "adapt":
        from sdl.bench import adapt

        return adapt.run(laboratories=seeds or adapt.LABORATORIES, quick=quick, policy=policy)
    if name == "loop":
        from sdl.bench import loop

        return loop.run(laboratories=seeds or (4 if quick else 30), quick=quick)
    if name == "crash":
        from sdl.bench import crash

        return crash.run(kills=seeds or (4 if quick else 50))
    if name == "safety":
        from sdl.bench import safety

        return safety.run(quick=quick, policy=policy)
    from sdl.bench import routes

    target = target or routes.SHIPPED_TARGET
    return routes.run(seeds=seeds or 30, quick=quick, table=table, target=target)


def _check(
    name: str, *, routes: bool, physics: bool, plots: bool, stored: bool, policy: bool
) -> None:
    """Refuses an unknown bench, and options of one bench for another."""
    if name not in NAMES:
        raise ConfigError(
            "there is no such bench", got=repr(name), allowed=", ".join(NAMES), do="choose one"
        )
    if name != "routes" and routes:
        raise ConfigError(
            f"--table and --target do not belong to the bench {name}",
            allowed="sdl bench routes --table CSV --target NAME",
        )
    if name != "physics" and physics:
        raise ConfigError(
            f"--system does not belong to the bench {name}",
            allowed="sdl bench physics --system NAME",
        )
    if name not in PLOTTED and plots:
        raise ConfigError(
            f"--plots does not belong to the bench {name}",
            allowed=" or ".join(f"sdl bench {each} --plots FOLDER" for each in PLOTTED),
        )
    if name not in STORED and stored:
        raise ConfigError(
            f"--stored does not belong to the bench {name}",
            allowed=" or ".join(f"sdl bench {each} --stored" for each in STORED),
        )
    if name not in ("safety", "adapt") and policy:
        raise ConfigError(
            f"--policy does not belong to the bench {name}",
            allowed="sdl bench safety --policy FILE, sdl bench adapt --policy FILE",
        )
