"""Identity: the facts that decide a report: its samples, the protocol and the names of its scores. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.reports import CODE_VERSION
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity


def report_identity(
    samples: Artefact, protocol: Mapping[str, Any], scores: Iterable[str], *, thorough: bool
) -> Identity:
    """Return the identity of a report with these scores of these samples; `thorough` includes the slow scores.

    With the names in it, a new metric makes every report stale and nothing else. They are sorted: their order in the
    catalogue decides no number.
    """
    decided_by = {
        "samples": samples.fingerprint,
        "protocol": dict(protocol),
        "thorough": thorough,
        "scores": sorted(scores),
    }
    return Identity("reports", CODE_VERSION, decided_by)
