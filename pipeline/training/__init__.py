"""Training: a generator and a discriminator for every optimizer configuration, members stacked and trained as one.

In: a data set's tensors and the resolved settings of one or more partitions.
Out: `data/training/<recipe>/<optimizer>/`: `generator.safetensors` and `discriminator.safetensors` (member dimension
first, float32), `settings.json`, `history.parquet` (one row a member and interval), `snapshots/step_000000.png`, …

`train.py` is the entry; `engine.py` one step of the stack; `losses.py` and `optimizers.py` the formulas; `streams.py`
where every random number comes from; `history.py` and `snapshots.py` what is kept of the way there.
"""

CODE_VERSION = "1"
