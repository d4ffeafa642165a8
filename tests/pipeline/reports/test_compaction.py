"""Compaction loses no report and counts none twice, however it ends."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reports import compaction, merging, store
from pipeline.reports import files as stored_files
from pipeline.reports.files import list_reports
from pipeline.reports.lock import NAME, store_lock
from tests.pipeline.reports.example_reports import rows

MERGED_FILES = "recipe=*/optimizer=*/*-merged-*.parquet"


class Killed(BaseException):
    """The process ends here."""


def fill(root: Path, count: int) -> list[str]:
    """So many reports in each of two partitions; their ids in the order of writing."""
    return [store.append(root, rows(key)).report_id for _ in range(count) for key in ("adam", "sgd")]


def ids(root: Path) -> list[str]:
    """Return the id of every report, as often as it is read, oldest first; Arrow and SQL must agree."""
    everything = store.read_all(root)
    counted = store.query("SELECT report_id, count(*) AS n FROM history GROUP BY ALL", root)
    assert set(counted["n"].to_pylist()) <= {4}
    assert sorted(counted["report_id"].to_pylist()) == sorted(everything["report_id"].to_pylist()[::4])
    report_ids: list[str] = everything["report_id"].to_pylist()
    return report_ids[::4]


def files(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))


def test_all_but_the_newest_of_each_partition_move_into_one_file_beside_it(tmp_path: Path) -> None:
    written = fill(tmp_path, 4)
    before = store.read_all(tmp_path)
    assert store.compact(tmp_path) == 6
    for folder in files(tmp_path, "recipe=*/optimizer=*"):
        assert len(files(folder, "*-merged-*.parquet")) == 1
        assert len(files(folder, "*.parquet")) == 2
    assert store.read_all(tmp_path).equals(before)
    assert ids(tmp_path) == written
    assert [report.report_id for report in store.latest_of_all(tmp_path)] == written[-2:]


def test_nothing_is_left_to_do_the_second_time(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    store.compact(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path, "**/*.parquet")}
    assert store.compact(tmp_path) == 0
    assert {path: path.stat().st_mtime_ns for path in files(tmp_path, "**/*.parquet")} == before


def test_an_empty_or_missing_store_needs_none(tmp_path: Path) -> None:
    assert store.compact(tmp_path / "nowhere") == 0
    assert not (tmp_path / "nowhere").exists()
    assert store.compact(tmp_path) == 0


def test_pictures_beside_the_reports_stay(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    picture = store.partition_folder(tmp_path, "mnist_mlp", "adam") / "_nearest_training_images.png"
    picture.write_bytes(b"picture")
    store.compact(tmp_path)
    assert picture.is_file()


def test_the_number_of_merged_files_grows_with_the_logarithm_of_the_reports(tmp_path: Path) -> None:
    written = fill(tmp_path, 1)
    for _ in range(32):
        written += fill(tmp_path, 1)
        store.compact(tmp_path)
    for folder in files(tmp_path, "recipe=*/optimizer=*"):
        assert len(files(folder, "*-merged-*.parquet")) <= 5  # sizes at least double up to 32
    assert ids(tmp_path) == written


def test_a_store_with_many_files_compacts_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SINGLE_FILES", 5)
    written = fill(tmp_path, 10)
    assert len(files(tmp_path, "recipe=*/optimizer=*/*.parquet")) <= 2 + 5
    assert ids(tmp_path) == written


def test_appending_does_not_wait_for_a_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SINGLE_FILES", 0)
    with store_lock(tmp_path, wait=True):
        written = fill(tmp_path, 2)
        assert files(tmp_path, MERGED_FILES) == []
    assert ids(tmp_path) == written


def test_a_row_group_holds_about_as_many_rows_as_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "GROUP_ROWS", 8)  # two reports
    written = fill(tmp_path, 6)
    store.compact(tmp_path)
    assert {place.group for place in list_reports(tmp_path).locations("mnist_mlp", "sgd")} == {None, 0, 1, 2}
    assert ids(tmp_path) == written
    assert [report.report_id for report in store.history_of(tmp_path, "mnist_mlp", "sgd")] == written[1::2]


def kill_at(monkeypatch: pytest.MonkeyPatch, function: str, call: int = 1) -> None:
    """End the process at a call of a function of the compaction."""
    calls = iter(range(1, 100))
    original = getattr(compaction, function)

    def killed(*arguments: object) -> object:
        if next(calls) == call:
            raise Killed
        return original(*arguments)

    monkeypatch.setattr(compaction, function, killed)


REMOVAL = 4  # call of `_remove`: the first three sweep


@pytest.mark.parametrize(("partition", "doubled", "left"), [(0, 6 + 1, 2), (1, 6 - 2 + 2, 0)])
def test_killed_between_rename_and_removal_every_report_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partition: int, doubled: int, left: int
) -> None:
    """The process dies in the first partition or in the second; the next compaction finishes both."""
    written = fill(tmp_path, 3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, "_remove", REMOVAL + partition)
        store.compact(tmp_path)
    assert len(files(tmp_path, "**/*.parquet")) == doubled
    assert ids(tmp_path) == written
    assert len(store.history_of(tmp_path, "mnist_mlp")) == 6
    assert store.compact(tmp_path) == left
    assert len(files(tmp_path, "**/*.parquet")) == 2 + 2
    assert ids(tmp_path) == written


def test_killed_after_merged_files_were_merged_again_every_report_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = fill(tmp_path, 2)
    store.compact(tmp_path)
    written += fill(tmp_path, 3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, "_remove", REMOVAL)
        store.compact(tmp_path)
    assert len(files(tmp_path, MERGED_FILES)) == 2 + 1
    assert ids(tmp_path) == written
    store.compact(tmp_path)
    assert len(files(tmp_path, MERGED_FILES)) == 1 + 1
    assert ids(tmp_path) == written


def test_killed_while_writing_nothing_changed_and_the_rest_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = fill(tmp_path, 3)
    name = ".20260101T000000000000-merged-00000000.parquet.99.partial"
    unfinished = store.partition_folder(tmp_path, "mnist_mlp", "adam") / name
    unfinished.write_bytes(b"half")
    assert ids(tmp_path) == written
    store.compact(tmp_path)
    assert not unfinished.exists()
    assert ids(tmp_path) == written


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = fill(tmp_path, 3)
    before = files(tmp_path, "recipe=*/optimizer=*/*")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.fsync", full)
        store.compact(tmp_path)
    assert files(tmp_path, "recipe=*/optimizer=*/*") == before
    assert ids(tmp_path) == written


@pytest.mark.parametrize("listing", range(5))
def test_a_compaction_between_two_listings_of_a_reader_hides_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: int
) -> None:
    """A partition's folder is listed twice, and again where the merged files differ."""
    written = fill(tmp_path, 3)
    original, calls = stored_files._names, iter(range(100))

    def disturbed(folder: Path) -> object:
        if next(calls) == listing:
            with monkeypatch.context() as patch:
                patch.setattr(stored_files, "_names", original)
                written.extend(fill(tmp_path, 1))
                store.compact(tmp_path)
        return original(folder)

    monkeypatch.setattr(stored_files, "_names", disturbed)
    listed = [place.key for place in list_reports(tmp_path).locations()]
    assert len(listed) == len(set(listed))
    assert len(listed) >= 6
    assert ids(tmp_path) == written


def test_copies_compacted_apart_and_copied_together_again_count_each_report_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    written = fill(first, 3)
    shutil.copytree(first, second)
    for root in (first, second):
        written += fill(root, 2)
        store.compact(root)
    shutil.copytree(second, first, dirs_exist_ok=True)
    assert sorted(ids(first)) == sorted(written)
    assert store.compact(first) == 2  # the report that was newest in one copy
    assert sorted(ids(first)) == sorted(written)
    held = [pq.read_table(path, columns=["report_id"], partitioning=None) for path in files(first, "**/*.parquet")]
    assert sorted(pa.concat_tables(held)["report_id"].to_pylist()) == sorted(written * 4)  # by other readers too


def test_the_newest_report_is_found_in_a_merged_file_where_its_own_was_taken_away(tmp_path: Path) -> None:
    written = fill(tmp_path, 3)
    store.compact(tmp_path)
    for path in set(files(tmp_path, "recipe=*/optimizer=*/*")) - set(files(tmp_path, MERGED_FILES)):
        path.unlink()
    newest = store.latest(tmp_path, "mnist_mlp", "adam")
    assert newest is not None
    assert newest.report_id == written[2]
    assert [report.report_id for report in store.latest_of_all(tmp_path)] == written[2:4]
    shown = store.query("SELECT DISTINCT report_id FROM reports ORDER BY optimizer", tmp_path)
    assert sorted(shown["report_id"].to_pylist()) == sorted(written[2:4])


def test_a_store_that_cannot_be_written_to_reads(tmp_path: Path) -> None:
    written = fill(tmp_path, 2)
    store.compact(tmp_path)
    (tmp_path / NAME).unlink()
    assert ids(tmp_path) == written
    assert not (tmp_path / NAME).exists()  # reading makes no file


def test_a_merged_file_that_lacks_a_report_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = fill(tmp_path, 3)
    before, original = files(tmp_path, "recipe=*/optimizer=*/*"), merging._write
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="does not list the reports"):
        patch.setattr(merging, "_write", lambda file, places: original(file, places[1:]))
        store.compact(tmp_path)
    assert files(tmp_path, "recipe=*/optimizer=*/*") == before
    assert ids(tmp_path) == written


def test_a_merged_file_that_is_cut_short_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = fill(tmp_path, 3)
    before, original = files(tmp_path, "**/*.parquet"), merging._write

    def cut(file: Any, places: Any) -> None:
        original(file, places)
        file.truncate(file.tell() - 100)

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="not a file of reports"):
        patch.setattr(merging, "_write", cut)
        store.compact(tmp_path)
    assert files(tmp_path, "**/*.parquet") == before
    assert ids(tmp_path) == written


def test_a_merged_file_with_other_rows_than_it_lists_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = fill(tmp_path, 3)
    before, original = files(tmp_path, "**/*.parquet"), merging._groups

    def half(places: Any, schema: Any) -> Any:
        return ((reports, rows.slice(0, 4)) for reports, rows in original(places, schema))

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="its rows are not those"):
        patch.setattr(merging, "_groups", half)
        store.compact(tmp_path)
    assert files(tmp_path, "**/*.parquet") == before
    assert ids(tmp_path) == written


def test_unfinished_files_of_yesterday_go_and_those_of_today_stay(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    old, young = (path.with_name(f".{name}.parquet.partial") for name in ("old", "young"))
    for unfinished in (old, young):
        unfinished.write_bytes(b"half")
    yesterday = time.time() - 25 * 60 * 60
    os.utime(old, (yesterday, yesterday))
    store.compact(tmp_path)
    assert (old.exists(), young.exists()) == (False, True)
