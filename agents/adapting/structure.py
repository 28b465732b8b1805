"""Chemistries of another structure than the believed one, as functions of a chemical system."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sdl.chemistry.system import ChemicalSystem, Kinetics, Law, Phase, Reaction
from sdl.chemistry.thermo import KJ_PER_MOL_PER_EV, GibbsTable
from sdl.core.errors import ChemistryError
from simulators.laws import law_integral
from simulators.network import LAW_NUMBERS

HALF_RADIUS = 0.5 ** (1.0 / 3.0)
"""Core radius at half conversion, where the laws are matched."""
OTHER = Law.CONTRACTING_VOLUME
"""A moving surface in place of a growing layer."""
SIDE_DRIVE_KJ_PER_MOL = 10.0
"""How much the hidden phase lies below the target and the oxide that it is made of."""
SIDE_SPEED, BACK_SPEED = 0.3, 1.0
"""Speed of the hidden phase's formation and of its way back, over that of the target."""
SIDE = "hidden-"
"""First part of the name of such a phase."""
SIDE_FROM, SIDE_WITH = "hidden_from_", "hidden_with_"
"""First parts of the names of these reactions."""


def forming(system: ChemicalSystem, target: str) -> tuple[Reaction, ...]:
    """Reactions of two solids whose only solid product is the target.

    Raises:
        ChemistryError: There is none.
    """
    solids = {p.name for p in system.solids}
    found = []
    for reaction in system.reactions:
        made = {n for n, v in reaction.equation.items() if v > 0 and n in solids}
        eaten = {n for n, v in reaction.equation.items() if v < 0 and n in solids}
        if made == {target} and len(eaten) == 2 and target not in eaten:
            found.append(reaction)
    if not found:
        raise ChemistryError("no reaction of two solids forms the target", got=target)
    return tuple(found)


def with_other_law(system: ChemicalSystem, target: str, law: Law = OTHER) -> ChemicalSystem:
    """The system with another rate law wherever the target forms.

    The new rate constant gives half conversion of a grain of the reference size at the reference
    temperature in the same time as the old one; before, after and for other sizes it differs.
    """
    changed = {r.name for r in forming(system, target)}
    reactions = tuple(
        r if r.name not in changed else r.model_copy(update={"kinetics": _matched(system, r, law)})
        for r in system.reactions
    )
    return system.model_copy(update={"reactions": reactions})


def _matched(system: ChemicalSystem, reaction: Reaction, law: Law) -> Mapping[str, Kinetics]:
    """The kinetics of a reaction under another law, equal at half conversion."""
    core = next((c for c in system.cores if c.phase == reaction.core), None)
    own = system.phase(reaction.core).molar_volume_cm3_per_mol or 1.0
    layer = own if core is None else system.phase(core.layer).molar_volume_cm3_per_mol or own

    def half(of: Law) -> float:
        ratio = layer / own if of is Law.CARTER else 1.0
        return law_integral(LAW_NUMBERS[of], HALF_RADIUS, ratio, system.interface)

    found: dict[str, Kinetics] = {}
    for variant, kinetics in reaction.kinetics.items():
        before = kinetics.law or (core.law if core else Law.GINSTLING_BROUNSHTEIN)
        k = kinetics.k_per_s * half(law) / half(before)
        found[variant] = kinetics.model_copy(update={"law": law, "k_per_s": k})
    return found


def with_hidden_phase(
    system: ChemicalSystem, target: str, speed: float = SIDE_SPEED
) -> ChemicalSystem:
    """The system with one more phase, made of the target and an oxide it forms from.

    As barium dititanate beside the titanate: grains of the oxide take up the target, and the other
    reactant turns the new phase back into two of the target. No figure is measured: its energy is
    that of the two less ``SIDE_DRIVE_KJ_PER_MOL``, its rates are shares of the target's.

    Args:
        system: The believed chemistry.
        target: Name of the target.
        speed: Of the formation, over that of the target.

    Raises:
        ChemistryError: No reaction of two solids forms the target.
    """
    first = forming(system, target)
    cores = tuple(dict.fromkeys(r.core for r in first))
    main = first[0]
    phase = _side_phase(system, target, main.core)
    made: list[Reaction] = []
    for core in cores:
        source = next(r for r in first if r.core == core)
        equation = {target: -1.0, core: -1.0, phase.name: 1.0}
        made.append(_side_reaction(SIDE_FROM + _word(core), equation, core, source, speed))
    partners: set[str] = set()
    for source in first:
        rest = {n: v for n, v in source.equation.items() if n not in (source.core, target)}
        partner = next(n for n, v in rest.items() if v < 0)
        if partner in partners or source.equation[source.core] != -1.0:
            continue
        if source.equation[target] != 1.0 or partner in cores:
            continue
        partners.add(partner)
        equation = {phase.name: -1.0, **rest, target: 2.0}
        name = SIDE_WITH + _word(partner)
        made.append(_side_reaction(name, equation, phase.name, source, BACK_SPEED))
    return system.model_copy(
        update={"phases": (*system.phases, phase), "reactions": (*system.reactions, *made)}
    )


def hidden_phase(system: ChemicalSystem, target: str) -> str:
    """Name of the phase that ``with_hidden_phase`` adds."""
    return f"{SIDE}{target}-{forming(system, target)[0].core}"


def _word(name: str) -> str:
    return name.lower().replace("-", "_")


def _side_phase(system: ChemicalSystem, target: str, core: str) -> Phase:
    parts = [system.phase(target), system.phase(core)]
    composition: dict[str, float] = {}
    for part in parts:
        for element, n in part.composition.items():
            composition[element] = composition.get(element, 0.0) + n
    start, end = max(p.gibbs.start_k for p in parts), min(p.gibbs.end_k for p in parts)
    step = min(p.gibbs.step_k for p in parts)
    grid = start + step * np.arange(round((end - start) / step) + 1)
    sums = [sum(p.gibbs.kj_per_mol(float(min(t, end))) for p in parts) for t in grid]
    shifted = tuple((g - SIDE_DRIVE_KJ_PER_MOL) / KJ_PER_MOL_PER_EV for g in sums)
    return Phase(
        name=hidden_phase(system, target),
        composition=composition,
        state="solid",
        molar_mass_g_per_mol=sum(p.molar_mass_g_per_mol for p in parts),
        molar_volume_cm3_per_mol=sum(p.molar_volume_cm3_per_mol or 0.0 for p in parts),
        gibbs=GibbsTable(start_k=start, step_k=step, ev_per_formula=shifted),
        source=parts[0].source,
    )


def _side_reaction(
    name: str, equation: dict[str, float], core: str, source: Reaction, speed: float
) -> Reaction:
    """A reaction of the hidden phase with the rates of one of the target's."""
    law = Law.GINSTLING_BROUNSHTEIN
    kinetics = {
        variant: k.model_copy(update={"law": law, "k_per_s": speed * k.k_per_s})
        for variant, k in source.kinetics.items()
    }
    return source.model_copy(
        update={
            "name": name, "equation": equation, "core": core, "kinetics": kinetics, "barrier": None
        }
    )  # fmt: skip
