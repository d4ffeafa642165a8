"""Store: the append-only reports, one Parquet file each, and the tables read from them.

A file appears by rename under a name of its own, so writers never meet and a reader sees whole reports only. Columns
are added, never changed: files without a newer column read as null there.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("report_id", pa.string()),  # one a materialization
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("recipe", pa.string()),
        ("optimizer", pa.string()),
        ("member", pa.int64()),
        ("metric", pa.string()),
        ("value", pa.float64()),  # null for a member that diverged, or where the score is not defined for its images
        ("standard_error", pa.float64()),  # of drawing other images; null where it is not known
        ("by_class", pa.list_(pa.float64())),  # the same class by class, where the score has classes
        ("floor", pa.float64()),  # the same score of real training images
        ("ceiling", pa.float64()),  # the same score of noise
        ("better", pa.string()),  # "lower" | "higher" | "neither"
        ("note", pa.string()),  # what a reader of the score must know; empty or null: nothing
        ("n_generated", pa.int64()),
        ("n_real", pa.int64()),
        ("n_floor", pa.int64()),  # images behind the floor: n_generated, or as many as there are
        ("extractor", pa.string()),
        ("extractor_sha256", pa.string()),
        ("extractor_accuracy", pa.float64()),
        ("protocol", pa.string()),  # JSON of everything that makes two scores comparable
        ("fingerprint", pa.string()),
        ("training_fingerprint", pa.string()),
        ("steps", pa.int64()),
        ("width", pa.int64()),  # of the network's layers
        ("seed", pa.int64()),
        ("members", pa.int64()),  # trained
        ("diverged_members", pa.int64()),  # of them, without a score
        ("settings", pa.string()),  # JSON, as trained
        ("source", pa.string()),  # of the data, with its note
        ("device", pa.string()),
        ("training_seconds", pa.float64()),
        ("git_commit", pa.string()),
        ("run_id", pa.string()),
    ]
)
IN_PATH = ("recipe", "optimizer")
PARTITIONING = pyarrow.dataset.partitioning(pa.schema([(name, pa.string()) for name in IN_PATH]), flavor="hive")


@dataclass(frozen=True)
class Report:
    """One stored report."""

    path: Path
    rows: pa.Table  # in `SCHEMA`

    @property
    def fingerprint(self) -> str:
        """What the report was made from."""
        return str(self.rows["fingerprint"][0].as_py())

    def scores(self, metric: str) -> list[float]:
        """The values of one metric, in the members' order; diverged members have none."""
        chosen = self.rows.filter((pc.field("metric") == metric) & pc.field("value").is_valid()).sort_by("member")
        values: list[float] = chosen["value"].to_pylist()
        return values

    def fact(self, column: str) -> Any:
        """A column that has the same value in every row."""
        return self.rows[column][0].as_py()

    def metrics(self) -> list[str]:
        """The metrics it holds, in their order."""
        return list(dict.fromkeys(self.rows["metric"].to_pylist()))

    def anchors(self, metric: str) -> tuple[float, float]:
        """The floor and the ceiling of one metric."""
        row = self._first(metric)
        return row["floor"], row["ceiling"]

    def better(self, metric: str) -> str:
        """Whether "lower" or "higher" values of a metric are better, or "neither"."""
        return str(self._first(metric)["better"])

    def notes(self) -> dict[str, str]:
        """What a reader of its scores must know, by metric."""
        found = {metric: self._first(metric)["note"] for metric in self.metrics()}
        return {metric: note for metric, note in found.items() if note}

    def _first(self, metric: str) -> dict[str, Any]:
        row: dict[str, Any] = self.rows.filter(pc.field("metric") == metric).slice(0, 1).to_pylist()[0]
        return row


def append(root: Path, rows: list[dict[str, Any]]) -> Report:
    """Keep one report: all rows of one recipe and optimizer, without id and time, which are given here."""
    if not rows:
        raise ValueError("a report needs at least one row; found none")
    now = datetime.now(UTC)
    report_id = uuid.uuid4().hex
    table = pa.Table.from_pylist([{**row, "report_id": report_id, "created_at": now} for row in rows], schema=SCHEMA)
    folder = partition_folder(root, rows[0]["recipe"], rows[0]["optimizer"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%S%f}-{report_id[:8]}.parquet"
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as file:
        pq.write_table(table.drop_columns(list(IN_PATH)), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return Report(path, table)


def read_all(root: Path, recipe: str | None = None) -> pa.Table:
    """Every row ever stored (of one recipe), oldest first, in `SCHEMA`."""
    if not root.is_dir():
        return SCHEMA.empty_table()
    dataset = pyarrow.dataset.dataset(root, SCHEMA, format="parquet", partitioning=PARTITIONING)
    chosen = None if recipe is None else pc.field("recipe") == recipe
    order = [("created_at", "ascending"), ("report_id", "ascending"), ("member", "ascending")]
    return dataset.to_table(filter=chosen).sort_by(order)


def latest(root: Path, recipe: str, optimizer: str) -> Report | None:
    """The newest report of a partition, or None."""
    paths = sorted(partition_folder(root, recipe, optimizer).glob("[!.]*.parquet"))
    return _read(paths[-1], recipe, optimizer) if paths else None


def partition_folder(root: Path, recipe: str, optimizer: str) -> Path:
    """Where a partition's reports lie; what starts with `_` there is no report."""
    return root / f"recipe={recipe}" / f"optimizer={optimizer}"


def latest_of_all(root: Path, recipe: str | None = None) -> list[Report]:
    """The newest report of every partition (of one recipe), by recipe and optimizer."""
    folders = sorted(root.glob(f"recipe={recipe or '*'}/optimizer=*"))
    found = [latest(root, _key(folder.parent), _key(folder)) for folder in folders]
    return [report for report in found if report is not None]


def _key(folder: Path) -> str:
    return folder.name.split("=", 1)[1]


def _read(path: Path, recipe: str, optimizer: str) -> Report:
    table = pq.read_table(path, partitioning=None)
    columns = {"recipe": recipe, "optimizer": optimizer}
    for name in IN_PATH:
        table = table.append_column(name, pa.array([columns[name]] * len(table), pa.string()))
    for field in SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return Report(path, table.select(SCHEMA.names).cast(SCHEMA))
