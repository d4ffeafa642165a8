import os
import time
from pathlib import Path

import pytest

from pipeline.clean.removal import Removal
from pipeline.cli import clean as cleaning
from pipeline.storage.paths import Paths


@pytest.fixture
def left(paths: Paths) -> Path:
    """Return the folder that a killed process left two hours ago."""
    folder = paths.root / "tensors" / ".mnist.abc.partial"
    folder.mkdir(parents=True)
    (folder / "train.pixels").write_bytes(b"x" * 1500)
    then = time.time() - 7200
    for path in (folder, folder / "train.pixels"):
        os.utime(path, (then, then))
    return folder


def command(*arguments: str, more: tuple[Removal, ...] = ()) -> int:
    return cleaning.clean(30, more, dry_run="--dry-run" in arguments)


def test_a_dry_run_lists_the_removals_and_touches_nothing(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        "tensors/.mnist.abc.partial  1.5 kB  2 hours  left by a process that ended before it was done",
        "1.5 kB would be freed; nothing was touched",
    ]
    assert (left / "train.pixels").exists()


def test_a_real_run_lists_the_same_removals_and_the_freed_bytes(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tensors/.mnist.abc.partial")
    assert lines[1:] == ["1.5 kB freed"]
    assert not left.exists()
    assert command() == 0
    assert capsys.readouterr().out == f"{Paths.default().root}: nothing to remove\n"


def test_files_in_use_or_not_removable_are_named_and_the_rest_goes(
    left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> bool:
        raise PermissionError("not allowed")

    more = (Removal("run 1", "old", 10, 5.0, lambda: False), Removal("run 2", "old", 10, 5.0, fails))
    assert command(more=more) == 1
    text = capsys.readouterr()
    assert "run 1: in use by now, so it stays" in text.out
    assert text.err == "ganforge: run 2 cannot be removed: not allowed\n"
    assert text.out.endswith("1.5 kB freed\n")
    assert not left.exists()


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_345_678, "2.3 MB"), (9e15, "9000.0 TB")]
)
def test_sizes_are_short(size: float, text: str) -> None:
    assert cleaning.size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "less than a minute"), (60, "1 minute"), (7200, "2 hours"), (86_400, "1 day")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert cleaning.age_text(seconds) == text
