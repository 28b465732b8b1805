"""What Tiled's tables and metadata can hold, and how our documents are fitted into them.

Facts of Tiled 0.2.20 with bluesky 1.15 (measured): a column without a value becomes text; a
column's type follows from the first batch; whole numbers beyond 2**53 in metadata are cut silently;
columns whose names differ in case only are an error 500, a leading ``_`` is refused; uids of events
are not kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sdl.journal.exporters.target import Named, RunRefusedError

_COLUMN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\Z")
_RESERVED = frozenset({"time", "seq_num"})
_LARGEST = 2**53 - 1
_NUMPY = {
    "number": "<f8", "array": "<f8", "boolean": "|b1", "string": "<U0", "integer": "<i8",
}  # fmt: skip
"""What bluesky adds to a data key as ``dtype_numpy``, by ``dtype``."""

Keys = Mapping[str, Any]


def check_columns(run: str, keys: Keys) -> None:
    """Names of channels become columns of a database table.

    Raises:
        RunRefusedError: Tiled would fail at one of them, or mix two up.
    """
    columns = ["seq_num", "time", *keys, *(f"ts_{key}" for key in keys)]
    folded = [column.casefold() for column in columns]
    for key in keys:
        bad = not _COLUMN.match(key) or key in _RESERVED
        if bad or folded.count(key.casefold()) > 1:
            raise RunRefusedError(
                "this channel cannot become a column in Tiled",
                got=repr(key),
                allowed="1 to 60 letters, digits, `_`, `-`; the first a letter or digit; not time, "
                "seq_num; no two that differ in case only or by a leading `ts_`",
                do="export this run as JSON lines, which keep any name",
                where=f"run {run}",
            )


def prepared(documents: Sequence[Named]) -> Iterator[Named]:
    """The documents as they are handed to Tiled.

    A missing number is NaN, numbers of a ``number`` channel are floats, and whole numbers beyond
    2**53 in metadata are text, since Tiled would cut them.
    """
    keys: dict[str, Keys] = {}
    for name, doc in documents:
        if name == "descriptor":
            keys[doc["uid"]] = doc.get("data_keys", {})
        if name == "event":
            data = {k: _cell(v, keys[doc["descriptor"]].get(k)) for k, v in doc["data"].items()}
            yield name, {**doc, "data": data}
        elif name in ("start", "descriptor", "stop"):
            yield name, without_large_numbers(doc)
        else:
            yield name, doc


def _cell(value: Any, key: Keys | None) -> Any:
    dtype = None if key is None or "external" in key else key.get("dtype")
    if dtype in ("number", "integer") and value is None:
        return math.nan
    if dtype == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= _LARGEST else value
    if dtype == "array" and isinstance(value, list) and _has_numbers(value):
        return _nan_for_none(value)
    return value


def _has_numbers(value: list[Any]) -> bool:
    return any(_has_numbers(v) if isinstance(v, list) else _is_number(v) for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _nan_for_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_nan_for_none(v) for v in value]
    return math.nan if value is None else value


def without_large_numbers(value: Any) -> Any:
    """JSON with whole numbers beyond 2**53 as text."""
    if isinstance(value, dict):
        return {k: without_large_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_large_numbers(v) for v in value]
    if _is_number(value) and abs(value) > _LARGEST and value % 1 == 0:
        return repr(value)
    return value


def kept(documents: Sequence[Named]) -> list[Named]:
    """Start, streams with their events, stop: as ``TiledRuns.read`` gives them back.

    Of an event its number, times and values; of a stream its first descriptor, and of later ones
    time, uid and configuration.
    """
    start, streams, events, stop = {}, {}, {}, {}
    stream_of: dict[str, str] = {}
    for name, doc in documents:
        match name:
            case "start":
                start = without_large_numbers(doc)
            case "descriptor":
                stream = stream_of[doc["uid"]] = doc["name"]
                if stream in streams:
                    _add_later(streams[stream], doc)
                else:
                    streams[stream], events[stream] = _described(doc), []
            case "event":
                stream = stream_of[doc["descriptor"]]
                events[stream].append(_row(doc, streams[stream]["data_keys"]))
            case "stop":
                stop = without_large_numbers(doc)
    return listed(start, streams, events, stop)


def listed(
    start: dict[str, Any],
    streams: Mapping[str, dict[str, Any]],
    events: Mapping[str, list[dict[str, Any]]],
    stop: dict[str, Any],
) -> list[Named]:
    """Parts of a run as a list to compare, streams by name, events by number."""
    found: list[Named] = [("start", start)]
    for stream in sorted(streams):
        found.append(("descriptor", {**streams[stream], "name": stream}))
        rows = sorted(events[stream], key=lambda row: (row["seq_num"], row["time"]))
        found += [("event", {**row, "stream": stream}) for row in rows]
    return [*found, ("stop", stop)]


def _described(doc: dict[str, Any]) -> dict[str, Any]:
    """A descriptor as bluesky's normaliser completes it."""
    object_of = {k: o for o, keys in doc.get("object_keys", {}).items() for k in keys}
    data_keys = {
        key: {**_with_numpy(spec), **({"object_name": object_of[key]} if key in object_of else {})}
        for key, spec in doc.get("data_keys", {}).items()
    }
    configuration = {
        name: {
            **part,
            "data_keys": {k: _with_numpy(spec) for k, spec in part.get("data_keys", {}).items()},
        }
        for name, part in doc.get("configuration", {}).items()
    }
    dropped = ("name", "object_keys", "run_start")
    rest = {k: v for k, v in doc.items() if k not in dropped}
    whole = {**rest, "data_keys": data_keys, "configuration": configuration}
    return without_large_numbers(whole)


def _with_numpy(spec: dict[str, Any]) -> dict[str, Any]:
    numpy = spec.get("dtype_numpy") or _NUMPY.get(spec.get("dtype", ""))
    return {**spec, "dtype_numpy": numpy} if numpy else spec


def _add_later(stream: dict[str, Any], doc: dict[str, Any]) -> None:
    later: dict[str, Any] = {"uid": doc["uid"], "time": doc["time"]}
    if doc.get("configuration"):
        later["configuration"] = _described(doc)["configuration"]
    stream["_config_updates"] = [*stream.get("_config_updates", []), later]


def _row(doc: dict[str, Any], keys: Keys) -> dict[str, Any]:
    inside = [k for k in doc["data"] if "external" not in keys.get(k, {})]
    return {
        "seq_num": doc["seq_num"],
        "time": doc["time"],
        "data": {k: doc["data"][k] for k in inside},
        "timestamps": {k: doc["timestamps"][k] for k in inside},
    }
