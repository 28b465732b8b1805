"""What the ophyd-async face of every core keeps to; needs the extra ``ophyd-async``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bluesky import RunEngine
from bluesky import plan_stubs as bps
from ophyd_async.core import init_devices

from instruments.cores.core import STOP_S, Core, Show
from instruments.devices.async_instrument import async_instrument
from instruments.devices.quality import documented
from instruments.testing.expect import expect, timed
from instruments.testing.faces import check_documents, documents_of


def check_async_face(core: Core, engine: RunEngine) -> None:
    """The ophyd-async face connects, reads and stops, and its documents are valid.

    Args:
        core: A healthy instrument.
        engine: Made before; devices live in its loop.
    """
    with init_devices(timeout=10.0):
        device = async_instrument(core, core.name)
    check_documents(core, core.name, documents_of(engine, device))

    def stop() -> Any:
        yield from bps.wait_for([device.stop])

    wall_s, err = timed(lambda: engine(stop()))
    expect(err is None and wall_s < STOP_S, f"the ophyd-async face of {core.name} stops", err)


def check_mock(core: Core, engine: RunEngine, sent: Callable[[], int]) -> None:
    """In mock mode it asks the instrument for nothing.

    Args:
        core: Any instrument.
        engine: Made before.
        sent: Requests that the instrument got so far.
    """
    before = sent()
    with init_devices(mock=True):
        device = async_instrument(core, core.name)
    found = documents_of(engine, device)
    keys = found["descriptor"][0]["data_keys"]
    for channel in documented(core):
        if channel.show is Show.CONFIG:
            continue
        quality = found["event"][0]["data"][f"{core.name}_{channel.name}_quality"]
        expect(quality == "good", f"the mock of {channel.name} is good", quality)
    expect(keys, "a mock describes itself")
    expect(sent() == before, f"the mock of {core.name} asks for nothing", sent() - before)
