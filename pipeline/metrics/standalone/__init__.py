"""Standalone: scores of any two sets of images or of features, from whatever program (`ganforge score`).

In: `image_sets.py` opens folders, archives, arrays and tables of images uint8 in 0..255, and `extraction.py` reads them
through an extractor image by image; `feature_files.py` reads features (N, D), probabilities or logits (N, C) of any
float type. Out: `score_sets.py` gives every score that the sets allow, with notes on what is not defined.
"""
