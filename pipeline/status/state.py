"""State: what is found out about one asset, or one partition of it.

In: the artefact that is there, the identity that is wanted, and the statuses of what it is made from. Out: `Status`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pipeline.storage.artefact import MANIFEST, Artefact
from pipeline.storage.details import DetailsError
from pipeline.storage.identity import Identity, differences
from pipeline.storage.verification import sha256_of_file

State = Literal["fresh", "stale", "missing", "failed", "orphan"]
FRESH: Final = "fresh"
STALE: Final = "stale"
MISSING: Final = "missing"
FAILED: Final = "failed"
ORPHAN: Final = "orphan"  # of a configuration or recipe that is in no table any more
NOT_DONE: frozenset[State] = frozenset((STALE, MISSING, FAILED))

INHERITED = "because "  # begins a reason that is the state of an input
NO_RECORD = "made by an older version, which did not keep what it was made from"


@dataclass(frozen=True)
class Status:
    """One asset, or one partition of it."""

    asset: str  # such as "mnist_mlp/generator"
    partition: str | None
    state: State
    reasons: tuple[str, ...] = ()  # why it is not fresh
    notes: tuple[str, ...] = ()  # what a person chose otherwise than the recipe says
    made_at: str | None = None  # ISO 8601, UTC
    fingerprint: str | None = None
    folder: Path | None = None
    out_of_date: bool = False  # what is made from it would become another: missing, or stale, perhaps damaged too

    @property
    def name(self) -> str:
        """For sentences."""
        return self.asset if self.partition is None else f"{self.asset} {self.partition}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "asset": self.asset,
            "partition": self.partition,
            "state": self.state,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "made_at": self.made_at,
            "fingerprint": self.fingerprint,
            "folder": None if self.folder is None else str(self.folder),
        }


@dataclass(frozen=True)
class Subject:
    """What is judged: an asset's partition, what lies in its folder, and what it is made from."""

    asset: str
    partition: str | None
    folder: Path
    artefact: Artefact | None
    inputs: tuple[Status, ...] = ()

    def status(
        self, state: State, reasons: Iterable[str] = (), notes: Iterable[str] = (), *, out_of_date: bool = False
    ) -> Status:
        """Its status."""
        made = self.artefact
        at, fingerprint = (None, None) if made is None else (made.created_at, made.fingerprint)
        return Status(
            self.asset, self.partition, state, tuple(reasons), tuple(notes), at, fingerprint, self.folder, out_of_date
        )

    def missing(self, notes: Iterable[str] = ()) -> Status:
        """It is not there."""
        return self.status(MISSING, (), notes, out_of_date=True)


def judge(
    subject: Subject,
    changes: Callable[[Artefact], Sequence[str]],
    *,
    verify: bool,
    notes: Sequence[str] = (),
    failure: str = "",
) -> Status:
    """The status of what may be there. `changes` says how it differs from what is wanted; [] where it does not.

    `failure` is what went wrong when it was made, if it is there all the same. Inputs that are there are compared by
    `changes`; those that are out of date themselves are named here.
    """
    if subject.artefact is None:
        return _without_artefact(subject, notes)
    try:
        reasons = [*inherited(subject.inputs), *changes(subject.artefact)]
    except (KeyError, DetailsError):  # a fact that a version before did not keep
        reasons = [NO_RECORD]
    broken = damage(subject.artefact, verify=verify)
    if broken:
        return subject.status(FAILED, (broken, *reasons), notes, out_of_date=bool(reasons))
    if reasons:
        return subject.status(STALE, reasons, notes, out_of_date=True)
    return subject.status(FAILED, (failure,), notes) if failure else subject.status(FRESH, (), notes)


def _without_artefact(subject: Subject, notes: Sequence[str]) -> Status:
    if (subject.folder / MANIFEST).exists():
        return subject.status(FAILED, (f"damaged: {MANIFEST} cannot be read",), notes, out_of_date=True)
    return subject.missing(notes)


def inherited(inputs: Iterable[Status]) -> list[str]:
    """What of an asset's inputs makes it stale, a sentence for each state of theirs."""
    names: dict[State, list[str]] = {}
    for each in inputs:
        if each.out_of_date:
            names.setdefault(each.state, []).append(each.name)
    return [
        f"{INHERITED}{', '.join(found)} {'is' if len(found) == 1 else 'are'} {state}" for state, found in names.items()
    ]


def changed(artefact: Artefact, wanted: Identity, words: Mapping[str, str]) -> list[str]:
    """How an artefact's identity differs from the wanted one; `words` puts a difference of a name in other words."""
    if artefact.fingerprint == wanted.fingerprint:
        return []
    if artefact.identity is None:
        return [NO_RECORD]
    return in_words(differences(artefact.identity, wanted), words)


def in_words(found: Iterable[str], words: Mapping[str, str]) -> list[str]:
    """Differences as `differences` gives them, in words where `words` has some for their first name."""
    said = [words.get(each.split(" ", 1)[0], each.removeprefix("settings.")) for each in found]
    return list(dict.fromkeys(said))


def damage(artefact: Artefact, *, verify: bool) -> str:
    """What is wrong with the first file that is not what the manifest says, or may not be read; empty where none is.

    Sizes are looked at, and with `verify` the sha256 too.
    """
    for name, record in artefact.files.items():
        path = artefact.path(name)
        if not path.is_file():
            return f"damaged: {name} is gone"
        size = path.stat().st_size
        if size != record.size_bytes:
            return f"damaged: {name} has {size:,} bytes, not {record.size_bytes:,}"
        if not os.access(path, os.R_OK):
            return f"permission denied: {name} may not be read by this user"
        if verify and sha256_of_file(path) != record.sha256:
            return f"damaged: {name} is not what was written"
    return ""
