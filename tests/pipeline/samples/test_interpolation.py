import numpy as np
import pytest

from pipeline.networks.latents import Distribution, latents_by_seed
from pipeline.samples.interpolation import closed_path, latent_path

NORMAL = latents_by_seed("normal", 100, np.arange(4))
UNIFORM = latents_by_seed("uniform", 100, np.arange(4))


def test_a_path_between_normal_latents_turns_by_equal_angles_and_keeps_its_length() -> None:
    path = latent_path(NORMAL[0], NORMAL[1], 9, "normal").astype(np.float64)
    lengths = np.linalg.norm(path, axis=1)
    assert (path.shape, path[0], path[-1]) == ((9, 100), pytest.approx(NORMAL[0]), pytest.approx(NORMAL[1], abs=1e-5))
    assert np.allclose(lengths, np.linspace(lengths[0], lengths[-1], 9), rtol=1e-5)
    unit = path / lengths[:, None]
    angles = np.arccos((unit[1:] * unit[:-1]).sum(axis=1))
    assert np.allclose(angles, np.arccos(unit[0] @ unit[-1]) / 8, rtol=1e-3)


def test_a_path_between_uniform_latents_is_straight_with_equal_steps() -> None:
    path = latent_path(UNIFORM[0], UNIFORM[1], 5, "uniform")
    assert np.allclose(np.diff(path, axis=0), (UNIFORM[1] - UNIFORM[0]) / 4, atol=1e-6)
    assert np.abs(path).max() <= 1


@pytest.mark.parametrize(("distribution", "keys"), [("normal", NORMAL), ("uniform", UNIFORM)])
def test_a_closed_path_comes_through_every_key_and_ends_a_step_before_the_first(
    distribution: Distribution, keys: np.ndarray
) -> None:
    path = closed_path(keys, 10, distribution)
    assert path.shape == (40, 100)
    assert np.allclose(path[::10], keys, atol=1e-5)
    last_leg = np.concatenate([path[30:], keys[:1]])
    assert np.allclose(last_leg, latent_path(keys[3], keys[0], 11, distribution), atol=1e-5)
    steps = np.linalg.norm(np.diff(last_leg, axis=0), axis=1)
    assert steps.max() < 1.2 * steps.min()


def test_a_path_has_two_ends() -> None:
    with pytest.raises(ValueError, match="a path of 1 steps has no two ends, expected at least 2"):
        latent_path(NORMAL[0], NORMAL[1], 1, "normal")
