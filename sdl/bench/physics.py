"""``sdl bench physics``: the reactor's validation gates V1, V2 and V4 for Ba-Ti-C-O."""

from __future__ import annotations

import math

from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.chemistry.system import load_system
from sdl.core.model import content_hash
from simulators.gates import gate_v1, gate_v2, gate_v4


def run(*, quick: bool = False) -> BenchReport:
    """Runs the gates.

    Args:
        quick: V1 on 100 recipes and 20 anneals against LSODA instead of 1,000 and 200.
    """
    figures = [*gate_v1(*((100, 20) if quick else (1000, 200))), *gate_v2(), *gate_v4()]
    rows = tuple(
        Row(name=f"{f.gate}.{f.name}", value=f.value, unit=f.target)
        for f in figures
        if math.isfinite(f.value)
    )
    gates = tuple(
        Gate(
            id=f"{f.gate}.{f.name}",
            target=f.target,
            # A reaction that never crosses zero has no figure: the verdict stands for it.
            value=f.value if math.isfinite(f.value) else float(f.ok),
            passed=f.ok,
        )
        for f in figures
    )
    return BenchReport(
        bench="physics",
        commit=commit(),
        task=content_hash(load_system("ba-ti-c-o")),
        machine=machine(),
        rows=rows,
        gates=gates,
    )
