"""Findings: the results of checks, with severity, evidence and the change to try.

Out: `Finding`, the one form for data, trainings and reports. Dagster shows it as the result of an asset check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["warn", "error"]
FindingEvidence = dict[str, Any]  # plain JSON values


@dataclass(frozen=True)
class Finding:
    """The result of one check on one partition."""

    check: str
    passed: bool
    severity: Severity  # of a finding that passed: the worst that was possible
    summary: str  # one sentence
    evidence: FindingEvidence  # "judged" is False if the inputs of the check are missing; such a finding passes
    advice: str  # the change to try; empty if the check passed


def passing(check: str, severity: Severity, summary: str, evidence: Mapping[str, Any]) -> Finding:
    """Return a finding that passed."""
    return Finding(check, True, severity, summary, {"judged": True, **evidence}, "")


def failing(check: str, severity: Severity, summary: str, evidence: Mapping[str, Any], advice: str) -> Finding:
    """Return a finding that failed."""
    return Finding(check, False, severity, summary, {"judged": True, **evidence}, advice)


def not_judged(check: str, severity: Severity, why: str) -> Finding:
    """Return a finding that passed for lack of inputs; `why` is a clause such as `no report`."""
    return Finding(check, True, severity, f"not judged: {why}", {"judged": False}, "")


def passing_or_failing(
    check: str, severity: Severity, passed: bool, summary: str, evidence: Mapping[str, Any], advice: str
) -> Finding:
    """Return a finding that passed or failed; the advice counts only if it failed."""
    if passed:
        return passing(check, severity, summary, evidence)
    return failing(check, severity, summary, evidence, advice)
