"""The cursor over a batch as flat arrays: one small choice at a time, the same heads for all tasks.

A decision is spelled out in stages. At each stage one group of heads is live; all others are masked
to index 0, so that their log-probability is 0.
"""

from __future__ import annotations

from typing import NamedTuple

from envs.choices import DWELLS_H, MILLS_MIN, RAMPS_C_PER_MIN, RATIOS, TEMPERATURES_C
from envs.tables import BoolArray, SingleArray
from sdl.core.recipe import Cooling, Gas
from simulators.network import FloatArray, IntArray

HEATS = tuple(f"heat_{gas.value}" for gas in Gas)
QUENCHES = tuple(f"quench_{c.value}" for c in Cooling if c is not Cooling.FURNACE)
CURSOR_VERBS = ("add", *HEATS, *QUENCHES, "regrind", "wash", "scan_2", "scan_8", "stop")
"""Verbs of every task; those that a task lacks are masked."""
SLOTS = 12
"""Places on the shelf that an agent sees."""
CURSOR_HEADS = ("verb", "slot", "ratio", "mill", "temperature", "dwell", "ramp")
NVEC = (
    len(CURSOR_VERBS), SLOTS, RATIOS, len(MILLS_MIN), len(TEMPERATURES_C), len(DWELLS_H),
    len(RAMPS_C_PER_MIN),
)  # fmt: skip
"""Options of each head, the same for every task."""

C_VERB, C_SLOT, C_RATIO, C_MILL, C_TEMPERATURE, C_DWELL, C_RAMP = range(7)
ASK_VERB, ASK_SLOT, ASK_BATCH, ASK_PROGRAM, ASK_MILL, STAGES = range(6)
"""Stages: verb; a bottle; ratio and milling; temperature, dwell and ramp; milling."""

CATIONS = 5
"""Places for the cations of a target."""
TARGET_PART = 40
"""Numbers about target and laboratory."""
SLOT_FEATURES = 16
"""Numbers about each slot; the first two: whether it holds a bottle, whether that is chosen; the
last two: what earlier samples say of its assay."""
OUTLOOKS = 8
"""Temperatures of the outlook."""
OUTLOOK_FEATURES = 4
OUTLOOK_PART = OUTLOOKS * OUTLOOK_FEATURES + len(Gas)
CURSOR_PART = STAGES + 6
SHELF_AT = TARGET_PART
OUTLOOK_AT = SHELF_AT + SLOTS * SLOT_FEATURES
CURSOR_AT = OUTLOOK_AT + OUTLOOK_PART
PREFIX = CURSOR_AT + CURSOR_PART
"""Numbers of the observation before those of the sample."""


class Sight(NamedTuple):
    """Constants of the outlook: what the kinetics believed in say of the target."""

    temperature_k: FloatArray  # (OUTLOOKS,)
    ln_ninety: FloatArray  # (W,) ln of a law's integral at 90 %
    ln_k_sd: FloatArray  # (W,) prior
    activation_sd: FloatArray  # (W,) kJ/mol, prior
    energy_sd: FloatArray  # (S,) kJ/mol, prior
    per_core: FloatArray  # (L,) cations per mole of reaction
    label_um: FloatArray  # (lots,) by the labels
    solid: IntArray  # (lots,)
    target: int
    low: float  # narrowest belief, as a share of the prior's standard deviation
    high: float  # widest
    gain: float  # how much a finished sample narrows it


class Grid(NamedTuple):
    """What the universal heads stand for in one task; H lots that can be added, Q sets of them."""

    verb: IntArray  # (verbs,) verb of the batch, or -1
    gas: IntArray  # (verbs,) gas of the batch that a heating verb takes, or -1
    option: IntArray  # (7, 45) option of the batch's head for each option of a cursor's head, or -1
    cation: IntArray  # (H,) which cation a lot brings
    place: IntArray  # (H,) its option in the head of that cation
    lot: IntArray  # (H,) its number on the shelf
    sets: BoolArray  # (Q, H) lots that together can make the target
    target: SingleArray  # (TARGET_PART,)
    slot: SingleArray  # (H, SLOT_FEATURES)
    gas_part: SingleArray  # (gases of the batch, 4) of the gas that is being programmed
    samples_at: int  # place of the number of samples made before in the laboratory
    tail: int  # first of the batch's own numbers that is taken over
    sight: Sight


class Belief(NamedTuple):
    """What is believed of each row's laboratory; N rows. The truth lies about it by its width."""

    shift: FloatArray  # (N, L) of each reaction's energy, kJ/mol
    ln_k: FloatArray  # (N, W)
    activation: FloatArray  # (N, W) kJ/mol
    width: FloatArray  # (N,) share of the prior's standard deviation


class Cursor(NamedTuple):
    """Where each row's cursor is; N rows."""

    stage: IntArray  # (N,)
    order: IntArray  # (N, SLOTS) lot in each slot, or -1
    chosen: BoolArray  # (N, H)
    pending: IntArray  # (N, heads of the batch) the decision so far


class CursorResult(NamedTuple):
    """What the cursor reports; M options, D numbers."""

    mask: BoolArray  # (N, M)
    observation: SingleArray  # (N, D)
    final: SingleArray  # (N, D) last observation of an episode that ended, else untouched


class Notes(NamedTuple):
    """Memory for one piece of work on outlooks; S solids, L reactions."""

    ln_time: FloatArray  # (L,) of each reaction to 90 %
    drive: FloatArray  # (L,) dG, kJ/mol
    arrival: FloatArray  # (S,) ln of the slowest needed time
    via: IntArray  # (S,) reaction of that time
