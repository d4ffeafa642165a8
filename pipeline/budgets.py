"""Budgets: how many steps networks are trained for and how wide they are.

In: a recipe and a user's choice. Out: a `Budget`. Each recipe has two: a plain one that takes minutes on two CPU cores,
and the full one of its source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.settings import Recipe


@dataclass(frozen=True)
class Budget:
    """Number of steps, and width of the networks."""

    steps: int
    width: int | None  # None: the network's default

    def __str__(self) -> str:
        """Return words such as `500 steps at width 4`."""
        return f"{self.steps:,} steps" + ("" if self.width is None else f" at width {self.width}")


def plain_budget(recipe: Recipe) -> Budget:
    """Return the budget of minutes on two CPU cores."""
    return Budget(recipe.steps, recipe.width)


def full_budget(recipe: Recipe) -> Budget:
    """Return the budget of the recipe's source."""
    return Budget(recipe.full_steps, recipe.full_width or recipe.width)


def budget_for(recipe: Recipe, steps: int | Literal["full"] | None, width: int | None) -> Budget:
    """Return the budget that a user chose; `steps` is a number, "full", or None for the plain budget."""
    budget = full_budget(recipe) if steps == "full" else plain_budget(recipe)
    if isinstance(steps, int):
        budget = replace(budget, steps=steps)
    return budget if width is None else replace(budget, width=width)
