"""Checks of what the figures rest on: sources, and priors with their widths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sdl.chemistry.doctor.finding import Finding, judged
from sdl.chemistry.doctor.reading import Draft
from sdl.chemistry.system import ChemicalSystem, Kinetics
from sdl.chemistry.thermo import Source
from sdl.core.model import Frozen

Basis = Literal["measured", "recalled", "computed", "estimated", "unsourced", "definition"]

_WORDS: tuple[tuple[Basis, str], ...] = (
    ("unsourced", r"^unsourced|no measurement|no source"),
    ("definition", r"definition|^chosen|^element"),
    ("estimated", r"estimate|\bprior\b|assum|guess|\brule of\b"),
    ("recalled", r"recalled|from memory|not checked"),
    ("computed", r"computed|\bdft\b|\bpbe\b|sisso|materials project|materialsproject entr"),
)
_KEYS = re.compile(r"\[([A-Za-z0-9_.-]+)\]")
_PRIOR_BASES = ("computed", "estimated", "unsourced")


@dataclass(frozen=True)
class Figure:
    """One figure of a system file, with what it rests on."""

    name: str
    """As ``decarbonation/default`` or ``BaO.melting_c``."""
    key: str
    """Key of its source."""
    width: str = ""
    """Standard deviation with its unit, in words."""


class Prior(Frozen):
    """A figure that nobody measured, with how far it may be off."""

    name: str
    basis: str
    width: str


def basis_of(source: Source) -> Basis:
    """What a source is, by the words of its key and text; measured if none says otherwise."""
    text = f"{source.key} {source.text}".lower()
    for basis, words in _WORDS:
        if re.search(words, text):
            return basis
    return "measured"


def figures(system: ChemicalSystem) -> Iterator[Figure]:
    """Every figure of a system that names a source by key, enumerated reactions left out."""
    for gas, atmosphere in system.gases.items():
        yield Figure(f"{gas.value}.p_bar", atmosphere.source)
    yield Figure("powder", system.powder.source, f"ln {system.powder.ln_width:g}")
    for phase in system.phases:
        yield Figure(
            f"{phase.name}.gibbs", phase.source, f"{phase.gibbs_width_kj_per_mol:g} kJ/mol"
        )
        for key in _KEYS.findall(phase.volume_source):
            yield Figure(f"{phase.name}.molar_volume", key)
        if phase.melting_c is not None:
            for key in _KEYS.findall(phase.melting_source):
                yield Figure(f"{phase.name}.melting_c", key)
        if phase.coarsening is not None:
            grain = phase.coarsening
            yield Figure(f"{phase.name}.coarsening", grain.source, f"ln K {grain.ln_width:g}")
    for melt in system.melts:
        width = f"{melt.width_c:g} °C, ln factor {melt.ln_width:g}"
        yield Figure(f"melt {melt.name}", melt.source, width)
    if system.network is not None:
        prior, barrier = system.network.tammann, system.network.barrier
        width = f"ln k {prior.ln_k_width:g}, {prior.activation_width_kj_per_mol:g} kJ/mol"
        yield Figure("network.tammann", prior.source, width)
        if barrier is not None:
            yield Figure("network.barrier", barrier.source, f"{barrier.width_j_per_m2:g} J/m2")
    for reaction in system.reactions:
        if reaction.enumerated:
            continue
        if reaction.barrier is not None:
            width = f"{reaction.barrier.width_j_per_m2:g} J/m2"
            yield Figure(f"{reaction.name}.barrier", reaction.barrier.source, width)
        for variant, kinetics in reaction.kinetics.items():
            yield Figure(f"{reaction.name}/{variant}", kinetics.source, _width(kinetics))


def _width(kinetics: Kinetics) -> str:
    return f"ln k {kinetics.ln_k_width:g}, {kinetics.activation_width_kj_per_mol:g} kJ/mol"


def counts(system: ChemicalSystem) -> dict[str, int]:
    """How many figures are measured, recalled, computed, estimated, unsourced."""
    basis = {source.key: basis_of(source) for source in system.sources}
    found = Counter(basis.get(figure.key, "unsourced") for figure in figures(system))
    order: tuple[Basis, ...] = ("measured", "recalled", "computed", "estimated", "unsourced")
    return {name: found[name] for name in order}


def check_sources(draft: Draft) -> Finding:
    """Every figure names a source of the file, and every source is used."""
    system = draft.system
    known = {source.key for source in system.sources}
    used = list(figures(system))
    missing = [f"{f.name}: no source {f.key!r}" for f in used if f.key not in known]
    idle = known - {f.key for f in used} - {system.hazard_source}
    text = draft.path.read_text(encoding="utf-8")
    # Free text may quote a source too: in a note, a comment.
    unused = [
        f"the source {key!r} is used by nothing"
        for key in sorted(idle)
        if len(re.findall(rf"(?<![\w-]){re.escape(key)}(?![\w-])", text)) < 2
    ]
    silent = [
        f"{phase.name}: the molar volume names no source"
        for phase in system.solids
        if not phase.volume_source
    ]
    good = f"{len(used)} figures, {len(known)} sources"
    warned = [*unused, *silent]
    return judged("sources are named", good, failed=missing, warned=warned, what="to look at")


def check_priors(draft: Draft) -> Finding:
    """What the figures rest on, counted; a prior without a width warns."""
    system = draft.system
    words = ", ".join(f"{n} {basis}" for basis, n in counts(system).items() if n)
    added = sum(reaction.enumerated for reaction in system.reactions)
    if added:
        words += f"; {added} enumerated reactions on one rule"
    bare = [
        f"{p.name} is {p.basis} and states no width"
        for p in priors(system)
        if re.fullmatch(r"(ln k )?0( kJ/mol)?(, 0 kJ/mol)?", p.width)
    ]
    return judged("figures by what they rest on", words, warned=bare, what="without a width")


def priors(system: ChemicalSystem) -> tuple[Prior, ...]:
    """Every figure that is computed, estimated or unsourced and states a width."""
    basis = {source.key: basis_of(source) for source in system.sources}
    return tuple(
        Prior(name=f.name, basis=basis.get(f.key, "unsourced"), width=f.width)
        for f in figures(system)
        if f.width and basis.get(f.key, "unsourced") in _PRIOR_BASES
    )
