"""Requests to persons in plain words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from instruments.protocols.requests import Request
from sdl.core.command import Verb


def task(request: Request) -> str:
    """What is to be done, as ``anneal at 900 degC for 4 h in furnace_1``."""
    args, station = request.args, request.station
    match request.verb:
        case Verb.DISPENSE:
            return f"weigh {args['mass_mg']:g} mg of {args['lot']} into the vial at {station}"
        case Verb.MILL:
            return f"mill for {args['mill_min']:g} min in {station}"
        case Verb.ANNEAL:
            return (
                f"anneal at {args['temperature_c']:g} degC for {args['dwell_h']:g} h in {station}"
            )
        case Verb.QUENCH:
            return f"cool quickly in {args['cooling']} at {station}"
        case Verb.WASH:
            return (
                f"wash in {args['solvent']} for {args['duration_min']:g} min at {station}, "
                "then filter and dry"
            )
        case Verb.SCAN:
            return f"record a powder pattern of {args['scan_min']:g} min with {station}"
        case Verb.MEASURE:
            return f"measure {args['property']} at {args['temperature_c']:g} degC with {station}"
        case _:
            return f"move the vial from {args['origin']} to {args['destination']}"


def sentence(request: Request, inbox: str, hint: str) -> str:
    """One line for a list of open requests.

    Args:
        request: What is asked.
        inbox: Folder of the requests.
        hint: Why an answer that is there already is not taken; empty otherwise.
    """
    samples = ", ".join(request.samples)
    text = f"{samples} ({request.id}): {task(request)}; answer with {command(request, inbox)}"
    return f"{text}; {hint}" if hint else text


def command(request: Request, inbox: str) -> str:
    """The line that answers a request."""
    return f"`sdl answer {shlex.quote(inbox)} {request.id} {request.example} --by NAME`"


def sheet(request: Request, inbox: str) -> str:
    """All that the person needs to know, on one page of text."""
    plural = "samples" if len(request.samples) > 1 else "sample"
    what = task(request)
    lines = [
        f"Request {request.id}: {plural} {', '.join(request.samples)}, station {request.station}",
        "",
        f"Please {what}.",
        *(f"  - {line}" for line in _details(request.verb, request.args)),
        "",
        *_answering(request, inbox),
    ]
    return "\n".join(lines) + "\n"


def _details(verb: Verb, args: Mapping[str, Any]) -> list[str]:
    match verb:
        case Verb.DISPENSE:
            return [
                f"lot (bottle): {args['lot']}",
                f"mass: {args['mass_mg']:g} mg",
                "note what the balance shows before and after, with the same tare",
                "report what was weighed, also where it missed the target",
            ]
        case Verb.ANNEAL:
            hold = "leave them at temperature at the end: the next request takes them out hot"
            cool = "then let them cool in the closed furnace to room temperature"
            return [
                f"heat at {args['ramp_c_per_min']:g} degC per minute to "
                f"{args['temperature_c']:g} degC",
                f"hold for {args['dwell_h']:g} h",
                f"gas: {args['gas']}",
                hold if args["cooling"] == "hold" else cool,
            ]
        case Verb.MILL:
            return [f"time in the mill: {args['mill_min']:g} min"]
        case Verb.QUENCH:
            return ["take the vial out hot", f"cool it in {args['cooling']} to room temperature"]
        case Verb.WASH:
            return [
                f"stir the powder in {args['solvent']} for {args['duration_min']:g} min",
                "filter it, dry it, put it back into its vial",
            ]
        case _:
            return []


def _answering(request: Request, inbox: str) -> list[str]:
    name = request.id
    lines = ["When it is done:"]
    if request.data:
        endings = ", ".join(request.data)
        if request.verb is Verb.SCAN:
            what = "the pattern; as text: two columns, 2theta in degrees and counts"
        else:
            what = "the curve; two columns of numbers with decimal points"
        lines += [
            f"  - put the file {name} with one of the endings {endings} into {inbox}/answers",
            f"    ({what})",
        ]
        if ".xrdml" in request.data:
            known = " or ".join((name, *request.samples))
            lines += [f"    (in an .xrdml file the sample must be called {known})"]
    lines += [f"  - answer with {command(request, inbox)}"]
    if request.asks:
        lines += ["", "The answer holds, as number or with a unit (name=1.41g):"]
    for ask in request.asks:
        need = "" if ask.required else " (may be left out)"
        lines += [f"  {ask.name}: {ask.doc}{need}; allowed: {ask.allowed}"]
    if request.difference is not None:
        limit = request.difference
        lines += [
            f"  {limit.of} less {limit.less}: allowed: {limit.low:g} to {limit.high:g} {limit.unit}"
        ]
    return [
        *lines,
        "",
        "If it went wrong, say so instead:",
        f"  sdl answer {shlex.quote(inbox)} {name} failed='what happened' --by NAME",
        "",
        f"A program answers with the file {inbox}/answers/{name}.json:",
        f'  {{"id": "{name}", "by": "NAME", "values": {{...}}}} or {{"id": "{name}", "by": "NAME", '
        '"failed": "what happened"}',
    ]
