"""Tensors: a data set as memory-mapped uint8 pixels and labels, train and test apart.

In: the raw artefact. Out: `data/tensors/<data set>/train.arrow` and `test.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255, cropped and resized as the data set's `Preparation` says; column `label` int64 where there
are classes, `attributes` (K,) uint8, 1 where the image has the attribute, where there are those; in the order of the
source. Networks see float32 in the range their recipe names, through `pixels.py`.
"""

CODE_VERSION = "3"

LABEL_COLUMNS = {"classes": "label", "attributes": "attributes"}  # the column of each kind of labels; "none" has none

CHECKS = {
    "counts_agree": "Both splits hold as many images, and of each class or attribute, as the raw files had.",
    "values_in_range": "What the networks see lies in [-1, 1] and is not constant.",
    "values_finite": "What the networks see is finite.",
    "complete": "The data set is the whole published one, and every image of it could be read. Stops nothing.",
}
BLOCKING = ("counts_agree", "values_in_range", "values_finite")  # nothing is trained where one of these fails
