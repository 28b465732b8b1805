"""The Gymnasium environments of one sample: choice by choice, and decision by decision."""

from __future__ import annotations

from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray

from envs.batch import action_space, observation_space
from envs.batched import BatchedSynthesis
from envs.cursor_batch import CursorSynthesis
from envs.tables import BoolArray, SingleArray
from sdl.core.recipe import Step
from sdl.tasks.task import Task
from simulators.network import IntArray


class SampleEnv(gymnasium.Env[NDArray[np.float32], NDArray[Any]]):
    """What the environments of one sample share: a batch of one row behind Gymnasium's interface.

    Args:
        batch: The batch of one row.
        render_mode: ``ansi`` or none.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium's own declaration
        "render_modes": ["ansi"],
        "render_fps": 1,
    }

    def __init__(self, batch: BatchedSynthesis, render_mode: str | None) -> None:
        self._batch = batch
        self.observation_space = cast("Space[NDArray[np.float32]]", observation_space(batch))
        self.action_space: Space[Any] = action_space(batch)
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

    def step(self, action: NDArray[Any]) -> tuple[SingleArray, float, bool, bool, dict[str, Any]]:
        """One decision; see the class.

        Args:
            action: One index per head, shape (heads,).

        Returns:
            Observation, reward, terminated, truncated (never), info; when terminated, the info
            holds ``purity``, ``yield``, ``bonus``, ``cost`` (truth, for scores only).
        """
        row = np.asarray(action).reshape(1, -1)
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


class SynthesisEnv(SampleEnv):
    """Makes one sample of a target phase, choice by choice, in a laboratory that hides itself.

    ## Description
    A sample is weighed in from a shelf of powders, milled, fired, perhaps ground and fired again,
    quenched, scanned, and handed in. Matter follows the compiled reactor of ``simulators``: free
    energies, rate laws, elements conserved. Each episode has its own laboratory, drawn from the
    task's ``hidden`` distribution: energies of phases, rate constants, assays and grain sizes of
    the lots, offsets of the furnaces, quality of mixing. The agent never sees it; it sees what a
    laboratory sees, and pays for it. Spaces are the same for every task.

    ## Action Space
    ``MultiDiscrete``. A decision is spelled out choice by choice, as with a cursor in a form: at
    each stage one group of heads is live, all others are masked to index 0 and mean nothing.

    | Head | Options | Live at stage |
    |------|---------|---------------|
    | verb | add, heat in 6 gases, 2 quenches, regrind, wash, scan_2, scan_8, stop | verb |
    | slot | 12 places on the shelf | slot |
    | ratio | 7 values of the first cation over the stoichiometric amount, of the task | batch |
    | mill | 2, 5, 10, 30, 60 min | batch, mill |
    | temperature | 300 to 1400 degC in steps of 25 | program |
    | dwell | 0.25 to 48 h, 12 on a roughly logarithmic scale | program |
    | ramp | 2, 5, 10, 20 degC/min | program |

    ``add`` is followed by one slot per cation of the target and by the batch; a heating verb by the
    program; ``regrind`` by its milling time; the others stand alone. The bottles that may be added
    are those that complete a set which can make the target. Only a decision that is spelled out
    takes time, costs and counts.

    An anneal ends hot. A quench takes the sample out (100 degC/min in air, 1000 in liquid); every
    other decision lets it cool in its furnace first (2 degC/min), at the price of the furnace time.
    A stop appends a scan of 8 minutes. ``info["action_mask"]`` and ``action_masks()`` say what is
    possible, head after head; whatever the mask allows passes ``sdl.safety``. A choice that the
    mask forbids spoils its decision, which is vetoed: nothing is done, no price is paid, one
    decision is used up (``info["vetoed"]``).

    ## Observation Space
    ``Box`` of 352 float32 within [-10, 10], without ids of systems, phases or precursors.
    ``batch.entries`` names every number with its unit.

    | Numbers | What |
    |---------|------|
    | 20 + 3 target | share, electronegativity, charge, radius of 5 cations; melting, energy, mass |
    | 17 laboratory | hottest furnace by gas, ends of the grid, washer, budget, samples |
    | 12 x 14 shelf | present, chosen, moles, cations, anion, melting, price, size, assay, energy |
    | 12 x 2 bottles | how far from its label, by earlier samples of the laboratory; its sd |
    | 8 x 4 + 6 outlook | what the belief about the laboratory says, see below |
    | 11 cursor | stage, gas that is being programmed, believed excess of the batch |
    | 10 sample | mixed, hot, thermocouple, balance, milling, anneals; length, age of the scan |
    | 6 x 6 phases | of the last scan: weight, sigma, is target, is precursor, energy, melting |
    | 3 x 7 programs | the last three anneals |
    | 4 budget | decisions and furnace time left, spent, scans |

    What is known of the bottles comes from the cations in the final scans of the samples that were
    made before in the same laboratory (``envs.bottles``). The order of the shelf is another in
    every episode. The outlook gives, at 8 temperatures from
    500 to 1200 degC, log10 of the time to 90 % of the slowest step that is needed, its standard
    deviation, and the driving forces past the target and of its loss; then how much slower each
    gas is. Zeros stand for what is not there (yet). A scan's weight fractions err as those of the
    pattern fit of ``sdl.analysis`` do (``sdl.analysis.quick``): correlated, cut at 0, of sum 1,
    with the sigma that goes with them. Errors of whole phases stay for a sample, however often it
    is scanned; phases without a pattern in the default set are not seen.

    ## Rewards
    Every decision costs its price (``prices`` of the task: furnace hours, kWh, scans, powders, the
    sample). A stop pays ``yield * purity**2``, and 0.25 more if the true purity is at least 0.95
    with no other phase above 2 wt% and the final scan's estimate lies at least 1.96 sigma above
    0.90. ``yield`` is the smallest share, over the target's cations, of what was charged that ended
    in the target. Of a volatile cation (lithium: one that a vapour of the system carries away) no
    more counts as charged than the target needs beside the scarcest of the other cations, so that
    an excess costs no yield; a shortage and what is lost below that amount do. Purity is by weight
    of the whole powder: leftovers of an excess count against it, and so do by-products that water
    dissolves until they are washed out. A return lies below 1.25.

    ## Starting State
    An empty vial at room temperature in a laboratory of the split: a new one every
    ``samples_per_lab`` episodes.

    ## Episode End
    Terminated by a stop; at the last of ``max_decisions`` decisions only the stop is left. An
    anneal that could exceed the furnace time is masked. Never truncated.

    ## Arguments
    ``task`` (name or ``Task``), ``split`` (``train``, ``tune``, ``judge``), ``laboratories`` (play
    these in turn instead), ``samples_per_lab``, ``belief`` (narrowest and widest belief about a
    laboratory as shares of the prior's standard deviations; (1, 1) is the prior), ``gain`` (how
    much a sample narrows it), ``max_decisions``, ``furnace_hours``, ``stations`` (accuracies),
    ``obs`` (``estimate``, or ``pattern``: whole patterns and their fits, slow), ``seed`` (of
    episodes before the first ``reset(seed=...)``).

    ## Version History
    * v0: first version.
    """

    def __init__(
        self, task: Task | str = "batio3-coarse", *, render_mode: str | None = None, **more: Any
    ) -> None:
        super().__init__(CursorSynthesis(task, 1, threads=1, **more), render_mode)


class DecisionEnv(SampleEnv):
    """The same sample with one physical decision per step and spaces of the task's own.

    ## Description
    As ``SynthesisEnv``; laboratories, noise and rewards are the same for the same seed.

    ## Action Space
    ``MultiDiscrete``: verb, temperature, dwell, ramp, gas, ratio, milling time, and one head per
    cation that chooses its bottle; only the values that the task allows. Only the heads that belong
    to the verb count.

    ## Observation Space
    ``Box`` of float32 within [-10, 10]: target and shelf of the task, then the numbers on sample,
    phases, programs and budget as in ``SynthesisEnv``; ``batch.entries`` names them.

    ## Rewards, Starting State, Episode End, Arguments
    As ``SynthesisEnv``, without ``belief`` and ``gain``.

    ## Version History
    * v0: first version.
    """

    def __init__(
        self, task: Task | str = "batio3-coarse", *, render_mode: str | None = None, **more: Any
    ) -> None:
        super().__init__(BatchedSynthesis(task, 1, threads=1, **more), render_mode)
