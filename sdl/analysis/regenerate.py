"""Stick patterns from structures, with pymatgen; run once, the result ships as data.

``python -m sdl.analysis.regenerate ba-ti-c-o`` writes ``ba-ti-c-o.sticks.json`` beside the
structures. Nothing else of the project imports this module: run time needs no pymatgen.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import RootModel

from sdl.analysis.references import WAVELENGTH_ANGSTROM, LatticeFamily, Reference, StickFile
from sdl.analysis.structures import (
    Cell,
    Structure,
    StructureFile,
    data_path,
    load_structures,
    structures_hash,
)
from sdl.core.errors import MissingExtraError
from sdl.core.yaml import load

if TYPE_CHECKING:
    from pymatgen.core import Structure as Crystal

TWO_THETA_RANGE_DEG = (8.0, 102.0)
"""Wider than any scan, so that the tails of lines outside a grid are there."""

WEAKEST = 3e-3
"""Lines weaker than this share of the strongest are dropped."""

SAME_LINE = 1e-6
"""Reflections whose spacings agree to this share make one line."""

MOTT_BETHE = 41.78214
"""Turns electron into X-ray scattering factors, electrons and angstrom (as in pymatgen)."""

_HEXAGONAL = (143, 194)
_FAMILIES: tuple[tuple[int, LatticeFamily], ...] = (
    (2, "triclinic"),
    (15, "monoclinic"),
    (74, "orthorhombic"),
    (194, "axial"),
    (230, "cubic"),
)
"""Last space group number of each family."""

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Dispersion(RootModel[dict[str, tuple[float, float]]]):
    """f' and f'' by element."""


def build_crystal(structure: Structure) -> Crystal:
    """The full cell of a typed structure.

    Raises:
        MissingExtraError: pymatgen is not installed.
    """
    try:
        from pymatgen.core import Lattice
        from pymatgen.core import Structure as Crystal
        from pymatgen.symmetry.groups import SpaceGroup
    except ImportError as err:
        raise MissingExtraError("pymatgen", "chemistry", "computing stick patterns") from err
    with warnings.catch_warnings():
        # pymatgen knows the operations of settings such as Pmcn but not their long names.
        warnings.filterwarnings("ignore", message="Full symbol not available")
        cell = _full_cell(structure.cell, SpaceGroup(structure.space_group).int_number)
        return Crystal.from_spacegroup(
            structure.space_group,
            Lattice.from_parameters(*cell),
            [site.element for site in structure.sites],
            [[site.x, site.y, site.z] for site in structure.sites],
        )


def stick_pattern(structure: Structure, file: StructureFile) -> Reference:
    """Lines of one structure on the absolute scale of ``Reference.intensity``.

    Multiplicity x |F|^2 x Lorentz-polarisation factor (no monochromator), divided by the square
    of the cell volume and by the density: the intensity per unit of mass of a flat thick sample,
    before its absorption. |F|^2 holds isotropic displacement and anomalous dispersion.
    """
    crystal = build_crystal(structure)
    hkl, d_angstrom, intensity = _lines(crystal, file)
    density = float(crystal.density)
    intensity = intensity / (float(crystal.volume) ** 2 * density)
    kept = intensity >= WEAKEST * intensity.max()
    a, b, c, alpha, beta, gamma = (float(x) for x in crystal.lattice.parameters)
    composition = crystal.composition
    absorption = sum(
        composition.get_wt_fraction(element) * file.mass_absorption_cm2_per_g[element.symbol]
        for element in composition.elements
    )
    return Reference(
        name=structure.name,
        density_g_per_cm3=round(density, 4),
        mass_absorption_cm2_per_g=round(absorption, 2),
        d_angstrom=tuple(round(float(d), 5) for d in d_angstrom[kept]),
        intensity=tuple(float(f"{y:.5g}") for y in intensity[kept]),
        hkl=tuple((int(h), int(k), int(m)) for h, k, m in hkl[kept]),
        cell=(
            round(a, 6),
            round(b, 6),
            round(c, 6),
            round(alpha, 6),
            round(beta, 6),
            round(gamma, 6),
        ),
        family=_family(structure),
        texture_axis=structure.texture_axis,
    )


def _lines(crystal: Crystal, file: StructureFile) -> tuple[IntArray, Array, Array]:
    """One reflection, spacing and multiplicity x |F|^2 x LP of each line, largest spacing first."""
    reciprocal = crystal.lattice.reciprocal_lattice_crystallographic
    low, high = (
        2.0 * np.sin(np.radians(angle / 2.0)) / WAVELENGTH_ANGSTROM[0]
        for angle in TWO_THETA_RANGE_DEG
    )
    hkl = np.array([p[0] for p in reciprocal.get_points_in_sphere([[0, 0, 0]], [0, 0, 0], high)])
    length = np.linalg.norm(hkl @ reciprocal.matrix, axis=1)
    hkl, length = np.rint(hkl[length >= low]).astype(np.int64), length[length >= low]
    # The largest indices come first, so that the one reflection kept reads (111), not (-1-1-1).
    order = np.lexsort((*(-hkl.T), np.round(length, 6)))
    hkl, length = hkl[order], length[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(length) > SAME_LINE * length[1:]) + 1])
    sine = WAVELENGTH_ANGSTROM[0] * length / 2.0
    polarised = (1.0 + (1.0 - 2.0 * sine**2) ** 2) / (sine**2 * np.sqrt(1.0 - sine**2))
    each = _structure_factors(crystal, hkl, length, file) * polarised
    return hkl[starts], 1.0 / length[starts], np.add.reduceat(each, starts)


def _structure_factors(
    crystal: Crystal, hkl: IntArray, length: Array, file: StructureFile
) -> Array:
    """|F|^2 of each reflection at reciprocal length 1/d, electrons squared, shape ``(n,)``."""
    from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS

    corrections = dispersion()
    square = (length / 2.0) ** 2
    total = np.zeros(len(hkl), dtype=np.complex128)
    for element in crystal.composition.elements:
        table = np.array(ATOMIC_SCATTERING_PARAMS[element.symbol])
        screened = (table[:, :1] * np.exp(-table[:, 1:] * square)).sum(axis=0)
        form = element.Z - MOTT_BETHE * square * screened + corrections[element.symbol]
        places = np.array([site.frac_coords for site in crystal if site.specie == element])
        waves = np.exp(2j * np.pi * (hkl @ places.T)).sum(axis=1)
        total += form * np.exp(-file.b_iso[element.symbol] * square) * waves
    return np.abs(total) ** 2


def dispersion() -> dict[str, complex]:
    """F' + i f'' of the elements at Cu K-alpha 1, electrons.

    Raises:
        ConfigError: The table is missing or wrong.
    """
    path = Path(str(resources.files("sdl.analysis").joinpath("data", "dispersion.yaml")))
    table = load(path, Dispersion, "the dispersion table").root
    return {element: complex(real, imaginary) for element, (real, imaginary) in table.items()}


def _family(structure: Structure) -> LatticeFamily:
    from pymatgen.symmetry.groups import SpaceGroup

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full symbol not available")
        number = SpaceGroup(structure.space_group).int_number
    return next(name for last, name in _FAMILIES if number <= last)


def regenerate(system: str) -> StickFile:
    """Stick patterns of every structure of a system.

    Raises:
        ConfigError: The system has no structures.
        MissingExtraError: pymatgen is not installed.
    """
    file = load_structures(system)
    return StickFile(
        system=system,
        structures_hash=structures_hash(file),
        references=tuple(stick_pattern(structure, file) for structure in file.structures),
    )


def write(system: str) -> Path:
    """Regenerates the stick patterns of a system and writes them beside its structures."""
    path = data_path(f"{system}.structures.yaml").with_name(f"{system}.sticks.json")
    path.write_text(_text(regenerate(system)), encoding="utf-8")
    return path


def _text(sticks: StickFile) -> str:
    """JSON with one list per line: a small file that still shows what changed."""
    text = json.dumps(sticks.model_dump(mode="json"), indent=1)
    return re.sub(r"\[[^\[\]{}\"]*\]|\[(?:\s*\[[^\[\]]*\],?)+\s*\]", _flat, text) + "\n"


def _flat(match: re.Match[str]) -> str:
    return re.sub(r"\s+", "", match.group()).replace(",", ", ")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: one system name."""
    parser = argparse.ArgumentParser(description="Recompute stick patterns from structures.")
    parser.add_argument("system", help="chemical system, as ba-ti-c-o")
    write(parser.parse_args(arguments).system)


def _full_cell(cell: Cell, number: int) -> tuple[float, float, float, float, float, float]:
    hexagonal = _HEXAGONAL[0] <= number <= _HEXAGONAL[1]
    gamma = cell.gamma or (120.0 if hexagonal else 90.0)
    return (cell.a, cell.b or cell.a, cell.c or cell.a, cell.alpha, cell.beta, gamma)


if __name__ == "__main__":
    main()
