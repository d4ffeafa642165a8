"""docs/reports.md: its code runs, and its table is the schema."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.reports import compaction, store
from pipeline.reports.schema import COLUMNS, RUN_COLUMNS, sql_type
from pipeline.storage.paths import PROJECT, Paths
from tests.pipeline.reports.made_up import rows

PAGE = PROJECT / "docs" / "reports.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
COLUMN = re.compile(r"\| `(\w+)` \| ([A-Z\[\] ]+) \| (yes)? ?\| (.*) \|")


def blocks(language: str) -> list[str]:
    found = [text for name, text in BLOCK.findall(TEXT) if name == language]
    assert found, f"{PAGE}: no {language}"
    return found


@pytest.fixture
def root(paths: Paths) -> Path:
    """Three configurations, trained twice; the first time is in a merged file."""
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


def test_the_python_of_the_page_runs_as_it_stands(root: Path) -> None:
    pytest.importorskip("pandas", reason="the page has an example with pandas, which ganforge does not need")
    known: dict[str, Any] = {}
    exec("\n".join(blocks("python")), known)
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
    found = store.query(sql).to_pylist()
    kinds = ['adam: "adam"', 'adam_ttur: "adam"', 'rmsprop: "rmsprop"']
    assert found == [{"setting": "$.generator.kind", "of_each": kinds}]


def test_the_table_of_columns_is_the_schema() -> None:
    expected = [
        (name, sql_type(type_), "yes" if name in RUN_COLUMNS else "", description)
        for name, type_, description in COLUMNS
    ]
    assert COLUMN.findall(TEXT) == expected


def test_the_page_names_the_number_of_files_that_are_compacted() -> None:
    assert f"Once {compaction.MOST_LOOSE} files have gathered" in " ".join(TEXT.split())
