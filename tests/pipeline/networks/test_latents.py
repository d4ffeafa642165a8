import numpy as np
import pytest
import torch

from pipeline.networks.latents import Distribution, latents_by_seed, random_latents


@pytest.mark.parametrize(("distribution", "deviation"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_both_ways_of_drawing_have_the_declared_distribution(distribution: Distribution, deviation: float) -> None:
    many = random_latents(distribution, (2000, 100), torch.Generator().manual_seed(0)).numpy()
    seeded = latents_by_seed(distribution, 100, np.arange(2000))
    for latents in (many, seeded):
        assert latents.dtype == np.float32
        assert abs(latents.mean()) < 0.01
        assert abs(latents.std() - deviation) < 0.01
        assert distribution == "normal" or np.abs(latents).max() <= 1


def test_a_latent_depends_on_its_own_seed_alone() -> None:
    few, many = latents_by_seed("normal", 100, np.array([7, 3])), latents_by_seed("normal", 100, np.arange(10))
    assert np.array_equal(few[0], many[7])
    assert np.array_equal(few[1], many[3])


def test_neighbouring_seeds_are_unrelated() -> None:
    latents = latents_by_seed("normal", 100, np.arange(500))
    correlation = np.atleast_2d(np.corrcoef(latents))[np.triu_indices(500, 1)]
    assert abs(correlation.std() - 0.1) < 0.005  # 1 / √100 for independent rows
    assert len(np.unique(latents, axis=0)) == 500
