"""Former layout: convert a store of an earlier version to the layout of this one.

Earlier versions kept merged files of all partitions in `_compacted/`, with columns `recipe` and `optimizer`. They kept
the scores along a training as `_scores_by_step.parquet` beside its report. Other programs read both wrongly: pandas and
pyarrow skipped the merged files, and DuckDB read scores along training as reports (docs/decisions/0023). `files.py`
lists the reports of such a store, and `by_step.py` reads its scores, so that a read-only store can be used.

A file is removed only after its content is on the disk under the new name. A killed process therefore loses no report,
and the next one finishes the conversion.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from pipeline.reports.files import former_files, list_reports, partition_folder, partition_folders
from pipeline.reports.lock import store_lock
from pipeline.reports.merging import merge
from pipeline.reports.reading import FORMER, Location, PartitionKey, is_former
from pipeline.storage.atomic import UNFINISHED, atomic_file, flush
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)

FORMER_SCORES = "_scores_by_step.parquet"
SCORES = Paths(Path()).scores_by_step("", "").name  # the present name of that file
_warned: set[Path] = set()  # stores that could not be rewritten; one warning per process and store


def bring_up_to_date(root: Path) -> None:
    """Convert a store of the former layout, unless another process does.

    A failure, for instance a read-only store, is logged as a warning, and the store stays readable.
    """
    if not former_files(root) and not _former_scores(root):
        return
    try:
        with store_lock(root, wait=False) as has_lock:
            if has_lock:
                rewrite(root)
    except (OSError, ValueError) as error:
        _warn(root, error)


def rewrite(root: Path) -> None:
    """Move the files to their new names. The caller holds the store's lock. Raises if a report cannot be moved."""
    moved: list[str] = []
    try:
        if files := _move_scores(root):
            moved.append(f"{files:,} files of scores along training to {_scores_folder(root)}")
        if reports := _move_reports(root):
            moved.append(f"{reports:,} reports from {FORMER} to the folders of their configurations")
    finally:
        if moved:
            # A warning, since it happens once, and commands that only read show warnings only.
            log.warning("%s: rewritten for readers other than ganforge: moved %s", root, " and ".join(moved))


def former_scores(root: Path, recipe: str, optimizer: str) -> Path:
    """Return the former path of a partition's scores along training in the store at `root`."""
    return partition_folder(root, recipe, optimizer) / FORMER_SCORES


def _move_reports(root: Path) -> int:
    """Write the reports that only former files hold into their partitions' folders; return their number.

    Then remove the former files that a new listing of the disk shows to be superseded.
    """
    listing = list_reports(root)
    by_partition: dict[PartitionKey, list[Location]] = {}
    for path in filter(is_former, listing.merged_reports):
        for location in listing.merged_reports[path]:
            by_partition.setdefault(location.partition, []).append(location)
    for partition, locations in by_partition.items():
        merge(root, partition, locations)
    _remove(filter(is_former, list_reports(root).superseded))
    _remove((root / FORMER).glob(f".*{UNFINISHED}"))
    with contextlib.suppress(OSError):  # the folder does not exist, or holds foreign files
        (root / FORMER).rmdir()
    return sum(map(len, by_partition.values()))


def _move_scores(root: Path) -> int:
    """Move the files of scores along training; return their number.

    A failure is logged and the reports are still moved: only the folder beside the store may be read-only.
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
    """Copy a file and remove it: the target may lie on another disk, where a rename fails.

    If the target exists with other scores, the moved file is named `….former`, which no code reads.
    """
    content = path.read_bytes()
    if target.exists() and target.read_bytes() != content:
        target = target.with_name(f"{target.name}.{hashlib.sha256(content).hexdigest()[:8]}.former")
    with atomic_file(target) as temporary:
        temporary.write_bytes(content)
    flush(target.parent)
    path.unlink(missing_ok=True)


def _former_scores(root: Path) -> list[Path]:
    """Return the files of scores along training that lie among the reports."""
    files = (folder / FORMER_SCORES for folder in partition_folders(root))
    return [path for path in files if path.is_file()]


def _scores_folder(root: Path) -> Path:
    """Return the folder of scores beside a store: that of `Paths` in a data folder, else one named after the store."""
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
            "%s: has the layout of an earlier version and could not be rewritten (%s); ganforge can read it, "
            "but other programs may miss reports or read scores along training as reports",
            *(root, error),
        )
