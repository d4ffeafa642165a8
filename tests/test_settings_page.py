"""docs/settings.md shows the fields of the tables."""

from tests.settings_page import PAGE, page


def test_the_page_is_that_of_the_schemas() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make schemas`"


def test_ranges_choices_and_defaults_are_shown() -> None:
    rows = page().splitlines()
    assert "| `steps` | integer, at least 1 | required | Steps of the plain budget: minutes on two CPU cores. |" in rows
    assert any(row.startswith("| `precision` | `float32`, `bfloat16` | `float32` | ") for row in rows)
    assert any(row.startswith("| `label_flip` | number, at least 0, below 0.5 | ") for row in rows)
