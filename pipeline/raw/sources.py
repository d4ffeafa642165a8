"""Sources: where the files of a data set come from, as an ordered list that is tried from the top.

A source either fills a folder with verified files and returns a description of them, or raises
`SourceUnavailableError`, and the next one is tried. A fault in files that the user named is an error: no other source
is tried in their place.
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
    """The source cannot provide the data here and now; the message gives the reason."""


@dataclass(frozen=True)
class Provided:
    """The files that a source provided, and their origin."""

    folder: Path  # holds exactly the provided files
    source: str  # "directory" | "mirror" | "package"
    origin: str  # the directory or file, URL or package with version
    layout: str  # the format of the files: one of `read.LAYOUTS`
    content_sha256: dict[str, str]  # of each file's content, decompressed where it is gzip, by file name
    official: bool  # True if the content is the whole published data set
    note: str = ""  # a fact that readers of a score need, such as "5,000-image subset"
    origin_paths: Mapping[str, Path] = field(default_factory=dict)  # by file name, if not `origin`/name

    def name_origin(self, message: str) -> str:
        """Return a message about files in the temporary `folder` with the paths of their origin."""
        for name, path in self.origin_paths.items():
            message = message.replace(str(self.folder / name), str(path))
        return message.replace(f"{self.folder}/", f"{self.origin.rstrip('/')}/").replace(str(self.folder), self.origin)


class Source(Protocol):
    """One place to get a data set from."""

    def provide(self, folder: Path) -> Provided | None:
        """Put the files into `folder` or below; return None if the source is not configured.

        No other source uses `folder`. It still holds the files of an earlier attempt.
        """
        ...


class UserNamed(ABC):
    """A source that the user names. It is read every time, so that its content decides."""

    @abstractmethod
    def is_named(self) -> bool:
        """Return whether the user names files."""

    @property
    @abstractmethod
    def how_to_name(self) -> str:
        """The advice for the user, such as "Set GANFORGE_MNIST to a directory"."""

    @abstractmethod
    def provide(self, folder: Path) -> Provided | None:
        """Put the files into `folder`; see `Source.provide`."""


@dataclass(frozen=True)
class NamedInEnvironment(UserNamed):
    """A file or directory that the user names in an environment variable."""

    variable: str

    def is_named(self) -> bool:
        """Return whether the variable is set."""
        return bool(os.environ.get(self.variable))

    def named_path(self) -> Path:
        """Return the absolute path in the variable."""
        return Path(os.environ[self.variable]).expanduser().resolve()


@dataclass(frozen=True)
class NamedDirectory(NamedInEnvironment):
    """A directory with the official file names, gzipped or not."""

    content_sha256: Mapping[str, str]  # published checksums, by the official name of the gzipped file

    @property
    def how_to_name(self) -> str:
        """The advice to set the variable."""
        return f"Set {self.variable} to a directory with the official files"

    def provide(self, folder: Path) -> Provided | None:
        """Copy the four files. Other content than the official one is accepted with a note; a missing file raises."""
        if not self.is_named():
            return None
        directory = self.named_path()
        clear_folder(folder)
        sums = {name: _copy_any(directory, name, folder, self.variable) for name in self.content_sha256}
        official = sums == dict(self.content_sha256)
        note = "" if official else f"unofficial files from {directory}"
        return Provided(folder, "directory", str(directory), "idx", sums, official, note)


@dataclass(frozen=True)
class SystemDirectory:
    """A directory where an operating system's package puts the official files."""

    package: str
    directory: Path
    content_sha256: Mapping[str, str]

    def provide(self, folder: Path) -> Provided | None:
        """Copy and verify the files; raise `SourceUnavailableError` if the package is not installed."""
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

    addresses: Callable[[], list[str]]  # called only when needed: torchvision takes seconds to import
    content_sha256: Mapping[str, str]

    def provide(self, folder: Path) -> Provided | None:
        """Download from the first mirror that answers and serves the published content."""
        reasons = []
        for address in self.addresses():
            mirror_folder = folder / re.sub(r"\W+", "_", address)  # mirrors re-compress, so parts of two do not fit
            try:
                return self._from_mirror(address, mirror_folder)
            except (DownloadError, DamagedFileError) as error:
                log.info("mirror not usable: %s", error)
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
                _fetch(address + name, path, expected)  # the earlier part was of another file: start again
        return Provided(folder, "mirror", address, "idx", dict(self.content_sha256), official=True)


@dataclass(frozen=True)
class PackagedFile:
    """A subset that an installed Python package ships as one file. The package is located, not imported."""

    package: str
    file: str
    layout: str
    content_sha256: str
    note: str

    def provide(self, folder: Path) -> Provided | None:
        """Copy and verify the file; raise `SourceUnavailableError` if the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise SourceUnavailableError(f"package {self.package} is not installed (pip install {self.package})")
        shipped = Path(spec.submodule_search_locations[0]) / self.file
        if not shipped.is_file():
            raise SourceUnavailableError(f"package {self.package} does not ship {self.file}")
        clear_folder(folder)
        shutil.copyfile(shipped, folder / shipped.name)
        try:
            sums = {shipped.name: _verify(folder / shipped.name, self.content_sha256)}
        except DamagedFileError as error:
            raise SourceUnavailableError(f"package {self.package}: {error}") from error
        return Provided(folder, "package", self.package, self.layout, sums, official=False, note=self.note)


def clear_folder(folder: Path) -> None:
    """Remove all files of an earlier attempt."""
    shutil.rmtree(folder)
    folder.mkdir()


def _fetch(url: str, path: Path, expected: str) -> None:
    """Download a file unless it exists already, and keep it only if it has the expected content."""
    if not path.exists():
        download(url, path)
    try:
        _verify(path, expected)
    except DamagedFileError:
        path.unlink()
        raise


def _copy_any(directory: Path, name: str, folder: Path, variable: str) -> str:
    """Copy a file `name`, or the one without `.gz`, under its own name; return the sha256 of its content."""
    for candidate in (directory / name, directory / name.removesuffix(".gz")):
        if candidate.is_file():
            shutil.copyfile(candidate, folder / candidate.name)
            return _content_sha256(folder / candidate.name, str(candidate))
    raise FileNotFoundError(
        f"{variable}={directory}: found neither {name} nor {name.removesuffix('.gz')}; "
        f"expected a directory with the four official files, or unset {variable} to use the other sources"
    )


def _verify(path: Path, expected: str) -> str:
    sha256 = _content_sha256(path, path.name)
    if sha256 != expected:
        raise DamagedFileError(
            f"{path.name}: decompressed content has sha256 {sha256[:12]}…, expected {expected[:12]}…; "
            "the source serves other or damaged data"
        )
    return sha256


def _content_sha256(path: Path, name: str) -> str:
    return hashlib.sha256(decompressed(path, name)).hexdigest()
