"""Download: one file over HTTP. It continues a partial download, and gives up in seconds without an answer.

In: a URL. Out: the file as served, at the caller's path, complete or not at all (a `.part` file stays for the next
attempt). The caller checks the content, on the decompressed bytes: mirrors re-compress.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 5.0  # also covers name resolution, which has no timeout itself
READ_TIMEOUT_SECONDS = 15.0
CHUNK_BYTES = 1 << 16
PROGRESS_SECONDS = 2.0
RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206


class DownloadError(OSError):
    """A download failed; the message names the URL and the reason."""


def download(url: str, destination: Path) -> None:
    """Fetch `url` into `destination`, continuing its `.part` file if there is one."""
    part = destination.with_name(destination.name + ".part")
    have_bytes = part.stat().st_size if part.exists() else 0
    try:
        response = _open(url, have_bytes)
        if response.status != PARTIAL_CONTENT:
            have_bytes = 0  # the server starts over
        with response, part.open("ab" if have_bytes else "wb") as file:
            _copy(response, file, url, have_bytes)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == RANGE_NOT_SATISFIABLE and have_bytes:
            part.unlink()  # longer than the served file, so of another file
            return download(url, destination)
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {_reason(error)}") from error
    part.replace(destination)
    return None


def expect_answer(url: str) -> None:
    """Raise `DownloadError` if no server answers at `url` in time. An error status is an answer.

    Call this before downloads by code that has no timeout.
    """
    try:
        _open(url, 0).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {_reason(error)}") from error


def _open(url: str, from_byte: int) -> Any:
    """Open a URL at a byte, in a thread that is abandoned if it does not connect in time."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={from_byte}-"} if from_byte else {})
    outcome: list[Any] = []
    given_up = threading.Event()

    def connect() -> None:
        try:
            response = urllib.request.urlopen(request, timeout=READ_TIMEOUT_SECONDS)
            outcome.append(response)
            if given_up.is_set():
                response.close()
        except (OSError, http.client.HTTPException) as error:
            outcome.append(error)
            if given_up.is_set() and isinstance(error, urllib.error.HTTPError):
                error.close()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_TIMEOUT_SECONDS)
    if not outcome:
        given_up.set()
        raise TimeoutError(f"no answer within {CONNECT_TIMEOUT_SECONDS:g} seconds")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _copy(response: Any, file: Any, url: str, have_bytes: int) -> None:
    announced = response.headers.get("Content-Length")
    total_bytes = have_bytes + int(announced) if announced else None
    logged_at = time.monotonic()
    while chunk := response.read(CHUNK_BYTES):
        file.write(chunk)
        have_bytes += len(chunk)
        if time.monotonic() - logged_at > PROGRESS_SECONDS:
            logged_at = time.monotonic()
            log.info("%s: %s", url, _progress(have_bytes, total_bytes))
    if total_bytes is not None and have_bytes < total_bytes:
        raise OSError(f"the connection ended after {have_bytes:,} of {total_bytes:,} bytes")
    log.info("%s: %s bytes", url, f"{have_bytes:,}")


def _progress(have_bytes: int, total_bytes: int | None) -> str:
    if total_bytes is None:
        return f"{have_bytes / 1e6:.1f} MB"
    return f"{have_bytes / 1e6:.1f} of {total_bytes / 1e6:.1f} MB ({100 * have_bytes // total_bytes} %)"


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(error).__name__
