"""State: the status of one asset, or of one partition of it.

In: the stored artefact, its wanted identity, and the statuses of its inputs. Out: `Status`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pipeline.storage.artefact import Artefact
from pipeline.storage.details import DetailsError
from pipeline.storage.identity import Identity, differences
from pipeline.storage.paths import MANIFEST
from pipeline.storage.verification import sha256_of_file

State = Literal["fresh", "stale", "missing", "failed", "orphan"]
FRESH: Final = "fresh"
STALE: Final = "stale"
MISSING: Final = "missing"
FAILED: Final = "failed"
ORPHAN: Final = "orphan"  # of a configuration or recipe that no table has any more
NOT_DONE: frozenset[State] = frozenset((STALE, MISSING, FAILED))

Value = TypeVar("Value")

BECAUSE = "because "  # the first word of a reason that is the state of an input
NO_RECORD = "made by an older version, which did not record its inputs"


@dataclass(frozen=True)
class Status:
    """The status of one asset, or of one partition of it."""

    asset: str  # such as "mnist_mlp/generator"
    partition: str | None
    state: State
    reasons: tuple[str, ...] = ()  # why it is not fresh
    notes: tuple[str, ...] = ()  # choices of a person that differ from the recipe
    made_at: str | None = None  # ISO 8601, UTC
    fingerprint: str | None = None
    folder: Path | None = None
    out_of_date: bool = False  # anything built from it would change: it is missing or stale, and perhaps damaged too

    @property
    def name(self) -> str:
        """The asset and its partition, for sentences."""
        return self.asset if self.partition is None else f"{self.asset} {self.partition}"

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain JSON values."""
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
class AssetFolder:
    """An asset's partition: its folder, the artefact in it, and the statuses of its inputs."""

    asset: str
    partition: str | None
    folder: Path
    artefact: Artefact | None
    inputs: tuple[Status, ...] = ()

    def status(
        self, state: State, reasons: Iterable[str] = (), notes: Iterable[str] = (), *, out_of_date: bool = False
    ) -> Status:
        """Return a status with this state."""
        return Status(
            self.asset,
            self.partition,
            state,
            tuple(reasons),
            tuple(notes),
            None if self.artefact is None else self.artefact.created_at,
            None if self.artefact is None else self.artefact.fingerprint,
            self.folder,
            out_of_date,
        )

    def missing(self, notes: Iterable[str] = ()) -> Status:
        """Return the status of an asset without an artefact."""
        return self.status(MISSING, (), notes, out_of_date=True)


def assess(
    stored: AssetFolder,
    find_changes: Callable[[Artefact], Sequence[str]],
    *,
    verify: bool,
    notes: Sequence[str] = (),
    failure: str = "",
) -> Status:
    """Return the status of an asset's folder.

    `find_changes` returns the differences between the artefact and the wanted one, [] if there are none. It compares
    inputs that are fresh; inputs that are out of date themselves are named here. `failure` is a problem of the run that
    made the artefact.
    """
    if stored.artefact is None:
        return _without_artefact(stored, notes)
    try:
        reasons = [*input_reasons(stored.inputs), *find_changes(stored.artefact)]
    except (KeyError, DetailsError):  # older versions did not record this fact
        reasons = [NO_RECORD]
    damage = find_damage(stored.artefact, verify=verify)
    if damage:
        return stored.status(FAILED, (damage, *reasons), notes, out_of_date=bool(reasons))
    if reasons:
        return stored.status(STALE, reasons, notes, out_of_date=True)
    return stored.status(FAILED, (failure,), notes) if failure else stored.status(FRESH, (), notes)


def unless_too_old(read: Callable[[], Value], otherwise: Value) -> Value:
    """Return `read()`, or `otherwise` if an older version did not record a fact that it reads."""
    try:
        return read()
    except DetailsError:
        return otherwise


def _without_artefact(stored: AssetFolder, notes: Sequence[str]) -> Status:
    if (stored.folder / MANIFEST).exists():
        return stored.status(FAILED, (f"damaged: {MANIFEST} cannot be read",), notes, out_of_date=True)
    return stored.missing(notes)


def input_reasons(inputs: Iterable[Status]) -> list[str]:
    """Return the reasons by which inputs make an asset stale, one sentence per state."""
    names: dict[State, list[str]] = {}
    for status in inputs:
        if status.out_of_date:
            names.setdefault(status.state, []).append(status.name)
    return [
        f"{BECAUSE}{', '.join(assets)} {'is' if len(assets) == 1 else 'are'} {state}" for state, assets in names.items()
    ]


def identity_changes(artefact: Artefact, identity: Identity, words: Mapping[str, str]) -> list[str]:
    """Return the differences between an artefact's identity and `identity`, in `words` where they have one."""
    if artefact.fingerprint == identity.fingerprint:
        return []
    if artefact.identity is None:
        return [NO_RECORD]
    return describe_differences(differences(artefact.identity, identity), words)


def describe_differences(changes: Iterable[str], words: Mapping[str, str]) -> list[str]:
    """Replace each result of `differences` by the words for its first name, if there are any; drop repetitions."""
    sentences = [words.get(change.split(" ", 1)[0], change.removeprefix("settings.")) for change in changes]
    return list(dict.fromkeys(sentences))


def find_damage(artefact: Artefact, *, verify: bool) -> str:
    """Return a sentence about the first file that is unreadable or differs from the manifest; empty if all are well.

    The size of every file is compared, and with `verify` its sha256 too.
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
            return f"damaged: {name} differs from the file that was written"
    return ""
