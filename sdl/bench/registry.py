"""Benches by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from sdl.bench.report import BenchReport
from sdl.core.errors import ConfigError


@dataclass(frozen=True)
class Asked:
    """What a user may say beside the name of a bench; ``None`` or false: not said.

    Attributes:
        quick: A smaller run of the same kind; every bench that has one.
        seeds: Laboratories (loop, adapt), kills (crash, wire), seeds (routes, train, offline).
        stored: Judge the shipped policies instead of training.
        table: Another table.
        target: The target in it.
        system: Gates that concern this chemical system.
        plots: Folder for the plots.
        policy: A trained policy: whose unmasked actions are among the inputs (safety); the
            unadapted one, a file or a folder with one per seed (adapt).
    """

    quick: bool = False
    seeds: int | None = None
    stored: bool = False
    table: Path | None = None
    target: str | None = None
    system: str | None = None
    plots: Path | None = None
    policy: Path | None = None


OPTIONS = {
    "seeds": ("train", "offline", "adapt", "loop", "crash", "routes", "wire"),
    "stored": ("train", "targets"),
    "table": ("routes",),
    "target": ("routes",),
    "system": ("physics",),
    "plots": ("physics", "response"),
    "policy": ("safety", "adapt"),
}
"""Benches that an option belongs to; ``quick`` belongs to all."""

# Each bench is imported when it runs: some need packages that others do not.


def _physics(asked: Asked) -> BenchReport:
    from sdl.bench import physics

    return physics.run(quick=asked.quick, system=asked.system, plots=asked.plots)


def _env(asked: Asked) -> BenchReport:
    from sdl.bench import env

    return env.run(quick=asked.quick)


def _throughput(asked: Asked) -> BenchReport:
    from sdl.bench import throughput

    return throughput.run(quick=asked.quick)


def _gpu(asked: Asked) -> BenchReport:
    from sdl.bench import gpu

    return gpu.run(quick=asked.quick)


def _train(asked: Asked) -> BenchReport:
    from sdl.bench import train

    return train.run(seeds=asked.seeds, quick=asked.quick, stored=asked.stored)


def _targets(asked: Asked) -> BenchReport:
    from sdl.bench import targets

    return targets.run(quick=asked.quick, stored=asked.stored)


def _response(asked: Asked) -> BenchReport:
    from sdl.bench import response

    return response.run(quick=asked.quick, plots=asked.plots)


def _offline(asked: Asked) -> BenchReport:
    from sdl.bench import offline

    return offline.run(seeds=asked.seeds, quick=asked.quick)


def _adapt(asked: Asked) -> BenchReport:
    from sdl.bench import adapt

    count = asked.seeds or adapt.LABORATORIES
    return adapt.run(laboratories=count, quick=asked.quick, policy=asked.policy)


def _loop(asked: Asked) -> BenchReport:
    from sdl.bench import loop

    return loop.run(laboratories=asked.seeds or (4 if asked.quick else 30), quick=asked.quick)


def _crash(asked: Asked) -> BenchReport:
    from sdl.bench import crash

    return crash.run(kills=asked.seeds or (4 if asked.quick else 50))


def _routes(asked: Asked) -> BenchReport:
    from sdl.bench import routes

    target = asked.target or routes.SHIPPED_TARGET
    return routes.run(seeds=asked.seeds or 30, quick=asked.quick, table=asked.table, target=target)


def _safety(asked: Asked) -> BenchReport:
    from sdl.bench import safety

    return safety.run(quick=asked.quick, policy=asked.policy)


def _wire(asked: Asked) -> BenchReport:
    from sdl.bench import wire

    kills = asked.seeds or (6 if asked.quick else 50)
    return wire.run(kills=kills, experiments=3 if asked.quick else 12)


def _faults(asked: Asked) -> BenchReport:
    from sdl.bench.faults import bench

    return bench.run(quick=asked.quick)


def _instruments(asked: Asked) -> BenchReport:
    from sdl.bench import instruments

    return instruments.run(quick=asked.quick)


def _sequences(asked: Asked) -> BenchReport:
    from sdl.bench import sequences

    return sequences.run(quick=asked.quick)


BENCHES: dict[str, Callable[[Asked], BenchReport]] = {
    "physics": _physics,
    "env": _env,
    "throughput": _throughput,
    "gpu": _gpu,
    "train": _train,
    "targets": _targets,
    "response": _response,
    "offline": _offline,
    "adapt": _adapt,
    "loop": _loop,
    "crash": _crash,
    "routes": _routes,
    "safety": _safety,
    "wire": _wire,
    "faults": _faults,
    "instruments": _instruments,
    "sequences": _sequences,
}
NAMES = tuple(BENCHES)


def run_bench(name: str, asked: Asked) -> BenchReport:
    """Runs one bench.

    Args:
        name: One of ``NAMES``.
        asked: Its options.

    Raises:
        ConfigError: There is no such bench, or an option does not belong to it.
    """
    if name not in BENCHES:
        raise ConfigError(
            "there is no such bench", got=repr(name), allowed=", ".join(NAMES), do="choose one"
        )
    for option in fields(Asked):
        benches = OPTIONS.get(option.name, NAMES)
        if getattr(asked, option.name) not in (None, False) and name not in benches:
            raise ConfigError(
                f"--{option.name} does not belong to the bench {name}",
                allowed=f"--{option.name} with {', '.join(benches)}",
                do="leave it out",
            )
    return BENCHES[name](asked)
