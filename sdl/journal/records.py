"""Events to records and back."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from sdl.core.errors import JournalError
from sdl.core.event import PAYLOADS, VERSIONS, Event
from sdl.core.model import canonical_json
from sdl.journal.chain import Head, Record, digest
from sdl.journal.versions import known_kind, lift


def seal(events: Iterable[Event], head: Head, epoch: int, where: str) -> list[Record]:
    """Numbers events and chains them to the head.

    Args:
        events: In order; their own ``seq`` is ignored.
        head: The last record so far.
        epoch: Fencing token of the owner.
        where: The journal, for messages.

    Raises:
        JournalError: A payload cannot be written as JSON, or is not of its kind and version.
    """
    records: list[Record] = []
    previous, seq = head.checksum, head.seq
    for event in events:
        seq += 1
        payload = _payload_text(event, where)
        # SQLite stores -0.0 as 0.0, which would break the chain.
        time_s = event.time_s + 0.0
        kind = event.kind.value
        checksum = digest(previous, seq, kind, event.version, time_s, epoch, payload)
        records.append(Record(seq, kind, event.version, time_s, epoch, payload, checksum))
        previous = checksum
    return records


def decode(record: Record, where: str) -> Event:
    """The event of a record whose checksum was verified, lifted to the present version.

    Raises:
        JournalError: A newer program wrote it, or its payload does not fit its model.
    """
    place = f"{where}, record {record.seq}"
    kind = known_kind(record.kind, record.version, place)
    model = PAYLOADS[kind]
    try:
        if record.version == VERSIONS[kind]:
            payload = model.model_validate_json(record.payload)
        else:
            lifted = lift(kind, record.version, json.loads(record.payload), place)
            payload = model.model_validate_json(canonical_json(lifted))
    except ValidationError as err:
        raise JournalError(
            "this record does not fit its kind",
            got=f"{kind} version {record.version}: {_first(err)}",
            do="the program that wrote it and this one differ; use the version in its BOOT record",
            where=place,
        ) from err
    return Event(
        seq=record.seq, kind=kind, version=VERSIONS[kind], time_s=record.time_s, payload=payload
    )


def _payload_text(event: Event, where: str) -> str:
    if type(event.payload) is not PAYLOADS[event.kind] or event.version != VERSIONS[event.kind]:
        raise JournalError(
            "this event cannot be appended",
            got=f"{event.kind} version {event.version} with {type(event.payload).__name__}",
            allowed=f"version {VERSIONS[event.kind]} with {PAYLOADS[event.kind].__name__}",
            do="make events with Event.of",
            where=where,
        )
    try:
        return canonical_json(event.payload)
    except (ValueError, TypeError, RecursionError, PydanticSerializationError) as err:
        raise JournalError(
            "this event cannot be written",
            got=f"{event.kind}: {err}",
            allowed="JSON values, finite numbers",
            do="convert arrays to lists or store them with journal.blobs; write a missing "
            "reading as null",
            where=where,
        ) from err


def _first(err: ValidationError) -> str:
    detail = err.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(p) for p in detail['loc'])}: {detail['msg']}"
