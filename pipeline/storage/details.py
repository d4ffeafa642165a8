"""Details: the facts in a manifest, read as one frozen value per stage.

In: the object `details` of a manifest, plain JSON. Out: a frozen dataclass that the stage defines, such as
`raw.details.RawDetails`. The stage writes its manifest from the same class (`to_json`), so one list names the keys.

A field's name is its key in the manifest. Give a field a default if manifests of older versions lack its key. A field
whose default is None is left out of the manifest while it is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Details = TypeVar("Details")  # a stage's frozen dataclass


class DetailsError(ValueError):
    """A manifest lacks a fact or holds one of another type; the message names the file and the key."""


def read_details(values: Mapping[str, Any], form: type[Details], manifest: Path, remedy: str) -> Details:
    """Return the details as an instance of `form`; keys that `form` lacks are ignored.

    Raises `DetailsError`, one sentence that names the file, the key and the remedy.
    """
    from pydantic import ValidationError  # imported here: commands that read no details start faster

    try:
        details: Details = _reader(form).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ("details", *first["loc"]))
        if first["type"] == "missing":
            problem = f"found no {key}, so an older version made it"
        else:
            problem = f"found {first['input']!r} as {key} ({first['msg']})"
        raise DetailsError(f"{manifest}: {problem}; {remedy}") from error
    return details


_readers: dict[type, TypeAdapter[Any]] = {}  # building one takes a millisecond


def _reader(form: type) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    if form not in _readers:
        _readers[form] = TypeAdapter(form)
    return _readers[form]


def to_json(details: Any) -> dict[str, Any]:
    """Return a stage's details as plain JSON values, in the order of the fields."""
    values = {field.name: (getattr(details, field.name), field.default) for field in fields(details)}
    return {name: _plain(value) for name, (value, default) in values.items() if not (value is None and default is None)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_json(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
