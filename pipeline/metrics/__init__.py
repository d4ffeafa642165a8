"""Metrics: scores of generated images, with everything that decides them.

In: images (N, C, H, W) uint8 in 0..255. An extractor turns them once into features (N, D) and logits (N, C); every
metric is a pure function of these, in float64, in a file of its own. Out: named scores.

A new metric is one file with a `METRIC` (see `metric.py`), its import and line in `catalogue.py`, and one test. Reports
then become stale, because their identity names their scores; classifiers, references and ladders do not.
`extractors/` has the networks and their weights; `reference.py` stores the features of real images and of noise.
`standalone/` scores any two sets of images; `ladder/` shows which score notices which corruption of real images.
"""

# Part of every score's protocol: raise it when the value of a score changes. Older reports are then stale and no longer
# comparable with new ones. A new score changes no value, so it does not raise this version.
CODE_VERSION = "3"

# Part of the identity of classifiers and references: raise it when an extractor computes other features from the same
# images, or trains in another way. Raising it trains every classifier anew; raise CODE_VERSION with it.
EXTRACTOR_VERSION = "3"
