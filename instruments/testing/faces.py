"""What the classic ophyd face of every core keeps to; needs the extra ``lab``."""

from __future__ import annotations

import math
from typing import Any, cast

from bluesky import RunEngine
from bluesky.plans import count
from event_model import DocumentNames, schema_validators
from ophyd import Kind
from ophyd.sim import make_fake_device

from instruments.cores.core import STOP_S, Core, Show
from instruments.devices.instrument import InstrumentFace, face_of
from instruments.devices.quality import attribute_of, documented
from instruments.testing.expect import expect, timed

Documents = dict[str, list[dict[str, Any]]]
"""Documents of a run by their kind."""

KINDS = {
    Show.HINTED: Kind.hinted,
    Show.NORMAL: Kind.normal,
    Show.CONFIG: Kind.config,
    Show.OMITTED: Kind.omitted,
}


def documents_of(engine: RunEngine, device: Any) -> Documents:
    """Runs ``count`` over a device twice; every document fits the schema of its kind.

    Args:
        engine: A RunEngine that nothing else uses now.
        device: What is read.
    """
    found: Documents = {}

    def keep(name: str, document: Any) -> None:
        schema_validators[DocumentNames[name]].validate(document)
        found.setdefault(name, []).append(document)

    engine(count([device], 2), keep)
    expect(len(found["event"]) == 2, "a count of two has two events", len(found["event"]))
    expect(found["stop"][0]["exit_status"] == "success", "it ends well", found["stop"])
    return found


def check_documents(core: Core, name: str, found: Documents) -> None:
    """Descriptor and events hold every channel with quality, unit and limits, and the nameplate.

    Args:
        core: The instrument, healthy.
        name: Name of its device.
        found: As ``documents_of`` gives them.
    """
    descriptor = found["descriptor"][0]
    keys, config = descriptor["data_keys"], descriptor["configuration"][name]
    hinted = []
    for channel in documented(core):
        key_name = f"{name}_{attribute_of(channel.name)}"
        slow = channel.show is Show.CONFIG
        key = (config["data_keys"] if slow else keys)[key_name]
        data = config["data"] if slow else found["event"][-1]["data"]
        expect(key["dtype"] == ("string" if channel.text else "number"), f"{key_name}: type", key)
        expect(key.get("units", "") == channel.unit, f"{key_name} has its unit", key)
        quality = data[f"{name}_{channel.name}_quality"]
        expect(quality == "good", f"{key_name} is good", (quality, data[key_name]))
        if not channel.text:
            _check_limits(core, channel.name, key)
            expect(math.isfinite(data[key_name]), f"{key_name} is a number", data[key_name])
        if channel.show is Show.HINTED:
            hinted.append(key_name)
    expect(descriptor["hints"][name]["fields"] == hinted, "hints are those of the core", hinted)
    identity = core.identify()
    own = {channel.name for channel in core.channels}
    plate = {"model": identity.model, "serial_number": identity.serial}
    plate |= {"firmware": identity.firmware, "stop_action": core.stop_action}
    for field, text in plate.items():
        if field not in own:
            got = config["data"][f"{name}_{field}"]
            expect(got == text, f"{name} tells its {field} in the configuration", got)
    for event in found["event"]:
        age_s = event["data"][f"{name}_age_s"]
        expect(0.0 <= age_s < 10.0, "readings have an age", age_s)


def _check_limits(core: Core, channel: str, key: dict[str, Any]) -> None:
    """The limits of a descriptor are the core's, in the words of either face."""
    low, high = core.limits(channel)
    control = key.get("limits", {}).get("control", {})
    told = (
        control.get("low", key.get("lower_ctrl_limit")),
        control.get("high", key.get("upper_ctrl_limit")),
    )
    expect(told == (low, high), f"{core.name}.{channel} has its limits in documents", told)


def check_classic_face(core: Core, engine: RunEngine) -> None:
    """The classic face describes, reads, stages, stops, and its documents are valid."""
    made = face_of(type(core))
    face = cast(InstrumentFace, made("", core=core, name=core.name))
    check_documents(core, core.name, documents_of(engine, face))
    expect(set(face.describe()) == set(face.read()), "what is described is read")
    described, read = face.describe_configuration(), face.read_configuration()
    expect(set(described) == set(read), "the same of the configuration", set(described) ^ set(read))
    for channel in core.channels:
        kind = getattr(face, attribute_of(channel.name)).kind
        expect(kind == KINDS[channel.show], f"{channel.name} has its kind", kind)
    for _ in range(2):
        face.stage()
    for _ in range(2):
        face.unstage()
    wall_s, err = timed(face.stop)
    expect(err is None and wall_s < STOP_S, f"the face of {core.name} stops", err)


def check_fake(core_class: type[Core], engine: RunEngine) -> None:
    """``make_fake_device`` of the face makes a device that works without an instrument."""
    fake = cast(Any, make_fake_device(face_of(core_class)))("", name="fake")
    found = documents_of(engine, fake)
    for channel in documented(core_class):
        if channel.show is not Show.CONFIG:
            quality = found["event"][0]["data"][f"fake_{channel.name}_quality"]
            expect(quality == "good", f"the fake {channel.name} is good", quality)
    fake.stop()
    expect(fake.core.stops >= 1, "a fake stops", fake.core.stops)
