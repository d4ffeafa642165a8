"""The commit in reports is that of ganforge's own checkout, or none."""

import subprocess
from pathlib import Path

import pytest

from pipeline.reports import commit
from pipeline.reports.commit import THIS_FILE, git_commit
from pipeline.storage.paths import PROJECT


def git(folder: Path, *words: str) -> str:
    options = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *options, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's repository with one commit."""
    folder = (tmp_path / "repository").resolve()
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "theirs.txt").write_text("theirs")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "theirs")
    return folder


def with_this_file(folder: Path) -> Path:
    file = folder / THIS_FILE
    file.parent.mkdir(parents=True)
    file.write_text("")
    return folder


def test_a_package_inside_the_repository_of_somebody_else_has_no_commit(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = with_this_file(repository / ".venv" / "lib" / "python3.11" / "site-packages")
    monkeypatch.setattr(commit, "PROJECT", installed)
    assert git_commit() is None
    git(repository, "add", "--force", ".")
    git(repository, "commit", "--quiet", "-m", "with their environment")
    assert git_commit() is None


def test_a_package_at_the_top_of_a_repository_that_does_not_track_it_has_no_commit(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "PROJECT", with_this_file(repository))
    assert git_commit() is None


def test_a_checkout_has_its_commit_and_a_mark_where_files_differ(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "PROJECT", with_this_file(repository))
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "ours")
    expected = git(repository, "rev-parse", "--short=12", "HEAD")
    assert git_commit() == expected
    (repository / THIS_FILE).write_text("changed")
    assert git_commit() == f"{expected}+"


def test_a_folder_without_a_repository_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "PROJECT", with_this_file(tmp_path.resolve()))
    assert git_commit() is None


def test_the_repository_that_a_hook_runs_for_is_not_taken_for_the_checkout(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = git_commit()
    assert before is not None or not (PROJECT / ".git").exists()
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert git_commit() == before
