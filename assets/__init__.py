"""The Dagster code location: the assets that exist and when to make them, over the functions of `pipeline`.

One module per stage, named as the stage; `definitions.py` puts them together in the order of the flow. Below the stages
stand `graph`, `publishing` and `triggers`; `instance` runs the whole on this machine.

An asset reads its keys and settings, calls one function of `pipeline` and returns the result with its evidence. Nothing
here imports torch when it loads: each asset imports its stage inside its function.
"""

import warnings

# `backfill_policy` is beta, and Dagster warns of it for every asset. A sweep in one run needs it (docs/decisions/0004).
# The filter names the message, not Dagster's class: importing Dagster takes a second, which some commands need not pay.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
