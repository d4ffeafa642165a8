"""Samples: images from a partition's trained generators, each from a seed of its own.

In: the training artefact. Out: `data/samples/<recipe>/<optimizer>/samples.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255 rounded to nearest, `member` int64, `latent_seed` int64; and `grid.png`. Image i depends on
its latent seed and its member alone; all members and configurations draw the same latents. A training that keeps an
average of its weights draws with that, unless a person asks for the raw ones.
"""

CODE_VERSION = "2"
