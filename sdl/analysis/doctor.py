"""Checks of the crystal structures beside a chemical system."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sdl.analysis.beside import Beside, read_beside
from sdl.analysis.references import Reference, StickFile
from sdl.analysis.structures import StructureFile
from sdl.chemistry.doctor.finding import Finding, judged
from sdl.chemistry.doctor.reading import Draft
from sdl.chemistry.elements import ATOMIC_MASS
from sdl.chemistry.system import ChemicalSystem, Phase
from sdl.core.errors import ConfigError

DENSITY_WITHIN = 0.05
"""Largest difference of the densities by structure and by molar volume, as a share."""
ABSORPTION_WITHIN = 0.01
"""Largest difference of the mass absorption by structure and by formula, as a share."""
UNITS_WITHIN = 0.01
"""Largest distance of the formula units in a cell from a whole number, as a share."""
AVOGADRO = 6.02214076e23
"""1/mol (SI)."""

_PRESENT, _DENSITY, _CONTENT = "structures", "densities agree", "compositions agree"


def examine_structures(draft: Draft) -> tuple[Finding, ...]:
    """Structures of every solid, patterns up to date, densities and compositions.

    Without structures beside it a user's own system is merely warned: it cannot be measured by
    diffraction, all else works.
    """
    try:
        beside = read_beside(draft.path)
    except ConfigError as err:
        failed = Finding(check=_PRESENT, state="failed", words="unreadable", details=(str(err),))
        return (failed, *(_skipped(check) for check in (_DENSITY, _CONTENT)))
    if beside.structures is None:
        words = f"no {draft.path.stem}.structures.yaml beside it: no diffraction patterns"
        state = "failed" if draft.shipped else "warning"
        absent = Finding(check=_PRESENT, state=state, words=words)
        return (absent, *(_skipped(check) for check in (_DENSITY, _CONTENT)))
    return (
        _present(draft, beside, beside.structures),
        _density(draft.system, beside.sticks),
        _composition(draft.system, beside.structures, beside.sticks),
    )


def _skipped(check: str) -> Finding:
    return Finding(check=check, state="skipped", words="no structures")


def _present(draft: Draft, beside: Beside, structures: StructureFile) -> Finding:
    names = {s.name for s in structures.structures if s.role == "fit"}
    extra = {s.name for s in structures.structures if s.role == "extra"}
    solids = [p.name for p in draft.system.solids]
    reacting = {name for reaction in draft.system.reactions for name in reaction.equation}
    failed = [f"{n} has no structure" for n in solids if n in reacting - names - extra]
    aside = [n for n in solids if n in reacting & extra]
    idle = [n for n in solids if n not in reacting | names | extra]
    warned = [f"not in the default set (role extra): {', '.join(aside)}"] if aside else []
    if idle:
        warned.append(f"no structure, and in no reaction: {', '.join(idle)}")
    if structures.system != draft.system.name:
        failed.append(f"the structures are of the system {structures.system}")
    if not beside.current:
        do = f"run python -m sdl.analysis.regenerate {draft.path.stem}"
        state = "there are no stick patterns" if beside.sticks is None else "sticks are out of date"
        (failed if draft.shipped else warned).append(f"{state}: {do}")
    good = f"{len(names)} in the default set, {len(extra)} by name only"
    return judged(_PRESENT, good, failed=failed, warned=warned)


def _density(system: ChemicalSystem, sticks: StickFile | None) -> Finding:
    if sticks is None:
        return Finding(check=_DENSITY, state="skipped", words="no stick patterns")
    density = {r.name: r.density_g_per_cm3 for r in sticks.references}
    failed, worst, compared = [], 0.0, 0
    for phase in system.solids:
        volume = phase.molar_volume_cm3_per_mol
        if phase.name not in density or volume is None:
            continue
        own = phase.molar_mass_g_per_mol / volume
        off, compared = density[phase.name] / own - 1.0, compared + 1
        worst = max(worst, abs(off))
        if abs(off) > DENSITY_WITHIN:
            failed.append(
                f"{phase.name}: {density[phase.name]:.3f} g/cm3 by structure, {own:.3f} by molar "
                f"volume ({off:+.1%})"
            )
    good = f"{compared} phases within {max(worst, 0.001):.1%}"
    return judged(_DENSITY, good, failed=failed, what="differ by more than 5 %")


def _composition(
    system: ChemicalSystem, structures: StructureFile, sticks: StickFile | None
) -> Finding:
    """The elements, the formula units per cell, and the absorption that follows from both.

    All from what the sticks were computed with, so that the check needs no pymatgen.
    """
    if sticks is None:
        return Finding(check=_CONTENT, state="skipped", words="no stick patterns")
    references = {reference.name: reference for reference in sticks.references}
    phases = {p.name: p for p in system.solids}
    warned, compared = [], 0
    for structure in structures.structures:
        phase, reference = phases.get(structure.name), references.get(structure.name)
        if phase is None or reference is None:
            continue
        compared += 1
        given = {site.element for site in structure.sites}
        if given != set(phase.composition):
            warned.append(f"{phase.name}: the structure is of {', '.join(sorted(given))}")
            continue
        off = _absorption_off(phase, reference, structures.mass_absorption_cm2_per_g)
        if abs(off) > ABSORPTION_WITHIN:
            warned.append(f"{phase.name}: the structure absorbs {off:+.1%} more than its formula")
        units = _units_per_cell(phase, reference)
        if units is not None and abs(units - round(units)) > UNITS_WITHIN * units:
            warned.append(f"{phase.name}: {units:.2f} formula units in the cell of the structure")
    return judged(_CONTENT, f"{compared} structures", warned=warned, what="to look at")


def _absorption_off(phase: Phase, reference: Reference, table: Mapping[str, float]) -> float:
    """Mass absorption of a structure over that of the phase's composition, less 1."""
    masses = {e: n * ATOMIC_MASS[e] for e, n in phase.composition.items()}
    own = sum(mass * table[e] for e, mass in masses.items()) / sum(masses.values())
    return reference.mass_absorption_cm2_per_g / own - 1.0


def _units_per_cell(phase: Phase, reference: Reference) -> float | None:
    """Formula units in the cell by density and volume; ``None`` where the file has no cell."""
    if reference.cell is None:
        return None
    a, b, c, *angles = reference.cell
    cosines = [math.cos(math.radians(angle)) for angle in angles]
    shape = 1.0 - sum(x * x for x in cosines) + 2.0 * math.prod(cosines)
    volume_cm3 = a * b * c * math.sqrt(shape) * 1e-24
    return reference.density_g_per_cm3 * volume_cm3 * AVOGADRO / phase.molar_mass_g_per_mol
