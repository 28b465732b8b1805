"""What stands behind run, resume, status and report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdl.campaign.config import CampaignConfig
from sdl.campaign.loop import Campaign, Standing
from sdl.campaign.opening import begin, described, read_config, resume
from sdl.campaign.places import folder_of, journal_file, store_url, url_of
from sdl.campaign.requests import open_requests
from sdl.campaign.state import CampaignState
from sdl.campaign.words import doing
from sdl.cli.closing import closing_words
from sdl.cli.progress import watching
from sdl.core.errors import ConfigError, JournalError
from sdl.core.event import Approved, Event, Rejected
from sdl.core.material import Reading
from sdl.core.property import QUANTITIES
from sdl.journal.journal import Journal
from sdl.journal.lock import OwnerLock, owner_of
from sdl.journal.repair import truncate_tail

EXIT_CODES = {
    Standing.STOPPED: 0, Standing.WAITING: 3, Standing.PAUSED: 3, Standing.LEFT: 3,
}  # fmt: skip


def run_campaign(
    file: Path,
    out: Path | None,
    *,
    lab: Path | None = None,
    shadow: bool = False,
    fresh: bool,
    seed: int | None,
    with_report: bool,
    leave_after_min: float | None = None,
) -> int:
    """``sdl run``: returns the exit code.

    Raises:
        ConfigError: The campaign file or its task is wrong.
        JournalError: There is a campaign in the folder already.
    """
    config, task = read_config(file, lab)
    if seed is not None:
        config = CampaignConfig.model_validate({**config.model_dump(), "seed": seed})
    if shadow:
        config = config.model_copy(update={"shadow": True})
    if config.shadow and config.lab_file is None:
        raise ConfigError(
            "a shadow run needs the laboratory it shadows",
            got=f"lab: {config.lab}",
            allowed="a laboratory file",
            do="add --lab lab.yaml",
        )
    url = store_url(config, out)
    journal = journal_file(url)
    if journal is not None and journal.exists():
        if not fresh:
            raise JournalError(
                "there is a campaign here already",
                got=str(journal),
                allowed="a place without one",
                do=f"go on with `sdl resume {journal}`, or start anew with --fresh, which moves "
                "the folder aside",
            )
        _move_aside(journal)
    campaign = begin(config, task, url)
    return _work(campaign, url, with_report=with_report, leave_after_min=leave_after_min)


def resume_campaign(
    run: Path,
    *,
    approve: list[str],
    reject: list[str],
    by: str,
    repair: bool,
    with_report: bool,
    leave_after_min: float | None = None,
) -> int:
    """``sdl resume``: returns the exit code.

    Raises:
        JournalError: The journal is absent, damaged, or owned by another controller.
        ConfigError: A proposal to approve does not wait, or nobody is named.
    """
    url = url_of(run)
    if repair:
        side = truncate_tail(url)
        sys.stderr.write(f"sdl: the damaged records were moved to {side}\n")
    campaign = resume(url)
    try:
        _decide(campaign, approve, reject, by)
    except ConfigError:
        campaign.close()
        raise
    return _work(campaign, url, with_report=with_report, leave_after_min=leave_after_min)


def _decide(campaign: Campaign, approve: list[str], reject: list[str], by: str) -> None:
    """Journals a person's decisions on waiting proposals."""
    if not approve and not reject:
        return
    if not by.strip():
        raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
    waiting = ", ".join(campaign.state.undecided) or "none"
    named = (*approve, *reject)
    for name in named:
        if name not in campaign.state.undecided:
            raise ConfigError("this proposal does not wait", got=name, allowed=waiting)
        if named.count(name) > 1:
            raise ConfigError(
                "this proposal is named more than once",
                got=name,
                allowed="each once, to approve or to reject",
                do="name it once",
            )
    now_s = campaign.state.time_s
    decisions = [Event.of(now_s, Approved(proposal=p, by=by)) for p in approve]
    decisions += [Event.of(now_s, Rejected(proposal=p, by=by)) for p in reject]
    campaign.record(*decisions)


def _move_aside(journal: Path) -> None:
    """Renames the folder of an earlier run to the next free ``<folder>.N``.

    Raises:
        JournalLockedError: A controller works in it.
        ConfigError: The folder cannot be moved.
    """
    folder = journal.resolve().parent
    lock = OwnerLock.acquire(journal.with_name(journal.name + ".lock"), str(journal))
    try:
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)
    except OSError as err:
        raise ConfigError(
            "the earlier campaign cannot be moved aside",
            got=f"{folder}: {err.strerror}",
            allowed="a folder of its own that this user may rename",
            do="give another folder as --out",
        ) from err
    finally:
        lock.release()
    sys.stderr.write(f"sdl: the earlier campaign was moved to {aside}\n")


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """Ctrl-C asks for a pause after the present act; a second one ends the process at once."""
    asked = [False]

    def ask(number: int, _: object) -> None:
        if asked[0]:
            raise KeyboardInterrupt
        asked[0] = True
        sys.stderr.write("\nsdl: pausing after the present act; once more to stop at once\n")

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            # Whoever asked once has been heard: what is left is to close, which is not broken off.
            heard = asked[0] and number == signal.SIGINT
            signal.signal(number, signal.SIG_IGN if heard else handler)


def _work(campaign: Campaign, url: str, *, with_report: bool, leave_after_min: float | None) -> int:
    folder = folder_of(url)
    leave_after_s = None if leave_after_min is None else 60.0 * leave_after_min
    try:
        with _interruptible() as asked, watching(campaign) as watch:
            standing = campaign.run(
                pause=lambda: asked[0], watch=watch, leave_after_s=leave_after_s
            )
        closing = closing_words(campaign, standing, folder or url)
    finally:
        campaign.close()
    sys.stdout.write(closing + "\n")
    if with_report and standing is Standing.STOPPED and folder is not None:
        sys.stdout.write(f"report: {write_report(folder, None)}\n")
    return EXIT_CODES[standing]


def best_of(state: CampaignState) -> dict[str, Any] | None:
    """The finished sample of the highest measured purity, or of the best property."""
    best = state.best()
    if best is None:
        return None
    reading = best.event.reading
    return {
        **({} if reading is None else {"property": reading.model_dump(mode="json")}),
        "sample": best.event.sample,
        "purity": best.event.purity,
        "sigma": best.event.sigma,
        "recipe": best.result.recipe.sentence(),
    }


def read_status(run: Path) -> dict[str, Any]:
    """Where a campaign stands, from its journal alone.

    Raises:
        JournalError: Absent or damaged.
    """
    with Journal.open(url_of(run), owner=False) as journal:
        config, task = described(journal)
        state = CampaignState()
        for event in journal.events():
            state.apply(event)
        records = journal.last_seq
    return {
        "campaign": config.name,
        "task": task.name,
        "target": task.target.label,
        "policy": config.policy,
        "lab": config.lab,
        "standing": _standing(state, config, owner_of(_lock_file(run))),
        "laboratory_time_h": round(state.time_s / 3600.0, 3),
        "experiments": {
            "finished": len(state.finished),
            "in_flight": len(state.active),
            "budget": config.budget.experiments or task.budget.experiments,
        },
        "waiting_for_approval": list(state.undecided),
        "quarantined": dict(state.quarantined),
        "requests": [] if state.stopped else open_requests(config, state, folder_of(url_of(run))),
        "best": best_of(state),
        "samples": {s.id: doing(state, s) for s in state.active.values()},
        "records": records,
    }


def _lock_file(run: Path) -> Path:
    file = journal_file(url_of(run)) or run
    return file.with_name(file.name + ".lock")


def _standing(state: CampaignState, config: CampaignConfig, owner: dict[str, Any] | None) -> str:
    if state.stopped is not None:
        return f"over: {state.stopped.reason}"
    if owner is not None:
        return f"running: process {owner.get('pid', 'unknown')} since {owner.get('since', '?')}"
    if state.undecided and not state.active and config.approve != "none":
        return "waiting for approval; go on with `sdl resume`"
    if state.quarantined:
        return "paused, stations are quarantined: `sdl release` them, then `sdl resume`"
    return "paused: no controller runs; go on with `sdl resume`"


def describe_status(status: dict[str, Any]) -> str:
    """The status for people."""
    count = status["experiments"]
    lines = [
        f"{status['campaign']}: {status['standing']}",
        f"  task {status['task']}, policy {status['policy']}, lab {status['lab']}",
        f"  {count['finished']} of {count['budget']} experiments, {count['in_flight']} in flight, "
        f"laboratory time {status['laboratory_time_h']:.1f} h, {status['records']} records",
    ]
    best = status["best"]
    if best is not None:
        measured = f"{best['purity']:.1%} ± {best['sigma']:.1%}"
        if "property" in best:
            reading = Reading.model_validate(best["property"])
            words = QUANTITIES[reading.property].words(reading.value, reading.sigma)
            measured = f"{words}, {measured} pure"
        lines.append(f"  best {status['target']} {measured}: {best['sample']}, {best['recipe']}")
    lines += [f"  {name}: {what}" for name, what in status["samples"].items()]
    if status["waiting_for_approval"]:
        lines.append("  waits for approval: " + ", ".join(status["waiting_for_approval"]))
    lines += [f"  quarantined {name}: {why}" for name, why in status["quarantined"].items()]
    lines += [f"  asked of a person: {request}" for request in status["requests"]]
    return "\n".join(lines)


def write_report(run: Path, out: Path | None) -> Path:
    """Writes the page of a campaign and returns its path.

    Raises:
        JournalError: Absent or damaged.
        MissingExtraError: plotly or jinja2 is not installed.
    """
    from sdl.report.page import write_page

    url = url_of(run)
    folder = folder_of(url) or Path()
    return write_page(url, out or folder / "report.html")
