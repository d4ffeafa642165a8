"""Identity: everything that decides an artefact's content. Its sha256 is the fingerprint, the artefact's data version.

In: a stage, the version of its code, and settings, seed and fingerprints of inputs as plain JSON values. Out: the
fingerprint, and the differences between two identities, so that a reader learns why something is out of date. The
manifest keeps the whole identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

SHORT = 12  # characters of a long value in a sentence


@dataclass(frozen=True)
class Identity:
    """The stage, code version, settings and inputs that decide an artefact's content."""

    stage: str
    code_version: str
    decided_by: Mapping[str, Any]  # plain JSON values

    @cached_property
    def fingerprint(self) -> str:
        """The hex sha256 of all values; the order of keys does not matter."""
        decided = {"stage": self.stage, "code_version": self.code_version, **self.decided_by}
        return hashlib.sha256(json.dumps(decided, sort_keys=True, allow_nan=False).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the form that a manifest keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Identity:
        """Return the identity that `to_json` wrote."""
        return cls(str(values["stage"]), str(values["code_version"]), dict(values["decided_by"]))


def differences(before: Identity, now: Identity) -> list[str]:
    """Return the differing values, such as `settings.generator.learning_rate 0.0002 -> 0.0003`; [] if all agree."""
    code = [f"code version {before.code_version} -> {now.code_version}"] if _differs_in_code(before, now) else []
    # Compared as JSON: a tuple and a list give the same fingerprint.
    return [*code, *_differing(_plain(before.decided_by), _plain(now.decided_by), "")]


def _differs_in_code(before: Identity, now: Identity) -> bool:
    return (before.stage, before.code_version) != (now.stage, now.code_version)


def _plain(values: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(values))


def _differing(before: Any, now: Any, name: str) -> Iterator[str]:
    """Yield each leaf that differs, by its path."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differing(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield f"{name} {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"
