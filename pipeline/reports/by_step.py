"""Scores by step: score the images that a training stored at its intervals (`training/records/scored_images.py`).

In: a training's stored images, and the judge of its data set. Out: the file at `Paths.scores_by_step` for a partition's
newest training. Columns: `step` int64; `member` int64; `metric`, one of "fid", "inception_score" and "missing_classes",
as far as the extractor's logits define them; `value` float64, null if a score is not defined. The metadata name the
training and the extractor, so that a reader can refuse the scores of other weights. A member has no rows after it
diverged.

The Fréchet distance of a few hundred images is biased upwards, more than in a report. Compare a value with other steps,
members and configurations in such files, never with a report.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from pipeline.reports.former_layout import bring_up_to_date, former_scores
from pipeline.reports.report import Report
from pipeline.storage.artefact import Artefact
from pipeline.storage.atomic import atomic_file
from pipeline.storage.paths import Paths
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import RAW, weights_along

if TYPE_CHECKING:
    from pipeline.metrics.features import Features
    from pipeline.metrics.frechet_distance import Factored
    from pipeline.reports.judge import Judge

log = logging.getLogger(__name__)

SCHEMA = pa.schema([("step", pa.int64()), ("member", pa.int64()), ("metric", pa.string()), ("value", pa.float64())])
INCHES, DOTS_PER_INCH = (9.0, 3.2), 100
WEIGHTS = "weights"  # key in the metadata; absent for scores of raw weights
COLOURS = 64  # a palette takes a quarter of the bytes, and no line looks different


# ---------------------------------------------------------------------------------------------------------------------
# Read


def read_scores_by_step(
    paths: Paths, recipe: str, optimizer: str, training_fingerprint: str, extractor_sha256: str | None = None
) -> pa.Table | None:
    """Return the scores along a training, in `SCHEMA`, sorted by step, member and metric.

    None if the file is missing or is about another training, or about another extractor than a given one.
    """
    expected = {"training_fingerprint": training_fingerprint}
    if extractor_sha256 is not None:
        expected["extractor_sha256"] = extractor_sha256
    return _find(paths, recipe, optimizer, expected)


def scores_along(report: Report, paths: Paths) -> pa.Table | None:
    """Return the scores along the training of a report, by the report's extractor; None if there are none."""
    return read_scores_by_step(
        paths, report.recipe, report.optimizer, report.training_fingerprint, report.extractor_sha256
    )


def images_per_member(scores: pa.Table) -> int:
    """Return the number of images that were scored per member and step."""
    return int(scores.schema.metadata[b"images_a_member"])


def weights_scored(scores: pa.Table) -> str:
    """Return the kind of the generator's weights that generated the scored images: "raw" or "average"."""
    return str((scores.schema.metadata or {}).get(WEIGHTS.encode(), RAW.encode()).decode())


def _find(paths: Paths, recipe: str, optimizer: str, expected: Mapping[str, str]) -> pa.Table | None:
    """Return the table with the expected metadata, also from the former path, which a read-only store still has."""
    for path in (paths.scores_by_step(recipe, optimizer), former_scores(paths.reports(), recipe, optimizer)):
        if (table := _read(path, expected)) is not None:
            return table
    return None


def _read(path: Path, expected: Mapping[str, str]) -> pa.Table | None:
    """Return the file's table if it has the expected metadata, else None. A damaged file is logged, and None too."""
    if not path.exists():
        return None
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        log.warning("%s: cannot be read (%s) and is ignored; the next report writes it again", path, error)
        return None
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    agrees = all(metadata.get(name) == value for name, value in expected.items())
    return table if agrees and table.schema.equals(SCHEMA) else None


# ---------------------------------------------------------------------------------------------------------------------
# Make


def keep_scores_by_step(training: Artefact, judge: Judge, paths: Paths, *, force: bool = False) -> None:
    """Score the images that a training stored at its intervals, unless their scores are stored already.

    A training without such images gets no file.
    """
    from pipeline.training.records.scored_images import evaluation_files

    files = evaluation_files(training)
    details = training.details_as(TrainingDetails)
    recipe, optimizer = details.recipe, details.optimizer
    facts = _facts(training, judge)
    bring_up_to_date(paths.reports())
    if not files or (not force and _find(paths, recipe, optimizer, facts) is not None):
        return
    if _takes_long(judge):
        log.info(
            "%s %s: scores along training with %s are computed only with `thorough`",
            recipe,
            optimizer,
            judge.extractor.name,
        )
        return
    log.info("%s %s: scoring %d steps of the training", recipe, optimizer, len(files))
    known = None if force else _find_of_fewer(paths, training, facts)
    _write(paths.scores_by_step(recipe, optimizer), _score(files, judge, known).replace_schema_metadata(facts))


def _find_of_fewer(paths: Paths, training: Artefact, facts: Mapping[str, str]) -> pa.Table | None:
    """Return the scores along the same training when it had fewer members, or None."""
    from pipeline.training.identity import fingerprint_of_first

    details = training.details_as(TrainingDetails)
    fewer = (fingerprint_of_first(training, members) for members in range(details.members - 1, 0, -1))
    expected = ({**facts, "training_fingerprint": fingerprint} for fingerprint in fewer)
    tables = (_find(paths, details.recipe, details.optimizer, facts_of_fewer) for facts_of_fewer in expected)
    return next((table for table in tables if table is not None), None)


def _facts(training: Artefact, judge: Judge) -> dict[str, str]:
    """Return the metadata of the file: everything that decides the scores."""
    from pipeline.metrics import CODE_VERSION
    from pipeline.training.records.scored_images import EVALUATION_IMAGES

    return {
        "training_fingerprint": training.fingerprint,
        "extractor": judge.extractor.name,
        "extractor_sha256": judge.extractor.sha256,
        "real_images": judge.reference_artefact.fingerprint,
        "metrics_version": CODE_VERSION,
        "images_a_member": str(EVALUATION_IMAGES),
        **({} if weights_along(training) == RAW else {WEIGHTS: weights_along(training)}),
    }


def _takes_long(judge: Judge) -> bool:
    """Return True for Inception on a CPU: at a tenth of a second per image, a training's images take half an hour."""
    from pipeline.device import choose_device
    from pipeline.metrics.features import IMAGENET

    return judge.thorough is None and judge.extractor.labels == IMAGENET and choose_device().type == "cpu"


def _score(files: Mapping[int, Path], judge: Judge, known: pa.Table | None) -> pa.Table:
    """Return the scores of every step and member, copied where they are known."""
    from pipeline.metrics.frechet_distance import factorise
    from pipeline.storage.images import read_images

    real, rows = factorise(judge.reference.test.features), []
    known_rows: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in [] if known is None else known.to_pylist():
        known_rows.setdefault((row["step"], row["member"]), []).append(row)
    for step, path in files.items():
        images = read_images(path)
        for member in np.unique(images.columns["member"]).tolist():
            if (step, member) in known_rows:
                rows += known_rows[step, member]
                continue
            features = judge.extractor.extract(images.pixels[images.columns["member"] == member])
            for metric, value in _scores_of(features, real, judge.reference.labels).items():
                rows.append({"step": step, "member": member, "metric": metric, "value": value})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _scores_of(generated: Features, real: Factored, labels: str) -> dict[str, float | None]:
    """Return the scores that a report has for the same images, by name, without their errors.

    The errors would take ten times as long. `real` are the features of the real images, `labels` is the kind of the
    logits' labels.
    """
    from pipeline.metrics.catalogue import score_names
    from pipeline.metrics.frechet_distance import distance_of_factors, factorise
    from pipeline.metrics.inception_score import inception_score, log_probabilities
    from pipeline.metrics.missing_classes import missing_classes

    logits = generated.logits if generated.logits is not None else np.empty((len(generated), 0))
    scores: dict[str, Callable[[], float]] = {
        "fid": lambda: distance_of_factors(factorise(generated.features), real).value,
        "inception_score": lambda: inception_score(log_probabilities(logits)),
        "missing_classes": lambda: missing_classes(logits),
    }
    defined = score_names(labels)
    values = {name: float(compute()) for name, compute in scores.items() if name in defined}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _write(path: Path, table: pa.Table) -> None:
    """Write the file so that it appears complete or not at all."""
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary)


# ---------------------------------------------------------------------------------------------------------------------
# Show


def draw_by_step(scores: pa.Table, metric: str, label: str) -> bytes:
    """Return a PNG of one score by training step with one line per member, small enough for Dagster's event log."""
    from matplotlib.figure import Figure  # a second to import, and only pictures need it
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.subplots()
    chosen = scores.filter(pc.equal(scores["metric"], metric))
    for member in sorted(set(chosen["member"].to_pylist())):
        curve = chosen.filter(pc.equal(chosen["member"], member)).sort_by("step")
        values = curve["value"].to_numpy(zero_copy_only=False)  # null becomes NaN, a gap in the line
        axes.plot(curve["step"], values, label=f"member {member}", linewidth=1.2, marker=".")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DOTS_PER_INCH)
    Image.open(full).convert("RGB").quantize(COLOURS).save(small, format="PNG", optimize=True)
    return small.getvalue()
