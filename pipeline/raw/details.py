"""Details: the facts in the manifest of a raw artefact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """The origin of a data set's images. Every artefact that depends on the images repeats it in its manifest."""

    source: str  # "directory" | "mirror" | "package"
    origin: str  # the directory or file, the URL, or the package with its version
    official: bool  # True if the content is the whole published data set
    note: str  # a fact that readers of a score need, such as "5,000-image subset"; empty for the whole data set
    licence: str


@dataclass(frozen=True, kw_only=True)
class RawDetails:
    """The facts that a raw artefact's manifest holds. Fields with a default are absent in older manifests."""

    dataset: str
    source: str
    origin: str
    official: bool
    note: str
    layout: str  # the format of the files: one of `read.LAYOUTS`
    licence: str
    content_sha256: Mapping[str, str]  # by file name, of the decompressed content
    labels: str = ""  # "classes" | "attributes" | "none"
    class_names: tuple[str, ...] = ()  # of the classes or attributes
    images: Mapping[str, int]  # by split
    class_histogram: Mapping[str, tuple[int, ...]]  # by split, the images of each class or with each attribute
    test_split: str = ""  # the origin of the test images, such as "every fifth image"
    unused: Mapping[str, int] = field(default_factory=dict)  # images in neither split, by reason
    unreadable: tuple[str, ...] = ()  # names of images left out because they are damaged
    unlisted: tuple[str, ...] = ()  # names of images left out because the data set's list lacks them

    @property
    def data_source(self) -> DataSource:
        """The origin of the images, in the form that later stages copy into their manifests."""
        return DataSource(
            source=self.source,
            origin=self.origin,
            official=self.official,
            note=self.note,
            licence=self.licence,
        )
