"""Perceptual path length: the change in an extractor's features if a latent moves a little. Lower is smoother.

Source: Karras et al. 2019, arXiv 1812.04948: mean of |f(g(z(t))) - f(g(z(t + ε)))|² / ε² over pairs of latents and
positions t between them, without the hundredth of the pairs at either end. Normal latents are interpolated on the
sphere, uniform ones along the line. The unit is the extractor's: do not compare values of different extractors. ε is
0.1 and not the paper's 1e-4, because images are scored as 8-bit pixels. Steps smaller than the quantisation measure the
quantisation: 1,146.9 instead of 31.0 at 1e-4 in torch-fidelity's own table, 11.34 and 11.33 at 0.1.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.features import Matrix
from pipeline.metrics.metric import Metric, Need, ScoreDefinition
from pipeline.metrics.score import Score
from pipeline.networks import latents
from pipeline.networks.latents import Latents

EPSILON = 0.1
KEPT_QUANTILES = (0.01, 0.99)  # of the squared distances
SCORE = "perceptual_path_length"


def path_ends(first: Latents, second: Latents, positions: Latents, *, on_sphere: bool) -> tuple[Latents, Latents]:
    """Return the latents at positions (N,) in 0..1 between pairs of latents (N, L), and those EPSILON further."""
    between = latents.on_sphere if on_sphere else latents.on_line
    return between(first, second, positions), between(first, second, positions + EPSILON)


def path_length(here: Matrix, further: Matrix) -> Score:
    """Return the mean squared length over ε² of small steps, from features (N, D) at both ends of each.

    The standard error is that of a trimmed mean (Tukey & McLaughlin 1963). Values beyond a cut are moved to the cut;
    their deviation is divided by the share of values between the cuts.
    """
    squared = ((np.asarray(here, np.float64) - np.asarray(further, np.float64)) ** 2).sum(axis=1) / EPSILON**2
    low, high = np.quantile(squared, KEPT_QUANTILES)
    trimmed = squared[(squared >= low) & (squared <= high)]
    winsorised = np.clip(squared, low, high).std(ddof=1)
    share = KEPT_QUANTILES[1] - KEPT_QUANTILES[0]
    return Score(float(trimmed.mean()), float(winsorised / (share * np.sqrt(len(squared)))))


METRIC = Metric(
    scores=(
        ScoreDefinition(
            SCORE,
            "path length",
            "How much the extractor sees change when a latent moves a little (Karras et al. 2019).",
            "lower",
            has_error=True,
            scale="log",
        ),
    ),
    needs=(Need.GENERATOR,),
)
