"""A task as the arrays of the cursor: what the universal heads and features stand for in it."""

from __future__ import annotations

import itertools
import math

import numpy as np

from envs.choices import (
    DWELLS_H,
    MILLS_MIN,
    RAMPS_C_PER_MIN,
    TEMPERATURES_C,
)
from envs.cursor_tables import (
    C_DWELL,
    C_MILL,
    C_RAMP,
    C_RATIO,
    C_TEMPERATURE,
    CATIONS,
    CURSOR_HEADS,
    CURSOR_VERBS,
    NVEC,
    OUTLOOK_FEATURES,
    OUTLOOKS,
    PREFIX,
    SLOT_FEATURES,
    SLOTS,
    STAGES,
    TARGET_PART,
    Belief,
    Cursor,
    CursorResult,
    Grid,
    Notes,
    Sight,
)
from envs.observation import Entry, formation_ev_per_atom, gas_features
from envs.problem import Problem
from sdl.chemistry.ions import IONS, UNKNOWN
from sdl.chemistry.system import Phase
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.errors import ConfigError
from sdl.core.recipe import Gas
from simulators.laws import law_integral
from simulators.network import IntArray

NINETY_RADIUS = 0.1 ** (1.0 / 3.0)
"""Core radius at a conversion of 90 %."""
OUTLOOK_C = tuple(500.0 + 100.0 * n for n in range(OUTLOOKS))


class CursorProblem:
    """Everything of the cursor over one task that does not change.

    Args:
        problem: The task as the arrays of the batch.
        belief: Narrowest and widest belief as shares of the prior's standard deviations.
        gain: How much a finished sample narrows the belief: its variance v becomes v / (1 + gain v)
            with each sample before it in the same laboratory.

    Raises:
        ConfigError: More lots than slots, or widths outside [0, 1].
    """

    def __init__(self, problem: Problem, belief: tuple[float, float], gain: float) -> None:
        self.problem = problem
        low, high = belief
        if not 0.0 <= low <= high <= 1.0 or gain < 0.0:
            raise ConfigError(
                "a belief is between the truth and the prior",
                got=f"widths {low:g} to {high:g}, gain {gain:g}",
                allowed="0 <= low <= high <= 1, gain >= 0",
            )
        choices = problem.choices
        self.lots = tuple(name for group in choices.lots for name in group)
        if len(self.lots) > SLOTS:
            raise ConfigError(
                f"the shelf of task {problem.task.name} is longer than an agent's",
                got=f"{len(self.lots)} lots",
                allowed=f"at most {SLOTS}",
                do="leave the dearest out of `space.cation_lots`",
            )
        self.grid = self._grid(low, high, gain)

    def belief(self, rows: int) -> Belief:
        """Arrays for ``rows`` environments."""
        base = self.problem.rules.nominal
        return Belief(
            shift=np.zeros((rows, base.shift.size)),
            ln_k=np.zeros((rows, base.ln_k.size)),
            activation=np.zeros((rows, base.ln_k.size)),
            width=np.ones(rows),
        )

    def cursor(self, rows: int) -> Cursor:
        """Arrays for ``rows`` environments."""
        heads = len(self.problem.choices.counts)
        return Cursor(
            stage=np.zeros(rows, dtype=np.int64),
            order=np.full((rows, SLOTS), -1, dtype=np.int64),
            chosen=np.zeros((rows, len(self.lots)), dtype=np.bool_),
            pending=np.zeros((rows, heads), dtype=np.int64),
        )

    def result(self, rows: int) -> CursorResult:
        """Arrays for ``rows`` environments."""
        size = len(self.entries())
        return CursorResult(
            mask=np.zeros((rows, sum(NVEC)), dtype=np.bool_),
            observation=np.zeros((rows, size), dtype=np.float32),
            final=np.zeros((rows, size), dtype=np.float32),
        )

    def notes(self) -> Notes:
        """Memory for one piece of work."""
        solids, listed = (
            len(self.problem.network.solid_names),
            self.problem.rules.nominal.shift.size,
        )
        return Notes(
            ln_time=np.zeros(listed),
            drive=np.zeros(listed),
            arrival=np.zeros(solids),
            via=np.zeros(solids, dtype=np.int64),
        )

    def entries(self) -> tuple[Entry, ...]:
        """The numbers of the observation in order."""
        own = [e for e in self.problem.entries if not e.name.startswith(("target.", "shelf."))]
        return (*_prefix_entries(), *own)

    def _grid(self, low: float, high: float, gain: float) -> Grid:
        problem, choices = self.problem, self.problem.choices
        verbs = np.full(len(CURSOR_VERBS), -1, dtype=np.int64)
        gas = np.full_like(verbs, -1)
        for v, name in enumerate(CURSOR_VERBS):
            word = name.removeprefix("heat_")
            if name.startswith("heat_"):
                if word in choices.gases:
                    verbs[v] = choices.verbs.index("anneal")
                    gas[v] = choices.gases.index(Gas(word))
            else:
                own = "mix" if name == "add" else name
                verbs[v] = choices.verbs.index(own) if own in choices.verbs else -1
        groups = [(c, p) for c, group in enumerate(choices.lots) for p in range(len(group))]
        shelf = [lot.name for lot in problem.task.laboratory.shelf]
        used = sum(e.name.startswith(("target.", "shelf.")) for e in problem.entries)
        gases = gas_features(choices, problem.network.system)
        tops = [[(f.max_temperature_c or choices.hottest_c) / 1000.0] for f in choices.furnaces]
        return Grid(
            verb=verbs,
            gas=gas,
            option=self._options(),
            cation=np.array([c for c, _ in groups], dtype=np.int64),
            place=np.array([p for _, p in groups], dtype=np.int64),
            lot=np.array([shelf.index(name) for name in self.lots], dtype=np.int64),
            sets=self._sets(groups),
            target=self._target(),
            slot=self._slots(),
            gas_part=np.hstack([gases, np.array(tops)]).astype(np.float32),
            samples_at=TARGET_PART - 1,
            tail=used,
            sight=self._sight(low, high, gain),
        )

    def _options(self) -> IntArray:
        """``option`` of ``Grid``."""
        choices = self.problem.choices
        table = np.full((len(CURSOR_HEADS), max(NVEC)), -1, dtype=np.int64)
        table[C_RATIO, : len(choices.ratios)] = range(len(choices.ratios))
        for head, grid, own in (
            (C_MILL, MILLS_MIN, choices.mill_min),
            (C_TEMPERATURE, TEMPERATURES_C, choices.temperatures_c),
            (C_DWELL, DWELLS_H, choices.dwells_h),
            (C_RAMP, RAMPS_C_PER_MIN, choices.ramps_c_per_min),
        ):
            for k, value in enumerate(grid):
                if value in own:
                    table[head, k] = own.index(value)
        return table

    def _sets(
        self, groups: list[tuple[int, int]]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """One lot per cation, in every combination."""
        numbers = [
            [h for h, (cation, _) in enumerate(groups) if cation == c]
            for c in range(len(self.problem.choices.lots))
        ]
        sets = np.zeros((math.prod(len(n) for n in numbers), len(groups)), dtype=np.bool_)
        for q, lots in enumerate(itertools.product(*numbers)):
            sets[q, list(lots)] = True
        return sets

    def _target(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        problem, choices = self.problem, self.problem.choices
        phase = problem.network.system.phase(problem.task.target.phase)
        amounts = [phase.composition[c] for c in problem.cations]
        values: list[float] = []
        for k in range(CATIONS):
            if k >= len(problem.cations):
                values += [0.0] * 4
                continue
            ion = IONS.get(problem.cations[k], UNKNOWN)
            values += [amounts[k] / sum(amounts), ion.electronegativity / 2.0]
            values += [ion.charge / 4.0, ion.radius_angstrom]
        values += [(phase.melting_c or 0.0) / 1000.0, formation_ev_per_atom(phase)]
        values += [phase.molar_mass_g_per_mol / 300.0]
        tops = dict(zip(choices.gases, choices.furnaces, strict=True))
        for gas in Gas:
            station = tops.get(gas)
            top = 0.0 if station is None else station.max_temperature_c or choices.hottest_c
            values.append(top / 1000.0)
        dwells, ramps = choices.dwells_h, choices.ramps_c_per_min
        values += [choices.temperatures_c[0] / 1000.0, choices.temperatures_c[-1] / 1000.0]
        values += [math.log10(dwells[0]), math.log10(dwells[-1]), math.log10(ramps[-1])]
        values += [
            choices.ratios[0],
            choices.ratios[-1],
            float(problem.rules.desk.choice.wash_min > 0),
        ]
        values += [math.log10(problem.furnace_hours) / 2.0, problem.max_decisions / 12.0]
        values += [0.0] * (TARGET_PART - len(values))  # the first is written row by row
        return np.array(values, dtype=np.float32)

    def _slots(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Features of each lot; what changes is written row by row."""
        problem = self.problem
        system = problem.network.system
        rows = []
        for name in self.lots:
            lot = problem.task.laboratory.lot(name)
            if lot is None:  # TaskSpace has refused such a task
                continue
            phase = system.phase(lot.phase)
            shares = [0.0] * CATIONS
            for k, cation in enumerate(problem.cations):
                shares[k] = float(cation in phase.composition)
            per = problem.choices.space.moles_per_target(name)
            rows.append(
                [
                    1.0, 0.0, per / 2.0, *shares, _anion(phase),
                    (phase.melting_c or 0.0) / 1000.0, math.log10(1 + lot.price_eur_per_g),
                    math.log10(lot.particle_um), lot.assay, formation_ev_per_atom(phase), 0.0, 0.0,
                ]
            )  # fmt: skip
        table = np.array(rows, dtype=np.float32)
        if table.shape != (len(self.lots), SLOT_FEATURES):
            raise AssertionError(table.shape)
        return table

    def _sight(self, low: float, high: float, gain: float) -> Sight:
        problem = self.problem
        net, chance = problem.rules.net, problem.rules.chance
        system = problem.network.system
        tables = [net.table_of[:, net.place[net.listed[j], 0]] for j in range(net.listed.size)]
        ninety = np.zeros(len(problem.network.rows))
        for j in range(problem.rules.nominal.shift.size):
            for g in range(net.row.shape[0]):
                table = int(tables[j][g])
                law, ratio = int(net.law[table]), float(net.ratio[table])
                value = law_integral(law, NINETY_RADIUS, ratio, system.interface)
                ninety[net.row[g, j]] = math.log(value)
        cores = [
            sum(
                -net.cations[net.place[j, k]] * -net.number[j, k]
                for k in range(3)
                if net.place[j, k] >= 0
            )
            for j in range(problem.rules.nominal.shift.size)
        ]
        lots = problem.task.laboratory.shelf
        return Sight(
            temperature_k=np.array(OUTLOOK_C) + ZERO_CELSIUS_K,
            ln_ninety=ninety,
            ln_k_sd=chance.ln_k_sd,
            activation_sd=chance.activation_sd,
            energy_sd=chance.energy_sd,
            per_core=np.array(cores, dtype=np.float64),
            label_um=np.array([lot.particle_um for lot in lots]),
            solid=problem.rules.desk.lot_solid,
            target=problem.rules.desk.target,
            low=low,
            high=high,
            gain=gain,
        )


def _anion(phase: Phase) -> float:
    """Oxides 0, peroxides and the like 0.25, carbonates 0.5, chlorides 1."""
    if "Cl" in phase.composition:
        return 1.0
    if "C" in phase.composition:
        return 0.5
    cations = sum(n for e, n in phase.composition.items() if e != "O")
    return 0.25 if phase.composition.get("O", 0.0) > 1.75 * cations and cations > 0 else 0.0


def _prefix_entries() -> list[Entry]:
    """Names of the first ``PREFIX`` numbers."""
    table: list[tuple[str, str]] = []
    for k in range(CATIONS):
        table += [(f"target.cation_{k}.share", "share of the cations")]
        table += [(f"target.cation_{k}.electronegativity", "2 on Pauling's scale")]
        table += [(f"target.cation_{k}.charge", "4"), (f"target.cation_{k}.radius", "angstrom")]
    table += [("target.melting", "1000 degC, 0 unknown"), ("target.formation", "eV/atom at 1000 K")]
    table += [("target.molar_mass", "300 g/mol")]
    table += [(f"laboratory.{gas.value}", "1000 degC at most, 0 no such gas") for gas in Gas]
    table += [("laboratory.coldest", "1000 degC"), ("laboratory.hottest", "1000 degC")]
    table += [("laboratory.shortest", "log10 h"), ("laboratory.longest", "log10 h")]
    table += [("laboratory.ramp", "log10 degC/min"), ("laboratory.least_ratio", "1")]
    table += [("laboratory.largest_ratio", "1"), ("laboratory.washer", "flag")]
    table += [("laboratory.furnace_time", "log10 h / 2"), ("laboratory.decisions", "12")]
    table += [("laboratory.samples", "8 made before in this laboratory")]
    if len(table) != TARGET_PART:
        raise AssertionError(len(table))
    for s in range(SLOTS):
        slot = f"shelf.{s}"
        table += [(f"{slot}.present", "flag"), (f"{slot}.chosen", "flag")]
        table += [(f"{slot}.moles", "2 per mole of target")]
        table += [(f"{slot}.brings_{k}", "flag") for k in range(CATIONS)]
        table += [(f"{slot}.anion", "0 oxide, 0.25 peroxide, 0.5 carbonate, 1 chloride")]
        table += [
            (f"{slot}.melting", "1000 degC, 0 unknown"),
            (f"{slot}.price", "log10(1 + EUR/g)"),
        ]
        table += [(f"{slot}.size", "log10 um by the label"), (f"{slot}.assay", "1 by the label")]
        table += [(f"{slot}.formation", "eV/atom at 1000 K")]
        table += [(f"{slot}.known", "ln of true over label assay, 0.05")]
        table += [(f"{slot}.known_sd", "its standard deviation, 0.05")]
    for c in OUTLOOK_C:
        at = f"outlook.{c:g}"
        table += [(f"{at}.time", "log10 h to 90 % / 2"), (f"{at}.sigma", "its sd, log10 h")]
        table += [(f"{at}.rival", "50 kJ/mol of cations"), (f"{at}.loss", "50 kJ/mol of cations")]
    table += [(f"outlook.{gas.value}", "log10 of how much slower, 3 none") for gas in Gas]
    table += [(f"cursor.{n}", "flag") for n in ("verb", "slot", "batch", "program", "mill")]
    table += [("cursor.p_co2", "log10 bar / 6"), ("cursor.p_o2", "log10 bar / 6")]
    table += [("cursor.humid", "flag"), ("cursor.hottest", "1000 degC")]
    table += [("cursor.excess", "ln of the first cation over the others, 0.05")]
    table += [("cursor.excess_sd", "its standard deviation, 0.05")]
    if len(table) != PREFIX or STAGES != 5 or OUTLOOK_FEATURES != 4:
        raise AssertionError(len(table))
    return [Entry(name, unit) for name, unit in table]
