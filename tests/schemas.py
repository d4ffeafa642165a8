"""JSON schemas of the TOML tables, so that editors complete fields and mark mistakes while a user writes.

    python -m tests.schemas     # writes pipeline/schemas, assets/schemas and docs/settings.md anew; also `make schemas`

In: the classes that read the tables. Out: one schema per table, JSON Schema draft 7. A table's first line, `#:schema`,
names its schema for editors. `tests/test_schemas.py` compares the written files with the classes.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from assets.triggers.operations import BUILT_IN, Operations
from pipeline.objectives import ObjectiveSettings
from pipeline.optimizer_kinds import KINDS
from pipeline.raw.dataset import Preparation
from pipeline.raw.own_data import FilesEntry, RawEntry
from pipeline.settings import NETWORKS, OptimizerConfiguration, Preset, Recipe
from pipeline.storage.paths import PROJECT
from pipeline.tables import KEY_PATTERN

Schema = dict[str, Any]


def schemas() -> dict[Path, Schema]:
    """Return the schema of every table by its file."""
    pipeline, assets = PROJECT / "pipeline" / "schemas", PROJECT / "assets" / "schemas"
    return {
        pipeline / "recipes.schema.json": _table("Recipes", _entry([Recipe, ObjectiveSettings])),
        pipeline / "optimizers.schema.json": {
            **_table("Optimizer configurations", _configuration()),
            "definitions": {"optimizer": {"oneOf": [_optimizer(kind) for kind in KINDS]}},
        },
        pipeline / "presets.schema.json": _table("Presets", _entry([Preset])),
        pipeline / "datasets.schema.json": _table(
            "Your own data sets", {"oneOf": [_entry([kind, Preparation]) for kind in (FilesEntry, RawEntry)]}
        ),
        assets / "operations.schema.json": _operations(),
    }


def write_schemas() -> None:
    """Write every schema to its file."""
    for path, schema in schemas().items():
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _document(title: str, schema: Schema) -> Schema:
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, "type": "object", **schema}


def _table(title: str, entry: Schema) -> Schema:
    names = {"pattern": f"^{KEY_PATTERN.pattern}$"}
    return _document(title, {"propertyNames": names, "additionalProperties": entry})


def _entry(models: Collection[type], left_out: Collection[str] = ("key", "objective")) -> Schema:
    """Return the schema of an entry with the fields of several classes."""
    properties: Schema = {}
    required: list[str] = []
    for model in models:
        schema = TypeAdapter(model).json_schema()
        properties |= {name: _field(field) for name, field in schema["properties"].items() if name not in left_out}
        required += [name for name in schema.get("required", []) if name not in left_out]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _field(schema: Schema) -> Schema:
    """Return a field's schema without titles, which repeat its name, and without None, which no file can hold."""
    chosen: Schema = next((part for part in schema.get("anyOf", []) if part["type"] != "null"), {})
    merged = chosen | {name: value for name, value in schema.items() if name not in ("anyOf", "title")}
    return {name: value for name, value in merged.items() if (name, value) != ("default", None)}


def _configuration() -> Schema:
    entry = _entry([OptimizerConfiguration], ("key", "objective", *NETWORKS))
    overrides = {name: _without_default(field) for name, field in _entry([ObjectiveSettings])["properties"].items()}
    optimizers = {name: {"$ref": "#/definitions/optimizer"} for name in ("both", *NETWORKS)}
    apart = {"required": list(NETWORKS), "properties": {"both": False}}
    together = {"required": ["both"], "properties": dict.fromkeys(NETWORKS, False)}
    return entry | {
        "properties": optimizers | entry["properties"] | overrides,
        "required": [],  # without a source, the file itself is the source
        "oneOf": [together, apart],
    }


def _optimizer(kind: str) -> Schema:
    schema = _entry([KINDS[kind]])
    properties = {"kind": {"const": kind}} | schema["properties"]
    return schema | {"title": kind, "properties": properties, "required": ["kind", *schema["required"]]}


def _operations() -> Schema:
    """Return the schema of operations; the built-in file holds the defaults, so a user's file may leave out any."""
    built_in = tomllib.loads(BUILT_IN.read_text(encoding="utf-8"))
    full_schema = TypeAdapter(Operations).json_schema()
    sections = {}
    for name, field in full_schema["properties"].items():
        model = full_schema["$defs"][field["$ref"].rpartition("/")[2]]
        properties = {
            inner: _field(schema) | ({"default": built_in[name][inner]} if inner in built_in[name] else {})
            for inner, schema in model["properties"].items()
        }
        description = field.get("description", model["description"])
        sections[name] = {
            "type": "object",
            "description": description,
            "properties": properties,
            "additionalProperties": False,
        }
    return _document("Operations", {"properties": sections, "additionalProperties": False})


def _without_default(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "default"}


if __name__ == "__main__":
    from tests.settings_page import write_page  # it imports this module

    write_schemas()
    write_page()
