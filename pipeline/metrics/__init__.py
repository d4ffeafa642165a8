"""Metrics: numbers from features, with everything that decides them.

In: images (N, C, H, W) uint8 in 0..255. An extractor turns them once into features (N, D) and logits (N, C); every
metric is a pure function of those, in float64, in a file of its own. Out: named scores.

A new metric is one file with a `METRIC`, one line in `catalogue.py` and one test. `classifier.py` is the extractor
trained on the data set's own labels; `reference.py` keeps the features of real images and of noise.
"""

CODE_VERSION = "3"
