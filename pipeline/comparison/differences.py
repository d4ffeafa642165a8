"""Differences: find the settings in which reports differ.

In: reports with the resolved settings of their trainings. Out: for each differing setting, one value per report. Nested
settings have names with dots, such as `generator.learning_rate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reports.store import Report

NAMES = ("recipe", "optimizer")  # names of the compared trainings, which are no settings


def differing_settings(reports: Sequence[Report]) -> dict[str, list[Any]]:
    """Return the differing settings in order, each with one value per report; None if a report lacks the setting."""
    settings = [flat(report.settings) for report in reports]
    names = dict.fromkeys(name for report_settings in settings for name in report_settings if name not in NAMES)
    by_name = {name: [report_settings.get(name) for report_settings in settings] for name in names}
    return {name: values for name, values in by_name.items() if any(value != values[0] for value in values)}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level: `{"generator": {"kind": "adam"}}` → `{"generator.kind": "adam"}`."""
    flattened: dict[str, Any] = {}
    for name, value in values.items():
        flattened |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flattened
