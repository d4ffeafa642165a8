"""Zoo: made-up trainings, scores along training and reports, healthy and sick, dozens of each kind.

In: a seed. Out: facts as the checks take them, each kind with what is wrong with it; and the table of precision and
recall (`table.py`). Levels, noise and spikes are those of real trainings on MNIST and CelebA (docs/log.md), sick kinds
those of trainings with rates far too high. Ranges are wide on purpose: some sick curves are so mild, and some healthy
ones so wild, that no threshold tells them apart; they are never adjusted to the checks.
"""
