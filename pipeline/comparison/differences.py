"""Differences: the settings in which reports differ, and only those.

In: reports with the resolved settings they were trained with. Out: a value a report for each setting that is not the
same in all of them, settings of settings named with dots, such as `generator.learning_rate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reports.store import Report

NAMES = ("recipe", "optimizer")  # of what is compared: they differ by definition


def differing_settings(reports: Sequence[Report]) -> dict[str, list[Any]]:
    """The settings that differ, each with its value in every report (None where a report lacks it), in their order."""
    settings = [flat(report.settings) for report in reports]
    names = dict.fromkeys(name for each in settings for name in each if name not in NAMES)
    found = {name: [each.get(name) for each in settings] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: `{"generator": {"kind": "adam"}}` → `{"generator.kind": "adam"}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
