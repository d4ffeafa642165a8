"""Scores by step: scores of the images that a training kept along its way (`training/records/scored_images.py`).

In: a training's kept images, and the judge of its data set. Out: the file that `Paths.scores_by_step` names, about a
partition's newest training, with columns `step` int64, `member` int64, `metric` ("fid", "inception_score",
"missing_classes": those that the extractor's logits define) and `value` float64, null where a score is not defined. Its
metadata name the training and the extractor, so that a reader can refuse the scores of other weights. A diverged member
has no more rows.

The Fréchet distance of a few hundred images is biased upwards more than a report's: compare a value with those of other
steps, members and configurations in such files, never with a report's.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from pipeline.reports.former_layout import bring_up_to_date, former_scores
from pipeline.reports.report import Report
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.whole import whole_file
from pipeline.training.kinds_of_weights import RAW, weights_along

if TYPE_CHECKING:
    from pipeline.metrics.features import Features
    from pipeline.metrics.frechet_distance import Factored
    from pipeline.reports.judge import Judge

log = logging.getLogger(__name__)

SCHEMA = pa.schema([("step", pa.int64()), ("member", pa.int64()), ("metric", pa.string()), ("value", pa.float64())])
INCHES, DOTS_AN_INCH = (9.0, 3.2), 100
WEIGHTS = "weights"  # in the metadata; missing in scores of raw weights
COLOURS = 64  # a quarter of the bytes, and no line looks different


# ---------------------------------------------------------------------------------------------------------------------
# Read


def read_scores_by_step(
    paths: Paths, recipe: str, optimizer: str, training_fingerprint: str, extractor_sha256: str | None = None
) -> pa.Table | None:
    """The scores along a training, in `SCHEMA`, by step, member and metric.

    None where there are none, or those of another training or (where one is named) another extractor.
    """
    wanted = {"training_fingerprint": training_fingerprint}
    if extractor_sha256 is not None:
        wanted["extractor_sha256"] = extractor_sha256
    return _find(paths, recipe, optimizer, wanted)


def scores_along(report: Report, paths: Paths) -> pa.Table | None:
    """The same for the training that a report is about, as its extractor sees the images."""
    facts = [report.recipe, report.optimizer, report.training_fingerprint, report.extractor_sha256]
    return read_scores_by_step(paths, *facts)


def images_a_member(scores: pa.Table) -> int:
    """How many images of a member were scored at a step."""
    return int(scores.schema.metadata[b"images_a_member"])


def weights_scored(scores: pa.Table) -> str:
    """Return the kind of the generator's weights that drew the images scored along a training."""
    return str((scores.schema.metadata or {}).get(WEIGHTS.encode(), RAW.encode()).decode())


def _find(paths: Paths, recipe: str, optimizer: str, wanted: Mapping[str, str]) -> pa.Table | None:
    """The table whose metadata say all that is wanted, also where an earlier version put it and it cannot be moved."""
    for path in (paths.scores_by_step(recipe, optimizer), former_scores(paths.reports(), recipe, optimizer)):
        if (table := _read(path, wanted)) is not None:
            return table
    return None


def _read(path: Path, wanted: Mapping[str, str]) -> pa.Table | None:
    """The file's table, where its metadata say all that is wanted; a damaged file is none, said in the log."""
    if not path.exists():
        return None
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        log.warning("%s: cannot be read (%s), passed over; the next report makes it again", path, error)
        return None
    found = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    agrees = all(found.get(name) == value for name, value in wanted.items())
    return table if agrees and table.schema.equals(SCHEMA) else None


# ---------------------------------------------------------------------------------------------------------------------
# Make


def keep_scores_by_step(training: Artefact, judge: Judge, paths: Paths, *, force: bool = False) -> None:
    """Score the images kept on the way, unless these scores are there; nothing where the training kept none."""
    from pipeline.training.records.scored_images import evaluation_files

    files = evaluation_files(training)
    recipe, optimizer = training.details["recipe"], training.details["optimizer"]
    facts = _facts(training, judge)
    bring_up_to_date(paths.reports())
    if not files or (not force and _find(paths, recipe, optimizer, facts) is not None):
        return
    if _takes_long(judge):
        log.info("%s %s: scores along training with %s only with `thorough`", recipe, optimizer, judge.extractor.name)
        return
    log.info("%s %s: scoring %d steps of the training", recipe, optimizer, len(files))
    _write(paths.scores_by_step(recipe, optimizer), _score(files, judge).replace_schema_metadata(facts))


def _facts(training: Artefact, judge: Judge) -> dict[str, str]:
    """Everything that decides the scores, as metadata."""
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
    """Inception looks at an image for a tenth of a second on a CPU: at those of a training for half an hour."""
    from pipeline.metrics.features import IMAGENET
    from pipeline.training.engine.device import choose_device

    return judge.thorough is None and judge.extractor.labels == IMAGENET and choose_device().type == "cpu"


def _score(files: Mapping[int, Path], judge: Judge) -> pa.Table:
    from pipeline.metrics.frechet_distance import factorise
    from pipeline.storage.images import read_images

    real, rows = factorise(judge.reference.test.features), []
    for step, path in files.items():
        images = read_images(path)
        for member in np.unique(images.columns["member"]).tolist():
            seen = judge.extractor.extract(images.pixels[images.columns["member"] == member])
            for metric, value in scores_of(seen, real, judge.reference.labels).items():
                rows.append({"step": step, "member": member, "metric": metric, "value": value})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def scores_of(seen: Features, real: Factored, labels: str) -> dict[str, float | None]:
    """What a report says of the same images, by name, without the errors, which take ten times as long.

    `real` are the features of the real images, `labels` says what the logits stand for.
    """
    from pipeline.metrics.catalogue import score_names
    from pipeline.metrics.frechet_distance import distance_of_factors, factorise
    from pipeline.metrics.inception_score import inception_score, log_probabilities
    from pipeline.metrics.missing_classes import missing_classes

    logits = seen.logits if seen.logits is not None else np.empty((len(seen), 0))
    scores: dict[str, Callable[[], float]] = {
        "fid": lambda: distance_of_factors(factorise(seen.features), real).value,
        "inception_score": lambda: inception_score(log_probabilities(logits)),
        "missing_classes": lambda: missing_classes(logits),
    }
    defined = score_names(labels)
    values = {name: float(compute()) for name, compute in scores.items() if name in defined}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _write(path: Path, table: pa.Table) -> None:
    """It appears whole, or not at all."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


# ---------------------------------------------------------------------------------------------------------------------
# Show


def draw_by_step(scores: pa.Table, metric: str, label: str) -> bytes:
    """One score by training step → a PNG, a line a member, small enough for Dagster's event log."""
    from matplotlib.figure import Figure  # a second to import, and only pictures need it
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.subplots()
    chosen = scores.filter(pc.equal(scores["metric"], metric))
    for member in sorted(set(chosen["member"].to_pylist())):
        own = chosen.filter(pc.equal(chosen["member"], member)).sort_by("step")
        values = own["value"].to_numpy(zero_copy_only=False)  # null as NaN: a gap
        axes.plot(own["step"], values, label=f"member {member}", linewidth=1.2, marker=".")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, format="png", dpi=DOTS_AN_INCH)
    Image.open(whole).convert("RGB").quantize(COLOURS).save(small, format="PNG", optimize=True)
    return small.getvalue()
