"""Identity: what decides a report: the samples and how they are judged. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.reports import CODE_VERSION
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity


def report_identity(samples: Artefact, protocol: Mapping[str, Any], *, thorough: bool) -> Identity:
    """Of the scores of these samples under a protocol; `thorough` adds those that take minutes."""
    decided_by = {"samples": samples.fingerprint, "protocol": dict(protocol), "thorough": thorough}
    return Identity("reports", CODE_VERSION, decided_by)
