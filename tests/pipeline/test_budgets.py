"""Budgets of recipes and of users."""

from pathlib import Path
from typing import Literal

import pytest

from pipeline.budgets import Budget, budget_for
from tests.pipeline.written_tables import recipe_of


def test_the_sources_own_budget_has_the_sources_width(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "width = 4\nfull_width = 32")
    budgets = [budget_for(recipe, *asked) for asked in ((None, None), ("full", None), (25, None), ("full", 8))]
    assert budgets == [Budget(10, 4), Budget(1000, 32), Budget(25, 4), Budget(1000, 8)]
    assert budget_for(recipe_of(tmp_path, "width = 4"), "full", None) == Budget(1000, 4)


@pytest.mark.parametrize(("steps", "expected"), [(None, 10), ("full", 1000), (25, 25)])
def test_the_budget_is_the_recipes_or_the_sources_or_a_number(
    tmp_path: Path, steps: int | Literal["full"] | None, expected: int
) -> None:
    assert budget_for(recipe_of(tmp_path, ""), steps, None) == Budget(expected, None)
