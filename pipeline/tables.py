"""Tables: TOML files of entries, one a key, and the checks that every value in them passes.

In: a file, or an entry and the place it stands (`where`, for messages). Out: checked values. Every mistake is one
sentence: file, key, what was found, what was expected.
"""

from __future__ import annotations

import difflib
import math
import operator
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

KEY_PATTERN = re.compile(r"[a-z0-9_]+")

Value = TypeVar("Value")


class SettingsError(ValueError):
    """A table entry that cannot be used; the message names file, key, what was found and what was expected."""


def find(table: Mapping[str, Value], key: str, what: str) -> Value:
    """`table[key]`, or one sentence that names the keys there are, and the one that was probably meant."""
    if key not in table:
        alike = difflib.get_close_matches(key, table, n=1)
        meant = f"; did you mean {alike[0]}?" if alike else ""
        raise SettingsError(f"{what} {key!r} does not exist; expected one of: {', '.join(table)}{meant}")
    return table[key]


def read_entries(paths: Sequence[Path], read_entry: Callable[[Path, str, dict[str, Any]], Value]) -> dict[str, Value]:
    """The entries of several files, each through `read_entry`, by key and in order; a key twice is an error."""
    found: dict[str, Value] = {}
    home: dict[str, Path] = {}
    for path in paths:
        for key, entry in read_table(path).items():
            if key in found:
                raise SettingsError(f"{path}: [{key}] is already defined in {home[key]}; expected a key of its own")
            found[key], home[key] = read_entry(path, key, entry), path
    return found


def own_file(variable: str) -> tuple[Path, ...]:
    """The user's file that an environment variable names, where it names one."""
    own = os.environ.get(variable)
    return (Path(own).expanduser(),) if own else ()


def read_table(path: Path) -> dict[str, Any]:
    """The entries of one TOML file by key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; expected TOML with each [key] once") from error
    for key, entry in table.items():
        if not KEY_PATTERN.fullmatch(key):
            raise SettingsError(f"{path}: key {key!r} is ill-formed; expected small letters, digits and '_' only")
        if not isinstance(entry, dict):
            raise SettingsError(f"{path}: {key} = {entry!r} stands alone; expected a table [{key}]")
    return table


def expect_fields(
    where: str, entry: dict[str, Any], expected: set[str], required: set[str] | None = None, of: str = ""
) -> None:
    """An entry has no other fields than the expected ones, and all the required ones."""
    for name in entry:
        if name not in expected:
            raise SettingsError(f"{where}: unknown field {name!r}{of}; expected one of: {', '.join(sorted(expected))}")
    for name in sorted(required or ()):
        if name not in entry:
            raise SettingsError(f"{where}: field {name!r} is missing")


def read_choice(where: str, entry: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    """A field that is one of some texts."""
    value = entry.get(name)
    if value not in choices:
        raise SettingsError(f"{where}: {name} is {value!r}, expected one of: {', '.join(choices)}")
    return str(value)


def read_flag(where: str, entry: dict[str, Any], name: str) -> bool:
    """A field that is true or false."""
    value = entry.get(name)
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: {name} is {value!r}, expected true or false")
    return value


def read_text(where: str, entry: dict[str, Any], name: str) -> str:
    """A field that is a text, not an empty one."""
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: {name} is {value!r}, expected a text")
    return value


def read_whole(where: str, entry: dict[str, Any], name: str, at_least: int = 1) -> int:
    """A field that is a whole number."""
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise SettingsError(f"{where}: {name} is {value!r}, expected a whole number of at least {at_least}")
    return value


WITHIN = {"above": operator.gt, "at least": operator.ge, "below": operator.lt, "at most": operator.le}


def read_number(
    where: str,
    entry: dict[str, Any],
    name: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """A field that is a finite number within the bounds named."""
    value: Any = entry.get(name)
    bounds = {"above": above, "at least": at_least, "below": below, "at most": at_most}
    stated = {word: bound for word, bound in bounds.items() if bound is not None}
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not all(WITHIN[word](value, bound) for word, bound in stated.items()):
        expected = " and ".join(f"{word} {bound:g}" for word, bound in stated.items())
        raise SettingsError(f"{where}: {name} is {value!r}, expected a number {expected}")
    return float(value)
