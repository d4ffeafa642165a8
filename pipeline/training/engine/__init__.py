"""Engine: one training step of stacked members, its formulas, and the random numbers and images it reads.

In: members' settings, a network and training images on a device. Out: updated weights and each step's measurements.
"""
