"""Opens campaigns: a new one from its file, or an earlier one from its journal."""

from __future__ import annotations

import difflib
import hashlib
from contextlib import ExitStack
from pathlib import Path

from pydantic import ValidationError

from agents.registry import make_policy, policy_names, pool_policies, trained_policies
from sdl.campaign.config import CampaignConfig
from sdl.campaign.laboratory import read_lab, require_free
from sdl.campaign.loop import Campaign
from sdl.campaign.making import Setting, make_lab
from sdl.campaign.places import world_file
from sdl.core.capabilities import Capabilities, StationKind
from sdl.core.errors import (
    ConfigError,
    JournalError,
    MissingExtraError,
    ModelError,
    PolicyError,
)
from sdl.core.event import CampaignBegun, EventKind
from sdl.core.yaml import load, place_of
from sdl.journal.journal import Journal
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import Task, load_task

MODEL_FILE = "policy.safetensors"
"""The policy file in the folder of a training run."""


def read_config(path: Path, lab: Path | None = None) -> tuple[CampaignConfig, Task]:
    """The campaign file and its task; in a laboratory of a file, with that laboratory's stations.

    Args:
        path: The campaign file.
        lab: A laboratory file instead of what the campaign file says.

    Raises:
        ConfigError: With file, line, what was given, what is allowed, what to do.
    """
    config = load(path, CampaignConfig, "the campaign file")
    if config.model is not None:
        config = config.model_copy(update={"model": str(path.parent / config.model)})
    if lab is not None:
        config = config.model_copy(update={"lab": str(lab.absolute())})
    elif config.lab_file is not None:
        config = config.model_copy(update={"lab": str((path.parent / config.lab).absolute())})
    try:
        task = load_task(config.task, path.parent)
    except ConfigError as err:
        if err.where is not None:
            raise
        raise ConfigError(
            err.what, got=err.got, allowed=err.allowed, do=err.do, where=place_of(path, "task")
        ) from err
    if config.lab_file is not None:
        file = read_lab(config.lab_file)
        laboratory = file.capabilities(task.laboratory.shelf)
        _require_stations(laboratory, config.lab_file)
        task = task.model_copy(update={"laboratory": laboratory})
    check_consistency(config, task, path)
    return config, task


_NEEDED = (
    StationKind.DISPENSER, StationKind.FURNACE, StationKind.DIFFRACTOMETER, StationKind.TRANSFER,
)  # fmt: skip
"""Kinds of stations without which no sample is made and measured."""


def _require_stations(laboratory: Capabilities, path: Path) -> None:
    lacking = [kind.value for kind in _NEEDED if not laboratory.of_kind(kind)]
    if lacking:
        raise ConfigError(
            f"the laboratory {laboratory.name} cannot make and measure a sample",
            got=f"no {', no '.join(lacking)}",
            allowed=f"a station of each kind: {', '.join(kind.value for kind in _NEEDED)}",
            do="add the station; where no instrument is, `driver: human` asks a person",
            where=path,
        )


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
    _check_stop(config, task, path)
    replays = _replays(task)
    if replays != (config.lab == "table"):
        raise ConfigError(
            f"the task {task.name} cannot be run in this laboratory",
            got=f"lab: {config.lab}",
            allowed="table" if replays else "virtual, fast, or a laboratory file",
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
    _check_policy(config, task, path)
    if task.space is not None:
        TaskSpace(task)


def _check_policy(config: CampaignConfig, task: Task, path: Path) -> None:
    """Makes the policy once; what it says is wrong has a place in the file."""
    if config.model is not None and config.policy not in trained_policies():
        raise ConfigError(
            f"the policy {config.policy} has no policy file",
            got=f"model: {config.model}",
            allowed=f"policy: {', '.join(trained_policies())}",
            do="leave the key `model` out, or correct the key `policy`",
            where=place_of(path, "model"),
        )
    try:
        make_policy(config.policy, task=task, model=_read_model(config))
    except MissingExtraError:
        raise
    except (PolicyError, ModelError, ConfigError) as err:
        key = "policy" if config.model is None else "model"
        raise ConfigError(
            err.what, got=err.got, allowed=err.allowed, do=err.do, where=place_of(path, key)
        ) from err


def _read_model(config: CampaignConfig) -> bytes | None:
    """The policy file of a trained policy.

    Raises:
        ConfigError: It cannot be read.
    """
    if config.model is None or config.policy not in trained_policies():
        return None
    path = Path(config.model)
    path = path / MODEL_FILE if path.is_dir() else path
    try:
        return path.read_bytes()
    except OSError as err:
        raise ConfigError(
            "the policy file cannot be read",
            got=f"{path}: {err.strerror}",
            allowed=f"the {MODEL_FILE} that `sdl train` wrote, or its folder",
            do="correct the key `model`; paths are relative to the campaign file",
        ) from err


def _check_stop(config: CampaignConfig, task: Task, path: Path) -> None:
    stop, objective = config.stop, task.objective
    if stop is not None and (stop.value is None) != (objective is None):
        wrong, right = ("value", "purity") if objective is None else ("purity", "value")
        what = "no property" if objective is None else f"the {objective.quantity().title}"
        raise ConfigError(
            f"the task {task.name} is about {what}",
            got=f"stop: {{{wrong}: ...}}",
            allowed=f"stop: {{{right}: ...}}"
            + ("" if objective is None else f" in {objective.quantity().unit}"),
            do="correct the key `stop`",
            where=place_of(path, "stop", wrong),
        )


def _of_file(config: CampaignConfig) -> dict[str, bool]:
    """What the record says of a laboratory file beside its stations."""
    if config.lab_file is None:
        return {}
    lab = read_lab(config.lab_file)
    return {"real": lab.real, "simulated": lab.simulated is not None}


def _replays(task: Task) -> bool:
    return bool(task.laboratory.of_kind(StationKind.TABLE))


def begin(config: CampaignConfig, task: Task, url: str) -> Campaign:
    """Starts a new campaign.

    Raises:
        JournalError: There already is a campaign at ``url``.
        LabError: There is a virtual world of another campaign.
        ConfigError: The policy file of a trained policy cannot be read, or the laboratory of a
            file is not commissioned.
        BusyError: Another controller drives the laboratory of a file.
    """
    model = _read_model(config)
    if model is not None:  # a campaign is told by what is in the file, wherever it lies
        config = config.model_copy(update={"model": hashlib.sha256(model).hexdigest()})
    if config.lab_file is not None:
        require_free(config.lab_file, shadow=config.shadow)
    world = world_file(url) if config.lab in ("virtual", "fast") else None
    if world is not None and world.exists():
        raise JournalError(
            "there is a virtual world here whose journal is gone",
            got=str(world),
            allowed="a place without one",
            do="choose another folder, or put the journal back",
        )
    lab_summary = task.laboratory.model_dump(mode="json", exclude={"pool"})
    begun = CampaignBegun(
        config=config.model_dump(mode="json"),
        task=task.model_dump(mode="json"),
        task_hash=task.hash,
        capabilities={**lab_summary, "replays": _replays(task), **_of_file(config)},
        seed=config.seed,
    )
    journal = Journal.create(url, begun)
    if model is not None:
        journal.blobs.put(model)
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
    try:
        return CampaignConfig.model_validate(begun.config), Task.model_validate(begun.task)
    except ValidationError as err:
        first = err.errors()[0]
        raise JournalError(
            "the journal's campaign does not fit this version of the program",
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            do="resume it with the version that began it",
            where=f"{journal.path}, record 1",
        ) from err


def _assemble(config: CampaignConfig, task: Task, journal: Journal, url: str) -> Campaign:
    """Laboratory, policy and loop over an open journal; closes it if that fails."""
    with ExitStack() as undo:
        undo.callback(journal.close)
        lab = make_lab(Setting(config, task, journal, url, journal.events()))
        undo.callback(lab.close)
        model = None
        if config.model is not None and config.policy in trained_policies():
            model = journal.blobs.get(config.model)
        policy = make_policy(config.policy, task=task, blobs=journal.blobs, model=model)
        campaign = Campaign(config, task, journal, lab, policy)
        undo.pop_all()
    return campaign
