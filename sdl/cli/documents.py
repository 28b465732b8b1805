"""What stands behind ``sdl documents``: Bluesky documents out of the journal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sdl.campaign.places import folder_of, url_of
from sdl.core.errors import ConfigError
from sdl.journal.exporters.compare import compare
from sdl.journal.exporters.jsonl import JsonLines
from sdl.journal.exporters.target import RunRefusedError, Target
from sdl.journal.exporters.tiled import TiledRuns
from sdl.journal.outbox import Outbox
from sdl.journal.runs import Standing, StoredRuns

FOLDER = "documents"
"""Of the JSON lines, in the folder of the campaign, if no other is named."""


def export_documents(
    run: Path,
    *,
    to: Literal["jsonl", "tiled"],
    out: Path | None = None,
    uri: str | None = None,
    follow: bool = False,
    check: bool = False,
    again: bool = False,
) -> int:
    """``sdl documents RUN --to ...``: returns the exit code.

    The campaign may be running. 0: the target has every run that is over; 1: it does not, or a
    check found a difference.

    Args:
        run: Folder of a campaign, or its journal.
        to: Kind of target.
        out: Folder for JSON lines; ``<run>/documents`` by default.
        uri: Container on a Tiled server; the key is taken from ``TILED_API_KEY``.
        follow: Goes on until Ctrl-C or SIGTERM, whatever happens to the target.
        check: Reads every run back and compares it with the journal.
        again: Walks all runs again, refused ones too.

    Raises:
        ConfigError: Options do not fit together.
        JournalError: No journal, a damaged one, or another exporter for this target.
        ExportError: The target is down and ``follow`` is not asked for.
        MissingExtraError: tiled is not installed.
    """
    url = url_of(run)
    target = _target(to, url, out, uri)
    with Outbox(url, target, again=again) as outbox:
        if follow:
            with _until_asked() as stop:
                outbox.follow(stop, tell=_tell)
        else:
            outbox.push()
        backlog = outbox.backlog()
        _say(backlog.words())
        if backlog.waiting or backlog.refused:
            return 1
        return _check(url, target) if check else 0


def _target(to: str, url: str, out: Path | None, uri: str | None) -> Target:
    if to == "jsonl":
        if uri is not None:
            raise ConfigError("JSON lines go into a folder", got=f"--uri {uri}", do="give --out")
        return JsonLines(out or (folder_of(url) or Path()) / FOLDER)
    if to != "tiled":
        raise ConfigError("there is no such target", got=to, allowed="jsonl, tiled")
    if uri is None or out is not None:
        raise ConfigError(
            "Tiled is a server",
            got="no --uri" if uri is None else f"--out {out}",
            do="give --uri http://host:port/api/v1, and the key in TILED_API_KEY",
        )
    return TiledRuns(uri)


def _check(url: str, target: Target) -> int:
    """Reads back every run that is over; tells the differences."""
    checked = differing = 0
    with StoredRuns(url) as runs:
        for head in runs.heads(0).runs:
            if head.standing is Standing.OPEN:
                continue
            checked += 1
            try:
                documents = runs.load(head).documents
                back = target.read(head.uid)
            except RunRefusedError as err:
                differences = [str(err)]
            else:
                absent = ["it is not there"]
                differences = absent if back is None else compare(target.kept(documents), back)
            differing += bool(differences)
            for words in differences:
                _say(f"  run {head.uid}: {words}")
    _say(f"{checked} runs read back, {differing} with differences")
    return 1 if differing else 0


@contextmanager
def _until_asked() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    stop = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        _tell("ending after the present run; once more to stop at once")

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def _tell(words: str) -> None:
    sys.stderr.write(f"sdl: {words}\n")
