"""Opens campaigns: a new one from its file, or an earlier one from its journal."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from agents.registry import make_policy, policy_names, pool_policies
from sdl.campaign.config import CampaignConfig
from sdl.campaign.loop import Campaign
from sdl.core.capabilities import StationKind
from sdl.core.errors import ConfigError, JournalError, PolicyError
from sdl.core.event import CampaignBegun, Done, EventKind, Failed
from sdl.core.extras import require_extra
from sdl.core.protocols import Lab
from sdl.core.yaml import load, place_of
from sdl.journal.journal import Journal
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task, load_task

MEMORY = "sqlite://"
"""URL of a journal that leaves no file: for benches."""

JOURNAL_NAME = "campaign.db"
WORLD_NAME = "world.db"


def read_config(path: Path) -> tuple[CampaignConfig, Task]:
    """The campaign file and its task.

    Raises:
        ConfigError: With file, line, what was given, what is allowed, what to do.
    """
    config = load(path, CampaignConfig, "the campaign file")
    try:
        task = load_task(config.task, path.parent)
    except ConfigError as err:
        if err.where is not None:
            raise
        raise ConfigError(
            err.what, got=err.got, allowed=err.allowed, do=err.do, where=place_of(path, "task")
        ) from err
    check_consistency(config, task, path)
    return config, task


def check_consistency(config: CampaignConfig, task: Task, path: Path) -> None:
    """Refuses combinations that no single key shows.

    Raises:
        ConfigError: There is no such policy, or the laboratory cannot solve the task.
    """
    if config.policy not in policy_names():
        near = difflib.get_close_matches(config.policy, policy_names(), n=1)
        raise ConfigError(
            "there is no such policy",
            got=repr(config.policy),
            allowed=", ".join(policy_names()),
            do=f"did you mean {near[0]!r}?" if near else "correct the key `policy`",
            where=place_of(path, "policy"),
        )
    replays = _replays(task)
    if replays != (config.lab == "table"):
        raise ConfigError(
            f"the task {task.name} cannot be run in this laboratory",
            got=f"lab: {config.lab}",
            allowed="table" if replays else "virtual, fast",
            do="correct the key `lab` or the key `task`",
            where=place_of(path, "lab"),
        )
    if config.policy in pool_policies() and not replays:
        raise ConfigError(
            f"the policy {config.policy} chooses from a table of experiments",
            got=f"task: {task.name}",
            allowed="random, published, default, or a task that replays a table",
            do="correct the key `policy`",
            where=place_of(path, "policy"),
        )
    try:
        make_policy(config.policy, task=task)
    except PolicyError as err:
        raise ConfigError(
            err.what, got=err.got, allowed=err.allowed, do=err.do, where=place_of(path, "policy")
        ) from err
    if task.space is not None:
        TaskSpace(task)


def _replays(task: Task) -> bool:
    return bool(task.laboratory.of_kind(StationKind.TABLE))


def store_url(config: CampaignConfig, out: Path | None) -> str:
    """The journal's URL: ``out``, else the file's ``store``, else ``runs/<name>``."""
    if out is None and config.store is not None:
        return config.store
    folder = out if out is not None else Path("runs") / config.name
    return f"sqlite:///{folder / JOURNAL_NAME}"


def folder_of(url: str) -> Path | None:
    """The folder of a journal that is a file; ``None`` for memory and servers."""
    if url == MEMORY or not url.startswith("sqlite:///"):
        return None
    return Path(url.removeprefix("sqlite:///")).parent


def url_of(run: Path) -> str:
    """The journal's URL of a run folder, or of the journal file itself.

    Raises:
        JournalError: There is no journal.
    """
    file = run / JOURNAL_NAME if run.is_dir() else run
    if not file.is_file():
        raise JournalError(
            "there is no campaign here",
            got=str(run),
            allowed=f"a folder with {JOURNAL_NAME}",
            do="check the path, or start one with `sdl run`",
        )
    return f"sqlite:///{file}"


def begin(config: CampaignConfig, task: Task, url: str) -> Campaign:
    """Starts a new campaign.

    Raises:
        JournalError: There already is a campaign at ``url``.
    """
    lab_summary = task.laboratory.model_dump(mode="json", exclude={"pool"})
    begun = CampaignBegun(
        config=config.model_dump(mode="json"),
        task=task.model_dump(mode="json"),
        task_hash=task.hash,
        capabilities={**lab_summary, "replays": _replays(task)},
        seed=config.seed,
    )
    journal = Journal.create(url, begun)
    return _assemble(config, task, journal, url)


def resume(url: str) -> Campaign:
    """Takes up an earlier campaign where its journal ends.

    Raises:
        JournalError: The journal is absent, damaged, or owned by another controller.
    """
    journal = Journal.open(url)
    config, task = described(journal)
    return _assemble(config, task, journal, url)


def described(journal: Journal) -> tuple[CampaignConfig, Task]:
    """Configuration and task as the journal's first record holds them.

    Raises:
        JournalError: The journal does not begin with a campaign.
    """
    events = journal.events()
    if not events or events[0].kind is not EventKind.CAMPAIGN:
        raise JournalError(
            "the journal does not begin with a campaign",
            got=events[0].kind.value if events else "no record",
            allowed=EventKind.CAMPAIGN.value,
            do="check the path",
        )
    begun = events[0].read(CampaignBegun)
    return CampaignConfig.model_validate(begun.config), Task.model_validate(begun.task)


def _assemble(config: CampaignConfig, task: Task, journal: Journal, url: str) -> Campaign:
    ended = [
        e.read(Done).command if e.kind is EventKind.DONE else e.read(Failed).command
        for e in journal.events()
        if e.kind in (EventKind.DONE, EventKind.FAILED)
    ]
    lab = _LABS[config.lab](config, task, journal, folder_of(url), ended)
    policy = make_policy(config.policy, task=task, blobs=journal.blobs)
    return Campaign(config, task, journal, lab, policy)


LabMaker = Callable[[CampaignConfig, Task, Journal, Path | None, list[str]], Lab]


def _virtual(
    config: CampaignConfig, task: Task, journal: Journal, folder: Path | None, done: list[str]
) -> Lab:
    require_extra("twin", "the virtual laboratory", "numba", "scipy")
    require_extra("lab", "the virtual laboratory", "bluesky", "ophyd")
    from sdl.campaign.labs.virtual import VirtualLab

    path = None if folder is None else folder / WORLD_NAME
    maker = VirtualLab.open if path is not None and path.exists() else VirtualLab.create
    return maker(
        task,
        seed=config.laboratory,
        blobs=journal.blobs,
        path=path,
        done=done,
        documents=journal.documents.append,
    )


def _fast(
    config: CampaignConfig, task: Task, journal: Journal, folder: Path | None, done: list[str]
) -> Lab:
    require_extra("twin", "the fast laboratory", "numba", "scipy")
    from sdl.campaign.labs.fast import FastLab

    path = None if folder is None else folder / WORLD_NAME
    maker = FastLab.open if path is not None and path.exists() else FastLab.create
    return maker(task, seed=config.laboratory, blobs=journal.blobs, path=path, done=done)


def _table(
    config: CampaignConfig, task: Task, journal: Journal, folder: Path | None, done: list[str]
) -> Lab:
    from sdl.campaign.labs.table import TableLab

    return TableLab.create(task, done=done)


_LABS: dict[str, LabMaker] = {"virtual": _virtual, "fast": _fast, "table": _table}
