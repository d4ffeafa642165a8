"""Large blocks are mapped for a while; afterwards glibc's setting is restored. Other C libraries are left alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import memory
from pipeline.memory import USER_VARIABLES, large_blocks_mapped
from pipeline.storage.paths import PROJECT

HOLES = """
import resource, sys
from contextlib import nullcontext
import numpy as np
from pipeline.memory import MEBIBYTE, large_blocks_mapped

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / MEBIBYTE

with large_blocks_mapped():
    pass  # from here on glibc takes blocks of 1 MiB from its heap
with large_blocks_mapped() if sys.argv[1] == "mapped" else nullcontext():
    before = resident_mib()
    large, small = [], []
    for _ in range(64):
        large.append(np.ones(MEBIBYTE, np.uint8))
        small.append(np.ones(50_000, np.uint8))
    del large
    print(resident_mib() - before)
"""


class Told:
    """A stand-in for the C library."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def mallopt(self, option: int, value: int) -> int:
        self.calls.append((option, value))
        return 1


@pytest.fixture
def glibc(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(memory, "_glibc", lambda: told)
    for name in USER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return told


def left_mib(how: str) -> float:
    command = [sys.executable, "-c", HOLES, how]
    variables = {name: value for name, value in os.environ.items() if name not in USER_VARIABLES}
    return float(subprocess.run(command, cwd=PROJECT, env=variables, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the kernel's own count of resident pages")
@pytest.mark.skipif(memory._glibc() is None, reason="needs glibc")
def test_blocks_between_small_ones_that_stay_are_given_back_only_where_they_were_mapped() -> None:
    assert left_mib("mapped") < 16 < 48 < left_mib("in the heap")


def test_glibc_gets_its_own_thresholds_back_also_after_an_error(glibc: Told) -> None:
    with pytest.raises(KeyError), large_blocks_mapped():
        raise KeyError
    assert glibc.calls == [(-3, 256 << 10), (-3, 32 << 20), (-1, 64 << 20)]


@pytest.mark.parametrize("name", sorted(USER_VARIABLES))
def test_a_threshold_of_the_users_own_stays(glibc: Told, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1048576")
    with large_blocks_mapped():
        pass
    assert glibc.calls == []


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with large_blocks_mapped():
        done = sum(np.ones(2**20, np.uint8).tolist())
    assert done == 2**20
