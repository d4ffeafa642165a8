"""Training: a generator and a discriminator for every optimizer configuration, members stacked and trained as one.

In: a data set's tensors and the resolved settings of one or more partitions.
Out: `data/training/<recipe>/<optimizer>/`: `generator.safetensors` and `discriminator.safetensors` (member dimension
first, float32; `generator_average.safetensors` where a configuration has `ema_decay`, with the batch statistics of the
raw network), `settings.json`, `history.parquet` (one row a member and interval), `snapshots/step_000000.png`, …,
`movie.gif`, `evaluations/step_00000500.arrow`, … (images to score along training), `events/` for TensorBoard;
`checkpoints/` on the way.

From the entry down: `train.py` (what is trained and what together) → `sweep.py` (the loop) → `engine.py` (one step of
a stack) → `in_turn.py` (several stacks); `recorded_step.py`, `recorder.py`, `arenas.py`, `cuda_graph.py` (how a step is
repeated without Python) → `losses.py`, `regularisers.py`, `optimizers.py` (the formulas), `streams.py`, `images.py`
(where random numbers and images come from), `ranks.py` (several processes). Beside the loop: `partition.py` (what is
kept of one configuration), `checkpoint.py`, `interruption.py`, `divergence.py`, `history.py`, `snapshots.py`,
`evaluations.py`, `events.py`, `progress.py`, `system.py`. For those who read a training: `trained.py`,
`kinds_of_weights.py` (raw or average: which is drawn from).
"""

CODE_VERSION = "5"
