"""The environment as flat arrays: what never changes (``Rules``) and what a step changes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.batch import Laboratories
from simulators.network import Draw, FloatArray, IntArray, Net

MIX, ANNEAL, REGRIND, SCAN_2, SCAN_8, STOP, WASH, QUENCH = 0, 1, 2, 3, 4, 5, 6, 7
"""Kinds of decisions; verbs from ``QUENCH`` on are one per way of cooling."""

HEADS = ("verb", "temperature", "dwell", "ramp", "gas", "ratio", "mill")
"""Heads of an action before the one head per cation that chooses a lot."""

VERB, TEMPERATURE, DWELL, RAMP, GAS, RATIO, MILL_TIME, LOTS = 0, 1, 2, 3, 4, 5, 6, 7

WAIT = -1
"""A verb that leaves its row as it is."""

BoolArray = NDArray[np.bool_]
SingleArray = NDArray[np.float32]

BONUS = 0.25
"""Reward for a pure product that was measured as pure (DESIGN section 3)."""
BONUS_PURITY = 0.95
"""Least true weight fraction of the target for the bonus."""
BONUS_IMPURITY = 0.02
"""Largest true weight fraction of any other phase for the bonus."""
BONUS_BOUND = 0.90
"""Least lower bound of the final scan for the bonus."""
BOUND_SIGMAS = 1.96
"""The lower bound of a scan lies so many sigma below its estimate (95 % two-sided)."""
COOLING_C_PER_MIN = 2.0
"""A closed furnace."""
SLOTS = 6
"""Phases of an estimate that the observation shows, heaviest first."""
PROGRAMS = 3
"""Furnace programs that the observation remembers."""


class Station(NamedTuple):
    """Accuracies and powers of the stations; F furnaces."""

    furnace_kw: FloatArray  # (F,)
    furnace_limit_c: FloatArray  # (F,)
    mixer_kw: float
    scanner_kw: float
    dosing_sd: float
    dosing_cut: float
    balance_sd_mg: float
    balance_digit_mg: float
    ramp_duty: float
    soak_duty: float


class Price(NamedTuple):
    """Prices in units of the reward; L lots."""

    furnace_hour: float
    kwh: float
    scan_2: float
    scan_8: float
    sample: float
    lot_mg: FloatArray  # (L,)


class Choice(NamedTuple):
    """What an action's indices mean; C cations of at most O lots, V verbs, G gases."""

    options: IntArray  # (heads,) options of each head
    kind: IntArray  # (V,) kind of decision of each verb
    cooling_c_per_min: FloatArray  # (V,) of the quenches
    temperature_c: FloatArray
    dwell_h: FloatArray
    ramp_c_per_min: FloatArray
    gas: IntArray  # (G,) number of the gas in the kernel
    furnace: IntArray  # (G,) furnace that is taken for the gas
    mill_min: FloatArray
    lot: IntArray  # (C, O) lot, -1 where a cation has fewer
    dose_mg: FloatArray  # (ratios, C, O)
    overhead_h: float  # longest heating and cooling of an anneal without its dwell, h
    wash_min: float  # length of a wash, min; 0 where nothing is washed
    decisions: int  # largest number of decisions of an episode
    furnace_h: float  # furnace time of an episode, h


class Chance(NamedTuple):
    """Seeds and widths of what a laboratory hides; S solids, rows of kinetics."""

    seed: int
    identity: IntArray  # (N,) whose laboratory and noise each row has
    low: int  # first laboratory of the split
    laboratories: int  # laboratories in the split
    given: int  # number of given laboratories, 0 where they are drawn
    samples: int  # episodes in a row that share a laboratory
    energy_sd: FloatArray  # (S,) kJ/mol
    ln_k_sd: FloatArray  # (rows,)
    activation_sd: FloatArray  # (rows,) kJ/mol
    melt_sd: FloatArray  # (melts,) of the logarithm
    nucleation_sd: float
    assay_sd: float
    particle_ln_sd: float
    thermocouple_sd: float
    mixing_sd: float


class Scanner(NamedTuple):
    """The quick model of ``sdl.analysis.quick``; n phases with a pattern, t lengths of scan."""

    solid: IntArray  # (n,) solid of each phase
    variance: (
        FloatArray  # (t, n + 2, n) by the weight of each phase, of none, by own weight squared
    )
    factor: FloatArray  # (t, n, n) transposed Cholesky factors of the correlations
    correlation: FloatArray  # (t, n, n)
    powder: FloatArray  # (2, n) volume per mass, absorption times the slope of ln tau
    phase_sd: float
    grain_ln_sd: float


class View(NamedTuple):
    """Constant parts of the observation."""

    constant: SingleArray  # features of the target and the shelf
    solid: FloatArray  # (S, 4) is target, is precursor, formation energy eV/atom, melting 1000 degC
    gas: FloatArray  # (G, 3) log10 pCO2 / 6, log10 pO2 / 6, humid


class Desk(NamedTuple):
    """What the acts on a sample need."""

    lot_solid: IntArray  # (L,)
    label_moles: FloatArray  # (L,) mmol of its target cation per mg by the label, 0 for reagents
    bottle_sd: FloatArray  # (L,) of ln(true / label assay) that the task hides
    target: int
    cation: FloatArray  # (C, S) moles of each cation per mole of solid
    volatile: IntArray  # (C,) 1 if a vapour carries the cation away
    station: Station
    price: Price
    choice: Choice
    shown: View


class Rules(NamedTuple):
    """Everything that stays."""

    net: Net
    nominal: Draw
    given: Laboratories
    desk: Desk
    scanner: Scanner
    chance: Chance
    tolerance: float


NUMBER, EPISODE, DECISION, MIXED, HOT, FIRED, GROUND = 0, 1, 2, 3, 4, 5, 6
"""Columns of ``State.whole``: hidden laboratory; episode from 0; decisions taken in it; flags mixed
and hot (at soak temperature in the furnace); anneals; flag that nothing was fired since milling."""
SCANNED, FRESH, AGE, SCANS, PLACE, ACCEPTED, WHOLE = 7, 8, 9, 10, 11, 12, 13
"""Minutes of the last scan, flag that nothing changed since, decisions since; scans; place of the
soak's gas among the choices; accepted actions; number of columns."""
SOAK_C, FURNACE_H, SPENT, ASKED_MG, BALANCE_MG, MILLED_MIN, REAL = 0, 1, 2, 3, 4, 5, 6
"""Columns of ``State.real``."""
REWARD, PURITY, SHARE, COST, SCORES = 0, 1, 2, 3, 4
"""Rows of ``Result.scores``; but the reward they belong to the last episode that ended."""
TERMINATED, VETOED, PURE, FLAGS = 0, 1, 2, 3
"""Rows of ``Result.flags``: episode ended, decision forbidden, last episode earned the bonus."""
ANNEALS, SUBSTEPS, KEPT, COUNTS = 0, 1, 2, 3
"""Rows of ``Result.counts``: anneals and solver steps since the start; actions in ``history``."""


class State(NamedTuple):
    """What a step changes; N environments. The hidden laboratories are apart."""

    vector: FloatArray  # (N, size) matter
    whole: IntArray  # (N, WHOLE)
    real: FloatArray  # (N, REAL)
    charged: FloatArray  # (N, C) moles of each cation weighed in, mmol
    estimate: FloatArray  # (N, 2, S) weight fractions and sigma of the last scan
    program: FloatArray  # (N, PROGRAMS, 5) last programs: T degC, h, degC/min, gas, degC/min down
    history: IntArray  # (N, decisions, heads) accepted actions
    bottle: FloatArray
    """(N, L + 2, L) ln(true / label) of the lots as known from scans: mean, covariance, scratch."""


class Result(NamedTuple):
    """What a step reports; D numbers of an observation, M of a mask."""

    observation: SingleArray  # (N, D)
    final: SingleArray  # (N, D) last observation of an episode that ended, else untouched
    mask: BoolArray  # (N, M)
    scores: FloatArray  # (SCORES, N)
    flags: BoolArray  # (FLAGS, N)
    counts: IntArray  # (COUNTS, N)
    history: IntArray  # (N, decisions, heads) accepted actions of the last episode
    scanned: IntArray  # (N,) minutes of the scan of the last decision, 0 where it had none
    matter: FloatArray  # (N, S) true weight fractions at the last scan


class Scratch(NamedTuple):
    """Memory for one piece of work."""

    work: FloatArray  # as from ``simulators.kernel.scratch``
    truth: FloatArray  # (S,) weight fractions
    seen: FloatArray  # (detector.LINES, n) of a scan
    plan: FloatArray  # (2, 4) segments of heating: gas, K at the start, K at the end, s
