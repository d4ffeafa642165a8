import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.reports import store


def rows(optimizer: str = "adam", values: tuple[float, ...] = (2.0, 1.0), **facts: Any) -> list[dict[str, Any]]:
    shared = {"recipe": "mnist_mlp", "optimizer": optimizer, "fingerprint": "f", "protocol": "{}", **facts}
    return [
        {
            **shared,
            "member": member,
            "metric": metric,
            "value": value + at,
            "floor": 0.5,
            "ceiling": 9.0,
            "better": "lower",
        }
        for at, metric in enumerate(("fid", "inception_score"))
        for member, value in enumerate(values)
    ]


def test_a_report_comes_back_as_stored(tmp_path: Path) -> None:
    stored = store.append(tmp_path, rows())
    found = store.latest(tmp_path, "mnist_mlp", "adam")
    assert found is not None
    assert found.rows.equals(stored.rows)
    assert found.scores("fid") == [2.0, 1.0]
    assert found.metrics() == ["fid", "inception_score"]
    assert (found.anchors("fid"), found.better("fid")) == ((0.5, 9.0), "lower")


def test_nothing_is_overwritten_and_the_newest_is_the_latest(tmp_path: Path) -> None:
    for fingerprint in ("one", "two", "three"):
        store.append(tmp_path, rows(fingerprint=fingerprint))
    everything = store.read_all(tmp_path)
    assert everything["fingerprint"].to_pylist()[::4] == ["one", "two", "three"]
    newest = store.latest(tmp_path, "mnist_mlp", "adam")
    assert newest is not None
    assert newest.fingerprint == "three"


def test_each_report_is_one_file_in_its_partitions_folder(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    assert path.parent == tmp_path / "recipe=mnist_mlp" / "optimizer=adam"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_times_are_utc_and_now(tmp_path: Path) -> None:
    created = store.append(tmp_path, rows()).fact("created_at")
    assert abs(datetime.now(UTC) - created) < timedelta(seconds=30)


def test_the_newest_of_all_partitions_are_listed_by_recipe_and_optimizer(tmp_path: Path) -> None:
    for optimizer in ("sgd", "adam", "adam"):
        store.append(tmp_path, rows(optimizer))
    assert [report.fact("optimizer") for report in store.latest_of_all(tmp_path)] == ["adam", "sgd"]
    assert store.latest_of_all(tmp_path, "celeba_dense") == []


def test_an_empty_store_reads_as_an_empty_table(tmp_path: Path) -> None:
    assert store.read_all(tmp_path / "nowhere").num_rows == 0
    assert store.latest(tmp_path, "mnist_mlp", "adam") is None


def test_a_file_of_before_a_column_was_added_still_reads(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows(device="CPU")).path
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["device"]), path)
    found = store.latest(tmp_path, "mnist_mlp", "adam")
    assert found is not None
    assert found.fact("device") is None
    assert store.read_all(tmp_path)["device"].null_count == 4


def test_an_unfinished_file_is_not_read(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    path.with_name(".later.parquet.partial").write_bytes(b"half")
    assert store.read_all(tmp_path).num_rows == 4
    assert store.latest(tmp_path, "mnist_mlp", "adam") is not None


def append_many(root: Path, optimizer: str, count: int) -> None:
    for _ in range(count):
        store.append(root, rows(optimizer))


def test_two_processes_writing_at_once_lose_no_row(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(tmp_path, key, 20)) for key in ("adam", "adam")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert store.read_all(tmp_path).num_rows == 2 * 20 * 4


def test_a_report_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        store.append(tmp_path, [])
