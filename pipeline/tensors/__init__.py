"""Tensors: a data set as memory-mapped uint8 pixels and labels, train and test apart.

In: the raw artefact. Out: `data/tensors/<data set>/train.arrow` and `test.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255, column `label` int64, in the order of the source. Networks see float32 in [-1, 1] through
`pixels.to_network`.
"""

CODE_VERSION = "1"

CHECKS = {
    "counts_agree": "Both splits hold as many images of each class as the raw files had.",
    "values_in_range": "What the networks see lies in [-1, 1] and is not constant.",
    "values_finite": "What the networks see is finite.",
}
