"""docs/reports.md: its code runs, and its table is the schema."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reports import compaction, store
from pipeline.reports.schema import COLUMNS, RUN_COLUMNS, sql_type
from pipeline.storage.paths import PROJECT, Paths
from tests.pipeline.reports.example_reports import rows

PAGE = PROJECT / "docs" / "reports.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
COLUMN = re.compile(r"\| `(\w+)` \| ([A-Z\[\] ]+) \| (yes)? ?\| (.*) \|")


def blocks(language: str) -> list[str]:
    blocks = [text for name, text in BLOCK.findall(TEXT) if name == language]
    assert blocks, f"{PAGE}: no {language}"
    return blocks


@pytest.fixture
def root(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three configurations, trained twice; the first time is in a merged file. The page's paths begin at `data/`."""
    monkeypatch.chdir(paths.root.parent)
    for training in (1, 2):
        for optimizer in ("adam", "adam_ttur", "rmsprop"):
            generator = {"kind": optimizer.partition("_")[0], "learning_rate": 1e-4 * training}
            facts = {
                "settings": json.dumps({"generator": generator, "seed": None}),
                "n_generated": 100,
                "steps": 10,
                "training_seconds": 60.0,
                "scoring_seconds": 9.0,
                "diverged_members": 0,
                "git_commit": "abc",
            }
            by_class: dict[str, Any] = {"metric": "per_class_fid", "by_class": [3.0, None, 5.0]}
            made = rows(optimizer, (9.0 - training, 8.0), **facts)
            store.append(paths.reports(), [*made, {**made[0], **by_class}])
    compaction.compact(paths.reports())
    return paths.reports()


def of_other_versions(root: Path) -> None:
    """Remove a column from the newest report of one configuration, and add an unknown one to that of another."""
    older, newer, _ = (report.path for report in store.latest_of_all(root))
    pq.write_table(pq.read_table(older, partitioning=None).drop_columns("scoring_seconds"), older)
    table = pq.read_table(newer, partitioning=None)
    pq.write_table(table.append_column("colour", pa.array(["red"] * len(table))), newer)


def sorted_rows(table: pa.Table) -> list[dict[str, Any]]:
    order = [(name, "ascending") for name in ("report_id", "member", "metric")]
    rows: list[dict[str, Any]] = table.select(store.SCHEMA.names).cast(store.SCHEMA).sort_by(order).to_pylist()
    return rows


@pytest.mark.parametrize("prepare", [None, of_other_versions], ids=["of one version", "of several versions"])
def test_the_python_of_the_page_runs_as_it_stands_and_other_programs_read_the_store(
    root: Path, prepare: Callable[[Path], None] | None
) -> None:
    if prepare is not None:
        prepare(root)
    known: dict[str, Any] = {}
    exec("\n".join(blocks("python")), known)
    everything = sorted_rows(known["everything"])
    assert sorted_rows(known["by_duckdb"].to_arrow_table()) == everything
    assert sorted_rows(known["by_path"].to_arrow_table()) == everything
    assert sorted_rows(known["by_polars"].to_arrow()) == everything
    assert sorted_rows(pa.Table.from_pandas(known["by_pandas"], schema=store.SCHEMA)) == everything
    assert sorted_rows(known["by_pyarrow"]) == everything
    assert len(known["averages"]) == 3 * 3
    assert known["everything"].num_rows == 6 * 5
    assert known["best"]["optimizer"].to_pylist()[0] in ("adam", "adam_ttur", "rmsprop")
    assert known["means"].shape == (3, 3)
    assert known["table"].num_rows == 3
    assert (len(known["first"]), len(known["found"])) == (1, 2)
    assert known["same"].rows.equals(known["newest"].rows)


@pytest.mark.parametrize("sql", blocks("sql"), ids=lambda sql: sql.split("\n")[0][:40])
def test_each_sql_statement_of_the_page_finds_something(root: Path, sql: str) -> None:
    assert store.query(sql).num_rows > 0


def test_the_settings_that_differ_are_found(root: Path) -> None:
    (sql,) = [sql for sql in blocks("sql") if "json_tree" in sql]
    rows = store.query(sql).to_pylist()
    kinds = ['adam: "adam"', 'adam_ttur: "adam"', 'rmsprop: "rmsprop"']
    assert rows == [{"setting": "$.generator.kind", "of_each": kinds}]


def test_the_table_of_columns_is_the_schema() -> None:
    expected = [
        (name, sql_type(type_), "yes" if name in RUN_COLUMNS else "", description)
        for name, type_, description in COLUMNS
    ]
    assert COLUMN.findall(TEXT) == expected


def test_the_page_names_the_number_of_files_that_are_compacted() -> None:
    assert f"Once {compaction.MOST_SINGLE_FILES} files have gathered" in " ".join(TEXT.split())
