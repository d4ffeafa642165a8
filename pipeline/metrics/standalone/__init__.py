"""Standalone: scores of any two sets of images or of features, made by any program (`ganforge score`).

In: `image_sets.py` opens folders, archives, arrays and tables of images uint8 in 0..255, and `extraction.py` computes
their features image by image. `feature_files.py` reads features (N, D), probabilities or logits (N, C) of any float
type. Out: `score_sets.py` computes every score that the sets allow, with notes on scores that are not defined.
"""
