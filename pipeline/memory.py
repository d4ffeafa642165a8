"""Memory: what this process has taken of the machine's, and what it gives back."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

MEBIBYTE = 2**20
KIBIBYTE = 2**10

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
USERS_OWN = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}  # variables that glibc reads
MAPPED_FROM_BYTES = 256 * KIBIBYTE
LARGEST_IN_HEAP_BYTES = 32 * MEBIBYTE  # where glibc's own threshold ends once a block of that size was freed


def peak_memory_mib() -> float:
    """The most memory this process has had resident.

    From the kernel where it tells: getrusage counts what the parent had before this program began.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(peak.split()[1]) * KIBIBYTE / MEBIBYTE, 1)
    unit = 1 if sys.platform == "darwin" else KIBIBYTE  # getrusage counts bytes there, kibibytes elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEBIBYTE, 1)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Meanwhile every large block of memory has pages of its own, which go back to the system with it.

    Left to itself glibc soon takes blocks of up to 32 MiB from its heap, where small ones that stay between them keep
    their holes resident (docs/log.md). Mapping costs page faults, so it is for work that is done a few times. With
    another C library, or where a variable that glibc reads may decide, nothing changes.
    """
    glibc = _glibc() if USERS_OWN.isdisjoint(os.environ) else None
    if glibc is None:
        yield
        return
    glibc.mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
    try:
        yield
    finally:
        glibc.mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP_BYTES)
        glibc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_IN_HEAP_BYTES)  # twice the other, as glibc has it


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
