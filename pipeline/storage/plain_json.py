"""Plain JSON: convert values to the kinds that every JSON reader accepts."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any


def plain_json(value: Any) -> Any:
    """Return a value as plain JSON: tuples as lists, times in ISO 8601, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(name): plain_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
