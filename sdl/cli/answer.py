"""What stands behind ``sdl answer``: a person's answer, checked before it is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import ValidationError

from instruments.cores.folder import Folder
from instruments.drivers.handover import PARSERS
from instruments.drivers.human import ANSWERS
from instruments.protocols.requests import Request
from sdl.core.errors import ConfigError, ProtocolError, excerpt
from sdl.core.model import SAFE_ID

LARGEST_REQUEST = 100_000
"""Bytes."""
LONGEST_TEXT = 400
"""Characters of a name or a reason."""
DONE, FAILED = "done", "failed"


def answer(folder: Path, job_id: str, values: list[str], by: str) -> str:
    """Writes the answer to a request; returns what was done, in a sentence.

    Args:
        folder: Inbox of the requests.
        job_id: Name of the request, as ``c12``.
        values: ``name=number``, ``name=quantity`` or ``done``; or ``failed=why`` alone.
        by: Who did it.

    Raises:
        ConfigError: Nobody is named, the request is unknown or answered, or a value is not what the
            request allows; nothing was written.
    """
    _require_text(by, "nobody is named", "--by 'your name'")
    inbox = Folder("inbox", folder, make=False)
    request = _request(inbox, folder, job_id)
    answers = Folder("inbox", folder / ANSWERS, make=True)
    answers.open()
    if answers.has(f"{request.id}.json"):
        raise ConfigError(
            f"{request.id} is answered already",
            got=f"{ANSWERS}/{request.id}.json",
            do="nothing; or, if that answer is wrong and not taken yet, remove the file first",
            where=folder,
        )
    told, failed = _read(values, request)
    written: dict[str, object] = {"id": request.id, "by": by.strip()}
    if failed:
        written["failed"] = failed
    else:
        numbers = request.check(told)
        _check_data(request, answers)
        written["values"] = numbers
    answers.write(f"{request.id}.json", json.dumps(written, allow_nan=False).encode())
    if failed:
        return f"{request.id} is answered: it failed, {failed}"
    units = {ask.name: ask.unit for ask in request.asks}
    words = ", ".join(f"{n} = {v:g} {units[n]}" for n, v in request.check(told).items()) or DONE
    return f"{request.id} is answered: {words}"


def _request(inbox: Folder, folder: Path, job_id: str) -> Request:
    if not folder.is_dir():
        raise ConfigError("there is no such inbox", got=folder, do="correct the folder")
    known = [n.removesuffix(".json") for n in inbox.names() if n.endswith(".json")]
    if re.fullmatch(SAFE_ID, job_id) is None or job_id not in known:
        closed = (folder / ANSWERS / f"{job_id}.json").is_file() if job_id.isalnum() else False
        raise ConfigError(
            "this request is answered already" if closed else "there is no such open request",
            got=excerpt(job_id),
            allowed=", ".join(known) or "nothing is asked now",
            do="look into the folder",
            where=folder,
        )
    try:
        return Request.model_validate_json(inbox.bytes_of(f"{job_id}.json", LARGEST_REQUEST))
    except ValidationError as err:
        raise ConfigError(
            "the request cannot be read",
            got=str(err.errors()[0]["msg"]),
            do="look whether somebody changed the file; a running campaign writes it again when it"
            " is removed",
            where=folder / f"{job_id}.json",
        ) from err


def _read(values: list[str], request: Request) -> tuple[dict[str, float | str], str]:
    """Values by name, and the reason of a failure; empty when there was none."""
    told: dict[str, float | str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if value == DONE:
            continue
        if not equals or not text.strip():
            raise ConfigError(
                "this is no value",
                got=excerpt(value),
                allowed=f"{request.example}, or failed='why'",
                do="write name=value, without spaces around the sign",
                where=request.id,
            )
        if name in told:
            raise ConfigError(f"{name} stands twice", got=excerpt(value), do="say it once")
        told[name] = text.strip()
    if FAILED in told:
        reason = str(told.pop(FAILED))
        if told:
            raise ConfigError(
                "an answer tells values or a failure",
                got=", ".join(sorted(told)),
                allowed="failed='why' alone",
                do="leave one of them out",
                where=request.id,
            )
        _require_text(reason, "the reason of a failure is no line of text", "failed='why'")
        return {}, reason
    if not values:
        raise ConfigError(
            "the answer is empty", allowed=request.example, do="say what was done", where=request.id
        )
    return told, ""


def _check_data(request: Request, answers: Folder) -> None:
    """Reads the data file that belongs to the answer, so that a wrong one is found now."""
    if not request.data:
        return
    for ending, parse in PARSERS[request.verb].items():
        if answers.has(f"{request.id}{ending}"):
            try:
                parse(answers.bytes_of(f"{request.id}{ending}"), f"{request.id}{ending}")
            except ProtocolError as err:
                raise ConfigError(
                    err.what, got=err.got, allowed=err.allowed, do=err.do, where=err.where
                ) from err
            return
    raise ConfigError(
        "the data file is missing",
        got=f"no {request.id} with data in {answers.root}",
        allowed=" or ".join(f"{request.id}{ending}" for ending in request.data),
        do="put the file there, then answer again",
        where=request.id,
    )


def _require_text(text: str, what: str, allowed: str) -> None:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise ConfigError(
            what,
            got=excerpt(text),
            allowed=f"{allowed}, one line of at most {LONGEST_TEXT} characters",
            do="correct it; nothing was written",
        )
