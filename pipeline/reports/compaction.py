"""Compaction: merge many files of one report each into few files of many reports, without losing a report.

The newest report of every partition stays a file of its own. In each partition, a compaction writes the other reports
to a new merged file (`merging.py`), renames it into place, and then removes their own files. In between, `files.py`
counts a report once, while other programs see it twice. The next compaction removes the leftovers of a killed process.
One process compacts at a time.

A batch also merges every merged file of its partition that holds no more reports than the batch itself. Sizes then at
least double from file to file: a partition's n reports lie in O(log n) files, each rewritten O(log n) times. A file
that shares reports with another one (from copies of one store, compacted separately) is merged again too, so that
every report lies in one file afterwards.

Source: the logarithmic method, Bentley and Saxe, Decomposable searching problems I, J. Algorithms 1 (1980).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline.reports.files import MERGED, Listing, list_reports, single_location, single_names
from pipeline.reports.former_layout import rewrite
from pipeline.reports.lock import store_lock
from pipeline.reports.merging import merge
from pipeline.reports.reading import Location, PartitionKey
from pipeline.storage.atomic import UNFINISHED

log = logging.getLogger(__name__)

MOST_SINGLE_FILES = 500  # single-report files besides each partition's newest; docs/reports.md measures their cost
ABANDONED_SECONDS = 24 * 60 * 60


def compact(root: Path, *, wait: bool = True) -> int:
    """Merge all reports except each partition's newest into few files; return the number of files merged.

    If another process compacts, `wait` decides: wait for it, or return 0 at once.
    """
    if not root.is_dir():
        return 0
    with store_lock(root, wait=wait) as has_lock:
        if not has_lock:
            return 0
        rewrite(root)
        _remove_leftovers(root)
        listing = list_reports(root)
        return sum(_compact_partition(listing, newest) for newest in listing.newest().values())


def compact_when_many(root: Path) -> None:
    """Compact a store of more than `MOST_SINGLE_FILES`, unless another process does.

    A failure is logged, and no row is lost.
    """
    spare = sum(len(names) - 1 for names in single_names(root).values())
    if spare <= MOST_SINGLE_FILES:
        return
    try:
        compact(root, wait=False)
    except (OSError, ValueError) as error:
        log.warning("the report is stored, but the store was not compacted: %s", error)


def _compact_partition(listing: Listing, newest: Location) -> int:
    """Merge the older reports of the partition of `newest`; return the number of single-report files merged."""
    partition = newest.partition
    singles = (single_location(listing.root, partition, name) for name in listing.single_reports.get(partition, ()))
    older = [location for location in singles if location != newest]
    files = _files_to_merge_again(listing, partition, len(older))
    if older or files:
        merged = [location for path in files for location in listing.merged_reports[path]]
        merge(listing.root, partition, [*older, *merged])
        _remove([*(location.path for location in older), *files])
    return len(older)


def _files_to_merge_again(listing: Listing, partition: PartitionKey, batch: int) -> list[Path]:
    """Return the partition's merged files to merge again with `batch` reports, first those that share reports."""
    files = [file for file in listing.merged if file.locations[0].partition == partition and not file.is_former]
    sizes = {file.path: len(listing.merged_reports[file.path]) for file in files}
    chosen = [file.path for file in files if sizes[file.path] < len(file.locations)]
    batch += sum(sizes.pop(path) for path in chosen)
    for path, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
        if size > batch:
            break
        chosen.append(path)
        batch += size
    return chosen


def _remove_leftovers(root: Path) -> None:
    """Remove the leftovers of killed processes: superseded files, and unfinished files."""
    _remove(list_reports(root).superseded)
    _remove(root.glob(f"recipe=*/optimizer=*/.*{MERGED}*{UNFINISHED}"))  # written under the lock only
    _remove(path for path in root.glob(f"recipe=*/optimizer=*/.*{UNFINISHED}") if _is_abandoned(path))


def _is_abandoned(unfinished: Path) -> bool:
    """Return True for a file older than a day. A younger one may belong to a process at work: writing takes no lock."""
    try:
        return time.time() - unfinished.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:  # renamed by its writer since it was listed
        return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
