"""Records: measurements and images that a training keeps along its way.

In: an ensemble and its step's measurements. Out: history rows, snapshots, images to score, observations, event files.
"""
