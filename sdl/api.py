"""Campaigns from a script: start, iterate, look at the best."""

from __future__ import annotations

from pathlib import Path

from sdl.campaign.config import CampaignConfig
from sdl.campaign.loop import Campaign
from sdl.campaign.opening import begin, resume
from sdl.campaign.places import JOURNAL_NAME, MEMORY, url_for, url_of
from sdl.tasks.task import load_task


def start_campaign(
    task: str,
    *,
    policy: str = "default",
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
        policy: ``random``, ``published``, ``default``, ...
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
