"""Tables: TOML files of entries, one per key, and the checked values that are read from them.

In: TOML files, and per kind of entry a frozen pydantic dataclass. Each of its fields holds type, range, default and
description, once. Out: values by key. Mistakes: one `SettingsError` with all of them, one sentence each, which names
file, key and field, the value found and the value expected.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails

KEY_PATTERN = re.compile(r"[a-z0-9_]+")
# Strict: otherwise pydantic takes the text "3" for a number and the number 1 for true.
CHECKED = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
Text = Annotated[str, Field(pattern=r"\S")]  # a text with more than white space


class SettingsError(ValueError):
    """Mistakes in settings: one sentence each, one line each."""

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The sentences one by one."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


class Mistakes:
    """A collection of mistakes, so that a user sees all of them at once and not one per attempt."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the mistakes raised in this block and continue after it."""
        try:
            yield
        except SettingsError as error:
            self.sentences += error.mistakes

    def attempt(
        self, read: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value | None:
        """Return the result of a call, or None after keeping the mistakes that it raised."""
        try:
            return read(*args, **kwargs)
        except SettingsError as error:
            self.sentences += error.mistakes
            return None

    def settle(self, value: Value | None) -> Value:
        """Return a value of `attempt`, or raise all mistakes kept so far."""
        self.expect_none()
        if value is None:
            raise ValueError("found no value and no mistake, expected one of them")
        return value

    def expect_none(self) -> None:
        """Raise all mistakes kept so far as one error."""
        if self.sentences:
            raise SettingsError(*dict.fromkeys(self.sentences))


def find(table: Mapping[str, Value], key: str, subject: str) -> Value:
    """Return `table[key]`, or raise one sentence with the known keys and the nearest one."""
    if key not in table:
        known = ", ".join(table)
        raise SettingsError(f"{subject} {key!r} does not exist; expected one of: {known}{nearest(key, table)}")
    return table[key]


def nearest(name: str, known: Collection[str]) -> str:
    """Return `; did you mean …?` with the known name that is most alike, or an empty text if none is."""
    alike = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {alike[0]}?" if alike else ""


# ---------------------------------------------------------------------------------------------------------------------
# Files


def user_files(variable: str) -> tuple[Path, ...]:
    """Return the user's file that an environment variable names, if it names one."""
    path = os.environ.get(variable)
    return (Path(path).expanduser(),) if path else ()


def read_entries(paths: Sequence[Path], read_entry: Callable[[Path, str, dict[str, Any]], Value]) -> dict[str, Value]:
    """Return the entries of several files by key, in order, each read by `read_entry`.

    Raises `SettingsError` with the mistakes of all files. A key that stands in two of them is a mistake.
    """
    entries: dict[str, Value] = {}
    home: dict[str, Path] = {}
    mistakes = Mistakes()
    for path in paths:
        for key, entry in (mistakes.attempt(read_table, path) or {}).items():
            with mistakes.collected():
                if key in home:
                    raise SettingsError(f"{path}: [{key}] is already defined in {home[key]}; expected a new key")
                home[key] = path
                entries[key] = read_entry(path, key, entry)
    return mistakes.settle(entries)


def read_table(path: Path) -> dict[str, Any]:
    """Return the entries of one TOML file by key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; expected TOML with each [key] once") from error
    mistakes = Mistakes()
    for key, entry in table.items():
        mistakes.attempt(_expect_entry, path, key, entry)
    return mistakes.settle(table)


def _expect_entry(path: Path, key: str, entry: Any) -> None:
    if not KEY_PATTERN.fullmatch(key):
        raise SettingsError(f"{path}: key {key!r} is ill-formed; expected small letters, digits and '_' only")
    if not isinstance(entry, dict):
        raise SettingsError(f"{path}: {key} = {entry!r} stands alone; expected a table [{key}]")


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def fields_of(model: type) -> dict[str, FieldInfo]:
    """Return the fields of a pydantic dataclass by name."""
    fields: dict[str, FieldInfo] = model.__pydantic_fields__  # type: ignore[attr-defined]
    return fields


def expect_names(where: str, entry: Mapping[str, Any], names: Collection[str], suffix: str = "") -> None:
    """Raise `SettingsError` with a sentence for each field of an entry that is not one of `names`."""
    listed = ", ".join(sorted(names))
    unknown = [
        f"{where}: unknown field {name!r}{suffix}; expected one of: {listed}{nearest(name, names)}"
        for name in entry
        if name not in names
    ]
    if unknown:
        raise SettingsError(*unknown)


def read_value(model: type[Value], where: str, entry: Mapping[str, Any], /, **filled: Any) -> Value:
    """Return a value from the fields of an entry that its class has, and from the fields that the caller filled in.

    Raises `SettingsError` with a sentence for each mistake in the entry. The caller answers for the fields it filled
    in, so their mistakes are left out.
    """
    values = {name: entry[name] for name in fields_of(model) if name in entry} | filled
    try:
        return model(**values)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not detail["loc"] or detail["loc"][0] not in filled]
        raise SettingsError(*dict.fromkeys(_sentence(model, where, detail, values) for detail in details)) from error


def _sentence(model: type, where: str, detail: ErrorDetails, values: Mapping[str, Any]) -> str:
    """Return one mistake as a sentence. A mistake of the whole entry has no field, and its own error as the text."""
    if not detail["loc"]:
        return f"{where}: {detail['ctx']['error']}"
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{where}: field {name!r} is missing; expected {expectation(model, name)}"
    if detail["type"] == "value_error":  # raised by a check of ours; its text begins with "expected"
        return f"{where}: {name} is {values[name]!r}, {detail['ctx']['error']}"
    return f"{where}: {name} is {values[name]!r}, expected {expectation(model, name)}"


# ---------------------------------------------------------------------------------------------------------------------
# Expectations


@dataclass(frozen=True)
class OneOf:
    """A text that is a key of a table. The table is read at each check, so a key may be registered later."""

    table: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        """Check the text after its type."""
        return handler(Annotated[source, AfterValidator(self.check)])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Offer the keys to editors."""
        return {**handler(schema), "enum": list(self.table)}

    def check(self, text: str) -> str:
        """Return the text if the table has it as a key."""
        if text not in self.table:
            raise ValueError(f"expected one of: {', '.join(self.table)}")
        return text


NOUNS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list of texts",
}
BOUNDS = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}


def expectation(model: type, name: str) -> str:
    """Return the words for a field's type and range, such as `a number above 0.5 and at most 1`."""
    schema = TypeAdapter(model).json_schema()["properties"][name]
    # A field that may be None is left out of a file instead, so the words cover its other type alone.
    schema = next((part for part in schema.get("anyOf", []) if part["type"] != "null"), schema)
    if "enum" in schema:
        return f"one of: {', '.join(str(choice) for choice in schema['enum'])}"
    of = " of" if schema["type"] == "integer" else ""
    bounds = [f"{words} {schema[bound]}" for bound, words in BOUNDS.items() if bound in schema]
    return NOUNS[schema["type"]] + (f"{of} {' and '.join(bounds)}" if bounds else "")
