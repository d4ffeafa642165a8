"""Budgets: how many steps networks are trained for and how wide they are.

In: a recipe and a user's choice. Out: a `Budget`. Each recipe has two: a plain one that takes minutes on two CPU cores,
and the full one of its source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.settings import Recipe
from pipeline.tables import SettingsError


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


def budget_for(recipe: Recipe, steps: str | None, width: int | None) -> Budget:
    """Return the budget that a user chose; `steps` is a number, "full", or None for the plain budget."""
    if steps is not None and steps != "full" and not steps.isdecimal():
        raise SettingsError(f"--steps: found {steps!r}, expected a whole number or 'full'")
    budget = full_budget(recipe) if steps == "full" else plain_budget(recipe)
    if steps is not None and steps != "full":
        budget = replace(budget, steps=int(steps))
    return budget if width is None else replace(budget, width=width)
