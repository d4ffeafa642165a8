"""DuckDB, Polars, pandas and pyarrow read all of the store with one glob, and no other file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from pipeline.reports import store
from pipeline.storage.paths import Paths
from tests.pipeline.reports.former import PARTITIONS, SCORES, append_each, make_former_store

PATTERN = "data/reports/**/*.parquet"
ORDER = [(name, "ascending") for name in ("report_id", "member", "metric")]
MEANS = "SELECT recipe, optimizer, metric, avg(value) FROM {} GROUP BY ALL ORDER BY ALL"
IN_PATH = "parse_path(filename)[-3][8:] AS recipe, parse_path(filename)[-2][11:] AS optimizer"


def files(pattern: str) -> list[Path]:
    """For programs that take no glob themselves."""
    return sorted(Path().glob(pattern))


def by_sql(query: str) -> duckdb.DuckDBPyRelation:
    relation = duckdb.sql(query)
    assert relation is not None  # None is for statements without a result
    return relation


def by_duckdb(pattern: str) -> pa.Table:
    return by_sql(f"FROM '{pattern}'").to_arrow_table()


def by_duckdb_with_hive_partitioning(pattern: str) -> pa.Table:
    return by_sql(f"FROM read_parquet('{pattern}', hive_partitioning = true)").to_arrow_table()


def by_duckdb_without_hive_partitioning(pattern: str) -> pa.Table:
    options = "hive_partitioning = false, filename = true"
    return by_sql(f"SELECT *, {IN_PATH} FROM read_parquet('{pattern}', {options})").to_arrow_table()


def by_polars(pattern: str) -> pa.Table:
    return pl.read_parquet(pattern, hive_partitioning=True).to_arrow()


def by_polars_lazily(pattern: str) -> pa.Table:
    return pl.scan_parquet(pattern, hive_partitioning=True).collect().to_arrow()


def by_pandas(pattern: str) -> pa.Table:
    return pa.Table.from_pandas(pd.read_parquet(files(pattern), dtype_backend="pyarrow"))


def by_pandas_from_the_folder(pattern: str) -> pa.Table:
    return pa.Table.from_pandas(pd.read_parquet(pattern.partition("/**")[0], dtype_backend="pyarrow"))


def by_pyarrow(pattern: str) -> pa.Table:
    return pq.read_table(files(pattern))


def by_pyarrow_from_the_folder(pattern: str) -> pa.Table:
    return pa.dataset.dataset(pattern.partition("/**")[0], partitioning="hive").to_table()


READERS: dict[str, Callable[[str], pa.Table]] = {
    function.__name__: function
    for function in (
        by_duckdb,
        by_duckdb_with_hive_partitioning,
        by_duckdb_without_hive_partitioning,
        by_polars,
        by_polars_lazily,
        by_pandas,
        by_pandas_from_the_folder,
        by_pyarrow,
        by_pyarrow_from_the_folder,
    )
}


@pytest.fixture
def root(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of a data folder, named as the page names it."""
    monkeypatch.chdir(paths.root.parent)
    return paths.reports()


def expect_every_reader_to_read_the_store(root: Path) -> None:
    """Expect equal rows, and equal means by metric and configuration."""
    rows = store.read_all(root).sort_by(ORDER)
    means = [tuple(row.values()) for row in store.query(MEANS.format("history"), root).to_pylist()]
    for name, read in READERS.items():
        scores = read(PATTERN).select(rows.column_names).cast(rows.schema)
        assert scores.sort_by(ORDER).to_pylist() == rows.to_pylist(), name
        relation = duckdb.sql(MEANS.format("scores"))  # it reads the local variable
        assert relation is not None and relation.fetchall() == means, name


def test_one_glob_is_the_store_before_and_after_compactions(paths: Paths, root: Path) -> None:
    append_each(root, 3)
    for partition in PARTITIONS:
        store.partition_folder(root, *partition).joinpath("_nearest_training_images.png").write_bytes(b"picture")
        scores = paths.scores_by_step(*partition)
        scores.parent.mkdir(parents=True)
        pq.write_table(SCORES, scores)
    expect_every_reader_to_read_the_store(root)
    for count in (0, 1, 4):
        append_each(root, count)
        store.compact(root)
        expect_every_reader_to_read_the_store(root)
    unfinished = store.partition_folder(root, *PARTITIONS[0]) / ".20260101T000000000000-00000000.parquet.9.partial"
    unfinished.write_bytes(b"half")
    append_each(root, 1)
    expect_every_reader_to_read_the_store(root)


def test_one_glob_is_the_store_once_ganforge_has_used_a_store_of_an_earlier_version(root: Path) -> None:
    make_former_store(root)
    assert len(store.latest_of_all(root)) == len(PARTITIONS)
    expect_every_reader_to_read_the_store(root)


def test_one_glob_is_the_store_once_copies_put_together_are_compacted(paths: Paths, root: Path) -> None:
    append_each(root, 3)
    other = paths.root / "other"
    shutil.copytree(root, other)
    for copy in (root, other):
        append_each(copy, 2)
        store.compact(copy)
    shutil.copytree(other, root, dirs_exist_ok=True)
    store.compact(root)
    expect_every_reader_to_read_the_store(root)


def test_the_mean_of_a_score_is_not_that_of_scores_along_training(paths: Paths, root: Path) -> None:
    """Scores along training have the columns `metric` and `value` too."""
    append_each(root, 2)
    scores = paths.scores_by_step(*PARTITIONS[1])
    scores.parent.mkdir(parents=True)
    pq.write_table(SCORES, scores)
    asked = "SELECT avg(value) FROM {} WHERE metric = 'fid' AND recipe = 'mnist_mlp' AND optimizer = 'adam'"
    rows = by_sql(asked.format(f"'{PATTERN}'")).fetchall()
    assert rows == [tuple(store.query(asked.format("history"), root).to_pylist()[0].values())]
    assert rows == [(3.5,)]  # of 1, 1, 11 and 1
