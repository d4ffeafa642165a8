"""SQL over the store."""

import gc
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.reports import compaction, store, views
from pipeline.reports.files import list_reports
from pipeline.reports.schema import RUN_COLUMNS
from tests.pipeline.reports.example_reports import rows


def ask(root: Path, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.query(sql, root).to_pylist()
    return rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """adam trained three times, sgd once; the first two of adam are in a merged file."""
    for steps in (10, 20):
        store.append(tmp_path, rows(steps=steps, settings=json.dumps({"steps": steps, "generator": {"kind": "adam"}})))
    store.append(tmp_path, rows("sgd", (7.0, None)))  # a member that diverged
    store.append(tmp_path, rows(steps=30, settings=json.dumps({"steps": 30, "generator": {"kind": "adam"}})))
    store.compact(tmp_path)
    return tmp_path


def test_reports_are_the_newest_of_each_partition_and_history_is_all(root: Path) -> None:
    steps = (
        "SELECT optimizer, list(DISTINCT steps ORDER BY steps) AS steps, count(*) AS n FROM {} GROUP BY 1 ORDER BY 1"
    )
    assert ask(root, steps.format("reports"))[0] == {"optimizer": "adam", "steps": [30], "n": 4}
    assert ask(root, steps.format("history"))[0] == {"optimizer": "adam", "steps": [10, 20, 30], "n": 12}


def test_runs_have_one_row_a_report_and_say_which_is_the_newest(root: Path) -> None:
    runs = ask(root, "FROM runs ORDER BY created_at")
    assert list(runs[0]) == list(RUN_COLUMNS)
    assert [(run["optimizer"], run["steps"], run["newest"]) for run in runs] == [
        ("adam", 10, False),
        ("adam", 20, False),
        ("sgd", None, True),
        ("adam", 30, True),
    ]


def test_views_have_all_columns_with_their_types_even_in_an_empty_store(root: Path, tmp_path: Path) -> None:
    for view in ("reports", "history"):
        empty, full = (store.query(f"FROM {view}", folder) for folder in (tmp_path / "nowhere", root))
        assert empty.num_rows == 0
        assert full.schema.equals(empty.schema)
        assert full.column_names == store.SCHEMA.names
    assert store.query("FROM runs", tmp_path / "nowhere").column_names == list(RUN_COLUMNS)


def test_sql_and_arrow_say_the_same(root: Path) -> None:
    by_sql = store.query("FROM history ORDER BY created_at, report_id, member, metric", root)
    by_arrow = store.read_all(root)
    order = [(name, "ascending") for name in ("created_at", "report_id", "member", "metric")]
    assert by_sql.to_pylist() == by_arrow.sort_by(order).to_pylist()


def test_settings_are_queried_as_json(root: Path) -> None:
    kinds = ask(root, "SELECT settings->>'$.generator.kind' AS kind FROM runs WHERE (settings->'$.steps') = 20")
    assert kinds == [{"kind": "adam"}]


def test_times_are_utc(root: Path) -> None:
    (created,) = ask(root, "SELECT max(created_at) AS at, CAST(max(created_at) AS VARCHAR) AS text FROM runs")
    assert created["at"].utcoffset().total_seconds() == 0
    assert created["text"].endswith("+00")


def test_a_statement_without_a_view_sees_all_of_them(root: Path) -> None:
    assert [row["name"] for row in ask(root, "SHOW TABLES")] == sorted(store.VIEWS)


def test_views_have_the_names_of_any_case(root: Path) -> None:
    assert ask(root, "SELECT count(*) AS n FROM Runs WHERE report_id IN (SELECT report_id FROM HISTORY)") == [{"n": 4}]


def test_a_table_a_summary_and_a_pivot_are_taken(root: Path) -> None:
    assert len(ask(root, "DESCRIBE reports")) == len(store.SCHEMA)
    assert len(ask(root, "SUMMARIZE SELECT value FROM reports")) == 1
    assert len(ask(root, "WITH best AS (FROM reports) SELECT optimizer FROM best GROUP BY 1; -- with a comment")) == 2
    pivot = "-- one column a score\n pivot reports ON metric USING avg(value) GROUP BY optimizer ORDER BY optimizer"
    assert ask(root, pivot) == [
        {"optimizer": "adam", "fid": 1.5, "inception_score": 2.5},
        {"optimizer": "sgd", "fid": 7.0, "inception_score": 8.0},
    ]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("INSERT INTO reports VALUES (1)", "kind INSERT"),
        ("DROP VIEW reports", "kind DROP"),
        ("COPY reports TO 'out.csv'", "kind COPY"),
        ("COPY (PIVOT reports ON metric USING avg(value)) TO 'out.csv'", "kind MULTI"),
        ("ATTACH 'other.db'", "kind ATTACH"),
        ("SET threads = 1", "kind SET"),
        ("SELECT 1; SELECT 2", "found 2 statements"),
        ("  -- nothing", "found 0 statements"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT valeu FROM reports", '"value"'),
        ("SELECT * FROM report", "no table report; there are reports, history, runs, schema"),
        ("SELECT optimizer, count(*) FROM reports", "must appear in the GROUP BY"),
        ("SELECT nofunction(value) FROM reports", "nofunction"),
        ("SELECT CAST(metric AS INTEGER) FROM reports", "Could not convert string 'fid'"),
        ("SELECT ? FROM reports", "parameter"),
    ],
)
def test_a_statement_that_cannot_be_run_is_one_line(
    root: Path, sql: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(store.QueryError) as caught:
        store.query(sql, root)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (root / "out.csv").exists()


def test_a_variable_of_the_program_is_no_table(root: Path) -> None:
    with pytest.raises(store.QueryError, match="no table listing"):  # a name in the function that runs the statement
        store.query("FROM listing", root)


def test_a_relation_keeps_its_connection(root: Path) -> None:
    relation = store.relation("history", root)
    gc.collect()
    assert relation.aggregate("count(*) AS n").fetchall() == [(16,)]
    assert relation.to_arrow_table().column_names == store.SCHEMA.names
    with pytest.raises(ValueError, match="no view 'report'; there are reports, history, runs, schema"):
        store.relation("report", root)


def test_a_connection_has_the_four_views_and_fetches_nothing(root: Path) -> None:
    with store.connect(root) as connection:
        views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
        assert [name for (name,) in views] == sorted(store.VIEWS)
        fetching = "SELECT current_setting('autoinstall_known_extensions')"
        assert connection.execute(fetching).fetchall() == [(False,)]


@pytest.mark.parametrize("name", ["recipe=x", "it's [1]*?", "seed=3"])
def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "reports"
    for seed in (1, 2):
        store.append(folder, rows(seed=seed))
    store.compact(folder)
    assert ask(folder, "SELECT recipe, optimizer, max(seed) AS seed FROM history GROUP BY ALL") == [
        {"recipe": "mnist_mlp", "optimizer": "adam", "seed": 2}
    ]


def test_keys_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    store.append(tmp_path, rows("2024", recipe="007"))
    assert ask(tmp_path, "SELECT DISTINCT recipe, optimizer FROM reports") == [{"recipe": "007", "optimizer": "2024"}]


def test_a_query_that_a_compaction_disturbs_is_run_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between listing the files and reading them, twice, another process compacts."""
    listed: list[int] = []

    def disturbed(folder: Path) -> Any:
        listing = list_reports(folder)
        if len(listed) < 2:
            store.append(folder, rows())
            compaction.compact(folder)
        listed.append(len(listing.locations()))
        return listing

    monkeypatch.setattr(views, "list_reports", disturbed)
    assert ask(root, "SELECT count(DISTINCT report_id) AS n FROM history") == [{"n": 6}]
    assert listed == [4, 5, 6]


@pytest.mark.parametrize("function", ["_create", "_open"])
def test_a_query_is_run_again_if_its_files_go_after_they_were_listed(
    root: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """While the views are made, or between them and the statement."""
    original, calls = getattr(views, function), []

    def disturbed(*arguments: Any) -> Any:
        calls.append(function)
        if len(calls) > 1:
            return original(*arguments)
        store.append(root, rows())
        if function == "_create":
            compaction.compact(root)
            return original(*arguments)
        connection = original(*arguments)
        compaction.compact(root)
        return connection

    monkeypatch.setattr(views, function, disturbed)
    assert ask(root, "SELECT count(DISTINCT report_id) AS n FROM history") == [{"n": 5}]
    assert len(calls) == 2


def test_after_a_compaction_a_connection_names_the_missing_file_and_a_new_one_reads_on(root: Path) -> None:
    connection = store.connect(root)
    store.append(root, rows())
    store.compact(root)
    with pytest.raises(Exception, match=r"parquet"):
        connection.execute("FROM history").fetchall()
    assert isinstance(store.connect(root).sql("FROM history").to_arrow_table(), pa.Table)
