"""The jobs that make a preset's chain by its name."""

import pytest

from assets.chain import FULL
from assets.definitions import defs
from assets.graph.partitions import PRESETS, RANGE_END_TAG, RANGE_START_TAG, RECIPES
from assets.graph.run_config import BUDGET_TAG, FULL_BUDGET, TrainingConfig
from pipeline.budgets import Budget, full_budget, plain_budget


@pytest.mark.parametrize("full", [False, True], ids=["demo", "full"])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_job_of_its_name_with_its_configuration_and_budget(name: str, full: bool) -> None:
    preset, job = PRESETS[name], defs.resolve_job_def(name + (FULL if full else ""))
    recipe = RECIPES[preset.recipe]
    assert (job.tags[RANGE_START_TAG], job.tags[RANGE_END_TAG]) == (preset.optimizer, preset.optimizer)
    budget = TrainingConfig().budget(recipe, job.tags)
    assert budget == (full_budget(recipe) if full else plain_budget(recipe))
    assert str(budget) in str(job.description)


def test_requested_steps_come_before_the_budget_of_a_job() -> None:
    recipe, tags = RECIPES["mnist_mlp"], {BUDGET_TAG: FULL_BUDGET}
    assert TrainingConfig(steps=5).budget(recipe, tags) == Budget(5, None)
    assert TrainingConfig().budget(recipe, tags) == Budget(93_700, None)
    assert TrainingConfig(full_budget=True).budget(recipe, {}) == Budget(93_700, None)
    assert TrainingConfig(steps=5, full_budget=True, width=7).budget(recipe, {}) == Budget(93_700, 7)


def test_a_full_budget_is_as_wide_as_the_source() -> None:
    recipe = RECIPES["mnist_conv"]
    assert TrainingConfig().budget(recipe, {}) == Budget(500, 4)
    assert TrainingConfig().budget(recipe, {BUDGET_TAG: FULL_BUDGET}) == Budget(10_000, 32)
    assert TrainingConfig(steps=20).budget(recipe, {}) == Budget(20, 4)


def test_a_presets_job_makes_the_whole_chain_from_raw_files_to_champion() -> None:
    made = {key.to_user_string() for key in defs.resolve_job_def("blog_adam").asset_layer.selected_asset_keys}
    of_data = {f"celeba/{name}" for name in ("raw", "tensors", "classifier", "reference")}
    names = ("generator", "discriminator", "history", "snapshots", "samples", "report", "comparison", "champion")
    assert made == of_data | {f"celeba_dense/{name}" for name in names}
