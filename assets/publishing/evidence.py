"""Evidence in Dagster: the one place where plain evidence of `pipeline` becomes metadata of an asset."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from pipeline.evidence import Drawing, Evidence, EvidenceValue, Json, Markdown, Table

MetadataEntry = dg.MetadataValue | str | int | float | bool | None
Metadata = dict[str, MetadataEntry]


def to_metadata(evidence: Evidence, former: Mapping[str, dg.MetadataValue] | None = None) -> Metadata:
    """Return evidence as Dagster metadata. A drawing that `former` metadata contains is taken from there."""
    return {name: _value(value, (former or {}).get(name)) for name, value in evidence.items()}


def _value(value: EvidenceValue, former: dg.MetadataValue | None) -> MetadataEntry:
    match value:
        case Drawing():
            return dg.MetadataValue.md(value.draw()) if former is None else former
        case Markdown():
            return dg.MetadataValue.md(value.text)
        case Table():
            return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in value.rows])
        case Json():
            plain = value.value
            return dg.MetadataValue.json(dict(plain) if isinstance(plain, Mapping) else list(plain))
        case Path():
            return dg.MetadataValue.path(value)
        case _:
            return value
