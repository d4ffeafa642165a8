"""A store in the layout of earlier versions, written with plain pyarrow, and processes that use it."""

import ctypes
import importlib
import json
import os
from itertools import groupby
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reports import former_layout, store
from pipeline.reports.by_step import read_scores_by_step
from pipeline.reports.files import list_reports, partition_folder
from pipeline.reports.reading import Location, read_report_rows
from pipeline.storage.paths import Paths
from tests.pipeline.reports.example_reports import rows

PARTITIONS = (("mnist_dcgan", "adam"), ("mnist_mlp", "adam"), ("mnist_mlp", "sgd"))
STAMPS = ("20260102T030405678901-1f0c9a7e", "20260102T040506789012-5d1e77b0")  # of merged files
SCORES = pa.table({"step": [500, 1000], "member": [0, 0], "metric": ["fid", "fid"], "value": [9000.0, 8000.0]})


def append_each(root: Path, count: int) -> list[str]:
    """So many reports of every partition, no two of them alike; their ids, in the order of writing."""
    written = []
    for number in range(count):
        for index, (recipe, optimizer) in enumerate(PARTITIONS):
            made = rows(optimizer, (float(10 * number + index), None, 1.0), recipe=recipe, seed=number)
            written.append(store.append(root, made).report_id)
    return written


def make_former_store(root: Path) -> list[str]:
    """Five reports of each partition: four in two merged files, one alone; scores along two of the trainings."""
    written = append_each(root, 5)
    places = list_reports(root).locations()
    for index, stamp in enumerate(STAMPS):
        merge_formerly(root / "_compacted" / f"{stamp}.parquet", places[6 * index : 6 * index + 6])
    for place in places[:12]:
        place.path.unlink()
    for partition in PARTITIONS[:2]:
        add_scores_formerly(root, *partition)
    return written


def merge_formerly(path: Path, places: list[Location]) -> None:
    """A row group a partition, all columns, and the list of reports."""
    path.parent.mkdir(parents=True, exist_ok=True)
    index = []
    with pq.ParquetWriter(path, store.SCHEMA, compression="zstd") as writer:
        for partition, of_partition in groupby(sorted(places, key=lambda p: p.key), key=lambda p: p.partition):
            known = list(of_partition)
            tables = list(read_report_rows(known, store.SCHEMA))
            writer.write_table(pa.concat_tables(tables))
            reports = [(p.name, t["report_id"][0].as_py(), len(t)) for p, t in zip(known, tables, strict=True)]
            index.append([*partition, reports])
        writer.add_key_value_metadata({b"ganforge.reports": json.dumps(index)})


def add_scores_formerly(root: Path, recipe: str, optimizer: str, scores: pa.Table = SCORES) -> Path:
    """Scores along a training beside its report."""
    path = partition_folder(root, recipe, optimizer) / "_scores_by_step.parquet"
    pq.write_table(scores, path)
    return path


KILLED = 9
CAPABILITY_VERSION = 0x20080522  # the third


def move_and_be_killed(root: Path, function: str, call: int, after: bool) -> None:
    """Move a store until a call of a function; there the process ends at once, and cleans up nothing."""
    module, *owner, name = function.split(".")
    place = importlib.import_module(module)
    for path in owner:
        place = getattr(place, path)
    calls, original = iter(range(100)), getattr(place, name)

    def killed(*arguments: Any, **options: Any) -> Any:
        number = next(calls)
        if number == call and not after:
            os._exit(KILLED)
        result = original(*arguments, **options)
        if number == call:
            os._exit(KILLED)
        return result

    setattr(place, name, killed)
    former_layout.bring_up_to_date(root)


def read_without_writing(root: Path, written: list[str]) -> None:
    """Give up the rights to write that the system's administrator has, and read."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())
    with pytest.raises(PermissionError):
        (root / "probe").touch()
    for table in (store.read_all(root), store.query("FROM history", root)):
        assert sorted(table["report_id"].to_pylist()) == sorted(written * 6)
    assert len(store.latest_of_all(root)) == len(PARTITIONS)
    assert len(store.history_of(root, *PARTITIONS[1])) == 5
    assert read_scores_by_step(Paths(root.parent), *PARTITIONS[0], "trained") is not None
    assert len(former_layout._warned) == 1


def read_at_once(root: Path, written: list[str], ready: Barrier) -> None:
    """Read with others that begin at the same moment."""
    ready.wait()
    for _ in range(5):
        for table in (store.read_all(root), store.query("FROM history", root)):
            assert sorted(table["report_id"].to_pylist()) == sorted(written * 6)
