"""Any change of any stored byte shows."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sdl.core.event import Done, Event
from sdl.journal.chain import Head, Record, first_damage
from sdl.journal.records import seal

RECORDS = seal(
    [Event.of(n / 7, Done(command=f"c{n}", result={"mass_mg": n / 3})) for n in range(6)],
    Head(),
    epoch=1,
    where="test",
)


def test_a_sound_chain_has_no_damage() -> None:
    assert first_damage(RECORDS) is None
    head = Head(RECORDS[2].seq, RECORDS[2].checksum)
    assert first_damage(RECORDS[3:], head) is None


@given(
    number=st.integers(0, 5),
    field=st.sampled_from(["kind", "payload", "checksum"]),
    position=st.integers(0, 10_000),
    mask=st.integers(1, 255),
)
def test_any_flipped_byte_is_found_at_its_record(
    number: int, field: str, position: int, mask: int
) -> None:
    record = RECORDS[number]
    raw = bytearray(getattr(record, field).encode())
    raw[position % len(raw)] ^= mask
    changed = replace(record, **{field: bytes(raw).decode("utf-8", "surrogateescape")})
    found = first_damage([*RECORDS[:number], changed, *RECORDS[number + 1 :]])
    assert found is not None
    assert found.record == number + 1


@given(number=st.integers(0, 5), data=st.data())
def test_changed_numbers_are_found(number: int, data: st.DataObject) -> None:
    record = RECORDS[number]
    changed = data.draw(
        st.sampled_from(
            [
                replace(record, version=record.version + 1),
                replace(record, time_s=record.time_s + 1e-9),
                replace(record, epoch=2),
                replace(record, seq=record.seq + 1),
            ]
        )
    )
    found = first_damage([*RECORDS[:number], changed, *RECORDS[number + 1 :]])
    assert found is not None
    assert found.record == number + 1


def test_a_missing_and_an_exchanged_record_are_found() -> None:
    missing = first_damage([*RECORDS[:2], *RECORDS[3:]])
    assert missing is not None
    assert (missing.record, missing.reason) == (3, "record 3 is missing")
    swapped = [replace(RECORDS[1], seq=1), replace(RECORDS[0], seq=2), *RECORDS[2:]]
    found = first_damage(swapped)
    assert found is not None
    assert found.record == 1


def test_fields_of_a_wrong_type_are_damage() -> None:
    odd = Record(1, "DONE", 1, 0, 1, RECORDS[0].payload, RECORDS[0].checksum)  # int time
    assert first_damage([odd]) is not None
