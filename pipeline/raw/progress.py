"""Progress: a long walk over many images says how far it is, every few seconds."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 3.0


class Progress:
    """Tells the log how many of `total` images are done and how fast it goes; nothing where it takes no time."""

    def __init__(self, what: str, total: int) -> None:
        self.what = what
        self.total = total
        self._started = self._told = time.monotonic()

    def report(self, done: int) -> None:
        """Log that `done` images are done, at most every `PROGRESS_SECONDS`."""
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        rate = done / (now - self._started)
        log.info("%s: %s/%s images, %s images/s", self.what, f"{done:,}", f"{self.total:,}", f"{rate:,.0f}")

    def close(self) -> None:
        """All are done."""
