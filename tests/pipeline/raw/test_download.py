import socket
import time
from pathlib import Path

import pytest

from pipeline.raw import download as download_module
from pipeline.raw.download import DownloadError, download
from tests.pipeline.raw.conftest import Mirror

CONTENT = bytes(range(256)) * 2000


def test_a_file_arrives_whole_and_leaves_no_part(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f"] = CONTENT
    download(mirror.address + "f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_broken_download_stays_as_a_part_and_is_continued(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f"] = CONTENT
    mirror.break_after_bytes = 100_000
    with pytest.raises(DownloadError, match=r"/f: the connection ended after 100,000 of 512,000 bytes"):
        download(mirror.address + "f", tmp_path / "f")
    assert not (tmp_path / "f").exists()
    download(mirror.address + "f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert mirror.requests[-1] == ("/f", "bytes=100000-")


def test_a_server_without_ranges_makes_it_start_over(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f"], mirror.honours_ranges = CONTENT, False
    (tmp_path / "f.part").write_bytes(b"something else")
    download(mirror.address + "f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f"] = CONTENT
    (tmp_path / "f.part").write_bytes(CONTENT + b"more")
    download(mirror.address + "f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_missing_file_is_an_error_with_the_servers_answer(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="/f: the server answered 404"):
        download(mirror.address + "f", tmp_path / "f")


def test_a_closed_port_is_an_error_at_once(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(DownloadError, match="refused"):
        download(f"http://127.0.0.1:{port}/f", tmp_path / "f")


def test_a_host_that_never_answers_is_given_up_after_the_limit(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files["f"], mirror.wait_seconds = CONTENT, 3.0
    monkeypatch.setattr(download_module, "CONNECT_TIMEOUT_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(DownloadError, match=r"no answer within 0\.2 seconds"):
        download(mirror.address + "f", tmp_path / "f")
    assert time.monotonic() - started < mirror.wait_seconds  # did not wait for the answer
