"""The page docs/settings.md: every field of the TOML tables, from the schemas that editors read.

`python -m tests.schemas` and `make schemas` write it.

In: `tests/schemas.py`. Out: Markdown, one table per kind of entry. `tests/test_settings_page.py` compares the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.storage.paths import PROJECT
from tests.schemas import schemas

PAGE = PROJECT / "docs" / "settings.md"
HEAD = """\
# Settings

Every field of the TOML tables, with its range and default. `make schemas` writes this page; a test
compares it with the code. Editors read the same facts from the schemas beside the tables. A dash
means no default: the field has no effect unless it is set, or in a configuration, the recipe's
value holds.
"""
KINDS = {"string": "text", "boolean": "true or false", "array": "list of texts"}  # of JSON schemas, in plain words
OPTIMIZER = "One network's optimizer, or that of both; its fields are below."
Schema = dict[str, Any]


def page() -> str:
    """Return the Markdown of the page."""
    by_name = {path.name.partition(".")[0]: schema for path, schema in schemas().items()}
    optimizers, datasets = by_name["optimizers"], by_name["datasets"]
    files, raw = datasets["additionalProperties"]["oneOf"]
    parts = [
        HEAD,
        *_section("Recipes", "pipeline/recipes.toml", by_name["recipes"]["additionalProperties"]),
        *_section("Configurations", "pipeline/optimizers.toml", optimizers["additionalProperties"]),
        *(
            part
            for kind in optimizers["definitions"]["optimizer"]["oneOf"]
            for part in (f'### kind = "{kind["title"]}"\n', _table(kind))
        ),
        *_section("Presets", "pipeline/presets.toml", by_name["presets"]["additionalProperties"]),
        "## Your own data sets\n\n`GANFORGE_DATASETS` names the file; [own-data.md](own-data.md) explains it.\n",
        *("### An entry with your files\n", _table(files)),
        *("### An entry with the files of another data set\n", _table(raw)),
        "## Operations\n\nThe file is `assets/operations.toml`; [operations.md](operations.md) explains it.\n",
        *(
            part
            for name, section in by_name["operations"]["properties"].items()
            for part in (f"### {name}\n\n{section['description']}\n", _table(section))
        ),
    ]
    return "\n".join(parts)


def write_page() -> None:
    """Write docs/settings.md anew from the schemas."""
    PAGE.write_text(page(), encoding="utf-8")


def _section(title: str, file: str, entry: Schema) -> Iterator[str]:
    yield f"## {title}\n\nThe file is `{file}`.\n"
    yield _table(entry)


def _table(entry: Schema) -> str:
    """Return the fields of one kind of entry as a table; required ones first."""
    required = entry.get("required", [])
    fields = [(name, field) for name, field in entry["properties"].items() if "const" not in field]
    rows = [
        f"| `{name}` | {_values(field)} | {_default(field, name in required)} | {_meaning(field)} |"
        for name, field in sorted(fields, key=lambda named: named[0] not in required)
    ]
    return "\n".join(["| field | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _values(field: Schema) -> str:
    """Return the values that a field may have, such as `integer, at least 1`."""
    if "$ref" in field:
        return "optimizer"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = KINDS.get(field["type"], str(field["type"]))
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    return ", ".join([kind, *(f"{words} {field[name]}" for name, words in limits.items() if name in field)])


def _default(field: Schema, is_required: bool) -> str:
    if is_required:
        return "required"
    value = field.get("default")
    return "–" if value in (None, "", []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(field: Schema) -> str:
    return str(field.get("description", OPTIMIZER)).replace("|", "\\|")
