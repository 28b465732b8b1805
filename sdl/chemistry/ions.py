"""Cations as features of a target: electronegativity, usual charge, ionic radius."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ion:
    """A cation in its usual charge."""

    electronegativity: float
    """Pauling's scale."""
    charge: int
    radius_angstrom: float
    """Crystal radius in six-fold coordination, high spin (Shannon 1976)."""


IONS = {
    "Li": Ion(0.98, 1, 0.90),
    "Na": Ion(0.93, 1, 1.16),
    "Mg": Ion(1.31, 2, 0.86),
    "Al": Ion(1.61, 3, 0.675),
    "Ti": Ion(1.54, 4, 0.745),
    "Mn": Ion(1.55, 3, 0.785),
    "Fe": Ion(1.83, 3, 0.785),
    "Co": Ion(1.88, 2, 0.885),
    "Ni": Ion(1.91, 2, 0.83),
    "Cu": Ion(1.90, 2, 0.87),
    "Zn": Ion(1.65, 2, 0.88),
    "Sr": Ion(0.95, 2, 1.32),
    "Y": Ion(1.22, 3, 1.04),
    "Ba": Ion(0.89, 2, 1.49),
}
"""Shannon, Acta Cryst. A 32, 751 (1976), and Pauling's electronegativities, both as pymatgen's
table of elements has them (Mn, Fe and Co high spin; Ni2+ recalled)."""

UNKNOWN = Ion(1.6, 2, 0.9)
"""Stands for an element that the table lacks: the middle of the others."""
