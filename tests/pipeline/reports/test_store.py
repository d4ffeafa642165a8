from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.reports import store
from pipeline.storage.paths import Paths
from tests.pipeline.reports.made_up import rows


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


def test_an_unfinished_file_is_not_read(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    path.with_name(".later.parquet.partial").write_bytes(b"half")
    assert store.read_all(tmp_path).num_rows == 4
    assert store.latest(tmp_path, "mnist_mlp", "adam") is not None


def test_a_report_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        store.append(tmp_path, [])


def test_every_row_comes_oldest_report_first_and_by_member_with_the_metrics_in_their_order(tmp_path: Path) -> None:
    for optimizer in ("sgd", "adam", "sgd"):
        store.append(tmp_path, rows(optimizer))
    store.compact(tmp_path)
    store.append(tmp_path, rows("adam"))
    everything = store.read_all(tmp_path)
    assert everything.schema.equals(store.SCHEMA)
    assert everything["optimizer"].to_pylist()[::4] == ["sgd", "adam", "sgd", "adam"]
    assert everything["member"].to_pylist()[:4] == [0, 0, 1, 1]
    assert everything["metric"].to_pylist()[:4] == ["fid", "inception_score"] * 2


def test_without_a_root_the_store_is_that_of_the_data_folder(paths: Paths) -> None:
    store.append(paths.reports(), rows())
    assert len(store.read_all()) == 4
    assert store.query("SELECT count(*) AS rows FROM reports")["rows"].to_pylist() == [4]


def test_one_recipe_is_read_alone(tmp_path: Path) -> None:
    store.append(tmp_path, rows())
    store.append(tmp_path, rows(recipe="mnist_dcgan"))
    assert set(store.read_all(tmp_path, "mnist_dcgan")["recipe"].to_pylist()) == {"mnist_dcgan"}


def test_the_history_holds_every_report_oldest_first(tmp_path: Path) -> None:
    for fingerprint in ("one", "two", "three"):
        store.append(tmp_path, rows(fingerprint=fingerprint))
        store.append(tmp_path, rows("sgd", fingerprint=fingerprint))
    store.compact(tmp_path)
    of_one = store.history_of(tmp_path, "mnist_mlp", "adam")
    assert [report.fingerprint for report in of_one] == ["one", "two", "three"]
    assert [report.path.parent.name for report in of_one] == ["_compacted", "_compacted", "optimizer=adam"]
    assert len(store.history_of(tmp_path, "mnist_mlp")) == 6
    assert store.history_of(tmp_path, "celeba_dense") == []


def test_a_report_is_found_by_the_start_of_its_id(tmp_path: Path) -> None:
    ids = [store.append(tmp_path, rows()).fact("report_id") for _ in range(3)]
    store.compact(tmp_path)
    for report_id in ids:
        assert store.find_report(tmp_path, report_id[:7]).fact("report_id") == report_id
        assert store.find_report(tmp_path, report_id.upper()).fact("report_id") == report_id


def test_an_id_that_no_report_or_several_have_is_one_sentence(tmp_path: Path) -> None:
    report_id = store.append(tmp_path, rows()).fact("report_id")
    other = "0" if report_id[8] != "0" else "1"
    with pytest.raises(ValueError, match=f"no report starts with '{report_id[:8]}{other}'"):
        store.find_report(tmp_path, report_id[:8] + other)
    store.append(tmp_path, rows("sgd"))
    with pytest.raises(ValueError, match=r"2 reports start with '': \w{32} \(mnist_mlp adam\)"):
        store.find_report(tmp_path, "")
    for _ in range(4):
        store.append(tmp_path, rows())
    with pytest.raises(ValueError, match="6 reports start with ''; give more"):
        store.find_report(tmp_path, "")


def test_what_starts_with_an_underscore_is_no_report(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    path.with_name("_pairs.parquet").write_bytes(b"no report")
    path.with_name("_nearest_training_images.png").write_bytes(b"picture")
    assert len(store.latest_of_all(tmp_path)) == 1
    assert store.query("FROM history", tmp_path).num_rows == 4
