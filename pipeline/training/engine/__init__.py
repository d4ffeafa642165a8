"""Engine: one training step of stacked members, its formulas, and the random numbers and images it reads.

`ensemble.py` holds all members in stacks (`stack.py`); `training_step.py` is the arithmetic of a step, built from
`network_pair.py`, `stacked_objective.py`, `losses.py`, `regularisers.py` and `optimizers.py`.

In: members' settings, a network and training images on a device. Out: updated weights and each step's measurements.
"""
