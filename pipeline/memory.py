"""Memory: what this process has taken of the machine's."""

import resource
import sys
from pathlib import Path

MEBIBYTE = 2**20
KIBIBYTE = 2**10


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
