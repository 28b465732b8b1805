"""Checks of the crystal structures beside a chemical system."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from sdl.analysis.beside import Beside, read_beside
from sdl.analysis.references import StickFile
from sdl.analysis.structures import StructureFile
from sdl.chemistry.doctor.finding import Finding, judged
from sdl.chemistry.doctor.reading import Draft
from sdl.chemistry.system import ChemicalSystem, Phase
from sdl.core.errors import ConfigError

DENSITY_WITHIN = 0.05
"""Largest difference of the densities by structure and by molar volume, as a share."""
COMPOSITION_WITHIN = 0.01
"""Largest difference of an element's share of the atoms."""

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
        _composition(draft.system, beside.structures),
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


def _composition(system: ChemicalSystem, structures: StructureFile) -> Finding:
    if find_spec("pymatgen") is None:
        words = "needs pymatgen (pip install 'solid-state-sdl[chemistry]')"
        return Finding(check=_CONTENT, state="skipped", words=words)
    from sdl.analysis.regenerate import build_crystal

    phases = {p.name: p for p in system.solids}
    warned, compared = [], 0
    for structure in structures.structures:
        phase = phases.get(structure.name)
        if phase is None:
            continue
        compared += 1
        atoms = build_crystal(structure).composition.get_el_amt_dict()
        off = _difference(phase, atoms)
        if off:
            warned.append(f"{phase.name}: {off}")
    return judged(_CONTENT, f"{compared} structures", warned=warned, what="differ")


def _difference(phase: Phase, atoms: Mapping[str, float]) -> str:
    """Elements whose share of the atoms differs between phase and structure."""
    total, given = sum(phase.composition.values()), sum(atoms.values())
    words = []
    for element in sorted({*phase.composition, *atoms}):
        own, other = phase.composition.get(element, 0.0) / total, atoms.get(element, 0.0) / given
        if abs(own - other) > COMPOSITION_WITHIN:
            words.append(f"{element} {other:.1%} of the atoms in the structure, {own:.1%} here")
    return ", ".join(words)
