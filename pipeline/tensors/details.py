"""Details: the facts in the manifest of a tensors artefact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.findings import Finding
from pipeline.raw.details import DataSource


@dataclass(frozen=True, kw_only=True)
class TensorsDetails:
    """The facts that a tensors artefact's manifest holds. Fields with a default are absent in older manifests."""

    dataset: str
    images: Mapping[str, int]  # by split
    labels: str = ""  # "classes" | "attributes" | "none"
    class_names: tuple[str, ...]  # of the classes or attributes
    class_histogram: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # by split
    image_shape: tuple[int, int, int]  # channels, height, width
    value_range: tuple[float, float]  # of the images as networks get them
    preparation: Mapping[str, Any] = field(default_factory=dict)  # `tensors.preparation_facts`
    unreadable: tuple[str, ...] = ()  # names of images that could not be decoded
    source: DataSource
    checks: tuple[Finding, ...] = ()  # one finding for each of `tensors.CHECKS`
