"""Schema: the columns of the report store with types and descriptions, and the reading of older and newer files.

Columns are added at the end, never changed or removed. A file without a column of `SCHEMA` reads as null there; a
column outside `SCHEMA` is left out. A column of another type is an error. A file without rows or without a column of
`IDENTIFYING` is an error too: it is no report. The SQL view `schema` and docs/reports.md show these descriptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

NUMBER, COUNT, TEXT = pa.float64(), pa.int64(), pa.string()
COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("report_id", TEXT, "id of one materialization of `<recipe>/report`: 32 hexadecimal digits"),
    ("created_at", pa.timestamp("us", tz="UTC"), "time at which the report was stored, UTC"),
    ("recipe", TEXT, "the recipe's key"),
    ("optimizer", TEXT, "the optimizer configuration's key: the partition"),
    ("member", COUNT, "the replicate, from 0; members differ only by their seed"),
    ("metric", TEXT, "the score's name: fid, inception_score, …"),
    ("value", NUMBER, "the score; null if the member diverged or the score is not defined for its images"),
    ("standard_error", NUMBER, "standard error over other images of the same generator; null if unknown"),
    ("by_class", pa.list_(NUMBER), "the score of each class, for scores with classes"),
    ("floor", NUMBER, "the same score of real training images"),
    ("ceiling", NUMBER, "the same score of noise"),
    ("better", TEXT, "which values are better: lower, higher or neither"),
    ("note", TEXT, "a caution for readers of the score; empty or null if there is none"),
    ("n_generated", COUNT, "generated images scored per member"),
    ("n_real", COUNT, "real test images they were scored against"),
    ("n_floor", COUNT, "real training images behind `floor`: n_generated, or all if there are fewer"),
    ("extractor", TEXT, "network that turned images into features: classifier or inception"),
    ("extractor_sha256", TEXT, "SHA-256 of the extractor's weights"),
    (
        "extractor_accuracy",
        NUMBER,
        "share of held-out real images it classifies correctly; null if its labels are not the data set's",
    ),
    ("protocol", TEXT, "JSON of everything that must agree before two scores may be compared"),
    ("fingerprint", TEXT, "SHA-256 of everything the report was computed from: its data version"),
    ("training_fingerprint", TEXT, "data version of the training that was scored"),
    ("steps", COUNT, "training steps"),
    ("width", COUNT, "width of the networks' layers"),
    ("seed", COUNT, "seed of the training"),
    ("members", COUNT, "members trained"),
    ("diverged_members", COUNT, "members that diverged and have no score"),
    ("settings", TEXT, "JSON of the optimizer configuration and all other settings, resolved, as trained"),
    ("source", TEXT, "source of the data"),
    ("device", TEXT, "device that trained"),
    ("training_seconds", NUMBER, "wall time of the training; members and configurations of one sweep share it"),
    (
        "git_commit",
        TEXT,
        "commit of the checkout that scored, with + if files differed from it; null: no checkout",
    ),
    ("run_id", TEXT, "the Dagster run that stored the report; empty outside one"),
    (
        "interval_low",
        NUMBER,
        "low end of the 95 % interval: value - 1.96 standard errors, even outside a score's range",
    ),
    ("interval_high", NUMBER, "high end of the 95 % interval: value + 1.96 standard errors"),
    ("data_versions", TEXT, "JSON of the fingerprints of the inputs: tensors, training, samples, extractor, …"),
    ("scoring_seconds", NUMBER, "wall time of scoring this partition"),
    ("ganforge_version", TEXT, "version of the package that scored"),
    (
        "pool",
        TEXT,
        "SHA-256 of everything that replicates share: settings without seed and members, data, protocol and code;"
        " verdicts use all reports of one pool; null: this report alone",
    ),
)
TYPES = {name: type_ for name, type_, _ in COLUMNS}
SCHEMA = pa.schema(TYPES.items())
IN_PATH = ("recipe", "optimizer")  # columns that files lack because the names of their folders contain them
IDENTIFYING = ("report_id", "created_at", "metric", "member", "value")  # in every report ever written
NEEDED_TO_COMPARE = ("protocol",)  # a report without it cannot be compared with another one
ENCODED_TEXT = pa.dictionary(pa.int32(), TEXT)  # stores each long text of a report once instead of once per row
ENCODED = pa.schema((name, ENCODED_TEXT if type_ == TEXT else type_) for name, type_ in TYPES.items())
SQL_TYPES = {TEXT: "VARCHAR", COUNT: "BIGINT", NUMBER: "DOUBLE", pa.list_(NUMBER): "DOUBLE[]"}
RUN_COLUMNS = (  # columns of the view `runs`: those with one value per report, and `newest`
    *("report_id", "run_id", "created_at", "recipe", "optimizer", "newest", "steps", "width", "seed", "members"),
    *("diverged_members", "n_generated", "n_real", "extractor", "extractor_sha256", "extractor_accuracy", "source"),
    *("device", "training_seconds", "scoring_seconds", "git_commit", "settings", "data_versions", "protocol"),
    *("fingerprint", "training_fingerprint", "ganforge_version", "pool"),
)


def sql_type(type_: pa.DataType) -> str:
    """Return DuckDB's name of a column's type, such as DOUBLE."""
    return "TIMESTAMP WITH TIME ZONE" if pa.types.is_timestamp(type_) else SQL_TYPES[type_]


def expect_report(schema: pa.Schema, rows: int, path: Path) -> None:
    """Raise a `ValueError` with the path and the mistake if a file's columns and rows cannot be a report's."""
    missing = [name for name in IDENTIFYING if name not in schema.names]
    if missing or not rows:
        raise no_report(path, f"it has no column {', '.join(missing)}" if missing else "it has no rows")
    for name, type_ in zip(schema.names, schema.types, strict=True):
        expected = TYPES.get(name, type_)
        if not _holds_same_values(type_, expected):
            raise ValueError(
                f"{path}: column {name} is {type_}, expected {expected}; "
                "no version of ganforge writes that: take the file out of the store, or restore it from a copy"
            )


def no_report(path: Path, reason: str) -> ValueError:
    """Return the error for a file in the store that is no report."""
    return ValueError(f"{path}: not a file of reports ({reason}); take it out of the store, or restore it from a copy")


def conform(table: pa.Table, path: Path, constants: Mapping[str, str], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Return the rows of a file in `schema`; `constants` are the values of columns that the file lacks.

    Other missing columns are null, and unknown columns are left out.
    """
    expect_report(table.schema, len(table), path)
    present: dict[str, Any] = dict(zip(table.column_names, table.columns, strict=True))
    present |= {name: pa.repeat(value, len(table)) for name, value in constants.items()}
    columns: list[Any] = []
    for name, type_ in zip(schema.names, schema.types, strict=True):
        column = present[name] if name in present else pa.nulls(len(table), type_)
        columns.append(column if column.type == type_ else column.cast(type_))
    return pa.Table.from_arrays(columns, schema=schema)


def _holds_same_values(type_: pa.DataType, expected: pa.DataType) -> bool:
    """Return True for equal types, or for types of equal values with another layout in memory."""
    if type_ == expected:
        return True
    if pa.types.is_list(expected) and pa.types.is_list(type_):
        return bool(type_.value_type == expected.value_type)
    values = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(expected) and (pa.types.is_string(values) or pa.types.is_large_string(values)))
