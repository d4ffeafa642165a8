"""A store of an earlier version gets the layout of this one on first use, and loses no report however that ends."""

import errno
import logging
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.reports import former_layout, store
from pipeline.reports.by_step import SCHEMA
from pipeline.reports.former_layout import bring_up_to_date
from pipeline.reports.lock import store_lock
from pipeline.reports.reading import read_reports
from pipeline.storage.paths import Paths
from tests.pipeline.reports.example_reports import rows
from tests.pipeline.reports.former import (
    KILLED,
    PARTITIONS,
    SCORES,
    STAMPS,
    add_scores_formerly,
    make_former_store,
    move_and_be_killed,
    read_at_once,
    read_without_writing,
)

LONGEST_SECONDS = 120
PROCESSES = multiprocessing.get_context("forkserver")  # a process at once, with its imports done
PROCESSES.set_forkserver_preload(["tests.pipeline.reports.former", "duckdb"])


@pytest.fixture(autouse=True)
def nothing_warned() -> Iterator[None]:
    former_layout._warned.clear()
    yield
    former_layout._warned.clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A former store that each test has a copy of, and the ids of its reports, oldest first."""
    root = tmp_path_factory.mktemp("former") / "reports"
    return root, make_former_store(root)


@pytest.fixture
def root(paths: Paths, made: tuple[Path, list[str]]) -> Path:
    shutil.copytree(made[0], paths.reports())
    return paths.reports()


@pytest.fixture
def written(made: tuple[Path, list[str]]) -> list[str]:
    return list(made[1])


def exit_code(work: Callable[..., None], *arguments: object) -> int | None:
    """Return the exit code of a process that does this work."""
    process = PROCESSES.Process(target=work, args=arguments)
    process.start()
    process.join(LONGEST_SECONDS)
    return process.exitcode


def ids(root: Path) -> list[str]:
    """Return the id of every report, as often as it is read, oldest first; Arrow and SQL must agree."""
    everything = store.read_all(root)
    by_sql = store.query("SELECT report_id FROM history", root)
    assert Counter(by_sql["report_id"].to_pylist()) == Counter(everything["report_id"].to_pylist())
    report_ids: list[str] = everything["report_id"].to_pylist()
    return report_ids[::6]


def former_files(root: Path) -> list[Path]:
    return [*root.glob("_compacted/*"), *root.glob("**/_scores_by_step.parquet")]


def scores_files(paths: Paths) -> list[Path]:
    return [path for path in (paths.scores_by_step(*partition) for partition in PARTITIONS) if path.exists()]


def expect_moved(paths: Paths, written: list[str]) -> None:
    """All is in its place, and each partition has its reports in one merged file and one of its own."""
    root = paths.reports()
    assert ids(root) == written
    assert former_files(root) == []
    assert not (root / "_compacted").exists()
    for partition in PARTITIONS:
        folder = store.partition_folder(root, *partition)
        assert sorted("-merged-" in path.name for path in folder.iterdir()) == [False, True]
    assert [pq.read_table(path, partitioning=None) for path in scores_files(paths)] == [SCORES] * 2


USES: dict[str, Callable[[Path], object]] = {
    "read_all": store.read_all,
    "latest": lambda root: store.latest(root, *PARTITIONS[0]),
    "latest_of_all": store.latest_of_all,
    "history_of": store.history_of,
    "find_report": lambda root: store.find_report(root, store.query("FROM runs", root)["report_id"][0].as_py()),
    "query": lambda root: store.query("FROM reports", root),
    "connect": lambda root: store.connect(root).close(),
    "relation": lambda root: store.relation("reports", root).fetchall(),
    "compact": store.compact,
    "bring_up_to_date": bring_up_to_date,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_the_first_use_moves_everything_and_logs_one_line(
    paths: Paths, root: Path, written: list[str], use: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    use(root)
    (line,) = caplog.messages
    assert line == (
        f"{root}: rewritten for readers other than ganforge: moved 2 files of scores along training to "
        f"{paths.root / 'scores_by_step'} and 12 reports from _compacted to the folders of their configurations"
    )
    expect_moved(paths, written)
    use(root)
    assert len(caplog.messages) == 1


def test_appending_moves_everything(paths: Paths, root: Path, written: list[str]) -> None:
    report = store.append(root, rows("adam", (1.0, 2.0, 3.0), recipe="mnist_conv"))
    assert former_files(root) == []
    assert ids(root) == [*written, report.report_id]


def test_every_row_is_the_same_after_the_move(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "bring_up_to_date", lambda root: None)
        before = store.read_all(root)
        assert before.num_rows == 15 * 6
        assert former_files(root) != []
    assert store.read_all(root).equals(before)


def test_a_new_store_is_not_written_to_when_it_is_read(tmp_path: Path) -> None:
    store.append(tmp_path, rows())
    store.read_all(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe=mnist_mlp"]


# Each moment at which the names in the folders change: before and after a rename, before a removal
KILLS = [
    *(("pathlib.Path.replace", call, after) for call in range(2 + 3) for after in (False, True)),
    *(("pathlib.Path.unlink", call, False) for call in range(2 * 2 + 3 + 2)),  # files, and temporary names
    ("pathlib.Path.rmdir", 0, False),
]


@pytest.mark.parametrize(("function", "call", "after"), KILLS)
def test_killed_at_any_point_nothing_is_lost_and_the_next_use_does_the_rest(
    paths: Paths, root: Path, written: list[str], monkeypatch: pytest.MonkeyPatch, function: str, call: int, after: bool
) -> None:
    assert exit_code(move_and_be_killed, root, function, call, after) == KILLED
    with monkeypatch.context() as patch:  # as from a folder that is not to be written to
        patch.setattr(store, "bring_up_to_date", lambda root: None)
        assert ids(root) == written
    assert ids(root) == written
    assert former_files(root) == []
    store.compact(root)
    expect_moved(paths, written)


def test_processes_that_use_it_at_once_read_every_report_once(paths: Paths, root: Path, written: list[str]) -> None:
    ready = PROCESSES.Barrier(3)
    processes = [PROCESSES.Process(target=read_at_once, args=(root, written, ready)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LONGEST_SECONDS)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    expect_moved(paths, written)


@pytest.mark.parametrize("listing", range(5))
def test_a_move_between_two_listings_of_a_reader_hides_no_report(
    root: Path, written: list[str], monkeypatch: pytest.MonkeyPatch, listing: int
) -> None:
    from pipeline.reports import files

    original, calls = files._parquet_names, iter(range(1000))

    def disturbed(folder: Path) -> list[str]:
        if next(calls) == listing:
            with monkeypatch.context() as patch:
                patch.setattr(files, "_parquet_names", original)
                former_layout.rewrite(root)
        return original(folder)

    monkeypatch.setattr(files, "_parquet_names", disturbed)
    reports = files.retry_if_moved(lambda: read_reports(files.list_reports(root).locations()))
    assert [report.report_id for report in reports] == written


def test_while_another_process_moves_it_a_reader_does_not_wait(root: Path, written: list[str]) -> None:
    with store_lock(root, wait=True):
        assert ids(root) == written
        assert former_files(root) != []
    assert ids(root) == written
    assert former_files(root) == []


def test_a_store_that_cannot_be_written_to_is_read_as_it_is(paths: Paths, root: Path, written: list[str]) -> None:
    about = {"training_fingerprint": "trained"}
    add_scores_formerly(root, *PARTITIONS[0], SCORES.cast(SCHEMA).replace_schema_metadata(about))
    before = sorted(paths.root.rglob("*"))
    folders = [folder for folder in [paths.root, *before] if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert exit_code(read_without_writing, root, written) == 0
        assert sorted(paths.root.rglob("*")) == before
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_store_that_cannot_be_written_to_is_named_once_in_the_log(
    root: Path, written: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def refused(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(former_layout, "store_lock", refused)
    for _ in range(2):
        assert ids(root) == written
    (line,) = caplog.messages
    assert f"{root}: has the layout of an earlier version and could not be rewritten ([Errno 30]" in line


def test_a_full_disk_loses_nothing(
    paths: Paths, root: Path, written: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert ids(root) == written
        assert len(former_files(root)) == 2 + 2
    assert "No space left on device" in caplog.text
    store.compact(root)
    expect_moved(paths, written)


def test_reports_are_moved_even_where_scores_cannot_be(
    paths: Paths, root: Path, written: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (paths.root / "scores_by_step").write_text("in the way")
    assert store.compact(root) == 0
    assert ids(root) == written
    assert not (root / "_compacted").exists()
    assert len(former_files(root)) == 2
    assert "could not be rewritten" in caplog.text


def test_scores_that_are_newer_stay_and_the_former_ones_lie_beside_them(paths: Paths, root: Path) -> None:
    newer = SCORES.set_column(3, "value", pa.array([7.0, 6.0]))
    for partition, table in zip(PARTITIONS, (newer, SCORES), strict=False):
        target = paths.scores_by_step(*partition)
        target.parent.mkdir(parents=True)
        pq.write_table(table, target)
    store.read_all(root)
    assert former_files(root) == []
    assert [pq.read_table(path, partitioning=None) for path in scores_files(paths)] == [newer, SCORES]
    first, second = (paths.scores_by_step(*partition).parent for partition in PARTITIONS[:2])
    (beside,) = [path for path in first.iterdir() if path.suffix == ".former"]
    assert pq.read_table(beside, partitioning=None) == SCORES
    assert len(list(second.iterdir())) == 1  # the same twice: a move that was killed between copy and removal


def test_a_store_of_another_name_gets_a_folder_of_scores_of_its_own(
    tmp_path: Path, made: tuple[Path, list[str]]
) -> None:
    shutil.copytree(made[0], tmp_path / "older")
    store.read_all(tmp_path / "older")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["older", "older_scores_by_step"]
    assert len(list((tmp_path / "older_scores_by_step").glob("recipe=*/optimizer=*/scores.parquet"))) == 2


def test_a_former_backup_copied_onto_a_newer_store_counts_each_report_once(
    paths: Paths, root: Path, written: list[str]
) -> None:
    backup = paths.root / "backup"
    shutil.copytree(root, backup)
    written += [store.append(root, rows("adam", (5.0, 6.0, 7.0))).report_id]
    store.compact(root)
    shutil.copytree(backup, root, dirs_exist_ok=True)
    assert ids(root) == written
    store.compact(root)
    assert ids(root) == written
    held = [pq.read_table(path, columns=["report_id"], partitioning=None) for path in root.glob("**/*.parquet")]
    assert Counter(pa.concat_tables(held)["report_id"].to_pylist()) == dict.fromkeys(written, 6)


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_former_file_that_is_damaged_is_named_and_nothing_is_removed(
    root: Path, stamp: str, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = root / "_compacted" / f"{stamp}.parquet"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-9])
    with pytest.raises(ValueError, match=f"{damaged}: not a file of reports"):
        store.read_all(root)
    report = store.append(root, rows("adam", (1.0, 2.0, 3.0)))
    assert report.path.is_file()
    assert f"could not be rewritten ({damaged}: not a file of reports" in caplog.text
    damaged.write_bytes(content)
    assert len(store.history_of(root)) == 16


def test_files_of_other_programs_stay_in_the_former_folder(root: Path, written: list[str]) -> None:
    (root / "_compacted" / "notes.txt").write_text("mine")
    (root / "_compacted" / ".20260101T000000000000-00000000.parquet.9.partial").write_bytes(b"half")
    assert ids(root) == written
    assert [path.name for path in (root / "_compacted").iterdir()] == ["notes.txt"]
