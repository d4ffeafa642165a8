"""Locks: one holder at a time, across versions, processes and deleted files."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.storage.lock import hold_existing, hold_lock

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.storage.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


def test_a_held_lock_is_not_given_again_and_is_free_afterwards(lock: Path) -> None:
    with hold_lock(lock) as first, hold_lock(lock, wait=False) as second:
        assert (first, second) == (True, False)
    with hold_lock(lock, wait=False) as third:
        assert third


def test_a_process_of_an_older_version_holds_the_same_lock(lock: Path) -> None:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with hold_lock(lock, wait=False) as is_held:
            assert not is_held
    with hold_lock(lock), lock.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_waiting_process_gets_the_lock_once_it_is_free(lock: Path) -> None:
    order: list[str] = []

    def wait() -> None:
        with hold_lock(lock):
            order.append("second")

    waiting = threading.Thread(target=wait)
    with hold_lock(lock):
        waiting.start()
        time.sleep(0.1)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_a_killed_process_releases_its_lock(lock: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with hold_lock(lock, wait=False) as is_held:
            assert not is_held
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with hold_lock(lock, wait=False) as is_held:
            assert is_held


def test_a_lock_file_that_was_deleted_locks_nothing_any_more(lock: Path) -> None:
    with hold_lock(lock):
        lock.unlink()
        with hold_lock(lock, wait=False) as is_held:
            assert is_held


def test_existing_locks_are_tested_without_making_the_missing_ones(tmp_path: Path, lock: Path) -> None:
    with hold_existing([tmp_path / "missing", tmp_path]) as is_held:
        assert is_held
    assert list(tmp_path.iterdir()) == []
    with hold_lock(lock), hold_existing([tmp_path, lock]) as is_held:
        assert not is_held


def test_a_lock_file_gets_the_permissions_of_the_umask_and_keeps_its_text(lock: Path) -> None:
    before = os.umask(0o002)
    try:
        with hold_lock(lock):
            lock.write_text("process 1")
    finally:
        os.umask(before)
    assert stat.S_IMODE(lock.stat().st_mode) == 0o664
    with hold_lock(lock):
        assert lock.read_text() == "process 1"
