"""Decisions: the log of a recipe's promotions, rollbacks and refusals, one JSON object a line, oldest first.

In: what was decided. Out: `decisions.jsonl`, which is only ever appended to. It is for readers: nothing is decided by
it (what was rolled back from stands in the pointer).
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
    """ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Decided:
    """One line of the log."""

    decision: Kind
    version: int | None  # the champion after it; None: still none
    optimizer: str | None  # its configuration
    reason: str
    reports: dict[str, str] = field(default_factory=dict)  # that were compared, ids by configuration
    time: str = field(default_factory=now)

    def repeats(self, other: Decided) -> bool:
        """Whether it says nothing new."""
        return {**asdict(self), "time": ""} == {**asdict(other), "time": ""}


def decided(recipe: str, paths: Paths) -> list[Decided]:
    """All lines, oldest first; one that a killed process left half-written is said and passed over."""
    path = paths.champion(recipe) / DECISIONS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(Decided(**json.loads(line)))
        except (ValueError, TypeError) as error:
            log.warning("%s, line %d: not a decision (%s); passed over", path, number, error)
    return found


def record(recipe: str, new: Decided, paths: Paths) -> None:
    """Append a decision; a refusal for the same reason after the same reports as the line before is not repeated."""
    before = decided(recipe, paths)
    if new.decision == NOT_PROMOTED and before and new.repeats(before[-1]):
        return
    path = paths.champion(recipe) / DECISIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if _ends_whole(path) else "\n") + json.dumps(asdict(new), allow_nan=False) + "\n")
    flush(path)


def _ends_whole(path: Path) -> bool:
    """Whether the next line starts at the beginning of a line."""
    written = path.read_bytes()
    return not written or written.endswith(b"\n")
