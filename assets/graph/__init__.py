"""Graph: facts of the asset graph that every stage shares.

Partitions (one per optimizer configuration), the run config and its tags, automation conditions, and ownership: which
runs of an instance are this project's.
"""
