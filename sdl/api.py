"""From a script: campaigns to start, iterate and look at; recipes to simulate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdl.campaign.config import CampaignConfig
from sdl.campaign.loop import Campaign
from sdl.campaign.opening import begin, resume
from sdl.campaign.places import JOURNAL_NAME, MEMORY, url_for, url_of
from sdl.core.extras import require_extra
from sdl.tasks.task import load_task

if TYPE_CHECKING:
    from simulators.simulation import Simulation


def start_campaign(
    task: str,
    *,
    policy: str = "default",
    model: Path | str | None = None,
    lab: str = "fast",
    experiments: int | None = None,
    in_flight: int = 4,
    seed: int = 0,
    laboratory: int = 0,
    folder: Path | str | None = None,
) -> Campaign:
    """Begins a campaign; iterate over it to run it.

    Args:
        task: Name of a task, or the path of a task file.
        policy: ``random``, ``published``, ``default``, ``rl``, ...
        model: Policy file of the policy ``rl``.
        lab: ``fast`` (no RunEngine), ``virtual`` or ``table``.
        experiments: Budget; the task's if ``None``.
        in_flight: Samples on their way at the same time.
        seed: Seeds every decision.
        laboratory: Which hidden laboratory a simulated world draws.
        folder: Where journal and world are kept; in memory if ``None``.

    Raises:
        ConfigError: An argument is wrong.
        JournalError: There is a campaign in the folder already.
    """
    config = CampaignConfig.model_validate(
        {
            "name": "script",
            "task": task,
            "lab": lab,
            "policy": policy,
            "model": None if model is None else str(model),
            "budget": {} if experiments is None else {"experiments": experiments},
            "in_flight": in_flight,
            "seed": seed,
            "laboratory": laboratory,
        }
    )
    url = MEMORY if folder is None else url_for(Path(folder) / JOURNAL_NAME)
    return begin(config, load_task(task), url)


def resume_campaign(folder: Path | str) -> Campaign:
    """Takes up a campaign that was paused or killed.

    Raises:
        JournalError: There is none, it is damaged, or another controller owns it.
    """
    return resume(url_of(Path(folder)))


def simulate(
    recipe: Path | str, *, system: str | None = None, lab: int | None = None
) -> Simulation:
    """Simulates a recipe file: ``simulate("batio3.yaml").purity("BaTiO3")``.

    Args:
        recipe: The file, see ``sdl schema simulation``.
        system: Name or path of a chemical system that stands instead of the file's.
        lab: Number of a laboratory whose hidden figures are drawn within their widths; ``None``
            for the nominal one, where every label and figure is true.

    Returns:
        History, final weight fractions and scans; a frozen result.

    Raises:
        ConfigError: The file or an argument is wrong.
        MissingExtraError: numba or scipy is not installed.
    """
    require_extra("twin", "a simulation", "numba", "scipy")
    from simulators.preparation import prepare  # numba is optional
    from simulators.simulation import simulate as run

    return run(prepare(Path(recipe), system), lab)
