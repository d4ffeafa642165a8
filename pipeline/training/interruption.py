"""Interruption: Ctrl-C, a cancelled run or a polite kill take effect between two steps, never inside one.

Dagster cancels by a signal whose handler raises; in the middle of a step that would leave the discriminator ahead of
the generator. Here signals are noted while a step runs; between steps the trainer saves what it has and lets the
handler that was there before do its work.
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
    """While open, signals wait for `deliver`. Outside the main thread nothing waits: signals never arrive there."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.before: dict[int, Handler] = {}

    def __enter__(self) -> DeferredSignals:
        if threading.current_thread() is threading.main_thread():
            self.before = {each: signal.signal(each, self._note) for each in SIGNALS}
        return self

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = number

    @property
    def waiting(self) -> bool:
        """Whether a signal has arrived."""
        return self.received is not None

    def deliver(self) -> None:
        """Let the signal do what it would have done: as a rule, raise."""
        number, self.received = self.received, None
        if number is None:
            return
        self._restore()
        os.kill(os.getpid(), number)

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._restore()
        if error is None:
            self.deliver()
