"""Bluesky documents on their way into the journal: buffered, never in the way of a plan."""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAX_DEPTH = 32
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Document:
    """One document, ready to be stored.

    Attributes:
        name: ``start``, ``descriptor``, ``event``, ``stop``, ...
        run: Uid of its run; empty where it cannot be told.
        doc: JSON text.
    """

    name: str
    run: str
    doc: str


class Documents:
    """Takes documents from a RunEngine and keeps them until the journal commits next.

    ``append`` touches neither disk nor database and accepts anything.
    """

    def __init__(self) -> None:
        self._pending: list[Document] = []
        self._run_of: dict[str, str] = {}
        self._guard = threading.Lock()

    def __len__(self) -> int:
        """Documents not yet committed."""
        return len(self._pending)

    def append(self, name: str, doc: Mapping[str, Any]) -> None:
        """Takes one document; can be subscribed to a RunEngine as it is.

        NumPy values become numbers and lists, NaN and infinity ``null``, bytes base64 text, and
        anything else the name of its type.
        """
        text = _text(doc)
        with self._guard:
            self._pending.append(Document(str(name)[:32], self._run(name, doc)[:64], text))

    def take(self) -> list[Document]:
        """The documents to commit; they are removed here."""
        with self._guard:
            taken, self._pending = self._pending, []
        return taken

    def put_back(self, taken: list[Document]) -> None:
        """Returns documents whose commit failed, before those that came meanwhile."""
        with self._guard:
            self._pending = taken + self._pending

    def _run(self, name: str, doc: Mapping[str, Any]) -> str:
        """The run a document belongs to; events name their descriptor only, data a resource."""
        if name == "start":
            return str(doc.get("uid", ""))
        if "run_start" in doc:
            run = str(doc["run_start"])
            if name in ("descriptor", "resource", "stream_resource"):
                self._run_of[str(doc.get("uid", ""))] = run
            elif name == "stop":
                self._run_of = {d: r for d, r in self._run_of.items() if r != run}
            return run
        return self._run_of.get(str(doc.get("descriptor", doc.get("resource", ""))), "")


def _text(doc: Mapping[str, Any]) -> str:
    """JSON text; what is plain JSON already, as nearly every document, is not walked by us."""
    try:
        text = _ENCODER.encode(doc)
    except (TypeError, ValueError, RecursionError):
        return _ENCODER.encode(to_json(doc))
    # Half a character: to_json replaces it. Whole ones beyond the first plane only cost the walk.
    return _ENCODER.encode(to_json(doc)) if "\\ud" in text else text


def to_json(value: Any, depth: int = 0) -> Any:
    """A value that ``json`` can write, whatever came in; deeper than 32 levels becomes text."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return None if value is None else bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if depth < _MAX_DEPTH:
        if isinstance(value, np.ndarray):
            return to_json(value.tolist(), depth + 1)
        if isinstance(value, Mapping):
            return {_key(k): to_json(v, depth + 1) for k, v in value.items()}
        if isinstance(value, AbstractSet):
            return sorted((to_json(v, depth + 1) for v in value), key=repr)
        if isinstance(value, Sequence):
            return [to_json(v, depth + 1) for v in value]
    return f"<{type(value).__name__}>"


def _key(key: object) -> str:
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    return to_json(key) if isinstance(key, str) else str(key)
