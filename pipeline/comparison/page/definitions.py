"""Definitions: what each score is, in a line for the page's reader. Formulas and sources: `pipeline/metrics/`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """A score's name for people, and what it is."""

    title: str
    text: str


DEFINITIONS = {
    "fid": Definition(
        "FID",
        "Fréchet distance between Gaussians fitted to the features of generated and of real test images "
        "(Heusel et al. 2017).",
    ),
    "fid_infinity": Definition(
        "FID∞", "FID followed along 1/n to infinitely many images (Chong and Forsyth 2020), here from halves."
    ),
    "inception_score": Definition(
        "Inception Score",
        "exp of the mean divergence of an image's classes from those of all images, over all images at once "
        "(Salimans et al. 2016).",
    ),
    "inception_score_splits_mean": Definition(
        "Inception Score, splits", "The mean Inception Score over ten splits, the form that papers quote."
    ),
    "inception_score_splits_std": Definition(
        "Inception Score, deviation", "The deviation of the Inception Score between the ten splits."
    ),
    "inception_score_infinity": Definition("IS∞", "The Inception Score followed along 1/n to infinitely many images."),
    "kid": Definition(
        "KID",
        "Squared maximum mean discrepancy of features under a cubic kernel, over all pairs, unbiased "
        "(Bińkowski et al. 2018).",
    ),
    "precision": Definition(
        "precision",
        "Share of generated images inside the neighbourhood of some real image (Kynkäänniemi et al. 2019).",
    ),
    "recall": Definition(
        "recall", "Share of real images inside the neighbourhood of some generated image (Kynkäänniemi et al. 2019)."
    ),
    "density": Definition(
        "density", "How many real neighbourhoods hold a generated image, over k; may exceed 1 (Naeem et al. 2020)."
    ),
    "coverage": Definition("coverage", "Share of real neighbourhoods that hold a generated image (Naeem et al. 2020)."),
    "missing_classes": Definition(
        "missing classes", "Classes given to fewer generated images than a tenth of an equal share (Che et al. 2016)."
    ),
    "per_class_fid": Definition(
        "FID by class",
        "Mean over classes of the FID within each class; none where a class is missing (Miyato and Koyama 2018).",
    ),
    "memorisation_distance": Definition(
        "memorisation distance",
        "Mean cosine distance of a generated image to its nearest training image; 0 means copies (Bai et al. 2021).",
    ),
    "authenticity": Definition(
        "authenticity",
        "Share of generated images farther from their nearest training image than that one is from its own nearest "
        "(Alaa et al. 2022).",
    ),
    "gan_train": Definition(
        "GAN-train", "Accuracy on real images of a classifier trained on generated ones (Shmelkov et al. 2018)."
    ),
    "gan_test": Definition(
        "GAN-test", "Accuracy on generated images of a classifier trained on real ones (Shmelkov et al. 2018)."
    ),
    "perceptual_path_length": Definition(
        "path length", "How much the extractor sees change when a latent moves a little (Karras et al. 2019)."
    ),
}


def definition(metric: str) -> Definition:
    """A score's definition; one that is not in the table is called by its own name."""
    return DEFINITIONS.get(metric, Definition(metric.replace("_", " "), "A score of your own; see its module."))
