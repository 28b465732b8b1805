"""Orders to an instrument that end in time, with the real cause where they fail."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ophyd.ophydobj import OphydObject
from ophyd.status import Status
from ophyd.utils import InvalidState

from sdl.core.errors import LinkError


class OrderStatus(Status):
    """The status of an order; its text tells what was ordered and why it failed.

    The RunEngine writes the text of a failed status into the stop document, not its cause. After
    ``timeout_s`` it fails with a ``LinkError`` that names the order.

    Args:
        obj: The device or signal.
        what: The order in words, as ``set furnace_1.setpoint_c to 900``.
        timeout_s: Wall time it may take, s.
    """

    def __init__(self, obj: OphydObject, what: str, timeout_s: float) -> None:
        self._what = what
        self._exception: BaseException | None = None
        super().__init__(obj=obj, timeout=timeout_s)

    def __repr__(self) -> str:
        cause = self._exception
        return f"OrderStatus({self._what}{'' if cause is None else f': {cause}'})"

    __str__ = __repr__

    def _run_callbacks(self) -> None:
        if not self._settled_event.wait(self.timeout):
            self.fail(late(self._what, float(self.timeout or 0.0)))
        super()._run_callbacks()

    def finish(self) -> None:
        """The order was carried out; without effect when it has failed by time."""
        try:
            self.set_finished()
        except InvalidState:
            return

    def fail(self, cause: Exception) -> None:
        """The order was not carried out; without effect when it has ended already."""
        try:
            self.set_exception(cause)
        except InvalidState:
            return


def order(obj: OphydObject, what: str, work: Callable[[], object], timeout_s: float) -> OrderStatus:
    """Carries out an order in a thread of its own.

    Args:
        obj: The device or signal.
        what: The order in words.
        work: What may block; raises ``DeviceError`` where the instrument does not do it.
        timeout_s: Wall time it may take, s.
    """
    status = OrderStatus(obj, what, timeout_s)

    def run() -> None:
        try:
            work()
        except BaseException as err:
            # Handed over whatever it is: whoever waits for the status must not wait in vain.
            status.fail(err if isinstance(err, Exception) else RuntimeError(repr(err)))
        else:
            status.finish()

    threading.Thread(target=run, daemon=True, name=what).start()
    return status


def within(timeout_s: float, what: str, work: Callable[[], object]) -> None:
    """Does something that may block, but returns in time whatever happens.

    Args:
        timeout_s: Wall time, s.
        what: For the message.
        work: What may block.

    Raises:
        DeviceError: As raised by ``work``.
        LinkError: It did not come back in time.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as err:
            failed.append(err)

    thread = threading.Thread(target=run, daemon=True, name=what)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise late(what, timeout_s)
    if failed:
        raise failed[0]


def late(what: str, timeout_s: float) -> LinkError:
    """The error of an order that did not end in time; what the instrument did is not known."""
    return LinkError(
        f"no end in sight: {what}",
        got=f"nothing for {timeout_s:g} s",
        allowed=f"an answer within {timeout_s:g} s",
        do="look at the instrument: what it did is not known",
    )
