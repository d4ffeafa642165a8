"""Schema: the columns of the report store, each with its type and what it says; and older and newer files in it.

Columns are added at the end, never changed or taken away. A file without a column of `SCHEMA` reads as null there, a
column that is not of `SCHEMA` is left out. A column of another type is an error, and so is a file without rows or
without a column of `IDENTIFYING`: it is no report. The SQL view `schema` and docs/reports.md show these descriptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

NUMBER, COUNT, TEXT = pa.float64(), pa.int64(), pa.string()
COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("report_id", TEXT, "one a materialization of `<recipe>/report`: 32 hexadecimal digits"),
    ("created_at", pa.timestamp("us", tz="UTC"), "when the report was stored, UTC"),
    ("recipe", TEXT, "the recipe's key"),
    ("optimizer", TEXT, "the optimizer configuration's key: the partition"),
    ("member", COUNT, "the replicate, from 0; members differ by their seed alone"),
    ("metric", TEXT, "the score's name: fid, inception_score, …"),
    ("value", NUMBER, "the score; null where the member diverged or the score is not defined for its images"),
    ("standard_error", NUMBER, "of drawing other images from the same generator; null where it is not known"),
    ("by_class", pa.list_(NUMBER), "the score class by class, where it has classes"),
    ("floor", NUMBER, "the same score of real training images"),
    ("ceiling", NUMBER, "the same score of noise"),
    ("better", TEXT, "which values are better: lower, higher or neither"),
    ("note", TEXT, "what a reader of the score must know; empty or null: nothing"),
    ("n_generated", COUNT, "generated images scored, a member"),
    ("n_real", COUNT, "real test images they were scored against"),
    ("n_floor", COUNT, "real training images behind `floor`: n_generated, or as many as there are"),
    ("extractor", TEXT, "what turned images into features: classifier or inception"),
    ("extractor_sha256", TEXT, "of the extractor's weights"),
    ("extractor_accuracy", NUMBER, "share of held-out real images it names rightly; null where it has other labels"),
    ("protocol", TEXT, "JSON of everything that must agree before two scores may be compared"),
    ("fingerprint", TEXT, "sha256 of what the report was made from: its data version"),
    ("training_fingerprint", TEXT, "data version of the training that was scored"),
    ("steps", COUNT, "training steps"),
    ("width", COUNT, "of the networks' layers"),
    ("seed", COUNT, "of the training"),
    ("members", COUNT, "members trained"),
    ("diverged_members", COUNT, "of them, without a score"),
    ("settings", TEXT, "JSON of the optimizer configuration and all other settings, resolved, as trained"),
    ("source", TEXT, "where the data came from"),
    ("device", TEXT, "what it was trained on"),
    ("training_seconds", NUMBER, "wall time of the training; members and configurations of one sweep share it"),
    (
        "git_commit",
        TEXT,
        "of the checkout that scored, with + where files differed from it; null: installed, no checkout",
    ),
    ("run_id", TEXT, "the Dagster run that stored the report; empty outside one"),
    ("interval_low", NUMBER, "low end of the 95 % interval: value - 1.96 standard errors, even beyond a score's range"),
    ("interval_high", NUMBER, "high end of the 95 % interval: value + 1.96 standard errors"),
    ("data_versions", TEXT, "JSON of the fingerprints of what was read: tensors, training, samples, extractor, …"),
    ("scoring_seconds", NUMBER, "wall time of scoring this partition"),
    ("ganforge_version", TEXT, "version of the package that scored"),
)
TYPES = {name: type_ for name, type_, _ in COLUMNS}
SCHEMA = pa.schema(TYPES.items())
IN_PATH = ("recipe", "optimizer")  # columns that a file of one report does not hold: its folder's name says them
IDENTIFYING = ("report_id", "created_at", "metric", "member", "value")  # in every report ever written
NEEDED_TO_COMPARE = ("protocol",)  # without it, scores of two reports may not meet
ENCODED_TEXT = pa.dictionary(pa.int32(), TEXT)  # each of a report's long texts once, not once a row
ENCODED = pa.schema((name, ENCODED_TEXT if type_ == TEXT else type_) for name, type_ in TYPES.items())
SQL_TYPES = {TEXT: "VARCHAR", COUNT: "BIGINT", NUMBER: "DOUBLE", pa.list_(NUMBER): "DOUBLE[]"}
RUN_COLUMNS = (  # of the view `runs`: what is the same in every row of a report, and `newest`
    *("report_id", "run_id", "created_at", "recipe", "optimizer", "newest", "steps", "width", "seed", "members"),
    *("diverged_members", "n_generated", "n_real", "extractor", "extractor_sha256", "extractor_accuracy", "source"),
    *("device", "training_seconds", "scoring_seconds", "git_commit", "settings", "data_versions", "protocol"),
    *("fingerprint", "training_fingerprint", "ganforge_version"),
)


def sql_type(type_: pa.DataType) -> str:
    """DuckDB's name of a column's type, such as DOUBLE."""
    return "TIMESTAMP WITH TIME ZONE" if pa.types.is_timestamp(type_) else SQL_TYPES[type_]


def expect_report(found: pa.Schema, rows: int, path: Path) -> None:
    """A file's columns and rows may be a report; else a `ValueError` that names the file and what is wrong."""
    missing = [name for name in IDENTIFYING if name not in found.names]
    if missing or not rows:
        what = f"it has no column {', '.join(missing)}" if missing else "it has no rows"
        raise no_report(path, what)
    for name, type_ in zip(found.names, found.types, strict=True):
        expected = TYPES.get(name, type_)
        if not _alike(type_, expected):
            raise ValueError(
                f"{path}: column {name} is {type_}, expected {expected}; "
                "no version of ganforge writes that: take the file out of the store, or restore it from a copy"
            )


def no_report(path: Path, what: str) -> ValueError:
    """The error for a file among the reports that is none."""
    return ValueError(f"{path}: not a file of reports ({what}); take it out of the store, or restore it from a copy")


def conform(table: pa.Table, path: Path, constants: Mapping[str, str], schema: pa.Schema = SCHEMA) -> pa.Table:
    """The rows of a file in `schema`: columns it lacks are null, `constants` fill theirs, unknown ones are left out."""
    expect_report(table.schema, len(table), path)
    found: dict[str, Any] = dict(zip(table.column_names, table.columns, strict=True))
    found |= {name: pa.repeat(value, len(table)) for name, value in constants.items()}
    columns: list[Any] = []
    for name, type_ in zip(schema.names, schema.types, strict=True):
        column = found[name] if name in found else pa.nulls(len(table), type_)
        columns.append(column if column.type == type_ else column.cast(type_))
    return pa.Table.from_arrays(columns, schema=schema)


def _alike(found: pa.DataType, expected: pa.DataType) -> bool:
    """Equal, or the same values laid out differently in memory."""
    if found == expected:
        return True
    if pa.types.is_list(expected) and pa.types.is_list(found):
        return bool(found.value_type == expected.value_type)
    values = found.value_type if pa.types.is_dictionary(found) else found
    return bool(pa.types.is_string(expected) and (pa.types.is_string(values) or pa.types.is_large_string(values)))
