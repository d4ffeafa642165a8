"""Details: the facts in the manifest of a comparison artefact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ComparisonDetails:
    """The facts that a comparison's manifest holds. Fields with a default are absent in older manifests."""

    recipe: str
    best: str | None  # key of the best configuration; None if no configuration has a score
    reports: Mapping[str, str] = field(default_factory=dict)  # ids of the compared reports, by configuration
    missing: tuple[str, ...] = ()  # configurations without a report
    left_out: Mapping[str, str] = field(default_factory=dict)  # difference by configuration that cannot be compared
    page_bytes: int = 0
    not_on_page: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # part → configuration or "all" → reason
