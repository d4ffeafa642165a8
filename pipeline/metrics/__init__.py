"""Metrics: numbers from features, with everything that decides them.

In: images (N, C, H, W) uint8 in 0..255. An extractor turns them once into features (N, D) and logits (N, C); every
metric is a pure function of those, in float64, in a file of its own. Out: named scores.

A new metric is one file with a `METRIC`, one line in `catalogue.py` and one test. `extractors/` are the networks and
their weights; `reference.py` keeps the features of real images and of noise. `standalone/` scores any two sets of
images; `ladder/` shows which score notices which corruption of real images.
"""

CODE_VERSION = "3"
