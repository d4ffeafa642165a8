import importlib.machinery
import importlib.util
import logging
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.raw import celeba as celeba_module
from pipeline.raw.acquire import NoSourceError, acquire
from pipeline.raw.archive import Archive
from pipeline.raw.catalogue import DATASETS
from pipeline.raw.celeba import OFFICIAL_MD5, NamedPhotographs, TorchvisionDownload
from pipeline.raw.celeba_lists import read_attributes
from pipeline.raw.contents import RawSplit
from pipeline.raw.details import RawDetails
from pipeline.raw.download import DownloadError
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from tests.celeba_archive import NAMES, encode, image_names, small_attributes, write_small_celeba, write_zip

CELEBA = DATASETS["celeba"]
HTML = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small archive, named the way a user names a directory."""
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / "celeba"))
    return write_small_celeba(tmp_path / "celeba")


def splits_of(artefact: Artefact) -> dict[str, RawSplit]:
    return open_raw(artefact)


def edit_zip(path: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    write_zip(path, files)


def expect_nothing_left(paths: Paths) -> None:
    assert [path.name for path in (paths.root / "raw").iterdir()] == [".celeba.lock"]


# ---------------------------------------------------------------------------------------------------------------------
# Files that are found


def test_the_official_layout_gives_its_splits_and_attributes(named: Path, paths: Paths) -> None:
    artefact = acquire(CELEBA, paths)
    details = artefact.details
    assert details["labels"] == "attributes"
    assert details["class_names"] == NAMES
    assert (details["images"], details["unused"]) == ({"train": 36, "test": 12}, {"validation": 12})
    assert details["test_split"] == "official partition"
    assert details["note"] == f"60 images from {named}"
    assert (details["official"], details["unreadable"], details["licence"]) == (
        False,
        [],
        "non-commercial research only",
    )
    assert details["class_histogram"]["train"] == small_attributes(60)[:36].sum(axis=0).tolist()
    assert sorted(artefact.files) == ["img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt"]
    assert artefact.path("img_align_celeba.zip").read_bytes() == (named / "img_align_celeba.zip").read_bytes()


def test_images_and_attributes_belong_together_in_spite_of_gaps_in_the_numbering(named: Path, paths: Paths) -> None:
    splits, attributes = splits_of(acquire(CELEBA, paths)), small_attributes(60)
    for name, expected in (("train", attributes[:36]), ("test", attributes[48:])):
        labels = splits[name].labels
        assert labels is not None and np.array_equal(labels, expected)
    assert [Path(name).name for name in splits["test"].names] == image_names(60)[48:]
    for row, split in ((3, splits["train"]), (11, splits["test"])):
        picture = split.read(row)
        assert picture.shape == (218, 178, 3)
        assert picture.dtype == np.uint8
        cells = picture[(218 - 65) // 2 + 6 :: 13, (178 - 104) // 2 + 6 :: 13, 0][:5, :8]
        assert split.labels is not None
        assert np.array_equal(cells.ravel() > 128, split.labels[row] == 1)


def test_both_data_sets_share_the_raw_files(named: Path, paths: Paths) -> None:
    first, second = acquire(CELEBA, paths), acquire(DATASETS["celeba_64"], paths)
    assert (first.folder, first.fingerprint) == (second.folder, second.fingerprint)
    assert (first.cached, second.cached) == (False, True)


def test_a_zip_itself_can_be_named_and_lists_beside_it_are_used(
    named: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact = acquire(CELEBA, paths)
    monkeypatch.setenv("GANFORGE_CELEBA", str(named / "img_align_celeba.zip"))
    assert acquire(CELEBA, paths).fingerprint == artefact.fingerprint


@pytest.mark.parametrize("place", ["celeba", "celeba/img_align_celeba"])
def test_a_folder_of_photographs_is_packed_into_one_zip(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write_small_celeba(tmp_path / "celeba", as_folder=True)
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / place))
    artefact = acquire(CELEBA, paths)
    assert sorted(artefact.files) == ["images.zip", "list_attr_celeba.txt", "list_eval_partition.txt"]
    assert artefact.details["images"] == {"train": 36, "test": 12}
    assert acquire(CELEBA, paths).cached  # packed again to the same bytes


def test_any_folder_of_images_will_do_and_has_no_attributes(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(10):
        path = tmp_path / "mine" / f"part{index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(np.full((4, 4), index, np.uint8), "PNG"))
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / "mine"))
    artefact = acquire(CELEBA, paths)
    assert (artefact.details["labels"], artefact.details["class_names"]) == ("none", [])
    assert artefact.details["class_histogram"] == {"train": [], "test": []}
    assert artefact.details["images"] == {"train": 8, "test": 2}
    assert [int(splits_of(artefact)["test"].read(index)[0, 0]) for index in (0, 1)] == [8, 9]


def test_without_test_images_every_fifth_one_is_held_out(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_CELEBA", str(write_small_celeba(tmp_path / "celeba", partition=False)))
    artefact = acquire(CELEBA, paths)
    assert (artefact.details["images"], artefact.details["test_split"]) == (
        {"train": 48, "test": 12},
        "every fifth image",
    )
    assert [Path(name).name for name in splits_of(artefact)["test"].names] == image_names(60)[4::5]


def test_a_partition_of_training_images_alone_is_split_too(named: Path, paths: Paths) -> None:
    (named / "list_eval_partition.txt").write_text("".join(f"{name} 0\n" for name in image_names(60)))
    assert acquire(CELEBA, paths).details["images"] == {"train": 48, "test": 12}


def test_the_png_edition_has_the_same_attributes(named: Path, paths: Paths) -> None:
    def rename(files: dict[str, bytes]) -> None:
        for name in list(files):
            files[name.replace(".jpg", ".png")] = files.pop(name)

    edit_zip(named / "img_align_celeba.zip", rename)
    assert acquire(CELEBA, paths).details["images"] == {"train": 36, "test": 12}


def test_changed_photographs_make_other_raw_files(named: Path, paths: Paths) -> None:
    first = acquire(CELEBA, paths)
    edit_zip(named / "img_align_celeba.zip", lambda files: files.pop(f"img_align_celeba/{image_names(60)[0]}"))
    second = acquire(CELEBA, paths)
    assert first.fingerprint != second.fingerprint
    assert second.details["images"]["train"] == 35


def test_the_published_checksums_are_torchvisions() -> None:
    from torchvision.datasets import CelebA

    published = {name: md5 for _, md5, name in CelebA.file_list}
    assert {name: published[name] for name in OFFICIAL_MD5} == OFFICIAL_MD5


def test_files_with_the_published_checksums_are_official(
    named: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = {path.name: celeba_module._md5(path) for path in named.iterdir()}
    monkeypatch.setattr(celeba_module, "OFFICIAL_MD5", sums)
    details = acquire(CELEBA, paths).details
    assert (details["official"], details["note"]) == (True, "")


# ---------------------------------------------------------------------------------------------------------------------
# Files that are refused


def test_a_few_unreadable_images_are_named_and_left_out(
    named: Path, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    bad = f"img_align_celeba/{image_names(60)[2]}"
    edit_zip(named / "img_align_celeba.zip", lambda files: files.update({bad: b"not a photograph"}))
    with caplog.at_level(logging.WARNING):
        artefact = acquire(CELEBA, paths)
    assert artefact.details["unreadable"] == [bad]
    assert f"img_align_celeba.zip: 1 of 60 images cannot be read ({bad}: begins with 0x6e6f7420" in caplog.text
    assert ".celeba.download" not in caplog.text
    splits = splits_of(artefact)
    assert len(splits["train"]) == artefact.details["images"]["train"] == 35
    labels = splits["train"].labels
    assert labels is not None and np.array_equal(labels, np.delete(small_attributes(60)[:36], 2, axis=0))


def test_images_that_a_list_leaves_out_are_named_and_left_out(named: Path, paths: Paths) -> None:
    lines = (named / "list_attr_celeba.txt").read_text().splitlines()
    (named / "list_attr_celeba.txt").write_text("\n".join(["59", lines[1], *lines[3:]]))
    artefact = acquire(CELEBA, paths)
    assert artefact.details["unlisted"] == [f"img_align_celeba/{image_names(60)[0]}"]
    assert artefact.details["images"]["train"] == 35


def shortened(text: str) -> str:
    return "\n".join(text.splitlines()[:-7])


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("list_attr_celeba.txt", lambda text: "<html>", "found '<html>' in line 1, expected the count of images"),
        ("list_attr_celeba.txt", lambda text: "", "found '' in line 1, expected the count"),
        ("list_attr_celeba.txt", shortened, "found 53 images, but its first line announces 60; it was cut off"),
        ("list_attr_celeba.txt", lambda text: text.rstrip()[:-2], "line 62 is .* expected 40 values, each 1 or -1"),
        (
            "list_attr_celeba.txt",
            lambda text: text.replace(" -1  1", " 0  1", 1),
            "after the file name, expected 40 val",
        ),
        (
            "list_attr_celeba.txt",
            lambda text: text.replace(".jpg", "x.jpg"),
            "names none of the 60 images of img_align",
        ),
        (
            "list_eval_partition.txt",
            lambda text: text.replace(" 2", " 3", 1),
            "line 49 is '.*jpg 3', expected a file name",
        ),
        ("list_eval_partition.txt", lambda text: "<html>", "line 1 is '<html>', expected a file name and 0"),
        ("list_eval_partition.txt", lambda text: text.replace(".jpg", "x.jpg"), "names none of the 60 images"),
        ("list_eval_partition.txt", shortened, "7 of 60 images have no line in list_eval_partition.txt .* at most 1"),
        ("list_eval_partition.txt", lambda text: text.replace(" 0", " 2"), "all images are for testing"),
        (
            "list_eval_partition.txt",
            lambda text: text.replace(" 0", " 1").replace(" 2", " 1"),
            r"all 60 images are in the validation part by list_eval_partition\.txt, .*; add some, or remove the list",
        ),
    ],
)
def test_a_wrong_list_is_one_error_and_leaves_nothing(
    named: Path, paths: Paths, file: str, change: Callable[[str], str], expected: str
) -> None:
    (named / file).write_text(change((named / file).read_text()))
    with pytest.raises(DamagedFileError, match=expected) as caught:
        acquire(CELEBA, paths)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith((f"{named / file}: ", f"{named / 'img_align_celeba.zip'}: "))
    assert ".celeba.download" not in str(caught.value)
    expect_nothing_left(paths)


@pytest.mark.parametrize("place", ["celeba", "celeba/img_align_celeba", "celeba/img_align_celeba.zip"])
def test_a_list_beside_the_photographs_is_named_where_it_is(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write_small_celeba(tmp_path / "celeba", as_folder=not place.endswith(".zip"))
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / place))
    partition = tmp_path / "celeba" / "list_eval_partition.txt"
    for text, culprit in (("<html>", partition), ("".join(f"{name} 2\n" for name in image_names(60)), None)):
        partition.write_text(text)
        with pytest.raises(DamagedFileError) as caught:
            acquire(CELEBA, paths)
        images = tmp_path / "celeba" / ("img_align_celeba.zip" if place.endswith(".zip") else "img_align_celeba")
        assert str(caught.value).startswith(f"{culprit or images}: ")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def with_entry(name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with zipfile.ZipFile(path, "a", method) as archive:
            archive.writestr(zipfile.ZipInfo(name), content, method)

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: path.write_bytes(HTML), "found an HTML page, expected a zip.*download the archive again"),
        (cut, "found a zip that ends after .* bytes without a sound directory"),
        (lambda path: path.write_bytes(b"Rar!"), "found 4 bytes that begin with 0x52617221, expected a zip"),
        (with_entry("../../evil.jpg", b""), r"entry '\.\./\.\./evil\.jpg' leads out of the archive"),
        (with_entry("/etc/evil.jpg", b""), r"entry '/etc/evil\.jpg' leads out of the archive"),
        (with_entry("bomb.bmp", bytes(30 << 20), zipfile.ZIP_DEFLATED), r"entry 'bomb\.bmp' declares .* bomb"),
        (lambda path: write_zip(path, {"a.txt": b"", "b/": b""}), "found no image among 2 entries"),
        (
            lambda path: edit_zip(path, lambda files: [files.update({n: b"?"}) for n in list(files)[:2]]),
            "2 of 60 images",
        ),
        (with_entry("again/000001.jpg", b""), "have the same number, expected each photograph once"),
    ],
)
def test_a_wrong_archive_is_one_error_and_leaves_nothing(
    named: Path, paths: Paths, change: Callable[[Path], object], expected: str
) -> None:
    change(named / "img_align_celeba.zip")
    with pytest.raises(DamagedFileError, match=expected) as caught:
        acquire(CELEBA, paths)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{named / 'img_align_celeba.zip'}: ")
    expect_nothing_left(paths)


def test_an_error_leaves_the_artefact_of_before_as_it_was(named: Path, paths: Paths) -> None:
    before = acquire(CELEBA, paths)
    contents = {name: before.path(name).read_bytes() for name in before.files}
    (named / "img_align_celeba.zip").write_bytes(HTML)
    with pytest.raises(DamagedFileError):
        acquire(CELEBA, paths)
    assert {name: before.path(name).read_bytes() for name in before.files} == contents


def test_a_named_but_missing_source_is_an_error_and_no_fallback(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / "nowhere"))
    with pytest.raises(
        FileNotFoundError, match=r"nowhere: does not exist; expected a directory with img_align_celeba\.zip"
    ):
        acquire(CELEBA, paths)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("GANFORGE_CELEBA", str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="empty: found no image, expected files that end in"):
        acquire(CELEBA, paths)
    expect_nothing_left(paths)


def test_the_error_on_a_zip_under_another_name_recommends_naming_the_zip(named: Path, paths: Paths) -> None:
    (named / "img_align_celeba.zip").rename(named / "faces.zip")
    with pytest.raises(FileNotFoundError, match=r"celeba: found no image, only faces\.zip.*: .*/celeba/faces\.zip$"):
        acquire(CELEBA, paths)
    expect_nothing_left(paths)


def test_nothing_is_ever_unpacked(named: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("extract", "extractall"):
        monkeypatch.setattr(zipfile.ZipFile, method, lambda *_: pytest.fail("unpacked"))
    splits_of(acquire(CELEBA, paths))["train"].read(0)
    assert len([path for path in paths.root.rglob("*") if path.is_file()]) == 5  # three files, the manifest, the lock


def test_a_list_with_windows_line_ends_reads_alike(named: Path) -> None:
    path = named / "list_attr_celeba.txt"
    plain = read_attributes(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    attributes = read_attributes(path)
    assert (attributes.rows, attributes.columns) == (plain.rows, plain.columns)
    assert np.array_equal(attributes.values, plain.values)


# ---------------------------------------------------------------------------------------------------------------------
# Download


DownloadFunction = Callable[[str, str, str, str], None]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Callable[[DownloadFunction], None]:
    """Pretend that gdown is installed and the drive answers; the test's own function serves the files."""
    gdown = types.ModuleType("gdown")
    gdown.__spec__ = importlib.machinery.ModuleSpec("gdown", None)
    monkeypatch.setitem(sys.modules, "gdown", gdown)
    monkeypatch.setattr(celeba_module, "expect_answer", lambda url: None)

    def serve(download: DownloadFunction) -> None:
        monkeypatch.setattr("torchvision.datasets.utils.download_file_from_google_drive", download)

    return serve


DOWNLOADED = replace(CELEBA, sources=(NamedPhotographs(), TorchvisionDownload()))


def test_the_order_of_sources_is_named_then_torchvisions_download() -> None:
    assert [type(source) for source in CELEBA.sources] == [NamedPhotographs, TorchvisionDownload]


def test_the_download_gives_the_official_files(
    tmp_path: Path, paths: Paths, drive: Callable[[DownloadFunction], None]
) -> None:
    served, asked = write_small_celeba(tmp_path / "drive"), []

    def download(file_id: str, folder: str, name: str, md5: str) -> None:
        asked.append((file_id, name, md5))
        shutil.copyfile(served / name, Path(folder) / name)
        (Path(folder) / f"{name}.part").write_bytes(b"left behind")

    drive(download)
    artefact = acquire(CELEBA, paths)
    assert ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "img_align_celeba.zip", "00d2c5bc6d35e252742224ab0c1e8fcb") in asked
    assert len(asked) == 3
    assert sorted(artefact.files) == sorted(OFFICIAL_MD5)
    assert (artefact.details["source"], artefact.details["official"]) == ("mirror", True)
    assert acquire(CELEBA, paths).cached
    assert len(asked) == 3


def test_an_html_page_saved_as_the_zip_is_named_and_thrown_away(
    paths: Paths, drive: Callable[[DownloadFunction], None]
) -> None:
    def download(file_id: str, folder: str, name: str, md5: str) -> None:
        (Path(folder) / name).write_bytes(HTML)
        raise RuntimeError("File not found or corrupted.")

    drive(download)
    with pytest.raises(NoSourceError, match=r"img_align_celeba\.zip: found an HTML page, expected a zip") as caught:
        acquire(CELEBA, paths)
    assert "Set GANFORGE_CELEBA to a directory with img_align_celeba.zip" in str(caught.value)
    assert ".celeba.download" not in str(caught.value)
    assert not paths.raw("celeba").exists()
    assert not list((paths.root / "raw").rglob("*.zip"))


def test_the_error_of_a_failed_download_names_the_reason_and_the_remedy(
    paths: Paths, drive: Callable[[DownloadFunction], None]
) -> None:
    def download(file_id: str, folder: str, name: str, md5: str) -> None:
        raise RuntimeError("Too many users have viewed\nor downloaded this file")

    drive(download)
    with pytest.raises(NoSourceError, match="Too many users have viewed or downloaded this file") as caught:
        acquire(CELEBA, paths)
    assert "\n" not in str(caught.value)


def test_a_drive_that_does_not_answer_is_given_up(
    paths: Paths, drive: Callable[[DownloadFunction], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(url: str) -> None:
        raise DownloadError(f"{url}: no answer within 5 seconds")

    monkeypatch.setattr(celeba_module, "expect_answer", no_answer)
    with pytest.raises(NoSourceError, match="no answer within 5 seconds"):
        acquire(CELEBA, paths)


def test_without_gdown_the_extra_to_install_is_named(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gdown" else find_spec(name))
    with pytest.raises(NoSourceError, match=r"gdown is not installed \(pip install 'ganforge\[celeba\]'\)"):
        acquire(CELEBA, paths)


# ---------------------------------------------------------------------------------------------------------------------
# The real photographs


def test_the_real_photographs_are_all_readable(real_celeba: Path, paths: Paths) -> None:
    artefact = acquire(CELEBA, paths)
    details = artefact.details_as(RawDetails)
    in_archive = len(Archive(real_celeba / "img_align_celeba.zip"))
    assert sum(details.images.values()) + sum(details.unused.values()) == in_archive
    assert (details.unreadable, details.unlisted) == ((), ())
    train = splits_of(artefact)["train"]
    assert train.read(0).shape == (218, 178, 3)
    assert train.labels is not None
    young = train.labels[:, details.class_names.index("Young")].mean()
    assert 0.6 < young < 0.9  # 77 % of the whole data set
