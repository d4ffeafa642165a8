"""Orchestration: partitions, run configuration, how results are published, and the Dagster instance.

What belongs to one stage's assets stands in that stage's module instead.
"""
