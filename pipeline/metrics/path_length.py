"""Perceptual path length: how much an extractor sees change when a latent moves a little. Lower is smoother.

Source: Karras et al. 2019, arXiv 1812.04948: mean of |f(g(z(t))) - f(g(z(t + ε)))|² / ε² over pairs of latents and
places t between them, without the hundredth of the pairs at either end. Normal latents are interpolated on the sphere,
uniform ones along the line. The unit is the extractor's, so that values of unlike extractors do not compare. ε is 0.1
and not the paper's 1e-4, because images are judged as 8-bit pixels: steps smaller than their quantisation measure the
quantisation (1,146.9 instead of 31.0 at 1e-4 in torch-fidelity's own table, 11.34 and 11.33 at 0.1).
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.features import Matrix
from pipeline.metrics.metric import Metric, Need, ScoreDefinition
from pipeline.metrics.score import Score
from pipeline.networks import latents
from pipeline.networks.latents import Latents

EPSILON = 0.1
KEPT = (0.01, 0.99)  # quantiles of the squared distances
SCORE = "perceptual_path_length"


def path_ends(first: Latents, second: Latents, places: Latents, *, on_sphere: bool) -> tuple[Latents, Latents]:
    """Pairs of latents (N, L) and places (N,) in 0..1 → where each path stands at its place, and EPSILON further."""
    between = latents.on_sphere if on_sphere else latents.on_line
    return between(first, second, places), between(first, second, places + EPSILON)


def path_length(here: Matrix, further: Matrix) -> Score:
    """Features (N, D) at both ends of each small step → their mean length, squared, by ε².

    The standard error is that of a trimmed mean: the deviation after what is cut off has been pulled to where the cut
    is, over the share that is kept (Tukey & McLaughlin 1963).
    """
    squared = ((np.asarray(here, np.float64) - np.asarray(further, np.float64)) ** 2).sum(axis=1) / EPSILON**2
    low, high = np.quantile(squared, KEPT)
    kept = squared[(squared >= low) & (squared <= high)]
    winsorised = np.clip(squared, low, high).std(ddof=1)
    return Score(float(kept.mean()), float(winsorised / ((KEPT[1] - KEPT[0]) * np.sqrt(len(squared)))))


METRIC = Metric(
    scores=(
        ScoreDefinition(
            SCORE,
            "path length",
            "How much the extractor sees change when a latent moves a little (Karras et al. 2019).",
            "lower",
            has_error=True,
        ),
    ),
    needs=(Need.GENERATOR,),
)
