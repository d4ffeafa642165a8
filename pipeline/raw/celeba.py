"""CelebA: 202,599 photographs of faces, aligned and cropped to 178x218 RGB, with 40 attributes each.

Source: Liu, Luo, Wang, Tang 2015, arXiv 1411.7766. For non-commercial research only: no photograph is part of this
project. Checksums are the ones torchvision pins for the files on the authors' Google Drive. The archive is never
unpacked.

`celeba` is prepared like the data of the blog on optimizers (crop 108, 28x28, 5,000 images), `celeba_64` like those of
DCGAN's authors and their followers (crop 160, 64x64, all images). Both are prepared from the same raw files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.raw.archive import PACKED_NAME, Archive, pack
from pipeline.raw.celeba_lists import ATTRIBUTES_FILE, PARTITION_FILE
from pipeline.raw.dataset import Dataset, Preparation
from pipeline.raw.download import DownloadError, expect_answer
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.sources import NamedInEnvironment, Provided, SourceUnavailableError, clear_folder
from pipeline.storage.verification import sha256_of_file

VARIABLE = "GANFORGE_CELEBA"
ARCHIVE_FILE = "img_align_celeba.zip"
FOLDER = "img_align_celeba"
LISTS = (ATTRIBUTES_FILE, PARTITION_FILE)
GOOGLE_DRIVE = "https://drive.google.com/"
OFFICIAL_MD5 = {
    ARCHIVE_FILE: "00d2c5bc6d35e252742224ab0c1e8fcb",
    ATTRIBUTES_FILE: "75e246fa4810816ffd6ee81facbd244c",
    PARTITION_FILE: "d32c9cbf5e040fd4025c592c306e6668",
}

Download = Callable[[str, str, str, str], None]  # file id, folder, name, md5


def copy_images(source: Path, folder: Path) -> Path:
    """Copy a zip of images into `folder`, or pack a folder of images there; return the path of the zip."""
    if source.is_dir():
        pack(source, folder / PACKED_NAME)
        return folder / PACKED_NAME
    Archive(source)  # raises for a damaged zip before gigabytes are copied
    copied = folder / f"{source.stem}.zip"
    shutil.copyfile(source, copied)
    return copied


@dataclass(frozen=True)
class NamedPhotographs(NamedInEnvironment):
    """The path in `GANFORGE_CELEBA`: a directory with the official names, a zip, or any folder of images."""

    variable: str = VARIABLE

    @property
    def how_to_name(self) -> str:
        """The advice to set the variable."""
        return f"Set {self.variable} to a directory with {ARCHIVE_FILE}, a zip or a folder of photographs"

    def provide(self, folder: Path) -> Provided | None:
        """Copy or pack the photographs, and copy the lists that lie beside them."""
        if not self.is_named():
            return None
        path = self.named_path()
        images, lists = self._find(path)
        clear_folder(folder)
        archive = copy_images(images, folder)
        origin_paths = {name: lists / name for name in LISTS if (lists / name).is_file()}
        for name, origin in origin_paths.items():
            shutil.copyfile(origin, folder / name)
        origin_paths[archive.name] = images
        official = {file.name: _md5(file) for file in folder.iterdir()} == OFFICIAL_MD5
        note = "" if official else f"{len(Archive(archive)):,} images from {path}"
        sums = {file.name: sha256_of_file(file) for file in sorted(folder.iterdir())}
        return Provided(folder, "directory", str(path), "celeba", sums, official, note, origin_paths)

    def _find(self, path: Path) -> tuple[Path, Path]:
        """Return the zip or folder of photographs, and the directory of the lists."""
        if path.is_file():
            return path, path.parent
        if not path.is_dir():
            raise FileNotFoundError(
                f"{self.variable}={path}: does not exist; expected a directory with {ARCHIVE_FILE}, a zip or a folder "
                f"of photographs, or unset {self.variable} to download them"
            )
        for candidate in (path / ARCHIVE_FILE, path / FOLDER):
            if candidate.exists():
                return candidate, path
        return path, path.parent if path.name == FOLDER else path


@dataclass(frozen=True)
class TorchvisionDownload:
    """The authors' Google Drive, through torchvision's list of files and its download, which needs package gdown."""

    def provide(self, folder: Path) -> Provided | None:
        """Download the archive and the two lists; keep files that an earlier attempt completed."""
        if importlib.util.find_spec("gdown") is None:
            raise SourceUnavailableError("package gdown is not installed (pip install 'ganforge[celeba]')")
        try:
            expect_answer(GOOGLE_DRIVE)  # gdown itself waits without a limit
        except DownloadError as error:
            raise SourceUnavailableError(str(error)) from error
        from torchvision.datasets import CelebA
        from torchvision.datasets.utils import download_file_from_google_drive

        for file_id, md5, name in CelebA.file_list:
            if name in OFFICIAL_MD5:
                _fetch(download_file_from_google_drive, file_id, folder / name, md5)
        for path in set(folder.iterdir()) - {folder / name for name in OFFICIAL_MD5}:
            path.unlink()  # partial files of an earlier attempt
        sums = {name: sha256_of_file(folder / name) for name in sorted(OFFICIAL_MD5)}
        return Provided(folder, "mirror", GOOGLE_DRIVE, "celeba", sums, official=True)


def _fetch(download: Download, file_id: str, path: Path, md5: str) -> None:
    """Download one complete file, or raise with the reason."""
    failure: Exception | None = None
    try:
        download(file_id, str(path.parent), path.name, md5)
    except Exception as error:  # of gdown, requests or torchvision: each means that the file did not arrive
        failure = error
    try:
        if path.name == ARCHIVE_FILE and path.exists():
            Archive(path)  # its error describes an HTML page saved under this name; a wrong checksum would not
    except DamagedFileError as damaged:
        path.unlink()
        raise SourceUnavailableError(f"{GOOGLE_DRIVE}: {_without_folder(damaged, path)}") from failure
    if failure is not None or not path.exists():
        reason = " ".join(_without_folder(failure or "no file arrived", path).split())
        raise SourceUnavailableError(f"{GOOGLE_DRIVE}: {path.name}: {reason}") from failure


def _without_folder(message: object, path: Path) -> str:
    """Return a message about a temporary file without the name of its folder."""
    return str(message).replace(f"{path.parent}/", "")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


DATASET = Dataset(
    key="celeba",
    description="Photographs of faces",
    licence="non-commercial research only",
    sources=(NamedPhotographs(), TorchvisionDownload()),
    preparation=Preparation(crop=108, size=28, channels=3, num_images=5000),
)

DATASET_64 = Dataset(
    key="celeba_64",
    description="Photographs of faces, 64x64",
    licence=DATASET.licence,
    sources=DATASET.sources,
    raw=DATASET.key,
    preparation=Preparation(crop=160, size=64, channels=3),
)
