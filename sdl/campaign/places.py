"""Where a campaign keeps its journal and its virtual world."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from sdl.campaign.config import CampaignConfig
from sdl.core.errors import ConfigError, JournalError
from sdl.journal.store import Backend, locate

MEMORY = "sqlite://"
"""URL of a journal that leaves no file: for benches and scripts."""

JOURNAL_NAME = "campaign.db"
WORLD_NAME = "world.db"
NOTEBOOK_NAME = "stations.db"
"""What the drivers noted, beside the journal."""


def url_for(file: Path) -> str:
    """The URL of a journal in a file, whatever characters its path holds."""
    return f"sqlite:///{quote(str(file))}"


def store_url(config: CampaignConfig, out: Path | None) -> str:
    """The journal's URL: ``out``, else the file's ``store``, else ``runs/<name>``."""
    if out is None and config.store is not None:
        return config.store
    folder = out if out is not None else Path("runs") / config.name
    return url_for(folder / JOURNAL_NAME)


def journal_file(url: str) -> Path | None:
    """The file of a journal; ``None`` in memory and on a server.

    Raises:
        JournalError: The URL is none.
    """
    return locate(url).path


def folder_of(url: str) -> Path | None:
    """The folder of a journal that is a file; ``None`` in memory and on a server."""
    file = journal_file(url)
    return None if file is None else file.parent


def world_file(url: str) -> Path | None:
    """The file of the virtual world that belongs to a journal; ``None`` for a journal in memory.

    Raises:
        ConfigError: The journal lasts, but is no file beside which the world could be kept.
    """
    location = locate(url)
    if location.backend is Backend.MEMORY:
        return None
    if location.path is None:
        raise ConfigError(
            "a simulated laboratory keeps its world beside the journal's file",
            got=location.name,
            allowed="sqlite:///path/to/campaign.db",
            do="correct the key `store`",
        )
    if location.path.name == JOURNAL_NAME:
        return location.path.with_name(WORLD_NAME)
    return location.path.with_name(f"{location.path.stem}.{WORLD_NAME}")


def url_of(run: Path) -> str:
    """The journal's URL of a run folder, or of the journal file itself.

    Raises:
        JournalError: There is no journal.
    """
    try:
        file = run / JOURNAL_NAME if run.is_dir() else run
        found = file.is_file()
    except (OSError, ValueError) as err:
        raise JournalError("this is no path", got=str(err), do="check the path") from err
    if not found:
        raise JournalError(
            "there is no campaign here",
            got=str(run),
            allowed=f"a folder with {JOURNAL_NAME}, or a journal file",
            do="check the path, or start one with `sdl run`",
        )
    return url_for(file)
