"""Progress: log lines about a long loop over many images, every few seconds."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 3.0


class Progress:
    """Logs the number of finished images of `total`, and the speed. Short loops log no line."""

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self._started = self._logged_at = time.monotonic()

    def report(self, done: int) -> None:
        """Log that `done` images are done, at most every `PROGRESS_SECONDS`."""
        now = time.monotonic()
        if now - self._logged_at < PROGRESS_SECONDS:
            return
        self._logged_at = now
        rate = done / (now - self._started)
        log.info("%s: %s/%s images, %s images/s", self.name, f"{done:,}", f"{self.total:,}", f"{rate:,.0f}")

    def close(self) -> None:
        """End the report; a subclass closes its display here."""
