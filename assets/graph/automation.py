"""Automation: conditions under which Dagster makes what is cheap anew by itself. Training has none, and never runs so.

A report follows its samples and the judges of its data set, the comparison the reports, the champion the comparison,
wherever those were made: by a backfill, in the UI, from the command line. What is registered again unchanged moves
nothing, and neither does a change in the tables: it is training that it asks for. Off until the sensor `automation` is
switched on.
"""

import dagster as dg

INTERVAL_SECONDS = 30

_CHANGED = dg.AutomationCondition.data_version_changed() & ~dg.AutomationCondition.executed_with_root_target()
_IDLE = ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.any_deps_in_progress()
_FOLLOWS = dg.AutomationCondition.any_deps_match(_CHANGED).since_last_handled() & _IDLE
_FOLLOWED = dg.AssetSelection.groups("metrics", "samples", "reports", "comparison")  # not the recipe's settings

# Of the partitions whose samples are there.
REPORT_CONDITION = (
    (_FOLLOWS & ~dg.AutomationCondition.any_deps_missing()).allow(_FOLLOWED).with_label("its samples are new")
)
# Of comparison and champion: reports that are missing do not keep those that are there from being compared.
COMPARISON_CONDITION = _FOLLOWS.allow(_FOLLOWED).with_label("what it is made of is new")


def build_automation_sensor(*groups: str) -> dg.AutomationConditionSensorDefinition:
    """The sensor `automation` over the assets of these groups."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.groups(*groups),
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=INTERVAL_SECONDS,
        description="Makes reports, comparisons and champions anew where what they are made of is new. Never trains.",
    )
