"""Champion: a recipe's best generator, kept until another one is significantly better and has passed its checks.

In: the newest comparable reports, the weights and samples they are about, and the findings of the checks.
Out: `data/champion/<recipe>/<NNNN>/`, one folder per promotion that never changes: weights and settings (a training
artefact for `pipeline.training.trained`), `generator.onnx` of the best member, `grid.png`, `card.json` and `card.md`.
`current.json` names the folder of the champion, `decisions.jsonl` logs every decision with its time and reason.

The weights and the report that they are promoted for decide a promotion (`champion_identity`).
"""

from __future__ import annotations

from pipeline.storage.identity import Identity

CODE_VERSION = "1"


def champion_identity(training_fingerprint: str, report_id: str) -> Identity:
    """Return the identity of one promotion's folder."""
    return Identity("champion", CODE_VERSION, {"training": training_fingerprint, "report": report_id})
