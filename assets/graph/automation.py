"""Automation: conditions under which Dagster makes the cheap assets again. Training is never started automatically.

A report follows its samples and its data set's classifier and reference. The comparison follows the reports, and the
champion follows the comparison. It does not matter whether a backfill, the UI or the command line made them. An asset
that is registered again unchanged starts no run. A change in the tables starts none either, because it needs training.
Automation is off until a person switches on the sensor `automation`.
"""

import dagster as dg

INTERVAL_SECONDS = 30

_CHANGED = dg.AutomationCondition.data_version_changed() & ~dg.AutomationCondition.executed_with_root_target()
_IDLE = ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.any_deps_in_progress()
_FOLLOWS = dg.AutomationCondition.any_deps_match(_CHANGED).since_last_handled() & _IDLE
_FOLLOWED = dg.AssetSelection.groups("metrics", "samples", "reports", "comparison")  # not the recipe's settings

# Holds for partitions whose samples exist.
REPORT_CONDITION = (
    (_FOLLOWS & ~dg.AutomationCondition.any_deps_missing()).allow(_FOLLOWED).with_label("its samples are new")
)
# For comparison and champion: a missing report must not keep the existing reports from being compared.
COMPARISON_CONDITION = _FOLLOWS.allow(_FOLLOWED).with_label("one of its inputs is new")


def build_automation_sensor(*groups: str) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor `automation` over the assets of these groups."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.groups(*groups),
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=INTERVAL_SECONDS,
        description="Makes reports, comparisons and champions again when their inputs are new. Never trains.",
    )
