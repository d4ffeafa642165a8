"""Former layout: a store as versions before this one kept it, and how it gets the layout of this one.

They kept merged files of all partitions in `_compacted/`, with columns `recipe` and `optimizer`, and the scores along a
training as `_scores_by_step.parquet` beside its report. Other programs read both wrongly: pandas and pyarrow skipped
the merged files, and DuckDB took scores along training for reports (docs/decisions/0023). `files.py` still lists the
reports of such a store, and `by_step.py` reads its scores, so one that cannot be written to is read as it is.

A file is removed only once all it holds is on the disk in its new place, so a process may be killed at any point: the
next one does the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from pipeline.reports.files import former_files, list_reports, partition_folder, partition_folders
from pipeline.reports.lock import alone
from pipeline.reports.merging import merge
from pipeline.reports.reading import FORMER, Partition, Place, is_former
from pipeline.storage.paths import Paths
from pipeline.storage.whole import UNFINISHED, flush, whole_file

log = logging.getLogger(__name__)

FORMER_SCORES = "_scores_by_step.parquet"
SCORES = Paths(Path()).scores_by_step("", "").name  # the file that has them now
_warned: set[Path] = set()  # stores that could not be rewritten: said once a process


def bring_up_to_date(root: Path) -> None:
    """Give a store of the former layout the layout of this version, unless another process is at work there.

    Where that fails, for instance since the store cannot be written to, the log has a warning and nothing is lost.
    """
    if not former_files(root) and not _former_scores(root):
        return
    try:
        with alone(root, wait=False) as got:
            if got:
                rewrite(root)
    except (OSError, ValueError) as error:
        _warn(root, error)


def rewrite(root: Path) -> None:
    """Move the files; the caller holds the store's lock. Raises where a report cannot be moved."""
    moved: list[str] = []
    try:
        if files := _move_scores(root):
            moved.append(f"{files:,} files of scores along training to {_scores_folder(root)}")
        if reports := _move_reports(root):
            moved.append(f"{reports:,} reports from {FORMER} to the folders of their configurations")
    finally:
        if moved:
            # a warning, since it happens once and commands that only read show no less
            log.warning("%s: rewritten for readers other than ganforge: moved %s", root, " and ".join(moved))


def former_scores(root: Path, recipe: str, optimizer: str) -> Path:
    """Return the path that a partition's scores along training had in the store at `root`."""
    return partition_folder(root, recipe, optimizer) / FORMER_SCORES


def _move_reports(root: Path) -> int:
    """Write the reports that only former files hold into their partitions' folders; return how many.

    Then remove the former files: a listing from the disk says which ones other files hold all of.
    """
    listing = list_reports(root)
    by_partition: dict[Partition, list[Place]] = {}
    for path in filter(is_former, listing.counted):
        for place in listing.counted[path]:
            by_partition.setdefault(place.partition, []).append(place)
    for partition, places in by_partition.items():
        merge(root, partition, places)
    _remove(filter(is_former, list_reports(root).left))
    _remove((root / FORMER).glob(f".*{UNFINISHED}"))
    with contextlib.suppress(OSError):  # it is not there, or holds what is not ganforge's
        (root / FORMER).rmdir()
    return sum(map(len, by_partition.values()))


def _move_scores(root: Path) -> int:
    """Move the files of scores along training; return how many.

    A failure is logged and the reports are still moved: it may be the folder beside the store that is read-only.
    """
    moved = 0
    try:
        for path in _former_scores(root):
            _move_file(path, _scores_folder(root) / path.parent.relative_to(root) / SCORES)
            moved += 1
    except OSError as error:
        _warn(root, error)
    return moved


def _move_file(path: Path, target: Path) -> None:
    """Copy a file and remove it, since the target may lie on another disk.

    If other scores are there already, the older file is renamed to `….former`, which no code reads.
    """
    content = path.read_bytes()
    if target.exists() and target.read_bytes() != content:
        target = target.with_name(f"{target.name}.{hashlib.sha256(content).hexdigest()[:8]}.former")
    with whole_file(target) as temporary:
        temporary.write_bytes(content)
    flush(target.parent)
    path.unlink(missing_ok=True)


def _former_scores(root: Path) -> list[Path]:
    """Return the files of scores along training that lie among the reports."""
    files = (folder / FORMER_SCORES for folder in partition_folders(root))
    return [path for path in files if path.is_file()]


def _scores_folder(root: Path) -> Path:
    """Return the folder of scores beside a store: the one of `Paths` in a data folder, else one of the store's name."""
    store = root.absolute()
    folder = Paths(store.parent).scores_by_step("", "").parents[2]
    return folder if store == Paths(store.parent).reports() else store.with_name(f"{store.name}_{folder.name}")


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _warn(root: Path, error: Exception) -> None:
    if root not in _warned:
        _warned.add(root)
        log.warning(
            "%s: has the layout of an earlier version and could not be rewritten (%s); ganforge reads it as it is, "
            "but other programs may miss reports or count scores along training among them",
            *(root, error),
        )
