"""Identity: what decides a data set's raw files: their content and how it is read."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.raw import CODE_VERSION
from pipeline.storage.identity import Identity


def raw_identity(dataset: str, layout: str, content_sha256: Mapping[str, str]) -> Identity:
    """`content_sha256` is that of each decompressed file by name; where the files came from decides nothing."""
    return Identity("raw", CODE_VERSION, {"dataset": dataset, "layout": layout, **content_sha256})
