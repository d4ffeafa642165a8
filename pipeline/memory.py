"""Memory: the peak use of this process, and a way to return large blocks to the system."""

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
USER_VARIABLES = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}  # variables that glibc reads
MAPPED_FROM_BYTES = 256 * KIBIBYTE
LARGEST_IN_HEAP_BYTES = 32 * MEBIBYTE  # glibc's own threshold grows to this once a block of that size was freed


def peak_memory_mib() -> float:
    """Return the largest resident memory that this process has had, in MiB.

    The kernel's own figure is used if there is one: getrusage also counts memory of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(peak.split()[1]) * KIBIBYTE / MEBIBYTE, 1)
    unit = 1 if sys.platform == "darwin" else KIBIBYTE  # getrusage counts bytes there, kibibytes elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEBIBYTE, 1)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Give every large block that is allocated in the `with` block pages of its own, freed together with the block.

    By default glibc soon takes blocks of up to 32 MiB from its heap. Small blocks between them then keep the freed
    space resident (docs/log.md). Mapping costs page faults, so use this for work that is done a few times. It has no
    effect with another C library, or if the user set a variable that configures glibc's malloc.
    """
    glibc = _glibc() if USER_VARIABLES.isdisjoint(os.environ) else None
    if glibc is None:
        yield
        return
    glibc.mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
    try:
        yield
    finally:
        glibc.mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP_BYTES)
        glibc.mallopt(M_TRIM_THRESHOLD, 2 * LARGEST_IN_HEAP_BYTES)  # glibc's own default: twice the other threshold


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
