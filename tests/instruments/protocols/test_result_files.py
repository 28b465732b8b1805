"""Result files: what counts as numbers, and that nothing else passes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instruments.protocols.result_files import (
    Columns,
    read_answer,
    read_columns,
    read_pattern,
    read_scan,
)
from sdl.core.errors import SdlError

XY = b"# id: S3-c12\n10.0 3\n10.2 5\n10.4 900\n"


@pytest.mark.parametrize(
    "data",
    [
        XY,
        b"\xef\xbb\xbf# id: S3-c12\r\n10.0,3\r\n10.2,5\r\n10.4,900\r\n",
        b"Sample_ID = S3-c12\n2theta;counts\n 10.0 ; 3\n10.2;5\n10.4;9.00e2\n\n",
        b'; sample id: "S3-c12"\n10.0\t3\n10.2\t5.0\n10.4\t900\n',
    ],
)
def test_a_pattern_of_two_columns(data: bytes) -> None:
    pattern = read_pattern(data, "x.xy")
    assert pattern.counts.dtype == np.int32
    assert pattern.counts.tolist() == [3, 5, 900]
    assert (pattern.start_deg, pattern.step_deg) == pytest.approx((10.0, 0.2))
    assert pattern.sample_id == "S3-c12"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no data"),
        (b"10.0 3\n", "no data"),
        (b"10.0 3\n10.2 5\n10.4", "no end"),
        (b"10.0 3\n10.2 5\n10.4\n", "no pair"),
        (b"\xef\xbb\xbf", "no data"),
        (b"10,0 3\n10,2 5\n", "no pair"),
        (b"10,0;3\n10,2;5\n", "no pair"),
        (b"10.0 3 1\n10.2 5 1\n", "no pair"),
        (b"10.0 nan\n10.2 5\n", "no pair"),
        (b"10.0 1_0\n10.2 5\n", "no pair"),
        (b"10.0 1e999\n10.2 5\n", "no pair"),
        (b"10.0 3\nwords\n10.2 5\n", "no numbers"),
        (b"10.0 3\n10.2 5\x1d\n", "control characters"),
        (b"10.0 3\x0b10.2 5\n", "control characters"),
        (b"10.0 3\n10.2 5\n10.3 5\n", "uneven"),
        (b"10.4 3\n10.2 5\n10.0 5\n", "no 2theta"),
        (b"10.0 0.31\n10.2 0.5\n", "no counts"),
        (b"10.0 -3\n10.2 5\n", "no counts"),
        (b"10.0 3e9\n10.2 5\n", "too large"),
        (b"\xff\xfe10.0 3\n", "no text"),
        (b"x\n" * 101 + XY, "no numbers"),
    ],
)
def test_no_pattern(data: bytes, words: str) -> None:
    with pytest.raises(SdlError, match=words):
        read_pattern(data, "x.xy")


def test_an_answer_with_values_inside_or_beside() -> None:
    beside = read_answer(b'{"id": "c12", "by": "A", "mass_mg": 12.3, "t": "5 min"}', "c12.json")
    inside = read_answer(
        b'{"id": "c12", "by": "A", "values": {"mass_mg": 12.3, "t": "5 min"}}', "c12.json"
    )
    assert beside == inside
    assert beside.values == {"mass_mg": 12.3, "t": "5 min"}
    failed = read_answer(b'{"id": "c12", "failed": "crucible broke"}', "c12.json")
    assert failed.failed == "crucible broke"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", '{"id": 1}', '{"id": "c", "x": NaN}', '{"id": "c", "x": Infinity}',
        '{"id": "c", "x": true}', '{"id": "c", "x": [1]}', '{"id": "c", "x": null}',
        '{"id": "c", "id": "d"}', '{"id": "c", "values": 3}', '{"id": "c", "failed": 3}',
        "[" * 100_000, '{"x": ' + "9" * 5000 + "}", '{"a": "' + "x" * 300 + '"}', "\ud800",
    ],
)  # fmt: skip
def test_no_answer(text: str) -> None:
    with pytest.raises(SdlError):
        read_answer(text.encode("utf-8", "surrogatepass"), "c12.json")


@pytest.mark.parametrize("encoding", ["foo", "utf-7", "hex", "idna"])
def test_a_scan_in_an_unknown_encoding_is_an_error_of_ours(encoding: str) -> None:
    with pytest.raises(SdlError, match="not XML"):
        read_scan(f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode(), "x.xrdml")


@settings(max_examples=200)
@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="0123456789.,;e-+ \n#ab").map(str.encode))
)
def test_any_bytes_give_numbers_or_an_error_of_ours(data: bytes) -> None:
    for read in (read_columns, read_pattern, read_scan, read_answer):
        try:
            found = read(data, "x")
        except SdlError:
            continue
        if isinstance(found, Columns):
            assert np.isfinite(found.x).all()
            assert np.isfinite(found.y).all()


PLAIN = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
JSON = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=4), PLAIN, max_size=2)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["id", "by", "failed", "values", "mass_mg"]), JSON))
def test_any_object_is_an_answer_of_plain_values_or_an_error(found: dict[str, object]) -> None:
    try:
        answer = read_answer(json.dumps(found).encode(), "x.json")
    except SdlError:
        return
    assert all(type(value) in (int, float, str) for value in answer.values.values())


@settings(max_examples=100)
@given(st.integers(0, len(XY) - 1))
def test_a_cut_pattern_never_has_points_of_its_own(cut: int) -> None:
    try:
        pattern = read_pattern(XY[:cut], "x.xy")
    except SdlError:
        return
    whole = read_pattern(XY, "x.xy")
    assert pattern.counts.tolist() == whole.counts[: len(pattern.counts)].tolist()
