"""Interruption: Ctrl-C, a cancelled run and SIGTERM take effect between two steps, never inside one.

Dagster cancels by a signal whose handler raises. In the middle of a step that would leave the discriminator ahead of
the generator. `DeferredSignals` notes signals while a step runs. Between steps the trainer saves a checkpoint and lets
the handler that was there before do its work.

Handlers can change hands while training is suspended at a `yield`: Dagster installs its own at every `next()` of an
asset's generator. The trainer therefore calls `take` at the head of each step.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], object] | int | None


class DeferredSignals:
    """While open, signals wait for `deliver`. Outside the main thread it has no effect: signals never arrive there."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.before: dict[int, Handler] = {}

    def __enter__(self) -> DeferredSignals:
        self.take()
        return self

    def take(self) -> None:
        """Defer signals again if another handler was installed since. `deliver` then sends to that handler."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if signal.getsignal(number) != self._note:
                self.before[number] = signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = number

    @property
    def waiting(self) -> bool:
        """True if a signal has arrived and was not delivered yet."""
        return self.received is not None

    def deliver(self) -> None:
        """Restore the former handlers and send the signal again. The handler usually raises."""
        number, self.received = self.received, None
        if number is None:
            return
        self._restore()
        os.kill(os.getpid(), number)

    def _restore(self) -> None:
        for number, handler in self.before.items():
            if signal.getsignal(number) == self._note:  # a handler installed by other code stays
                signal.signal(number, handler)
        self.before = {}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._restore()
        if error is None:
            self.deliver()
