import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion flushes a dozen files and folders; no test here takes the power away."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
