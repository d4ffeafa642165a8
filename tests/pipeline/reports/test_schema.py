"""The promises of the schema: older files, newer files, and files that no version writes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reports import store
from tests.pipeline.reports.made_up import rows

ADDED = ("interval_low", "interval_high", "data_versions", "scoring_seconds")  # after the first version


def rewritten(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def stored(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def test_a_file_of_before_columns_were_added_reads_as_null_there(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows(device="CPU")).path
    store.append(tmp_path, rows("sgd", scoring_seconds=2.5))
    rewritten(path, stored(path).drop_columns([*ADDED, "device"]))
    found = store.latest(tmp_path, "mnist_mlp", "adam")
    assert found is not None
    assert (found.fact("device"), found.fact("scoring_seconds"), found.scores("fid")) == (None, None, [2.0, 1.0])
    assert store.read_all(tmp_path)["device"].null_count == 8
    scored = store.query("SELECT optimizer, scoring_seconds AS s FROM runs ORDER BY optimizer", tmp_path)
    assert scored["s"].to_pylist() == [None, 2.5]


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
    held = [pq.read_table(each) for each in (tmp_path / "_compacted").glob("*.parquet")]
    assert [table["colour"].to_pylist().count("red") for table in held if "colour" in table.column_names] == [4]
    assert store.read_all(tmp_path).schema.equals(store.SCHEMA)


def test_a_column_of_another_type_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    path = store.append(tmp_path, rows()).path
    store.append(tmp_path, rows())
    table = stored(path)
    at = table.column_names.index("value")
    rewritten(path, table.set_column(at, "value", table["value"].cast(pa.string())))
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


def test_a_report_is_stored_even_where_the_store_cannot_be_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.append(tmp_path, rows()).path.write_bytes(b"half a file")
    monkeypatch.setattr("pipeline.reports.compaction.MOST_LOOSE", 0)
    report = store.append(tmp_path, rows())
    assert report.path.is_file()
    assert "the store was not compacted" in caplog.text


def test_long_texts_in_another_layout_read_the_same(tmp_path: Path) -> None:
    """As other writers of Parquet lay them out."""
    path = store.append(tmp_path, rows(settings="{}")).path
    table = stored(path)
    at = table.column_names.index("settings")
    rewritten(path, table.set_column(at, "settings", table["settings"].cast(pa.large_string())))
    found = store.latest(tmp_path, "mnist_mlp", "adam")
    assert found is not None
    assert found.rows.schema.equals(store.SCHEMA)
    assert found.fact("settings") == "{}"


def test_the_view_of_the_schema_describes_every_column_in_its_order(tmp_path: Path) -> None:
    described = store.query("FROM schema", tmp_path)
    assert described.column_names == ["column", "type", "description"]
    assert described["column"].to_pylist() == store.SCHEMA.names
    types = dict(zip(described["column"].to_pylist(), described["type"].to_pylist(), strict=True))
    shown = store.query("DESCRIBE history", tmp_path)
    assert types == dict(zip(shown["column_name"].to_pylist(), shown["column_type"].to_pylist(), strict=True))
