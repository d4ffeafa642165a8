"""Raw: the files of a data set as published, verified, with the source they came from.

In: a directory the user names, the official mirrors, or a package that ships the data: tried in that order.
Out: `data/raw/<data set>/` with the files, unchanged, and `manifest.json`: source, sizes, sha256 of the files and of
their decompressed content. `read_splits` gives images (N, C, H, W) uint8 in 0..255 and labels (N,) int64.

A new data set is one file with its sources and files (like `mnist.py`) and one line in `catalogue.py`.
"""

CODE_VERSION = "1"
