"""Validation gates of the reactor: functions that return figures held against targets."""

from simulators.gates.conservation import gate_v1
from simulators.gates.curve import gate_v4
from simulators.gates.figure import Figure
from simulators.gates.laws import gate_v3
from simulators.gates.oracle import follow, lsoda_gaps
from simulators.gates.prior import gate_v8
from simulators.gates.recipes import gate_lots, random_recipes
from simulators.gates.thermochemistry import gate_v2

__all__ = [
    "Figure", "follow", "gate_lots", "gate_v1", "gate_v2", "gate_v3", "gate_v4", "gate_v8",
    "lsoda_gaps", "random_recipes",
]  # fmt: skip
