"""Compaction: many files of one report each become few files of many, and nothing is lost on the way.

The newest report of every partition stays a file of its own. Partition by partition, a compaction writes the others to
one more file in the partition's folder (`merging.py`), lets it appear by rename, and then removes them. Between the two
`files.py` counts a report once; other programs see it twice. What a killed process leaves behind, the next compaction
removes. One process compacts at a time.

A batch takes in every merged file of its partition that holds no more reports than the batch itself, so sizes at least
double from file to file and a partition's n reports lie in O(log n) files, each rewritten O(log n) times. A file that
shares reports with another one (copies of one store, compacted apart and put together) is taken in too, so that after a
compaction every report lies in one file. Source: the logarithmic method, Bentley and Saxe, Decomposable searching
problems I, J. Algorithms 1 (1980).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline.reports.files import MERGED, Listing, list_reports, loose_names, loose_place
from pipeline.reports.former_layout import rewrite
from pipeline.reports.lock import alone
from pipeline.reports.merging import merge
from pipeline.reports.reading import Partition, Place
from pipeline.storage.whole import UNFINISHED

log = logging.getLogger(__name__)

MOST_LOOSE = 500  # files of one report beyond the newest of each partition; see docs/reports.md for what they cost
ABANDONED_SECONDS = 24 * 60 * 60


def compact(root: Path, *, wait: bool = True) -> int:
    """Move all reports but the newest of each partition into few files; how many were files of their own until now.

    With `wait` another process's compaction is waited for, else nothing is done beside one.
    """
    if not root.is_dir():
        return 0
    with alone(root, wait=wait) as got:
        if not got:
            return 0
        rewrite(root)
        _sweep(root)
        listing = list_reports(root)
        return sum(_compact_partition(listing, newest) for newest in listing.newest().values())


def compact_when_many(root: Path) -> None:
    """Compact a store that is slow to read by now, unless another process does; a failure is logged, no row is lost."""
    spare = sum(len(names) - 1 for names in loose_names(root).values())
    if spare <= MOST_LOOSE:
        return
    try:
        compact(root, wait=False)
    except (OSError, ValueError) as error:
        log.warning("the report is stored, but the store was not compacted: %s", error)


def _compact_partition(listing: Listing, newest: Place) -> int:
    """Move the reports of the newest one's partition; how many were files of their own until now."""
    partition = newest.partition
    own = (loose_place(listing.root, partition, name) for name in listing.loose.get(partition, ()))
    loose = [place for place in own if place != newest]
    taken_in = _taken_in(listing, partition, len(loose))
    if loose or taken_in:
        held = [place for path in taken_in for place in listing.counted[path]]
        merge(listing.root, partition, [*loose, *held])
        _remove([*(place.path for place in loose), *taken_in])
    return len(loose)


def _taken_in(listing: Listing, partition: Partition, batch: int) -> list[Path]:
    """The partition's merged files to merge again with a batch of so many reports; first those that share reports."""
    files = [file for file in listing.merged if file.places[0].partition == partition and not file.is_former]
    counted = {file.path: len(listing.counted[file.path]) for file in files}
    taken = [file.path for file in files if counted[file.path] < len(file.places)]
    batch += sum(counted.pop(path) for path in taken)
    for path, count in sorted(counted.items(), key=lambda item: (item[1], item[0])):
        if count > batch:
            break
        taken.append(path)
        batch += count
    return taken


def _sweep(root: Path) -> None:
    """Remove what a killed process left: reports that a merged file holds, and unfinished files."""
    _remove(list_reports(root).left)
    _remove(root.glob(f"recipe=*/optimizer=*/.*{MERGED}*{UNFINISHED}"))  # only who holds the lock writes these
    _remove(path for path in root.glob(f"recipe=*/optimizer=*/.*{UNFINISHED}") if _is_abandoned(path))


def _is_abandoned(unfinished: Path) -> bool:
    """Nobody writes a report for a day; a younger file may be another process's, which holds no lock."""
    try:
        return time.time() - unfinished.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:  # finished meanwhile
        return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
