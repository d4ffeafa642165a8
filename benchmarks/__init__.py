"""Benchmarks: measurements for developers, run by hand from the root of a checkout. They are not in the wheel.

Each module is a command: `python -m benchmarks.training`. Results with date, machine and commit belong in docs/log.md.
"""
