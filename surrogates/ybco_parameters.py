"""What is not known of the YBCO firings, in few figures that carry over to other precursors.

One factor per class of reactions, one activation shift, a few energies. Nothing belongs to one
precursor set, and little to one barium source, so a fit without a source still says something
of it. Prior widths are honest guesses; nothing here is taken from the outcomes.
"""

from __future__ import annotations

from collections.abc import Callable

from sdl.chemistry.system import ChemicalSystem, Reaction
from sdl.tasks.ybco import REDUCED, TARGET
from surrogates.parameters import Parameter, ParameterSet, shared
from surrogates.ybco_protocol import FIRED

_GAS_TO_CARBONATE = (
    "carbonation", "peroxide_carbonation", "bacuo2_carbonation", "ba2cu3o6_carbonation",
)  # fmt: skip
_GREEN = "BaY2CuO5"


def _solids(reaction: Reaction, system: ChemicalSystem) -> set[str]:
    solids = {p.name for p in system.solids}
    return {p for p, n in reaction.equation.items() if n < 0 and p in solids}


def ybco_parameters(system: ChemicalSystem) -> ParameterSet:
    """Some twenty-five parameters over all reactions of the system."""
    reactants = {r.name: _solids(r, system) for r in system.reactions}
    made = {r.name: {p for p, n in r.equation.items() if n > 0} for r in system.reactions}
    pairs = {name for name, found in reactants.items() if len(found) >= 2}

    def those(what: Callable[[set[str]], bool]) -> list[str]:
        return [name for name in sorted(pairs) if what(reactants[name])]

    ybco = {TARGET, REDUCED}
    forming = [n for n in sorted(pairs) if made[n] & ybco]
    classes: dict[str, list[str]] = {
        "carbonate": those(lambda r: "BaCO3" in r),
        "oxide": those(lambda r: "BaO" in r),
        "peroxide": those(lambda r: "BaO2" in r),
        "yttria": those(lambda r: "Y2O3" in r),
        "blue_phase": those(lambda r: "Y2Cu2O5" in r),
        "green_phase": those(lambda r: _GREEN in r),
        "cuprate": those(lambda r: bool(r & {"Ba2Cu3O6", "BaCuO2"})),
        "decay_of_ybco": those(lambda r: bool(r & ybco)),
        "forming_ybco": forming,
        "gas_to_carbonate": list(_GAS_TO_CARBONATE),
    }
    found = [
        shared("solid_state", 1.5, _rows("ln_k", sorted(pairs), system)),
        shared("activation", 40.0, _rows("activation", sorted(pairs), system)),
        shared("carbon_dioxide", 15.0, ["energy/BaCO3"]),
        shared("ybco", 5.0, [f"energy/{p}" for p in sorted(ybco)]),
        shared("activation_of_forming_ybco", 40.0, _rows("activation", forming, system)),
        shared("fired_powders", 0.5, [f"ln_particle/{name}" for name in FIRED]),
    ]
    found += [shared(k, 1.5, _rows("ln_k", names, system)) for k, names in classes.items()]
    found += [
        Parameter(f"ln_k/{name}", sd, tuple(_rows("ln_k", [name], system)))
        for name, sd in (
            ("ba2cu3o6_decay", 1.5),
            ("blue_phase", 1.5),
            ("blue_phase_cuprate", 2.0),
            ("green_phase", 2.0),
            ("green_phase_ba2cu3o6", 2.0),
            ("green_phase_cuprates", 2.0),
            ("peroxidation", 1.5),
            ("yttria_ba2cu3o6", 2.0),
            ("yttria_cuprates", 2.0),
        )
    ]
    carbonated = _rows("ln_k", _GAS_TO_CARBONATE[2:], system)
    found += [
        shared("cuprates_to_carbonate", 1.0, carbonated),
        Parameter("energy/Ba2Cu3O6", 6.0, ("energy/Ba2Cu3O6",)),
        Parameter("ln_nucleation", 1.0, ("ln_nucleation",)),
        Parameter("ln_mixing", 0.4, ("ln_mixing",)),
        Parameter("ln_melt/cuprate_melt", 2.0, ("ln_melt/cuprate_melt",)),
    ]
    return ParameterSet(tuple(found))


def _rows(kind: str, names: list[str] | tuple[str, ...], system: ChemicalSystem) -> list[str]:
    wanted = set(names)
    return [
        f"{kind}/{r.name}/{variant}"
        for r in system.reactions
        if r.name in wanted
        for variant in r.kinetics
    ]
