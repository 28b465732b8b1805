"""Result files of instruments and answers of persons: bytes to numbers, nothing is executed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sdl.analysis.xrdml import parse_xrdml
from sdl.core.errors import ProtocolError, excerpt

MOST_POINTS = 500_000
MOST_HEADER_LINES = 100
LONGEST_ANSWER = 10_000_000
"""Bytes of a JSON file."""
LARGEST_COUNT = 2**31 - 1
UNEVEN = 0.05
"""How far an angle may be off an even grid, as a share of the step."""
_NUMBER = re.compile(r"[-+]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][-+]?\d{1,3})?")
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAMED = re.compile(r"[#;!'\"\s]*(?:sample[ _]?)?id\s*[:=]\s*\"?([A-Za-z0-9_.\-]{1,64})", re.I)
_RESERVED = ("id", "sample", "samples", "by", "failed", "done", "values")

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pattern:
    """One powder pattern.

    Args:
        counts: Shape ``(points,)``.
        start_deg: First angle 2theta, degrees.
        step_deg: Between two points, degrees.
        sample_id: What the file says the sample is called; empty if nothing.
    """

    counts: Ints
    start_deg: float
    step_deg: float
    sample_id: str = ""


@dataclass(frozen=True, eq=False)
class Columns:
    """A text file of two columns.

    Args:
        x: Shape ``(points,)``.
        y: The same.
        sample_id: As in ``Pattern``.
    """

    x: Floats
    y: Floats
    sample_id: str = ""


@dataclass(frozen=True)
class Answer:
    """What an instrument or a person reports of a job beside its data file.

    Args:
        id: Of the request.
        values: Numbers, or quantities such as ``12.3 mg``, by name.
        by: Person; empty for instruments.
        failed: Why it could not be done; empty when it was.
    """

    id: str
    values: Mapping[str, float | str] = field(default_factory=dict[str, float | str])
    by: str = ""
    failed: str = ""


def read_scan(data: bytes, name: str) -> Pattern:
    """An ``.xrdml`` file of a whole scan.

    Raises:
        ConfigError: It is no scan.
        ProtocolError: The scan was not completed, or holds other numbers than counts.
    """
    scan = parse_xrdml(data, name)
    if scan.status not in ("", "Completed"):
        raise _wrong(name, "the scan was not completed", scan.status, "status Completed")
    return Pattern(_counts(scan.counts, name), scan.start_deg, scan.step_deg, scan.sample_id)


def read_columns(data: bytes, name: str) -> Columns:
    """Two columns of numbers with decimal points; words may stand before them, none between.

    A last line without its end is taken for half a file; a file cut at the end of a line looks
    whole, so callers wait until it stands still.

    Raises:
        ProtocolError: It is something else.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as err:
        raise _wrong(name, "the file is no text", str(err), "UTF-8") from err
    strange = _CONTROL.search(data)
    if strange is not None:
        got = f"{strange[0]!r} at byte {strange.start()}"
        raise _wrong(name, "the file holds control characters", got, "plain text")
    if lines and not data.endswith(b"\n"):
        raise _wrong(name, "the last line has no end", excerpt(lines[-1]), "a whole last line")
    if len(lines) > MOST_POINTS + MOST_HEADER_LINES:
        raise _wrong(name, "the file is too long", f"{len(lines)} lines", f"<= {MOST_POINTS}")
    rows: list[tuple[float, float]] = []
    sample_id, words = "", 0
    for number, line in enumerate(lines, 1):
        parts = _SEPARATOR.split(line.strip())
        if _NUMBER.fullmatch(parts[0]) and not line.strip().startswith("#"):
            rows.append(_row(parts, f"{name}:{number}"))
            continue
        if not line.strip():
            continue
        words += 1
        if rows or words > MOST_HEADER_LINES:
            raise _wrong(f"{name}:{number}", "a line holds no numbers", excerpt(line), "x y")
        named = _NAMED.match(line)
        sample_id = named[1] if named else sample_id
    if len(rows) < 2:
        raise _wrong(name, "the file holds no data", f"{len(rows)} points", "2 or more")
    table = np.array(rows, dtype=np.float64)
    return Columns(table[:, 0], table[:, 1], sample_id)


def read_pattern(data: bytes, name: str) -> Pattern:
    """Two columns, 2theta in degrees and counts, at even steps.

    Raises:
        ProtocolError: It is something else.
    """
    columns = read_columns(data, name)
    start, end, steps = float(columns.x[0]), float(columns.x[-1]), len(columns.x) - 1
    if not 0.0 < start < end < 180.0:
        got = f"{start:g} to {end:g}"
        raise _wrong(name, "the first column is no 2theta", got, "0 < start < end < 180")
    step = (end - start) / steps
    off = np.abs(columns.x - (start + step * np.arange(steps + 1)))
    if float(off.max()) > UNEVEN * step + 1e-4:
        raise _wrong(name, "the steps are uneven", f"off by {off.max():g} deg", "an even grid")
    return Pattern(_counts(columns.y, name), start, step, columns.sample_id)


def read_answer(data: bytes, name: str) -> Answer:
    """A JSON object: ``id``, and numbers by name, or ``failed`` with a reason.

    Numbers stand beside ``id`` or in an object ``values``.

    Raises:
        ProtocolError: It is something else.
    """
    found = _object(data, name)
    nested = found.get("values", {})
    if not isinstance(nested, dict):
        raise _wrong(name, "values is no object", excerpt(nested), "names and numbers")
    inner: dict[str, Any] = nested  # pyright: ignore[reportUnknownVariableType]
    values = {**{k: v for k, v in found.items() if k not in _RESERVED}, **inner}
    for key, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number and not (isinstance(value, str) and len(value) <= 200):
            raise _wrong(name, f"{excerpt(key)} is no value", excerpt(value), "a number")
    return Answer(
        id=_text(found, "id", name),
        values=values,
        by=_text(found, "by", name),
        failed=_text(found, "failed", name),
    )


def _text(found: Mapping[str, Any], key: str, name: str) -> str:
    value = found.get(key, "")
    if not isinstance(value, str) or len(value) > 500:
        raise _wrong(name, f"{key} is no text", excerpt(value), "up to 500 characters")
    return value


def _object(data: bytes, name: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    if len(data) > LONGEST_ANSWER:
        raise _wrong(name, "the file is too long", f"{len(data)} bytes", f"<= {LONGEST_ANSWER}")
    try:
        found = json.loads(data, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as err:
        raise _wrong(name, "the file is no JSON", str(err), "a JSON object") from err
    if not isinstance(found, dict):
        raise _wrong(name, "the file holds no object", excerpt(found), "a JSON object")
    return dict(found)  # pyright: ignore[reportUnknownArgumentType]


def _row(parts: list[str], where: str) -> tuple[float, float]:
    numbers = [float(p) if _NUMBER.fullmatch(p) else math.nan for p in parts if p]
    if len(numbers) != 2 or not all(math.isfinite(n) for n in numbers):
        got = excerpt(" ".join(parts))
        raise _wrong(where, "a row is no pair of numbers", got, "two numbers, decimal points")
    return numbers[0], numbers[1]


def _counts(values: npt.ArrayLike, name: str) -> Ints:
    counts = np.asarray(values, dtype=np.float64)
    whole = np.rint(counts)
    if not (np.abs(counts - whole) <= 1e-3).all() or not 0.0 <= whole.min() <= whole.max():
        raise _wrong(name, "the intensities are no counts", None, "whole numbers, 0 or more")
    if whole.max() > LARGEST_COUNT:
        raise _wrong(name, "a count is too large", f"{whole.max():g}", f"<= {LARGEST_COUNT}")
    return whole.astype(np.int32)


def _wrong(where: str, what: str, got: object, allowed: str) -> ProtocolError:
    return ProtocolError(what, got=got, allowed=allowed, do="correct the file", where=where)
