"""System: the processor, memory and GPU that training uses.

CPU and memory are those of this process. A GPU's use is the whole GPU's, as its driver reports it.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from pipeline.device import device_name
from pipeline.memory import MEBIBYTE, peak_memory_mib


@dataclass(frozen=True)
class SystemUse:
    """Use of the machine at one moment. The GPU's fields are None without a GPU, or where its driver reports none."""

    device: str
    cpu_percent: float  # of one core, since the last reading
    memory_mib: float  # resident set
    peak_memory_mib: float
    gpu_percent: float | None = None
    gpu_memory_mib: float | None = None
    gpu_peak_memory_mib: float | None = None

    def facts(self) -> dict[str, str | float]:
        """Return the fields that have a value."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class SystemReader:
    """Reads the use of one process and its device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def read(self) -> SystemUse:
        """Return the use now. The CPU's share covers the time since the previous call."""
        wall, cpu = time.monotonic(), time.process_time()
        share = 100 * (cpu - self.cpu) / max(wall - self.wall, 1e-9)
        self.wall, self.cpu = wall, cpu
        use = SystemUse(device_name(self.device), round(share, 1), _resident_mib(), peak_memory_mib())
        return _with_gpu(use, self.device) if self.device.type == "cuda" else use


def _resident_mib() -> float:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_memory_mib()
    return round(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE, 1)


def _with_gpu(use: SystemUse, device: torch.device) -> SystemUse:
    return SystemUse(
        use.device,
        use.cpu_percent,
        use.memory_mib,
        use.peak_memory_mib,
        _gpu_percent(device),
        round(torch.cuda.memory_reserved(device) / MEBIBYTE, 1),
        round(torch.cuda.max_memory_reserved(device) / MEBIBYTE, 1),
    )


def _gpu_percent(device: torch.device) -> float | None:
    try:
        return float(torch.cuda.utilization(device))
    except Exception:  # NVIDIA's management library is missing or fails, which is no reason to stop training
        return None
