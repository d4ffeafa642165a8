"""Decisions: the log of a recipe's promotions, rollbacks and refusals, one JSON object per line, oldest first.

In: a decision. Out: `decisions.jsonl`, to which lines are only appended. It is only for readers: the
rejected weights are in the pointer.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pipeline.storage.atomic import flush
from pipeline.storage.paths import Paths

DECISIONS = "decisions.jsonl"
Kind = Literal["promoted", "not promoted", "rolled back"]
PROMOTED: Final = "promoted"
NOT_PROMOTED: Final = "not promoted"
ROLLED_BACK: Final = "rolled back"

log = logging.getLogger(__name__)


def now() -> str:
    """Return the current time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class LogEntry:
    """One line of the log; the names of the fields are the keys in the file."""

    decision: Kind
    version: int | None  # of the champion after the decision; None: still no champion
    optimizer: str | None  # the champion's configuration
    reason: str
    reports: dict[str, str] = field(default_factory=dict)  # ids of the compared reports, by configuration
    time: str = field(default_factory=now)

    def repeats(self, other: LogEntry) -> bool:
        """Return whether the entries differ in their time only."""
        return {**asdict(self), "time": ""} == {**asdict(other), "time": ""}


def read_decisions(recipe: str, paths: Paths) -> list[LogEntry]:
    """Return all entries, oldest first. A line that a killed process left incomplete is logged and skipped."""
    path = paths.champion(recipe) / DECISIONS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(LogEntry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            log.warning("%s, line %d: not a decision (%s); skipped", path, number, error)
    return entries


def record(recipe: str, new: LogEntry, paths: Paths) -> None:
    """Append a decision, unless it repeats the last line's refusal with the same reason and reports."""
    before = read_decisions(recipe, paths)
    if new.decision == NOT_PROMOTED and before and new.repeats(before[-1]):
        return
    path = paths.champion(recipe) / DECISIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if _ends_whole(path) else "\n") + json.dumps(asdict(new), allow_nan=False) + "\n")
    flush(path)


def _ends_whole(path: Path) -> bool:
    """Return whether the file is empty or ends with a line break."""
    written = path.read_bytes()
    return not written or written.endswith(b"\n")
