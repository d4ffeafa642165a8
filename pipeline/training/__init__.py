"""Training: a generator and a discriminator for every optimizer configuration, members stacked and trained as one.

In: a data set's tensors and the resolved settings of one or more partitions.
Out: `data/training/<recipe>/<optimizer>/`: `generator.safetensors` and `discriminator.safetensors` (member dimension
first, float32; `generator_average.safetensors` where a configuration has `ema_decay`, with the batch statistics of the
raw network), `settings.json`, `history.parquet` (one row per member and interval), `snapshots/step_000000.png`, …,
`movie.gif`, `evaluations/step_00000500.arrow`, … (images to score along training), `events/` for TensorBoard;
`checkpoints/` on the way; `earlier/` for weights that others replaced (`earlier.py`).

From the entry down: `launch.py` (several processes) and `train.py` (which partitions train together) call `sweep.py`,
the loop. `partition.py` keeps one configuration's files, `publication.py` makes its artefact, in which the members of
an earlier training stand first (`kept_members.py`). `checkpoint.py`, `interruption.py` and `divergence.py` serve
the loop. Below stand three wings: `records/` (history, snapshots, observations), `engine/` (one step of stacked
members) and `replay/` (how a step is repeated without Python). Later stages read a training through `trained.py` and
`kinds_of_weights.py` (raw or averaged weights).
"""

CODE_VERSION = "6"
