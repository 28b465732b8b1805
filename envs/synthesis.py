"""The Gymnasium environment of one sample: ``sdl/SolidStateSynthesis-v0``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from numpy.typing import NDArray

from envs.batched import BatchedSynthesis
from envs.tables import BoolArray, SingleArray
from sdl.core.recipe import Step
from sdl.tasks.task import Task
from simulators.laboratory import Laboratory, Split
from simulators.network import IntArray
from simulators.stations import StationModel


class SynthesisEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.int64]]):
    """Makes one sample of a target phase, decision by decision, in a laboratory that hides itself.

    ## Description
    A sample is weighed in from a shelf of powders, milled, fired, perhaps ground and fired again,
    quenched, scanned, and handed in. Matter follows the compiled reactor of ``simulators``: free
    energies, rate laws, elements conserved. Each episode has its own laboratory, drawn from the
    task's ``hidden`` distribution: energies of phases, rate constants, assays and grain sizes of
    the lots, offsets of the furnaces, quality of mixing. The agent never sees it; it sees what a
    laboratory sees, and pays for it.

    ## Action Space
    ``MultiDiscrete``, one physical decision per step. Only the heads that belong to the verb count.

    | Head | Options (batio3-coarse) | Belongs to |
    |------|-------------------------|------------|
    | verb | mix, anneal, regrind, scan_2, scan_8, stop, quench_air | |
    | temperature | 600 to 900 degC in steps of 25 | anneal |
    | dwell | 0.5 to 24 h, 12 on a logarithmic scale | anneal |
    | ramp | 2, 5, 10, 20 degC/min | anneal |
    | gas | air, steam | anneal |
    | ratio | 7 values of the first cation over the stoichiometric amount | mix |
    | mill | 2 to 60 min, 5 on a logarithmic scale | mix, regrind |
    | lot_0, lot_1 | the bottles that bring the first and the second cation | mix |

    An anneal ends hot. A quench takes the sample out (100 degC/min in air); every other decision
    lets it cool in its furnace first (2 degC/min), at the price of the furnace time. A stop appends
    a scan of 8 minutes. ``info["action_mask"]`` and ``action_masks()`` say what is possible, head
    after head; whatever the mask allows passes ``sdl.safety``. A decision that the mask forbids is
    vetoed: nothing is done, no price is paid, one decision is used up (``info["vetoed"]``).

    ## Observation Space
    ``Box`` of float32 within [-10, 10], without ids of systems, phases or precursors. ``entries``
    lists every number.

    | Numbers | Unit or scale |
    |---------|---------------|
    | target: melting point, formation energy | 1000 degC, eV/atom at 1000 K |
    | target: molar mass, share of each of up to 5 cations | 100 g/mol, 1 |
    | each lot: assay, grain size | 1, log10 um by the label |
    | each lot: price, molar mass, melting point | log10(1 + EUR/g), 100 g/mol, 1000 degC |
    | sample: mixed, hot, thermocouple | flag, flag, 1000 degC |
    | sample: last balance reading over the mass asked for, milling | 1, log10(1 + min) |
    | sample: anneals, nothing fired since the last milling | 4 anneals, flag |
    | scan: length, fresh, age | 8 min, flag, 12 decisions |
    | 6 heaviest phases: weight fraction, sigma, is target, is precursor | 1, 1, flag, flag |
    | 6 heaviest phases: formation energy, melting point | eV/atom at 1000 K, 1000 degC |
    | last 3 programs: temperature, dwell, ramp | 1000 degC, log10 h, log10 degC/min |
    | last 3 programs: pCO2, pO2, humid, cooling | log10 bar / 6 twice, flag, log10 degC/min |
    | left: decisions, furnace time | shares |
    | spent, scans | reward units, 12 scans |

    Zeros stand for what is not there (yet). A scan's weight fractions err as those of the pattern
    fit of ``sdl.analysis`` do (``sdl.analysis.quick``): correlated, cut at 0, of sum 1, with the
    sigma that goes with them. Errors of whole phases stay for a sample, however often it is
    scanned; phases without a pattern in the default set are not seen.

    ## Rewards
    Every decision costs its price (``prices`` of the task: furnace hours, kWh, scans, powders, the
    sample). A stop pays ``yield * purity**2``, and 0.25 more if the true purity is at least 0.95
    with no other phase above 2 wt% and the final scan's estimate lies at least 1.96 sigma above
    0.90. ``yield`` is the smallest share, over the target's cations, of what was charged that ended
    in the target. A return lies below 1.25.

    ## Starting State
    An empty vial at room temperature in a new laboratory of the split.

    ## Episode End
    Terminated by a stop; at the last of ``max_decisions`` decisions only the stop is left. An
    anneal that could exceed the furnace time is masked. Never truncated.

    ## Arguments
    ``task`` (name or ``Task``), ``split`` (``train``, ``tune``, ``judge``), ``laboratories`` (play
    these in turn instead), ``max_decisions``, ``furnace_hours``, ``stations`` (accuracies),
    ``seed`` (of episodes before the first ``reset(seed=...)``).

    ## Version History
    * v0: one system, one sample per laboratory, estimates of scans; first version.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium's own declaration
        "render_modes": ["ansi"],
        "render_fps": 1,
    }

    def __init__(
        self,
        task: Task | str = "batio3-coarse",
        *,
        split: Split = "train",
        laboratories: Sequence[Laboratory] = (),
        max_decisions: int = 12,
        furnace_hours: float | None = None,
        stations: StationModel | None = None,
        seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        self._batch = BatchedSynthesis(
            task,
            1,
            seed=seed,
            split=split,
            laboratories=laboratories,
            max_decisions=max_decisions,
            furnace_hours=furnace_hours,
            stations=stations,
            threads=1,
        )
        limit, size = self._batch.limit, len(self._batch.entries)
        self.observation_space = Box(-limit, limit, (size,), np.float32)
        self.action_space = MultiDiscrete(np.array(self._batch.nvec))
        self.render_mode = render_mode
        self._ended = False

    @property
    def batch(self) -> BatchedSynthesis:
        """The batch of one row behind this environment; it knows the truth."""
        return self._batch

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[SingleArray, dict[str, Any]]:
        """Starts the next episode; with a seed, the first of that seed.

        Args:
            seed: New seed, or ``None``.
            options: Unused.

        Returns:
            Observation, shape (numbers,), and the info with ``action_mask``.
        """
        super().reset(seed=seed)
        # A step that ended an episode has already started the next one.
        if seed is not None or not self._ended:
            self._batch.reset(seed)
        self._ended = False
        return self._batch.observations[0].copy(), {"action_mask": self.action_masks()}

    def step(
        self, action: NDArray[np.int64]
    ) -> tuple[SingleArray, float, bool, bool, dict[str, Any]]:
        """One decision; see the class.

        Args:
            action: One index per head, shape (heads,).

        Returns:
            Observation, reward, terminated, truncated (never), info; when terminated, the info
            holds ``purity``, ``yield``, ``bonus``, ``cost`` (truth, for scores only).
        """
        row = np.asarray(action, dtype=np.int64).reshape(1, -1)
        observation, reward, terminated, _, batch = self._batch.step(row)
        ended = bool(terminated[0])
        info: dict[str, Any] = {
            "action_mask": self.action_masks(),
            "vetoed": bool(batch["vetoed"][0]),
        }
        self._ended = ended
        if ended:
            observation = batch["final_observation"]
            info["bonus"] = bool(batch["bonus"][0])
            for name in ("purity", "yield", "cost"):
                info[name] = float(batch[name][0])
        return observation[0].copy(), float(reward[0]), ended, False, info

    def action_masks(self) -> BoolArray:
        """What is possible now, shape (sum of ``nvec``,), head after head."""
        return self._batch.action_masks()[0].copy()

    def executed_steps(self) -> list[Step]:
        """What was done to the sample, of the last episode when it has just ended."""
        return self._batch.executed_steps(0, finished=self._ended)

    def executed_actions(self) -> IntArray:
        """The accepted actions behind ``executed_steps``, heads without meaning at 0."""
        return self._batch.executed_actions(0, finished=self._ended)

    def render(self) -> str | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The steps so far as one line of text in mode ``ansi``."""
        if self.render_mode != "ansi":
            return None
        return self._batch.describe(0, finished=self._ended)

    def close(self) -> None:
        """Nothing is held open."""
        self._batch.close()
