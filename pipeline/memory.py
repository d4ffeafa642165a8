"""Memory of this process: its peak, and a way to return freed blocks to the system."""

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
LARGEST_IN_HEAP_BYTES = (
    32 * MEBIBYTE
)  # the largest value of glibc's own threshold, reached once a block of that size was freed


def peak_memory_mib() -> float:
    """Return the most memory that this process has had resident, in MiB.

    The kernel's own figure is used if there is one, because getrusage also counts the memory that the parent had before
    this program began.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(peak.split()[1]) * KIBIBYTE / MEBIBYTE, 1)
    unit = 1 if sys.platform == "darwin" else KIBIBYTE  # getrusage counts bytes there, kibibytes elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEBIBYTE, 1)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Give every large block its own pages inside this context, so that a freed block returns to the system.

    By default glibc soon takes blocks of up to 32 MiB from its heap. Small blocks between them stay, and so the holes
    of freed ones stay resident (docs/log.md). Mapping costs page faults, so use it for work that is done a few times.
    With another C library, or if a variable that glibc reads is set, the context has no effect.
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
        glibc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_IN_HEAP_BYTES)  # twice the other, as in glibc


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
