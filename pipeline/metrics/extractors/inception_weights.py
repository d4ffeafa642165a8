"""Inception weights: from the user's own file, from the data folder or from a mirror, checked by sha256.

In: `GANFORGE_INCEPTION`, the data folder, the network. Out: `data/metrics/inception/inception.safetensors`, converted
once from the published PyTorch file, and the sha256 that identifies the extractor in the protocol of a score. That is
the sha256 of the published file, or of the user's own file, which is marked unofficial. The published file is the
conversion of TensorFlow's `inception-2015-12-05` that pytorch-fid, torch-fidelity and clean-fid share. It is a pickle,
so it is read only if its sha256 is right, and with PyTorch's reader that makes tensors and runs no code. `inception.py`
checks the weights themselves.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.raw.download import DownloadError, download
from pipeline.storage.artefact import artefact_lock, make_artefact
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths
from pipeline.storage.verification import sha256_of_file
from pipeline.storage.weights import save_weights

log = logging.getLogger(__name__)

VARIABLE = "GANFORGE_INCEPTION"
STORED_NAME = "inception.safetensors"
STORED_FORMAT = "1"  # version of the stored copy; raising it downloads the weights again


@dataclass(frozen=True)
class PublishedFile:
    """A file in the form in which its authors publish it."""

    name: str
    urls: tuple[str, ...]  # tried in order
    sha256: str
    size_bytes: int


PUBLISHED = PublishedFile(
    name="pt_inception-2015-12-05-6726825d.pth",
    urls=(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    ),
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size_bytes=95_628_359,
)


@dataclass(frozen=True)
class InceptionWeights:
    """Weights, and the facts about them in a score's protocol."""

    path: Path  # a safetensors file
    sha256: str  # of the published file if `official`, else of the file at `path`
    official: bool


class WeightsUnavailableError(OSError):
    """The Inception weights are not available; the message lists the attempts and the remedies."""


class WrongContentError(ValueError):
    """A file differs from the published one."""


def require_inception_weights(paths: Paths, published: PublishedFile = PUBLISHED) -> InceptionWeights:
    """Return the weights that `GANFORGE_INCEPTION` names, else the stored copy, else the first mirror's.

    A damaged stored copy is made again. Raises `FileNotFoundError` or `WrongContentError` for a named file, without
    trying another source, and `WeightsUnavailableError` if no mirror has the weights.
    """
    if not os.environ.get(VARIABLE):
        return _stored(paths, published, named=None)
    named = Path(os.environ[VARIABLE]).expanduser().resolve()
    if not named.is_file():
        raise FileNotFoundError(
            f"{VARIABLE}={named}: found no file there, expected {published.name} (from {published.urls[0]}) or "
            f"Inception weights as .safetensors; unset {VARIABLE} to download it"
        )
    if named.suffix == ".safetensors":
        return InceptionWeights(named, sha256_of_file(named), official=False)
    try:
        _expect_published(named, f"{VARIABLE}={named}", published)
    except WrongContentError as error:
        raise WrongContentError(
            f"{error}; name that file or weights of your own as .safetensors, or unset it"
        ) from None
    return _stored(paths, published, named)


def _stored(paths: Paths, published: PublishedFile, named: Path | None) -> InceptionWeights:
    """Return the copy in the data folder; make it from the named file or a mirror's unless it is intact."""
    folder = paths.root / "metrics" / "inception"
    working = folder.with_name(".inception.download")  # stays after a failure, so that the download can continue

    def fill(staged: Path) -> dict[str, Any]:
        source, origin = (named, str(named)) if named else _download(published, working)
        # weights_only reads tensors alone; a pickle with anything else is an error
        state = torch.load(source, map_location="cpu", weights_only=True)
        save_weights(staged / STORED_NAME, {name: value.clone() for name, value in state.items()})
        return {"published_name": published.name, "published_sha256": published.sha256, "origin": origin}

    identity = Identity("inception", STORED_FORMAT, {"published_sha256": published.sha256})
    with artefact_lock(folder):
        artefact = make_artefact(folder, identity, fill)
        shutil.rmtree(working, ignore_errors=True)
    return InceptionWeights(artefact.verified_path(STORED_NAME), published.sha256, official=True)


def _download(published: PublishedFile, working: Path) -> tuple[Path, str]:
    """Download the published file into `working` and check it; return its path and the URL."""
    working.mkdir(parents=True, exist_ok=True)
    log.info("downloading the Inception weights once: %.0f MB", published.size_bytes / 1e6)
    reasons = []
    for url in published.urls:
        try:
            return _from_mirror(url, working / published.name, published), url
        except (DownloadError, WrongContentError) as error:
            log.info("no weights there: %s", error)
            reasons.append(str(error))
    raise WeightsUnavailableError(
        f"no mirror gave the Inception weights ({' | '.join(reasons)}); connect to the internet, or set {VARIABLE} to "
        f"the path of {published.name}, or score with the data set's own classifier as the extractor"
    )


def _from_mirror(url: str, path: Path, published: PublishedFile) -> Path:
    """Download the file from one mirror and check it. All mirrors serve the same bytes, so any part is continued."""
    continued = path.with_name(f"{path.name}.part").exists()
    download(url, path)
    try:
        _expect_published(path, url, published)
    except WrongContentError:
        path.unlink()
        if continued:
            return _from_mirror(url, path, published)  # the part of before was of another file: start over
        raise
    return path


def _expect_published(path: Path, where: str, published: PublishedFile) -> None:
    sha256 = sha256_of_file(path)
    if sha256 != published.sha256:
        raise WrongContentError(
            f"{where}: found sha256 {sha256} ({path.stat().st_size:,} bytes), expected {published.sha256} "
            f"({published.size_bytes:,} bytes) of {published.name}"
        )
