"""A recipe file made ready to run: system, lots, limits; what cannot be is told with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdl.analysis.beside import Beside, read_beside
from sdl.chemistry.doctor.reading import open_system, system_path
from sdl.chemistry.system import ChemicalSystem
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.event import Violation
from sdl.core.material import Lot
from sdl.core.recipe import Anneal, Characterise, Dose, Mix, Quench, Recipe, Step, Wash
from sdl.core.yaml import place_of
from sdl.safety import check_recipe, check_step
from sdl.tasks.task import Hidden, Task, load_task
from simulators.program import ROOM_C
from simulators.recipe_file import FileDose, FileMix, RecipeFile, read_recipe

FURNACE = "furnace_1"
"""The furnace where no task names one."""

SCAN_MIN = 8.0
"""Length of the scan at the end of a recipe that has none, min."""

Keys = tuple[str | int, ...]
Fault = tuple[Keys, str, str, str]
"""Keys of the faulty value, what is wrong, what was given, what is allowed."""


@dataclass(frozen=True)
class Preparation:
    """All a simulation needs, checked."""

    name: str
    title: str
    system: ChemicalSystem
    lots: tuple[Lot, ...]
    recipe: Recipe
    """Ends with a scan."""
    scan_added: bool
    """Whether that scan is ours, not the file's."""
    furnace: str
    hidden: Hidden
    beside: Beside
    """Structures and patterns of the system."""


def prepare(path: Path, system: str | None = None) -> Preparation:
    """Reads and checks a recipe file.

    Args:
        path: The file.
        system: Name or path of a system that stands instead of the file's.

    Raises:
        ConfigError: With file and line, what was given, what is allowed, what to do.
    """
    return prepare_recipe(read_recipe(path), path, system)


def prepare_recipe(file: RecipeFile, path: Path, system: str | None = None) -> Preparation:
    """Checks a recipe that was read already; ``path`` is its file, for messages and neighbours.

    Raises:
        ConfigError: As ``prepare``.
    """
    task = _task(file, path, system)
    name = _system_name(file, path, system, task)
    chemistry = open_system(name)
    return _checked(file, path, chemistry, task, read_beside(system_path(name)[0]))


def _task(file: RecipeFile, path: Path, system: str | None) -> Task | None:
    if file.task is None:
        return None
    if system is not None:
        raise ConfigError(
            "the recipe names a task, which has its system",
            got=f"--system {system}",
            allowed="one of the two",
            do="leave --system out, or write `system` instead of `task`",
            where=place_of(path, "task"),
        )
    try:
        return load_task(file.task, path.parent)
    except ConfigError as err:
        if err.where is not None:
            raise
        raise _error(path, ("task",), err.what, str(err.got), str(err.allowed)) from err


def _system_name(file: RecipeFile, path: Path, system: str | None, task: Task | None) -> str:
    if system is not None:
        return system
    if task is not None:
        return task.system
    if file.system is None:
        raise ConfigError(
            "the recipe says neither `system` nor `task`",
            got="nothing",
            allowed="a chemical system or a task",
            do="add `system: NAME`, or give --system",
            where=f"{path}:1",
        )
    if file.system.endswith((".yaml", ".yml")):
        return str(path.parent / file.system)
    try:
        system_path(file.system)
    except ConfigError as err:
        raise _error(path, ("system",), err.what, str(err.got), str(err.allowed)) from err
    return file.system


def _checked(
    file: RecipeFile, path: Path, system: ChemicalSystem, task: Task | None, beside: Beside
) -> Preparation:
    for keys, what, got, allowed in _faults(file, system, task):
        raise _error(path, keys, what, got, allowed)
    lots = {lot.name: lot for lot in _shelf(file, system, task)}
    steps: list[Step] = []
    for step in file.steps:
        if not isinstance(step, FileMix):
            steps.append(step)
            continue
        doses = []
        for dose in step.doses:
            lot = _lot_of(dose, file, system, lots)
            lots.setdefault(lot.name, lot)
            doses.append(Dose(lot=lot.name, mass_mg=_mass_mg(dose, lot)))
        steps.append(Mix(doses=tuple(doses), mill_min=step.mill_min))
    scan_added = not isinstance(steps[-1], Characterise)
    if scan_added:
        steps.append(Characterise(scan_min=SCAN_MIN))
    recipe = Recipe(steps=tuple(steps))
    if task is not None:
        _check_limits(recipe, task, tuple(lots.values()), path)
    return Preparation(
        name=file.name,
        title=file.title or file.name,
        system=system,
        lots=tuple(lots.values()),
        recipe=recipe,
        scan_added=scan_added,
        furnace=_furnace(recipe, task),
        hidden=Hidden() if task is None else task.hidden,
        beside=beside,
    )


def _shelf(file: RecipeFile, system: ChemicalSystem, task: Task | None) -> list[Lot]:
    own = [
        Lot(
            name=lot.name,
            phase=lot.phase,
            molar_mass_g_per_mol=system.phase(lot.phase).molar_mass_g_per_mol,
            particle_um=lot.particle_um or file.particle_um,
            assay=lot.assay or file.assay,
        )
        for lot in file.lots
    ]
    names = {lot.name for lot in own}
    return [
        *own,
        *(lot for lot in (task.laboratory.shelf if task else ()) if lot.name not in names),
    ]


def _lot_of(dose: FileDose, file: RecipeFile, system: ChemicalSystem, lots: dict[str, Lot]) -> Lot:
    if dose.lot is not None:
        return lots[dose.lot]
    phase = str(dose.phase)
    for lot in lots.values():
        if lot.phase == phase:
            return lot
    return Lot(
        name=phase,
        phase=phase,
        molar_mass_g_per_mol=system.phase(phase).molar_mass_g_per_mol,
        particle_um=file.particle_um,
        assay=file.assay,
    )


def _mass_mg(dose: FileDose, lot: Lot) -> float:
    if dose.mass_mg is not None:
        return dose.mass_mg
    return float(dose.amount_mmol or 0.0) * lot.molar_mass_g_per_mol / lot.assay


def _furnace(recipe: Recipe, task: Task | None) -> str:
    """The first furnace of the task that offers every gas of the recipe."""
    furnaces = () if task is None else task.laboratory.of_kind(StationKind.FURNACE)
    gases = {anneal.gas for anneal in recipe.anneals()}
    for station in furnaces:
        if gases <= set(station.gases):
            return station.name
    return furnaces[0].name if furnaces else FURNACE


def _check_limits(recipe: Recipe, task: Task, lots: tuple[Lot, ...], path: Path) -> None:
    laboratory = task.laboratory.model_copy(update={"shelf": lots})
    found: list[tuple[Keys, Violation]] = [
        (("steps", i), violation)
        for i, step in enumerate(recipe.steps)
        for violation in check_step(recipe.steps[:i], step, laboratory)
        # It takes the sample for cold, and a quench follows its anneal here.
        if not (isinstance(step, Quench) and violation.rule == "step-order")
    ]
    found += [(("steps",), violation) for violation in check_recipe(recipe, laboratory)]
    for keys, violation in found:
        message, _, allowed = violation.message.partition("; allowed: ")
        what = f"the laboratory of {task.name} does not allow this ({violation.rule})"
        raise _error(path, keys, what, message, allowed or "what its stations can do")


def _faults(file: RecipeFile, system: ChemicalSystem, task: Task | None) -> Iterator[Fault]:
    # In this order: each check may rely on those before it.
    yield from _lot_faults(file, system)
    shelf = _shelf(file, system, task)
    for i, step in enumerate(file.steps):
        if isinstance(step, FileMix):
            for j, dose in enumerate(step.doses):
                yield from _dose_faults(("steps", i, "doses", j), dose, system, shelf)
    yield from _order_faults(file)
    yield from _step_faults(file, system)


def _lot_faults(file: RecipeFile, system: ChemicalSystem) -> Iterator[Fault]:
    solids = [p.name for p in system.solids]
    names = [lot.name for lot in file.lots]
    for i, lot in enumerate(file.lots):
        if lot.name in names[:i]:
            yield ("lots", i, "name"), "the name stands twice", lot.name, "each name once"
        if lot.phase not in solids:
            what = f"{system.name} has no such solid"
            yield ("lots", i, "phase"), what, lot.phase, ", ".join(solids)


def _dose_faults(
    keys: Keys, dose: FileDose, system: ChemicalSystem, shelf: list[Lot]
) -> Iterator[Fault]:
    names = [lot.name for lot in shelf]
    if dose.lot is not None and dose.lot not in names:
        allowed = ", ".join(names) or "a lot under `lots`, or `phase: NAME` for a plain powder"
        yield (*keys, "lot"), "there is no such lot", dose.lot, allowed
    solids = [p.name for p in system.solids]
    if dose.phase is not None and dose.phase not in solids:
        yield (*keys, "phase"), f"{system.name} has no such solid", dose.phase, ", ".join(solids)
    fitting = [lot.name for lot in shelf if lot.phase == dose.phase]
    if dose.phase is not None and len(fitting) > 1:
        what = f"several lots hold {dose.phase}"
        yield (*keys, "phase"), what, dose.phase, f"`lot: NAME` with {' or '.join(fitting)}"


def _order_faults(file: RecipeFile) -> Iterator[Fault]:
    filled = False
    for i, step in enumerate(file.steps):
        filled = filled or isinstance(step, FileMix)
        if not filled:
            yield ("steps", i), "the vial is still empty", step.kind, "a mix first"
        if isinstance(step, Quench) and not isinstance(file.steps[i - 1], Anneal):
            yield ("steps", i), "there is nothing hot to quench", "quench", "right after an anneal"


def _step_faults(file: RecipeFile, system: ChemicalSystem) -> Iterator[Fault]:
    top_c = system.range_k()[1] - ZERO_CELSIUS_K
    for i, step in enumerate(file.steps):
        keys = ("steps", i)
        if isinstance(step, Anneal) and step.gas not in system.gases:
            allowed = ", ".join(gas.value for gas in system.gases)
            what = f"{system.name} has no data for this gas"
            yield (*keys, "gas"), what, step.gas.value, allowed
        if isinstance(step, Anneal) and not ROOM_C <= step.temperature_c <= top_c:
            what = f"the free energies of {system.name} do not go there"
            got, allowed = f"{step.temperature_c:g} °C", f"{ROOM_C:g} to {top_c:g} °C"
            yield (*keys, "temperature_c"), what, got, allowed
        if isinstance(step, Wash) and step.solvent != "water":
            what = "solubilities are known in water only"
            yield (*keys, "solvent"), what, step.solvent, "water"


def _error(path: Path, keys: Keys, what: str, got: str, allowed: str) -> ConfigError:
    return ConfigError(
        f"{'.'.join(str(k) for k in keys)}: {what}",
        got=got,
        allowed=allowed,
        do="correct this value",
        where=place_of(path, *keys),
    )
