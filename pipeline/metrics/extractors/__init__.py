"""Extractors: networks that turn images into the features and logits from which scores are computed.

In: images (N, C, H, W) uint8 in 0..255, and weights. The weights are trained on a data set's own labels
(`classifier.py`), or published (`inception.py`, with `inception_network.py` and `inception_weights.py`).
Out: `Features` (`metrics/features.py`): features (N, D) and logits (N, C). `extractor.py` has the table of names.
"""
