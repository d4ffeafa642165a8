"""The JSON schemas of the tables, for editors."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.storage.paths import PROJECT
from tests.schemas import schemas

TABLES = sorted([*(PROJECT / "pipeline").glob("*.toml"), *(PROJECT / "assets").glob("*.toml")])


@pytest.mark.parametrize("path", schemas(), ids=lambda path: path.name)
def test_a_schema_is_that_of_the_classes(path: Path) -> None:
    assert json.loads(path.read_text(encoding="utf-8")) == schemas()[path], "run `make schemas`"


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_a_tables_first_line_names_its_schema(table: Path) -> None:
    text = table.read_text(encoding="utf-8")
    schema = schemas()[table.parent / "schemas" / f"{table.stem}.schema.json"]
    assert text.startswith(f"#:schema ./schemas/{table.stem}.schema.json\n")
    for key, entry in tomllib.loads(text).items():
        fields = schema.get("additionalProperties") or schema["properties"][key]
        assert set(entry) <= set(fields["properties"])
        assert set(fields.get("required", [])) <= set(entry)


def test_every_field_is_described() -> None:
    for path, schema in schemas().items():
        assert [name for name, field in fields_in(schema) if "description" not in field] == [], path.name


def fields_in(schema: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the fields at any depth, apart from `kind` and the optimizers that have fields themselves."""
    if isinstance(schema, list):
        return [field for part in schema for field in fields_in(part)]
    if not isinstance(schema, dict):
        return []
    names = [
        (name, field)
        for name, field in schema.get("properties", {}).items()
        if isinstance(field, dict) and not {"const", "$ref"} & set(field)
    ]
    return names + [field for part in schema.values() for field in fields_in(part)]
