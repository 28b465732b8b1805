"""Garbage on a line must not end an act that goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdl.core.errors import DeviceError, LinkError


@contextmanager
def asked_again(device: str) -> Iterator[None]:
    """Turns an answer that cannot be used into "not known yet".

    Whoever asks has patience for a link that fails, and an end of it; a ``DeviceError`` would end
    the job at once.

    Args:
        device: For messages.

    Raises:
        LinkError: For every ``DeviceError`` inside.
    """
    try:
        yield
    except LinkError:
        raise
    except DeviceError as err:
        raise LinkError(
            f"{device} cannot be asked now: {err.what}",
            got=err.got,
            allowed=err.allowed,
            do="asked again; look at the device if this goes on",
            where=device,
        ) from err
