"""Stick patterns from structures, with pymatgen; run once, the result ships as data.

``python -m sdl.analysis.regenerate ba-ti-c-o`` writes ``ba-ti-c-o.sticks.json`` beside the
structures. Nothing else of the project imports this module: run time needs no pymatgen.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdl.analysis.references import WAVELENGTH_ANGSTROM, Reference, StickFile
from sdl.analysis.structures import Cell, Structure, StructureFile, data_path, load_structures
from sdl.core.errors import MissingExtraError
from sdl.core.model import content_hash

if TYPE_CHECKING:
    from pymatgen.core import Structure as Crystal

TWO_THETA_RANGE_DEG = (8.0, 102.0)
"""Wider than any scan, so that the tails of lines outside a grid are there."""

WEAKEST = 3e-3
"""Lines weaker than this share of the strongest are dropped."""

_HEXAGONAL = (143, 194)


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
    before its absorption. |F|^2 holds isotropic displacement, no anomalous dispersion.
    """
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    crystal = build_crystal(structure)
    wavelength: Any = WAVELENGTH_ANGSTROM[0]
    calculator = XRDCalculator(wavelength=wavelength, debye_waller_factors=dict(file.b_iso))
    pattern: Any = calculator.get_pattern(
        crystal, scaled=False, two_theta_range=TWO_THETA_RANGE_DEG
    )
    density = float(crystal.density)
    scale = 1.0 / (float(crystal.volume) ** 2 * density)
    strongest = float(max(pattern.y))
    lines = [
        (float(d), float(y) * scale)
        for d, y in zip(pattern.d_hkls, pattern.y, strict=True)
        if y >= WEAKEST * strongest
    ]
    composition = crystal.composition
    absorption = sum(
        composition.get_wt_fraction(element) * file.mass_absorption_cm2_per_g[element.symbol]
        for element in composition.elements
    )
    return Reference(
        name=structure.name,
        density_g_per_cm3=round(density, 4),
        mass_absorption_cm2_per_g=round(absorption, 2),
        d_angstrom=tuple(round(d, 5) for d, _ in lines),
        intensity=tuple(float(f"{y:.5g}") for _, y in lines),
    )


def regenerate(system: str) -> StickFile:
    """Stick patterns of every structure of a system.

    Raises:
        ConfigError: The system has no structures.
        MissingExtraError: pymatgen is not installed.
    """
    file = load_structures(system)
    return StickFile(
        system=system,
        structures_hash=content_hash(file),
        references=tuple(stick_pattern(structure, file) for structure in file.structures),
    )


def write(system: str) -> Path:
    """Regenerates the stick patterns of a system and writes them beside its structures."""
    path = data_path(f"{system}.structures.yaml").with_name(f"{system}.sticks.json")
    path.write_text(json.dumps(regenerate(system).model_dump(), indent=1) + "\n", encoding="utf-8")
    return path


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
