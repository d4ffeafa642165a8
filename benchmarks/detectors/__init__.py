"""Detectors: precision and recall of every check, measured on made-up healthy and sick curves.

In: a seed. Out: inputs of the checks, each with a note of its fault; and the table of precision and recall
(`table.py`). Levels, noise and spikes are those of real trainings on MNIST and CelebA (docs/log.md); sick kinds follow
trainings with rates far too high. Ranges are wide on purpose: some sick curves are so mild, and some healthy ones so
wild, that no threshold separates them. The curves are never adjusted to the checks.
"""
