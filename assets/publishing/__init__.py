"""Publishing: how results, their evidence, check results and settings' versions reach Dagster.

In: plain values and artefacts of `pipeline`. Out: materializations, metadata, check results and observations.
"""
