"""Several processes in one store."""

import multiprocessing
import time
from collections import Counter
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pyarrow as pa

from pipeline.reports import compaction, store
from tests.pipeline.reports.example_reports import rows

ROWS = 4  # a report
EACH = 80  # reports a writer
PAUSE_SECONDS = 0.02  # of writers and compaction, or a reader on two cores would hardly ever have its turn
READS = 10  # by Arrow, which are many times as fast, to one by SQL
LONGEST_SECONDS = 120


def append_many(root: Path, optimizer: str, ready: Barrier) -> None:
    compaction.MOST_SINGLE_FILES = 10  # or none would compact
    ready.wait(LONGEST_SECONDS)
    for _ in range(EACH):
        store.append(root, rows(optimizer))
        time.sleep(PAUSE_SECONDS)


def compact_until(root: Path, ready: Barrier, done: Event) -> None:
    ready.wait(LONGEST_SECONDS)
    while not done.is_set():
        store.compact(root)
        time.sleep(PAUSE_SECONDS)


def read_until(root: Path, ready: Barrier, done: Event) -> None:
    """Fails where a report is not whole, comes twice, or is gone."""
    known: set[str] = set()
    store.query("FROM history", root)  # late imports happen before the other processes begin
    ready.wait(LONGEST_SECONDS)
    while not done.is_set():
        for _ in range(READS):
            known = checked(store.read_all(root), known)
            assert all(len(report.rows) == ROWS for report in store.latest_of_all(root))
        known = checked(store.query("SELECT report_id FROM history", root), known)
        newest = store.query("SELECT count(*) AS n FROM reports GROUP BY recipe, optimizer", root)
        assert set(newest["n"].to_pylist()) <= {ROWS}


def checked(history: pa.Table, known: set[str]) -> set[str]:
    """The ids in a history, which holds each report whole and once, and all that were known."""
    counted = Counter(history["report_id"].to_pylist())
    assert set(counted.values()) <= {ROWS}, counted
    assert known <= set(counted), known - set(counted)
    return set(counted)


def test_no_row_is_lost_or_doubled_while_two_processes_append_one_compacts_and_one_reads(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(4), context.Event()
    writers = [context.Process(target=append_many, args=(tmp_path, key, ready)) for key in ("adam", "sgd")]
    others = [context.Process(target=work, args=(tmp_path, ready, done)) for work in (compact_until, read_until)]
    for process in (*writers, *others):
        process.start()
    for process in writers:
        process.join(LONGEST_SECONDS)
    done.set()
    for process in others:
        process.join(LONGEST_SECONDS)
    assert [process.exitcode for process in (*writers, *others)] == [0, 0, 0, 0]
    assert store.read_all(tmp_path).num_rows == 2 * EACH * ROWS
    assert len(set(store.query("SELECT report_id FROM runs", tmp_path)["report_id"].to_pylist())) == 2 * EACH


def test_two_processes_writing_to_one_partition_lose_no_row(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    writers = [context.Process(target=append_many, args=(tmp_path, "adam", ready)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(LONGEST_SECONDS)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert store.read_all(tmp_path).num_rows == 2 * EACH * ROWS
