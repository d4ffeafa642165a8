"""Champion: a recipe's best generator, kept until another is significantly better and has passed its checks.

In: the newest comparable reports, the weights and samples they are about, and what the checks found.
Out: `data/champion/<recipe>/<NNNN>/`, one folder a promotion that never changes: weights and settings (a training
artefact for `pipeline.training.trained`), `generator.onnx` of the best member, `grid.png`, `card.json` and `card.md`;
`current.json` says which of them is champion, `decisions.jsonl` what was decided when and why.
"""

CODE_VERSION = "1"
