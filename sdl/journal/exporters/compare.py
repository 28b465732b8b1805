"""Says where documents that were read back differ from those that were sent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sdl.core.errors import excerpt
from sdl.journal.exporters.target import Named

MOST = 20
"""Differences that are told of one run."""


def compare(run_documents: Sequence[Named], read_back: Sequence[Named]) -> list[str]:
    """Every value, timestamp and piece of metadata, exactly; a missing value is ``null`` or NaN.

    Args:
        run_documents: What the target promised to keep, see ``Target.kept``.
        read_back: What it gave back.

    Returns:
        One line per difference, at most ``MOST``; empty when all is equal.
    """
    return list(islice(_documents(run_documents, read_back), MOST))


def _documents(sent: Sequence[Named], back: Sequence[Named]) -> Iterator[str]:
    if len(sent) != len(back):
        yield f"{len(sent)} documents were sent, {len(back)} came back"
    for number, ((name, doc), (name_back, doc_back)) in enumerate(
        zip(sent, back, strict=False), start=1
    ):
        if name != name_back:
            yield f"document {number} is a {name}, a {name_back} came back"
        else:
            yield from _values(doc, doc_back, f"document {number}, {name}")


def _values(sent: Any, back: Any, path: str) -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(back, dict):
        for key in sorted(sent.keys() | back.keys()):
            if key not in back:
                yield f"{path}.{key} is absent, it was {excerpt(sent[key])}"
            elif key not in sent:
                yield f"{path}.{key} came back as {excerpt(back[key])}, it was not sent"
            else:
                yield from _values(sent[key], back[key], f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(back, list) and len(sent) == len(back):
        for index, (a, b) in enumerate(zip(sent, back, strict=True)):
            yield from _values(a, b, f"{path}[{index}]")
    elif not _same(sent, back):
        yield f"{path} was {excerpt(sent)}, came back as {excerpt(back)}"


def _same(sent: Any, back: Any) -> bool:
    if _missing(sent) or _missing(back):
        return _missing(sent) and _missing(back)
    # 1 == True in Python, and a flag must not come back as a number.
    return isinstance(sent, bool) == isinstance(back, bool) and bool(sent == back)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
