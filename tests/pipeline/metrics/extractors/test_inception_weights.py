"""Finding the Inception weights: a stand-in file on a web server of the test's own, every way it can go wrong."""

import hashlib
import io
import pickle
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.metrics.extractors.inception_weights import (
    PUBLISHED,
    InceptionWeights,
    PublishedFile,
    WeightsUnavailableError,
    WrongContentError,
    require_inception_weights,
)
from pipeline.raw import download as download_module
from pipeline.storage.paths import Paths
from pipeline.storage.verification import sha256_of_file
from tests.pipeline.raw.conftest import Mirror, mirror

__all__ = ["mirror"]  # a fixture

VALUES = torch.arange(50_000, dtype=torch.float32)


def as_published(*, zipped: bool = True) -> bytes:
    """A PyTorch file in today's form (a zip) or the one before it."""
    buffer = io.BytesIO()
    torch.save({"fc.weight": VALUES}, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


CONTENT = as_published()


def stand_in(*urls: str, content: bytes = CONTENT) -> PublishedFile:
    return PublishedFile("weights.pth", urls, hashlib.sha256(content).hexdigest(), len(content))


def nobodys_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/weights.pth"


def expect_stored(weights: InceptionWeights, paths: Paths) -> None:
    assert weights.path == paths.root / "metrics" / "inception" / "inception.safetensors"
    assert torch.equal(load_file(weights.path)["fc.weight"], VALUES)
    assert weights.official and weights.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert not (paths.root / "metrics" / ".inception.download").exists()


def test_the_published_name_starts_the_sha256_it_is_checked_by() -> None:
    assert PUBLISHED.name.endswith(f"-{PUBLISHED.sha256[:8]}.pth")
    assert len(bytes.fromhex(PUBLISHED.sha256)) == 32
    assert all(url.endswith(f"inception-2015-12-05-{PUBLISHED.sha256[:8]}.pth") for url in PUBLISHED.urls)


def test_weights_are_downloaded_once_and_kept_without_a_pickle(mirror: Mirror, paths: Paths) -> None:
    mirror.files["weights.pth"] = CONTENT
    published = stand_in(mirror.address + "weights.pth")
    first = require_inception_weights(paths, published)
    expect_stored(first, paths)
    assert require_inception_weights(paths, published) == first
    assert len(mirror.requests) == 1
    assert {path.name for path in first.path.parent.iterdir()} == {"inception.safetensors", "manifest.json"}


def test_pytorchs_older_file_format_is_read_too(mirror: Mirror, paths: Paths) -> None:
    older = as_published(zipped=False)
    mirror.files["weights.pth"] = older
    weights = require_inception_weights(paths, stand_in(mirror.address + "weights.pth", content=older))
    assert torch.equal(load_file(weights.path)["fc.weight"], VALUES)


@pytest.mark.parametrize("first", ["absent", "wrong", "short", "nobody"])
def test_the_second_mirror_is_used_when_the_first_fails(mirror: Mirror, paths: Paths, first: str) -> None:
    mirror.files |= {"weights.pth": CONTENT, "wrong": b"<html>sign in</html>", "short": CONTENT[:90_000]}
    first_url = nobodys_address() if first == "nobody" else mirror.address + first
    expect_stored(require_inception_weights(paths, stand_in(first_url, mirror.address + "weights.pth")), paths)


def test_a_mirror_that_breaks_off_is_continued_by_the_next(mirror: Mirror, paths: Paths) -> None:
    mirror.files |= {"first": CONTENT, "second": CONTENT}
    mirror.break_after_bytes = 90_000
    published = stand_in(mirror.address + "first", mirror.address + "second")
    expect_stored(require_inception_weights(paths, published), paths)
    assert mirror.requests == [("/first", ""), ("/second", "bytes=90000-")]


def test_a_download_that_broke_off_is_continued_the_next_time(mirror: Mirror, paths: Paths) -> None:
    mirror.files["weights.pth"] = CONTENT
    mirror.break_after_bytes = 90_000
    published = stand_in(mirror.address + "weights.pth")
    with pytest.raises(WeightsUnavailableError, match="the connection ended after 90,000 of"):
        require_inception_weights(paths, published)
    expect_stored(require_inception_weights(paths, published), paths)
    assert mirror.requests[-1] == ("/weights.pth", "bytes=90000-")


def test_a_part_of_something_else_is_thrown_away_and_the_file_fetched_whole(mirror: Mirror, paths: Paths) -> None:
    mirror.files["weights.pth"] = CONTENT
    working = paths.root / "metrics" / ".inception.download"
    working.mkdir(parents=True)
    (working / "weights.pth.part").write_bytes(b"something else")
    expect_stored(require_inception_weights(paths, stand_in(mirror.address + "weights.pth")), paths)
    assert [asked for _, asked in mirror.requests] == ["bytes=14-", ""]


def test_wrong_content_is_named_by_both_sha256_and_leaves_nothing(mirror: Mirror, paths: Paths) -> None:
    mirror.files["weights.pth"] = wrong = CONTENT[:-1] + b"?"
    published = stand_in(mirror.address + "weights.pth")
    with pytest.raises(WeightsUnavailableError) as error:
        require_inception_weights(paths, published)
    assert hashlib.sha256(wrong).hexdigest() in str(error.value) and published.sha256 in str(error.value)
    assert not (paths.root / "metrics" / "inception").exists()
    assert not list((paths.root / "metrics" / ".inception.download").iterdir())


def test_when_every_mirror_fails_the_message_names_each_reason_and_the_remedy(
    mirror: Mirror, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "CONNECT_TIMEOUT_SECONDS", 0.2)
    mirror.files["slow"], mirror.wait_seconds = CONTENT, 1.0
    nobody = nobodys_address()
    with pytest.raises(WeightsUnavailableError) as error:
        require_inception_weights(paths, stand_in(nobody, mirror.address + "slow"))
    message = str(error.value)
    assert f"{nobody}: " in message and "refused" in message
    assert f"{mirror.address}slow: no answer within 0.2 seconds" in message
    assert "set GANFORGE_INCEPTION to the path of weights.pth, or score with the data set's own classifier" in message


def test_a_damaged_stored_copy_is_made_again(mirror: Mirror, paths: Paths) -> None:
    mirror.files["weights.pth"] = CONTENT
    published = stand_in(mirror.address + "weights.pth")
    stored = require_inception_weights(paths, published).path
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    expect_stored(require_inception_weights(paths, published), paths)
    assert len(mirror.requests) == 2


def test_a_pickle_that_would_run_code_is_not_run_even_with_the_right_sha256(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "was_run",)  # type: ignore[return-value]

    torch.save({"fc.weight": Harmful()}, tmp_path / "weights.pth")
    monkeypatch.setenv("GANFORGE_INCEPTION", str(tmp_path / "weights.pth"))
    with pytest.raises(pickle.UnpicklingError):
        require_inception_weights(paths, stand_in(content=(tmp_path / "weights.pth").read_bytes()))
    assert not (tmp_path / "was_run").exists()


def test_a_named_file_with_the_published_content_is_used_without_the_network(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    monkeypatch.setenv("GANFORGE_INCEPTION", str(tmp_path / "mine.pth"))
    expect_stored(require_inception_weights(paths, stand_in(nobodys_address())), paths)
    assert (tmp_path / "mine.pth").read_bytes() == CONTENT


def test_a_named_file_with_other_content_is_an_error_and_no_download(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.pth").write_bytes(b"other")
    monkeypatch.setenv("GANFORGE_INCEPTION", str(tmp_path / "mine.pth"))
    published = stand_in(nobodys_address())
    sha256 = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(WrongContentError, match=rf"mine\.pth: found sha256 {sha256} .* expected {published.sha256}"):
        require_inception_weights(paths, published)


def test_a_named_file_that_is_not_there_is_an_error_and_no_download(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_INCEPTION", str(tmp_path / "absent.safetensors"))
    with pytest.raises(FileNotFoundError, match=r"GANFORGE_INCEPTION=.*absent\.safetensors: found no file there"):
        require_inception_weights(paths, stand_in(nobodys_address()))


def test_named_weights_of_the_users_own_go_by_their_own_sha256_and_are_unofficial(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.safetensors"
    save_file({"fc.weight": VALUES}, path)
    monkeypatch.setenv("GANFORGE_INCEPTION", str(path))
    weights = require_inception_weights(paths, stand_in(nobodys_address()))
    assert weights == InceptionWeights(path, sha256_of_file(path), official=False)
