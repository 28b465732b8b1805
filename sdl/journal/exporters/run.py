"""A run on its way out: names checked, closed where its controller was lost."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sdl.core.model import SAFE_ID
from sdl.journal.exporters.target import Named, RunRefusedError

LOST = "controller lost"
"""Reason in the stop document of a run whose controller was killed."""

_SAFE_ID = re.compile(SAFE_ID.replace("$", r"\Z"))
_ENDS = uuid.uuid5(uuid.NAMESPACE_URL, "solid-state-sdl/controller-lost")


def check_name(name: object, what: str, run: str) -> str:
    """A name that may become a file or a key.

    Raises:
        RunRefusedError: It is no ``SafeId``.
    """
    if not isinstance(name, str) or not _SAFE_ID.match(name):
        raise RunRefusedError(
            f"{what} cannot become a file or a key",
            got=repr(name),
            allowed="1 to 64 letters, digits, `_`, `.`, `-`; the first a letter or digit",
            do="the journal keeps the run; name it otherwise in the plan",
            where=f"run {run[:80]!r}",
        )
    return name


def check_run(uid: str, documents: Sequence[Named]) -> None:
    """One start, first; one stop, last; names that are safe everywhere.

    Raises:
        RunRefusedError: It is not so, as when a journal was subscribed twice.
    """
    count = Counter(name for name, _ in documents)
    names = [name for name, _ in documents]
    if (count["start"], count["stop"]) != (1, 1) or (names[0], names[-1]) != ("start", "stop"):
        raise RunRefusedError(
            "these documents are not one run",
            got=", ".join(f"{n} {name}" for name, n in sorted(count.items())),
            allowed="one start at the begin, one stop at the end",
            do="subscribe the journal to the RunEngine once",
            where=f"run {uid}",
        )
    check_name(documents[0][1].get("uid"), "the uid of the run", uid)
    for name, doc in documents:
        if name == "descriptor":
            check_name(doc.get("name"), "the name of a stream", uid)


def with_link(documents: Sequence[Named], resumes: str) -> list[Named]:
    """The documents with ``resumes: <uid>`` in the start: which lost run this one goes on with."""
    (name, start), *rest = documents
    return [(name, {**start, "resumes": resumes}), *rest]


def with_end(uid: str, documents: Sequence[Named]) -> list[Named]:
    """The documents and the stop that the lost controller did not write.

    Its uid follows from the run's, so that a second export gives the same document. Its time is
    that of the last document there is.
    """
    streams = {d.get("uid"): d.get("name") for name, d in documents if name == "descriptor"}
    events = Counter[str]()
    for name, doc in documents:
        if name in ("event", "event_page"):
            count = len(doc.get("seq_num", ())) if name == "event_page" else 1
            events[str(streams.get(doc.get("descriptor"), "unknown"))] += count
    stop: dict[str, Any] = {
        "uid": str(uuid.uuid5(_ENDS, uid)),
        "run_start": uid,
        "time": max((_time(doc) for _, doc in documents), default=0.0),
        "exit_status": "fail",
        "reason": LOST,
        "num_events": dict(events),
    }
    return [*documents, ("stop", stop)]


def _time(doc: dict[str, Any]) -> float:
    time = doc.get("time")
    if isinstance(time, list):
        time = time[-1] if time else None
    return float(time) if isinstance(time, int | float) else 0.0
