"""A task as the arrays of the environment: built once, checked against the limits of safety."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.choices import WASH_MIN, Choices
from envs.detector import LINES, scanner
from envs.hidden import OFFSET_CUT
from envs.observation import (
    CATIONS,
    constant_part,
    entries,
    gas_features,
    solid_features,
)
from envs.tables import (
    COUNTS,
    FLAGS,
    LOTS,
    PROGRAMS,
    QUENCH,
    REAL,
    SCORES,
    WHOLE,
    Chance,
    Choice,
    Desk,
    Price,
    Result,
    Rules,
    Scratch,
    State,
    Station,
    View,
)
from sdl.analysis.quick import QuickScan
from sdl.chemistry.system import load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError
from sdl.core.recipe import Anneal, Characterise, Gas, Mix, Recipe
from sdl.safety.limits import check_recipe
from sdl.tasks.task import Task
from simulators import kernel
from simulators.batch import Laboratories
from simulators.draws import check_lots, draw_arrays
from simulators.laboratory import RANGES, Laboratory, Split, nominal_laboratory, widths_of
from simulators.network import GAS_NUMBER, Draw, FloatArray, IntArray, Network
from simulators.program import COOLING_C_PER_MIN, ROOM_C, Cooling
from simulators.stations import StationModel


class Problem:
    """Everything of an environment that does not change, in words and as arrays.

    Args:
        task: A task with a search space.
        seed: Seed of every draw.
        identities: (N,) whose laboratory and noise each environment of the batch has.
        split: Which laboratories are drawn.
        laboratories: Laboratories that are played in turn instead of drawn ones.
        samples_per_lab: Episodes in a row that share a laboratory.
        max_decisions: Largest number of decisions of an episode, 3 or more.
        furnace_hours: Furnace time of an episode, h; the task's budget per experiment if ``None``.
        stations: Accuracies of the stations.

    Raises:
        ConfigError: The task has no space, its laboratory cannot make what its space asks for, or
            its chemical system has no quick model of its scans.
    """

    def __init__(
        self,
        task: Task,
        *,
        seed: int,
        identities: IntArray,
        split: Split,
        laboratories: Sequence[Laboratory],
        samples_per_lab: int,
        max_decisions: int,
        furnace_hours: float | None,
        stations: StationModel,
    ) -> None:
        if task.objective is not None:
            raise ConfigError(
                f"the environments play for purity, and the task {task.name} is about a property",
                got=f"objective: {task.objective.property.value}",
                allowed="a task without the key `objective`",
                do="run it as a campaign with `sdl run`, or take another task",
            )
        self.task = task
        self.network = Network(load_system(task.system))
        check_lots(self.network, task.laboratory.shelf)
        spread_c = OFFSET_CUT * task.hidden.thermocouple_sd_c
        hottest_c = self.network.system.range_k()[1] - ZERO_CELSIUS_K - spread_c
        self.choices = Choices(task, hottest_c)
        self.quick = QuickScan.load(task.system)
        if max_decisions < 3:
            raise ConfigError(
                "an episode mixes, fires and stops", got=max_decisions, allowed=">= 3"
            )
        if samples_per_lab < 1:
            raise ConfigError(
                "a laboratory makes a sample", got=samples_per_lab, allowed="samples_per_lab >= 1"
            )
        self.max_decisions = max_decisions
        budget = task.budget
        self.furnace_hours = furnace_hours or budget.furnace_hours / budget.experiments
        self.cations = self._cations()
        self.furnace_names = tuple(s.name for s in task.laboratory.of_kind(StationKind.FURNACE))
        lots = task.laboratory.shelf
        self.rules = Rules(
            net=self.network.net,
            nominal=self._draw(nominal_laboratory(self.network.system, lots, ())),
            given=self._stack(laboratories),
            desk=self._desk(stations),
            scanner=scanner(self.quick, self.network.solid_names),
            chance=self._chance(seed, identities, split, len(laboratories), samples_per_lab),
            tolerance=kernel.TOLERANCE,
        )
        self.entries = entries(self.choices)
        self._check_limits()

    def laboratories(self, rows: int) -> Laboratories:
        """Arrays for the hidden laboratories of ``rows`` environments, not yet drawn."""
        fields: list[Any] = [
            np.ascontiguousarray(np.repeat(np.asarray(a)[None], rows, axis=0))
            for a in self.rules.nominal
        ]
        offset_c = np.zeros((rows, len(self.furnace_names)))
        return Laboratories(**dict(zip(Draw._fields, fields, strict=True)), offset_c=offset_c)

    def state(self, rows: int) -> State:
        """Arrays for ``rows`` environments, before the first episode."""
        lots = len(self.task.laboratory.shelf)
        return State(
            vector=np.zeros((rows, self.network.size)),
            whole=np.zeros((rows, WHOLE), dtype=np.int64),
            real=np.zeros((rows, REAL)),
            charged=np.zeros((rows, len(self.cations))),
            estimate=np.zeros((rows, 2, len(self.network.solid_names))),
            program=np.zeros((rows, PROGRAMS, 5)),
            history=self._history(rows),
            bottle=np.zeros((rows, lots + 2, lots)),
        )

    def result(self, rows: int) -> Result:
        """Arrays for what ``rows`` environments report."""
        size = len(self.entries)
        return Result(
            observation=np.zeros((rows, size), dtype=np.float32),
            final=np.zeros((rows, size), dtype=np.float32),
            mask=np.zeros((rows, sum(self.choices.counts)), dtype=np.bool_),
            scores=np.zeros((SCORES, rows)),
            flags=np.zeros((FLAGS, rows), dtype=np.bool_),
            counts=np.zeros((COUNTS, rows), dtype=np.int64),
            history=self._history(rows),
            scanned=np.zeros(rows, dtype=np.int64),
            matter=np.zeros((rows, len(self.network.solid_names))),
        )

    def scratch(self) -> Scratch:
        """Memory for one piece of work."""
        solids = len(self.network.solid_names)
        return Scratch(
            work=kernel.scratch(self.network.net),
            truth=np.zeros(solids),
            seen=np.zeros((LINES, len(self.quick.references.names))),
            plan=np.zeros((2, 4)),
        )

    def _history(self, rows: int) -> IntArray:
        return np.zeros((rows, self.max_decisions, len(self.choices.counts)), dtype=np.int64)

    def _cations(self) -> tuple[str, ...]:
        """Elements of the target that its lots bring, in the order of the lots."""
        system = self.network.system
        target = system.phase(self.task.target.phase).composition
        cations = []
        for group in self.choices.lots:
            lot = self.task.laboratory.lot(group[0])
            phase = {} if lot is None else system.phase(lot.phase).composition
            cations += [e for e in phase if e in target and e != "O"]
        if not 1 <= len(cations) <= min(CATIONS, LOTS):
            raise ConfigError("the target has too many cations", got=cations, allowed=CATIONS)
        return tuple(cations)

    def _desk(self, stations: StationModel) -> Desk:
        system, solids = self.network.system, self.network.solid_names
        compositions = [system.phase(name).composition for name in solids]
        return Desk(
            lot_solid=np.array(
                [solids.index(lot.phase) for lot in self.task.laboratory.shelf], dtype=np.int64
            ),
            label_moles=self._label_moles(),
            bottle_sd=np.array(
                [self.task.hidden.assay_sd / lot.assay for lot in self.task.laboratory.shelf]
            ),
            target=solids.index(self.task.target.phase),
            cation=np.array([[c.get(e, 0.0) for c in compositions] for e in self.cations]),
            volatile=self._volatile(),
            station=self._station(stations),
            price=self._price(),
            choice=self._choice(),
            shown=View(
                constant=constant_part(self.choices, system, self.cations),
                solid=solid_features(self.choices, system, solids),
                gas=gas_features(self.choices, system),
            ),
        )

    def _volatile(self) -> IntArray:
        """1 for each cation that stands in a gas of the system, as lithium in Li2O-gas."""
        # Carbon, hydrogen and oxygen come and go with the furnace gas: they are no loss.
        carried = {e for p in self.network.system.vapours for e in p.composition} - {"C", "H", "O"}
        return np.array([int(e in carried) for e in self.cations], dtype=np.int64)

    def _label_moles(self) -> FloatArray:
        """``label_moles`` of ``Desk``."""
        system, moles = self.network.system, []
        for lot in self.task.laboratory.shelf:
            phase = system.phase(lot.phase)
            brought = [phase.composition[c] for c in self.cations if c in phase.composition]
            per = brought[0] if brought else 0.0
            moles.append(lot.assay * per / phase.molar_mass_g_per_mol)
        return np.array(moles, dtype=np.float64)

    def _draw(self, laboratory: Laboratory) -> Draw:
        return draw_arrays(self.network, laboratory, self.task.laboratory.shelf)

    def _stack(self, laboratories: Sequence[Laboratory]) -> Laboratories:
        """Given laboratories as arrays; one nominal row, never read, where there are none."""
        shelf = self.task.laboratory.shelf
        used = laboratories or [nominal_laboratory(self.network.system, shelf, ())]
        draws = [self._draw(laboratory) for laboratory in used]
        offsets = [[lab.thermocouple_c.get(f, 0.0) for f in self.furnace_names] for lab in used]
        fields: list[Any] = [
            np.ascontiguousarray(np.stack([np.asarray(d[k]) for d in draws]))
            for k in range(len(Draw._fields))
        ]
        offset_c = np.array(offsets, dtype=np.float64)
        return Laboratories(**dict(zip(Draw._fields, fields, strict=True)), offset_c=offset_c)

    def _station(self, model: StationModel) -> Station:
        laboratory = self.task.laboratory
        furnaces = laboratory.of_kind(StationKind.FURNACE)
        highest = max(self.choices.temperatures_c)
        return Station(
            furnace_kw=np.array([f.power_kw for f in furnaces]),
            furnace_limit_c=np.array([f.max_temperature_c or highest for f in furnaces]),
            mixer_kw=max(s.power_kw for s in laboratory.of_kind(StationKind.MIXER)),
            scanner_kw=max(s.power_kw for s in laboratory.of_kind(StationKind.DIFFRACTOMETER)),
            dosing_sd=model.dosing_sd,
            dosing_cut=model.dosing_cut,
            balance_sd_mg=model.balance_sd_mg,
            balance_digit_mg=model.balance_readability_mg,
            ramp_duty=model.ramp_duty,
            soak_duty=model.soak_duty,
        )

    def _price(self) -> Price:
        prices = self.task.prices
        shelf = self.task.laboratory.shelf
        return Price(
            furnace_hour=prices.furnace_hour,
            kwh=prices.kwh,
            scan_2=prices.scan_2_min,
            scan_8=prices.scan_8_min,
            sample=prices.sample,
            lot_mg=np.array([prices.euro * lot.price_eur_per_g / 1000.0 for lot in shelf]),
        )

    def _choice(self) -> Choice:
        choices, options = self.choices, max(len(group) for group in self.choices.lots)
        names = [lot.name for lot in self.task.laboratory.shelf]
        lot = np.full((len(choices.lots), options), -1, dtype=np.int64)
        dose = np.zeros((len(choices.ratios), *lot.shape))
        for c, group in enumerate(choices.lots):
            for o, name in enumerate(group):
                lot[c, o] = names.index(name)
                picks = [o if k == c else 0 for k in range(len(choices.lots))]
                for r in range(len(choices.ratios)):
                    dose[r, c, o] = choices.doses(r, picks)[c].mass_mg
        kinds = [min(v, QUENCH) for v in range(len(choices.verbs))]
        speeds = [COOLING_C_PER_MIN[c] for c in choices.coolings]
        rise = max(choices.temperatures_c) - ROOM_C
        slowest = 1.0 / min(choices.ramps_c_per_min) + 1.0 / COOLING_C_PER_MIN[Cooling.FURNACE]
        return Choice(
            options=np.array(choices.counts, dtype=np.int64),
            kind=np.array(kinds, dtype=np.int64),
            cooling_c_per_min=np.array([0.0] * QUENCH + speeds),
            temperature_c=np.array(choices.temperatures_c),
            dwell_h=np.array(choices.dwells_h),
            ramp_c_per_min=np.array(choices.ramps_c_per_min),
            gas=np.array([GAS_NUMBER[g] for g in choices.gases], dtype=np.int64),
            furnace=np.array(
                [self.furnace_names.index(f.name) for f in choices.furnaces], dtype=np.int64
            ),
            mill_min=np.array(choices.mill_min),
            lot=lot,
            dose_mg=dose,
            overhead_h=rise * slowest / 60.0,
            wash_min=WASH_MIN if self._washes() else 0.0,
            decisions=self.max_decisions,
            furnace_h=float(self.furnace_hours),
        )

    def _chance(
        self, seed: int, identities: IntArray, split: Split, given: int, samples: int
    ) -> Chance:
        hidden, widths = self.task.hidden, widths_of(self.network.system, self.task.hidden)
        low, high = RANGES[split]
        return Chance(
            seed=seed,
            identity=identities,
            low=low,
            laboratories=high - low,
            given=given,
            samples=samples,
            energy_sd=np.array([widths.energy_kj_per_mol[n] for n in self.network.solid_names]),
            ln_k_sd=np.array([widths.ln_k[n] for n in self.network.row_names]),
            activation_sd=np.array(
                [widths.activation_kj_per_mol[n] for n in self.network.row_names]
            ),
            melt_sd=np.array([widths.ln_melt[m.name] for m in self.network.system.melts]),
            nucleation_sd=widths.ln_nucleation,
            assay_sd=hidden.assay_sd,
            particle_ln_sd=hidden.particle_ln_sd,
            thermocouple_sd=hidden.thermocouple_sd_c,
            mixing_sd=hidden.mixing_sd,
        )

    def _washes(self) -> bool:
        """Whether there is a washer, and anything that it takes away."""
        able = bool(self.task.laboratory.of_kind(StationKind.WASHER))
        return able and any(phase.soluble for phase in self.network.system.solids)

    def _check_limits(self) -> None:
        """Every mix and the extreme anneals pass the limits of safety, or no mask could be exact.

        Raises:
            ConfigError: One does not.
        """
        choices = self.choices
        top = [max(choices.temperatures_c), max(choices.dwells_h), max(choices.ramps_c_per_min)]
        anneals = [
            Anneal(temperature_c=top[0], dwell_h=top[1], ramp_c_per_min=top[2], gas=gas)
            for gas in choices.gases
        ]
        picks = itertools.product(*(range(len(group)) for group in choices.lots))
        for lots, ratio in itertools.product(picks, range(len(choices.ratios))):
            mix = Mix(doses=choices.doses(ratio, lots), mill_min=max(choices.mill_min))
            recipe = Recipe(steps=(mix, *anneals, Characterise(scan_min=8.0)))
            found = check_recipe(recipe, self.task.laboratory)
            if found:
                raise ConfigError(
                    f"the space of task {self.task.name} holds what its laboratory forbids",
                    got=recipe.sentence(),
                    allowed="; ".join(v.message for v in found),
                    do="narrow the space or widen the laboratory",
                )


if GAS_NUMBER[Gas.AIR] != 0:  # compiled code counts on it
    raise ImportError("air must be the first gas of sdl.core.recipe.Gas")
