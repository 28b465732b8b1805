"""Checks of a chemical system that look at more than one entry; each error names its place."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from sdl.chemistry.elements import ATOMIC_MASS
from sdl.chemistry.system import ChemicalSystem, Phase

MOST_REACTANTS = MOST_PRODUCTS = 3


def check_system(system: ChemicalSystem) -> None:
    """Refuses a system that contradicts itself.

    Raises:
        ValidationError: With the place of the entry, so that the loader names its line.
    """
    _check_phases(system)
    _check_cores(system)
    for i in range(len(system.reactions)):
        _check_reaction(system, i)
    _check_melts(system)
    _check_sources(system)


def _wrong(message: str, given: object, *place: str | int) -> ValidationError:
    """An error at one place of the file, so that the loader names its line."""
    details = InitErrorDetails(
        type="value_error", loc=place, input=given, ctx={"error": ValueError(message)}
    )
    return ValidationError.from_exception_data("ChemicalSystem", [details])


def _known(system: ChemicalSystem, name: str, *place: str | int) -> Phase:
    """A phase that the file names at ``place``."""
    for phase in system.phases:
        if phase.name == name:
            return phase
    names = ", ".join(p.name for p in system.phases)
    raise _wrong(f"there is no such phase; allowed: {names}", name, *place)


def _check_phases(system: ChemicalSystem) -> None:
    for i, phase in enumerate(system.phases):
        at = ("phases", i)
        strange = sorted(set(phase.composition) - set(system.elements))
        if strange:
            allowed = ", ".join(system.elements)
            raise _wrong(f"unknown element; allowed: {allowed}", strange, *at, "composition")
        weightless = sorted(set(phase.composition) - set(ATOMIC_MASS))
        if weightless:
            message = "no atomic weight is known; do: add it to sdl.chemistry.elements"
            raise _wrong(message, weightless, *at, "composition")
        mass = sum(ATOMIC_MASS[e] * n for e, n in phase.composition.items())
        given = phase.molar_mass_g_per_mol
        if abs(mass - given) > 2e-4 * mass:
            message = f"{phase.name} weighs {mass:.3f} g/mol by its composition"
            raise _wrong(f"{message}; allowed: within 0.02 %", given, *at, "molar_mass_g_per_mol")
        if phase.state == "solid" and phase.molar_volume_cm3_per_mol is None:
            message = f"the solid {phase.name} has no molar volume; allowed: > 0 cm3/mol"
            raise _wrong(message, None, *at)
        if phase.grows_on is not None:
            _known(system, phase.grows_on, *at, "grows_on")


def _check_cores(system: ChemicalSystem) -> None:
    phases = [core.phase for core in system.cores]
    for i, core in enumerate(system.cores):
        if core.phase in phases[:i]:
            message = "a core stands twice; allowed: one law for each phase"
            raise _wrong(message, core.phase, "cores", i, "phase")
        for key, name in (("phase", core.phase), ("layer", core.layer)):
            if _known(system, name, "cores", i, key).state != "solid":
                raise _wrong("this is a gas; allowed: solids", name, "cores", i, key)


def _check_reaction(system: ChemicalSystem, i: int) -> None:
    reaction = system.reactions[i]
    at, equation = ("reactions", i), reaction.equation
    found = {name: _known(system, name, *at, "equation") for name in equation}
    for element in system.elements:
        terms = [n * found[name].composition.get(element, 0.0) for name, n in equation.items()]
        if abs(sum(terms)) > 1e-12 * max(1.0, max(abs(t) for t in terms)):
            message = f"{reaction.name} does not balance {element}: {sum(terms):+g}; allowed: 0"
            raise _wrong(message, equation, *at, "equation")
    cores = [core.phase for core in system.cores]
    own_laws = all(kinetics.law is not None for kinetics in reaction.kinetics.values())
    if reaction.core not in cores and not own_laws:
        message = f"the core has no entry in `cores`; allowed: {', '.join(cores)}"
        raise _wrong(message, reaction.core, *at, "core")
    eaten = [n for n, v in equation.items() if v < 0 and found[n].state == "solid"]
    if reaction.core not in eaten:
        message = f"{reaction.name} does not consume its core; allowed: {', '.join(eaten)}"
        raise _wrong(message, reaction.core, *at, "core")
    made = [n for n, v in equation.items() if v > 0 and found[n].state == "solid"]
    if len(made) > MOST_PRODUCTS:
        raise _wrong("too many solids form; allowed: at most 3", made, *at, "equation")
    for name in reaction.blocked_by:
        _known(system, name, *at, "blocked_by")
    if len(eaten) > MOST_REACTANTS:
        raise _wrong("too many solids react; allowed: one to three", eaten, *at, "equation")
    if "default" not in reaction.kinetics:
        message = "there are no `default` kinetics; allowed: default, and others beside it"
        raise _wrong(message, list(reaction.kinetics), *at, "kinetics")
    for name in equation:
        for gas, atmosphere in system.gases.items():
            if found[name].state == "gas" and name not in atmosphere.p_bar:
                message = f"{reaction.name} needs a pressure of {name} in every gas"
                raise _wrong(message, dict(atmosphere.p_bar), "gases", gas.value, "p_bar")


def _check_melts(system: ChemicalSystem) -> None:
    for i, melt in enumerate(system.melts):
        for name in melt.phases:
            if _known(system, name, "melts", i, "phases").state != "solid":
                raise _wrong("this is a gas; allowed: solids", name, "melts", i, "phases")
    if system.network is not None:
        for i, pair in enumerate(system.network.skip):
            for name in pair:
                _known(system, name, "network", "skip", i)


def _check_sources(system: ChemicalSystem) -> None:
    known = sorted(source.key for source in system.sources)
    used: list[tuple[str, tuple[str | int, ...]]] = [(system.powder.source, ("powder", "source"))]
    if system.hazard_source:
        used.append((system.hazard_source, ("hazard_source",)))
    used += [(g.source, ("gases", n.value, "source")) for n, g in system.gases.items()]
    used += [(p.source, ("phases", i, "source")) for i, p in enumerate(system.phases)]
    for i, phase in enumerate(system.phases):
        if phase.coarsening is not None:
            used.append((phase.coarsening.source, ("phases", i, "coarsening", "source")))
    used += [(melt.source, ("melts", i, "source")) for i, melt in enumerate(system.melts)]
    if system.network is not None:
        used.append((system.network.tammann.source, ("network", "tammann", "source")))
        if system.network.barrier is not None:
            used.append((system.network.barrier.source, ("network", "barrier", "source")))
    for i, reaction in enumerate(system.reactions):
        if reaction.barrier is not None:
            used.append((reaction.barrier.source, ("reactions", i, "barrier", "source")))
        for name, kinetics in reaction.kinetics.items():
            used.append((kinetics.source, ("reactions", i, "kinetics", name, "source")))
    for key, place in used:
        if key not in known:
            raise _wrong(f"unknown source; allowed: {', '.join(known)}", key, *place)
