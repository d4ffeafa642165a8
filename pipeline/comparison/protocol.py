"""Protocol: decide if reports may be compared: they need equal protocols, and trainings of equal steps and width.

In: stored reports. Out: the differences between two of them, and the largest group of comparable ones.

The protocol records the kind of weights that was scored, raw or averaged, but reports may differ in it. Averaging is a
choice of the configuration, as its learning rate is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reports.store import Report

BUDGET = ("steps", "width")  # columns of a report: the resources of a training
CONFIGURATION_ENTRIES = ("weights",)  # entries of a protocol that may differ between configurations


class UnlikeProtocolsError(ValueError):
    """Scores were measured differently, or after unequal trainings, and cannot be ranked together."""


def expect_comparable_reports(reports: Sequence[Report]) -> None:
    """Raise `UnlikeProtocolsError` unless all reports share the first one's protocol, steps and width."""
    for report in reports[1:]:
        _refuse(reports[0], report, difference(reports[0], report))


def expect_one_protocol(reports: Sequence[Report]) -> None:
    """Raise `UnlikeProtocolsError` unless all reports share the first one's protocol, numbers of images included."""
    for report in reports[1:]:
        _refuse(reports[0], report, protocol_difference(reports[0], report))


def _refuse(first: Report, second: Report, differences: str) -> None:
    if differences:
        names = f"{first.optimizer} and {second.optimizer}"
        raise UnlikeProtocolsError(
            f"scores of {names} cannot be compared: {differences}; train and score both the same way"
        )


def difference(first: Report, second: Report) -> str:
    """Return the differences that prevent ranking two reports together, such as `steps 400 and 4,500`, or ""."""
    return ", ".join(filter(None, (budget_difference(first, second), protocol_difference(first, second))))


def budget_difference(first: Report, second: Report) -> str:
    """Return the differences in steps and width between the trainings of two reports, or ""."""
    return _as_text(*(report.facts(BUDGET) for report in (first, second)))


def protocol_difference(first: Report, second: Report) -> str:
    """Return the differences between two reports' protocols, such as `n_generated 10,000 and 500`, or ""."""
    return _as_text(protocol(first), protocol(second))


def protocol(report: Report) -> dict[str, Any]:
    """Return the part of a report's protocol that must agree before two scores may be compared."""
    return {name: value for name, value in report.protocol.items() if name not in CONFIGURATION_ENTRIES}


def largest_group(reports: Sequence[Report]) -> list[Report]:
    """Return the largest group of comparable reports, in order; of equal groups, the one with the newest report."""
    groups: dict[str, list[Report]] = {}
    for report in reports:
        shared = {**report.facts(BUDGET), "protocol": protocol(report)}
        groups.setdefault(json.dumps(shared, sort_keys=True), []).append(report)
    newest_last = sorted(groups.values(), key=lambda group: (len(group), max(report.created_at for report in group)))
    return newest_last[-1] if newest_last else []


def _as_text(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {one} and {other}" for name, (one, other) in differing(first, second).items())


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the entries that differ, by name, with both values as a sentence shows them."""
    pairs = {name: (first.get(name), second.get(name)) for name in dict.fromkeys((*first, *sorted(second)))}
    return {name: (_short(one), _short(other)) for name, (one, other) in pairs.items() if one != other}


def _short(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)[:12]
