"""Sources: where the files of a data set come from, as an ordered list that is tried from the top.

A source either fills a folder with verified files and says what it gave, or raises `SourceUnavailableError`, and the
next one is tried. What the user named never falls through: what is wrong with it is an error.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.raw.download import DownloadError, download
from pipeline.raw.idx import DamagedFileError, decompressed

log = logging.getLogger(__name__)


class SourceUnavailableError(Exception):
    """The source cannot give the data here and now; the message says why."""


@dataclass(frozen=True)
class Provided:
    """What a source gave."""

    folder: Path  # where the files are: these and no others
    source: str  # "directory" | "mirror" | "package"
    origin: str  # the directory or file, URL or package with version
    layout: str  # how the files are read: one of `read.LAYOUTS`
    content_sha256: dict[str, str]  # of each file's content, decompressed where it is gzip, by file name
    official: bool  # whether the content is the published one, whole
    note: str = ""  # what a reader of a score must know, such as "5,000-image subset"
    origin_paths: Mapping[str, Path] = field(
        default_factory=dict
    )  # by file name: what it is of, where not `origin`/name

    def name_origin(self, message: str) -> str:
        """A message about the files in `folder`, which is there for a moment, as one about those they come from."""
        for name, path in self.origin_paths.items():
            message = message.replace(str(self.folder / name), str(path))
        return message.replace(f"{self.folder}/", f"{self.origin.rstrip('/')}/").replace(str(self.folder), self.origin)


class Source(Protocol):
    """One place to get a data set from."""

    def provide(self, folder: Path) -> Provided | None:
        """Put the files into `folder` or below; None where nobody configured the source.

        `folder` is the source's own. What an earlier try left in it is there still.
        """
        ...


class UserNamed(ABC):
    """A source that the user names: read every time, so that its content decides."""

    @abstractmethod
    def is_named(self) -> bool:
        """Whether the user names one."""

    @property
    @abstractmethod
    def how_to_name(self) -> str:
        """What the user would do, such as "Set GANFORGE_MNIST to a directory"."""

    @abstractmethod
    def provide(self, folder: Path) -> Provided | None:
        """As `Source.provide`."""


@dataclass(frozen=True)
class NamedInEnvironment(UserNamed):
    """A file or directory that the user names in an environment variable."""

    variable: str

    def is_named(self) -> bool:
        """Whether the variable is set."""
        return bool(os.environ.get(self.variable))

    def named_path(self) -> Path:
        """What it names, absolute."""
        return Path(os.environ[self.variable]).expanduser().resolve()


@dataclass(frozen=True)
class NamedDirectory(NamedInEnvironment):
    """A directory with the official file names, gzipped or not."""

    content_sha256: Mapping[str, str]  # published checksums, by the official name of the gzipped file

    @property
    def how_to_name(self) -> str:
        """The variable to set."""
        return f"Set {self.variable} to a directory with the official files"

    def provide(self, folder: Path) -> Provided | None:
        """Copy the four files; unofficial content is taken and named as such, a missing file is an error."""
        if not self.is_named():
            return None
        directory = self.named_path()
        clear_folder(folder)
        found = {name: _copy_any(directory, name, folder, self.variable) for name in self.content_sha256}
        official = found == dict(self.content_sha256)
        note = "" if official else f"unofficial files from {directory}"
        return Provided(folder, "directory", str(directory), "idx", found, official, note)


@dataclass(frozen=True)
class SystemDirectory:
    """A directory where an operating system's package puts the official files."""

    package: str
    directory: Path
    content_sha256: Mapping[str, str]

    def provide(self, folder: Path) -> Provided | None:
        """Copy and verify the files, where the package is installed."""
        if not self.directory.is_dir():
            raise SourceUnavailableError(f"package {self.package} is not installed (no {self.directory})")
        clear_folder(folder)
        try:
            for name, expected in self.content_sha256.items():
                shutil.copyfile(self.directory / name, folder / name)
                _verify(folder / name, expected)
        except (OSError, DamagedFileError) as error:
            raise SourceUnavailableError(f"package {self.package}: {error}") from error
        origin = f"{self.package} ({self.directory})"
        return Provided(folder, "package", origin, "idx", dict(self.content_sha256), official=True)


@dataclass(frozen=True)
class Mirrors:
    """The official mirrors, as torchvision lists them."""

    addresses: Callable[[], list[str]]  # asked only when needed: torchvision takes seconds to import
    content_sha256: Mapping[str, str]

    def provide(self, folder: Path) -> Provided | None:
        """Download from the first mirror that answers and gives the published content."""
        reasons = []
        for address in self.addresses():
            own_folder = folder / re.sub(r"\W+", "_", address)  # mirrors re-compress: no other can continue its part
            try:
                return self._from_mirror(address, own_folder)
            except (DownloadError, DamagedFileError) as error:
                log.info("no mirror there: %s", error)
                reasons.append(str(error))
        raise SourceUnavailableError("; ".join(reasons))

    def _from_mirror(self, address: str, folder: Path) -> Provided:
        folder.mkdir(exist_ok=True)
        for name, expected in self.content_sha256.items():
            path = folder / name
            continued = path.with_name(f"{name}.part").exists() or path.exists()
            try:
                _fetch(address + name, path, expected)
            except DamagedFileError:
                if not continued:
                    raise
                _fetch(address + name, path, expected)  # what was there from before was not of this file: start over
        return Provided(folder, "mirror", address, "idx", dict(self.content_sha256), official=True)


@dataclass(frozen=True)
class PackagedFile:
    """A subset that an installed Python package ships as one file. The package is found, not imported."""

    package: str
    file: str
    layout: str
    content_sha256: str
    note: str

    def provide(self, folder: Path) -> Provided | None:
        """Copy and verify the file, where the package is installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise SourceUnavailableError(f"package {self.package} is not installed (pip install {self.package})")
        shipped = Path(spec.submodule_search_locations[0]) / self.file
        if not shipped.is_file():
            raise SourceUnavailableError(f"package {self.package} does not ship {self.file}")
        clear_folder(folder)
        shutil.copyfile(shipped, folder / shipped.name)
        try:
            found = {shipped.name: _verify(folder / shipped.name, self.content_sha256)}
        except DamagedFileError as error:
            raise SourceUnavailableError(f"package {self.package}: {error}") from error
        return Provided(folder, "package", self.package, self.layout, found, official=False, note=self.note)


def clear_folder(folder: Path) -> None:
    """Remove what an earlier try left."""
    shutil.rmtree(folder)
    folder.mkdir()


def _fetch(url: str, path: Path, expected: str) -> None:
    """Download a file, unless it is there from before, and keep it only if its content is the expected one."""
    if not path.exists():
        download(url, path)
    try:
        _verify(path, expected)
    except DamagedFileError:
        path.unlink()
        raise


def _copy_any(directory: Path, name: str, folder: Path, variable: str) -> str:
    """Copy a file found as `name` or without `.gz` under its own name; the sha256 of its content."""
    for candidate in (directory / name, directory / name.removesuffix(".gz")):
        if candidate.is_file():
            shutil.copyfile(candidate, folder / candidate.name)
            return _content_sha256(folder / candidate.name, str(candidate))
    raise FileNotFoundError(
        f"{variable}={directory}: found neither {name} nor {name.removesuffix('.gz')}; "
        f"expected a directory with the four official files, or unset {variable} to use the other sources"
    )


def _verify(path: Path, expected: str) -> str:
    found = _content_sha256(path, path.name)
    if found != expected:
        raise DamagedFileError(
            f"{path.name}: decompressed content has sha256 {found[:12]}…, expected {expected[:12]}…; "
            "the source serves other or damaged data"
        )
    return found


def _content_sha256(path: Path, name: str) -> str:
    return hashlib.sha256(decompressed(path, name)).hexdigest()
