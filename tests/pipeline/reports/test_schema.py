"""The promises of the schema: older files, newer files, and files that no version writes."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reports import store
from tests.pipeline.reports.example_reports import rows

ADDED = (
    "interval_low",
    "interval_high",
    "data_versions",
    "scoring_seconds",
    "ganforge_version",
)  # after the first version


def rewritten(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def stored(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def test_a_file_of_before_columns_were_added_reads_as_null_there(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows(device="CPU")).path
    store.append(tmp_path, rows("sgd", scoring_seconds=2.5))
    rewritten(path, stored(path).drop_columns([*ADDED, "device"]))
    report = store.latest(tmp_path, "mnist_mlp", "adam")
    assert report is not None
    assert (report.device, report.scoring_seconds, report.scores("fid")) == (None, None, [2.0, 1.0])
    assert store.read_all(tmp_path)["device"].null_count == 8
    scored = store.query("SELECT optimizer, scoring_seconds AS s FROM runs ORDER BY optimizer", tmp_path)
    assert scored["s"].to_pylist() == [None, 2.5]
    assert report.ganforge_version is None


def test_a_file_of_a_newer_version_reads_without_the_column_that_is_unknown(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    rewritten(path, stored(path).append_column("colour", pa.array(["red"] * 4)))
    assert store.read_all(tmp_path).schema.equals(store.SCHEMA)
    assert store.query("FROM reports", tmp_path).column_names == store.SCHEMA.names


def test_compaction_keeps_a_column_of_a_newer_version(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    rewritten(path, stored(path).append_column("colour", pa.array(["red"] * 4)))
    for _ in range(3):
        store.append(tmp_path, rows())
        store.compact(tmp_path)
    held = [stored(path) for path in tmp_path.glob("**/*-merged-*.parquet")]
    assert [table["colour"].to_pylist().count("red") for table in held if "colour" in table.column_names] == [4]
    assert store.read_all(tmp_path).schema.equals(store.SCHEMA)


def test_a_column_of_another_type_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    store.append(tmp_path, rows())
    table = stored(path)
    index = table.column_names.index("value")
    rewritten(path, table.set_column(index, "value", table["value"].cast(pa.string())))
    expected = f"{path}: column value is string, expected double"
    for read in (store.read_all, store.connect, store.compact, lambda root: store.query("FROM runs", root)):
        with pytest.raises(ValueError, match=expected):
            read(tmp_path)


def test_a_file_that_is_none_of_parquet_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    path.write_bytes(b"half a file")
    for read in (store.latest_of_all, store.read_all, lambda root: store.query("FROM reports", root)):
        with pytest.raises(ValueError, match=f"{path}: not a file of reports") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)


READERS = {
    "latest_of_all": store.latest_of_all,
    "latest": lambda root: store.latest(root, "mnist_mlp", "adam"),
    "history_of": store.history_of,
    "read_all": store.read_all,
    "reports": lambda root: store.query("FROM reports", root),
    "runs": lambda root: store.query("FROM runs", root),
    "connect": store.connect,
}


def made_folder(path: Path, table: pa.Table) -> None:
    path.unlink()
    path.mkdir()


def made_dangling(path: Path, table: pa.Table) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


FOREIGN = {
    "it has no column report_id, created_at, metric, member, value": lambda path, _: rewritten(
        path, pa.table({"a": [1]})
    ),
    "it has no column value": lambda path, table: rewritten(path, table.drop_columns("value")),
    "it has no rows": lambda path, table: rewritten(path, table.slice(0, 0)),
    "it is a folder": made_folder,
    "it is a link to a file that is not there": made_dangling,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("says", FOREIGN)
def test_a_file_that_is_no_report_is_one_sentence_that_names_it(tmp_path: Path, says: str, read: Any) -> None:
    path = store.append(tmp_path, rows()).path
    FOREIGN[says](path, stored(path))
    with pytest.raises(ValueError, match=re.escape(f"{path}: not a file of reports ({says}); take it out")) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("says", FOREIGN)
def test_compaction_takes_in_no_file_that_is_no_report(tmp_path: Path, says: str) -> None:
    path = store.append(tmp_path, rows()).path
    FOREIGN[says](path, stored(path))
    store.append(tmp_path, rows())
    with pytest.raises(ValueError, match=re.escape(f"{path}: not a file of reports ({says})")):
        store.compact(tmp_path)
    assert os.path.lexists(path)
    assert list(tmp_path.glob("**/*-merged-*")) == []


@pytest.mark.parametrize("says", FOREIGN)
def test_a_merged_file_that_is_none_is_one_sentence_that_names_it(tmp_path: Path, says: str) -> None:
    table = stored(store.append(tmp_path, rows()).path)
    name = "20260102T030405678901-merged-1f0c9a7e.parquet"
    path = store.partition_folder(tmp_path, "mnist_mlp", "adam") / name
    path.touch()
    FOREIGN[says](path, table)
    for read in (store.latest_of_all, store.read_all, lambda root: store.query("FROM reports", root)):
        with pytest.raises(ValueError, match=f"{path}: not a file of reports"):
            read(tmp_path)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_file_of_another_name_is_one_sentence_that_names_it(tmp_path: Path, read: Any) -> None:
    """A copy made by hand would count a second time, and as the newest for ever."""
    path = store.append(tmp_path, rows()).path
    copy = path.with_stem(f"{path.stem} (1)")
    shutil.copy(path, copy)
    with pytest.raises(ValueError, match=re.escape(f"{copy}: not the name of a report")):
        read(tmp_path)


def test_a_report_without_its_comparability_is_one_sentence(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows(protocol=None)).path
    report = store.latest(tmp_path, "mnist_mlp", "adam")
    assert report is not None
    with pytest.raises(ValueError, match=f"{path}: the report of mnist_mlp adam has no protocol"):
        _ = report.protocol
    assert report.settings == {}


def test_a_report_is_stored_even_where_the_store_cannot_be_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.append(tmp_path, rows()).path.write_bytes(b"half a file")
    monkeypatch.setattr("pipeline.reports.compaction.MOST_SINGLE_FILES", 0)
    report = store.append(tmp_path, rows())
    assert report.path.is_file()
    assert "the store was not compacted" in caplog.text


def test_long_texts_in_another_layout_read_the_same(tmp_path: Path) -> None:
    """Other writers of Parquet may use these layouts."""
    path = store.append(tmp_path, rows(settings='{"width": 3}')).path
    table = stored(path)
    index = table.column_names.index("settings")
    rewritten(path, table.set_column(index, "settings", table["settings"].cast(pa.large_string())))
    report = store.latest(tmp_path, "mnist_mlp", "adam")
    assert report is not None
    assert report.rows.schema.equals(store.SCHEMA)
    assert report.settings == {"width": 3}


def test_the_view_of_the_schema_describes_every_column_in_its_order(tmp_path: Path) -> None:
    described = store.query("FROM schema", tmp_path)
    assert described.column_names == ["column", "type", "description"]
    assert described["column"].to_pylist() == store.SCHEMA.names
    types = dict(zip(described["column"].to_pylist(), described["type"].to_pylist(), strict=True))
    shown = store.query("DESCRIBE history", tmp_path)
    assert types == dict(zip(shown["column_name"].to_pylist(), shown["column_type"].to_pylist(), strict=True))
