"""The Dagster code location: what exists and when to make it, over the functions of `pipeline`.

One module per stage, named as the stage; `definitions.py` puts them together in the order of the flow. Below the stages
stand `graph`, `publishing` and `triggers`; `instance` runs the whole on this machine.

An asset reads its keys and settings, calls one function of `pipeline` and returns the result with its evidence. Nothing
here imports torch when it loads: each asset imports its stage inside its function.
"""

import warnings

# `backfill_policy` is beta and says so for every asset; a sweep in one run needs it (docs/decisions/0004). Known by its
# message alone: Dagster takes a second to import, and `ganforge reports` needs none of it.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
