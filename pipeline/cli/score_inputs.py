"""Score inputs: what the arguments of `ganforge score` name, as features and class probabilities.

In: parsed arguments. Out: `Inputs`. Nothing imports PyTorch unless there are images to be seen. What does not belong
together is one sentence that names the files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.metrics import CODE_VERSION
from pipeline.metrics.catalogue import score_notes
from pipeline.metrics.details import ClassifierDetails
from pipeline.metrics.features import Features, Matrix
from pipeline.metrics.inception_score import SPLITS, log_of_probabilities, log_probabilities
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.moments import Moments
from pipeline.metrics.standalone.feature_files import holds_statistics, read_features, read_statistics
from pipeline.metrics.standalone.score_sets import GeneratedSet
from pipeline.storage.paths import Paths
from pipeline.tables import find
from pipeline.tensors.details import TensorsDetails

if TYPE_CHECKING:
    from pipeline.metrics.extractors.extractor import Extractor
    from pipeline.metrics.standalone.extraction import ExtractedSet, Shape
    from pipeline.metrics.standalone.image_sets import ImageSet

INCEPTION = "inception"
FID_ALONE = "mean and covariance alone give FID alone"

Source: TypeAlias = "str | Moments | ImageSet"  # the key of a data set, a Gaussian, or images


@dataclass(frozen=True)
class Inputs:
    """What is scored."""

    generated: GeneratedSet
    real: RealFeatures | Moments | None
    notes: tuple[str, ...] = ()
    protocol: dict[str, Any] | None = None  # how features were taken of images; None where they were given
    sheet: Callable[[], None] | None = None  # draws the closest images; None where that is not asked for


# ---------------------------------------------------------------------------------------------------------------------
# Arrays


def from_arrays(arguments: argparse.Namespace) -> Inputs:
    """REAL and GENERATED as features, probabilities or logits of GENERATED, or the latter alone."""
    for option in ("--extractor", "--skip-unreadable", "--sheet"):
        if getattr(arguments, option.removeprefix("--").replace("-", "_")):
            raise ValueError(f"{option} is for images; leave it out with --features, --probabilities and --logits")
    log_p = _log_p(arguments)
    if not arguments.features:
        if arguments.real or arguments.train:
            raise ValueError("found REAL or --train with --probabilities or --logits, expected --features as well")
        note = "no features are given, so there is nothing but the Inception Score"
        return Inputs(GeneratedSet(None, log_p), None, (note,))
    return _of_features(arguments, log_p)


def _of_features(arguments: argparse.Namespace, log_p: Matrix | None) -> Inputs:
    _expect_both(arguments, "features: .npy files (N, D)")
    real, generated = Path(arguments.real), _features_at(arguments.generated, "GENERATED")
    if log_p is not None:
        outputs = arguments.probabilities or arguments.logits
        _expect_equal("rows", arguments.generated, len(generated), outputs, len(log_p))
    generated_set, same = GeneratedSet(generated, log_p), _same(real, arguments.generated)
    if holds_statistics(real):
        return Inputs(generated_set, _statistics(arguments, real, generated))
    against = _features_at(real, "REAL")
    _expect_equal("dimensions", real, against.shape[1], arguments.generated, generated.shape[1])
    if arguments.train is None:
        return Inputs(generated_set, RealFeatures(Features(against), neighbours=arguments.k), same)
    train = _features_at(arguments.train, "TRAIN")
    _expect_equal("dimensions", arguments.train, train.shape[1], arguments.generated, generated.shape[1])
    return Inputs(generated_set, RealFeatures(Features(against), Features(train), arguments.k), same)


def _log_p(arguments: argparse.Namespace) -> Matrix | None:
    if arguments.logits is not None:
        return log_probabilities(read_features(arguments.logits, "logits"))
    if arguments.probabilities is None:
        return None
    values = read_features(arguments.probabilities, "probabilities")
    try:
        return log_of_probabilities(values)
    except ValueError as error:
        raise ValueError(f"{arguments.probabilities}: {str(error).removeprefix('probabilities: ')}") from error


def _features_at(path: Path, place: str) -> Matrix:
    """Features; an .npz of statistics or of anything else is told where it belongs."""
    if path.suffix.lower() == ".npz" and path.is_file():
        found = "an .npz of mu and sigma" if holds_statistics(path) else "an .npz without mu and sigma"
        raise ValueError(
            f"{path}: found {found} in {place}'s place, expected features there, an .npy (N, D); statistics, an .npz "
            "of mu and sigma, go in REAL's place"
        )
    return read_features(path)


def _statistics(arguments: argparse.Namespace, path: Path, generated: Matrix) -> Moments:
    if arguments.train is not None:
        raise ValueError(f"{path}: {FID_ALONE}; leave --train out, or give features")
    moments = read_statistics(path)
    _expect_equal("dimensions", path, moments.mean.size, arguments.generated, generated.shape[1])
    return moments


def _expect_both(arguments: argparse.Namespace, what: str) -> None:
    if arguments.real is None or arguments.generated is None:
        found = "REAL alone" if arguments.real else "neither REAL nor GENERATED"
        raise ValueError(f"found {found}, expected REAL and GENERATED, two sets of {what}")


def _expect_equal(what: str, first: Path, of_first: int, second: Path, of_second: int) -> None:
    if of_first != of_second:
        raise ValueError(
            f"found {of_first:,} {what} in {first} and {of_second:,} in {second}, expected equally many: of the same "
            f"{'extractor' if what == 'dimensions' else 'images'}"
        )


def _same(real: Path, generated: Path) -> tuple[str, ...]:
    return ("REAL and GENERATED are the same",) if real.resolve() == generated.resolve() else ()


# ---------------------------------------------------------------------------------------------------------------------
# Images


def from_images(arguments: argparse.Namespace) -> Inputs:
    """REAL and GENERATED as sets of images, seen by an extractor; all files are opened before anything is computed."""
    from pipeline.metrics.standalone.image_sets import open_images

    _expect_both(arguments, "images")
    _expect_sheet(arguments)
    generated, source = open_images(arguments.generated), _open_real(arguments.real)
    train = None if arguments.train is None else open_images(arguments.train)
    if isinstance(source, Moments) and train is not None:
        raise ValueError(f"{arguments.real}: {FID_ALONE}; leave --train out, or give images")
    named = arguments.extractor or (source if isinstance(source, str) else INCEPTION)
    seeing = _Seeing.load(named, Paths.default(), arguments.skip_unreadable)
    trained = None if train is None else seeing.see(train)
    real, notes = seeing.real(source, trained, arguments.k)
    drawn = seeing.see(generated)
    judged = drawn.features
    if isinstance(real, Moments):
        of_judged = judged.features.shape[1]
        _expect_equal("dimensions", Path(arguments.real), real.mean.size, arguments.generated, of_judged)
    same = () if isinstance(source, str) else _same(Path(arguments.real), arguments.generated)
    log_p = None if judged.logits is None else log_probabilities(judged.logits)
    return Inputs(
        GeneratedSet(judged.features, log_p),
        real,
        (*same, *notes, *drawn.notes(), *seeing.notes()),
        seeing.protocol(arguments, source),
        None if arguments.sheet is None or trained is None else partial(_write_sheet, arguments.sheet, drawn, trained),
    )


def _expect_sheet(arguments: argparse.Namespace) -> None:
    from pipeline.cli.score_sheet import expect_writable

    if arguments.sheet is None:
        return
    if arguments.train is None:
        raise ValueError("--sheet needs --train TRAIN, the images that the generated ones may be copies of")
    expect_writable(arguments.sheet)


def _write_sheet(path: Path, generated: ExtractedSet, train: ExtractedSet) -> None:
    from pipeline.cli.score_sheet import write_sheet

    write_sheet(path, generated, train)


def _open_real(real: str) -> Source:
    """What REAL names; a file or folder of a data set's name comes before the data set."""
    from pipeline.metrics.standalone.image_sets import open_images
    from pipeline.raw.catalogue import load_datasets

    path, datasets = Path(real), load_datasets()
    if path.exists():
        return read_statistics(path) if holds_statistics(path) else open_images(path)
    if real in datasets:
        return real
    if path.suffix or len(path.parts) > 1:
        return open_images(path)  # raises
    raise FileNotFoundError(f"{real}: no such file or folder, nor a data set's key ({', '.join(datasets)})")


@dataclass(frozen=True)
class _Seeing:
    """An extractor as the command takes it."""

    extractor: Extractor
    dataset: str  # whose classifier it is, or ""
    shape: Shape | None  # of the only images it takes
    skip_unreadable: bool

    @classmethod
    def load(cls, name: str, paths: Paths, skip_unreadable: bool) -> _Seeing:
        from pipeline.metrics.extractors.extractor import require_extractor
        from pipeline.raw.catalogue import load_datasets

        if name == INCEPTION:
            return cls(require_extractor(INCEPTION, "", paths), "", None, skip_unreadable)
        find({INCEPTION: None, **load_datasets()}, name, "extractor")
        extractor = require_extractor("classifier", name, paths)
        from pipeline.metrics.extractors.classifier import require_classifier

        channels, height, width = require_classifier(paths, name).details_as(ClassifierDetails).image_shape
        return cls(extractor, name, (channels, height, width), skip_unreadable)

    def see(self, images: ImageSet) -> ExtractedSet:
        """What the network sees."""
        from pipeline.metrics.standalone.extraction import extract_images

        return extract_images(images, self.extractor, self.shape, skip_unreadable=self.skip_unreadable)

    def real(
        self, source: Source, trained: ExtractedSet | None, neighbours: int
    ) -> tuple[RealFeatures | Moments, tuple[str, ...]]:
        """What is judged against, and what is to be known of it."""
        if isinstance(source, Moments):
            return source, ()
        test, stored_train, notes = self._of_dataset(source) if isinstance(source, str) else self._of_images(source)
        if trained is None:
            return RealFeatures(test, stored_train, neighbours), notes
        return RealFeatures(test, trained.features, neighbours), notes + trained.notes()

    def _of_images(self, images: ImageSet) -> tuple[Features, None, tuple[str, ...]]:
        seen = self.see(images)
        return seen.features, None, seen.notes()

    def _of_dataset(self, key: str) -> tuple[Features, Features | None, tuple[str, ...]]:
        """Stored features of held-out and training images; where this network's are not stored, of the former."""
        from pipeline.metrics.reference import expect_current, load_reference, require_reference
        from pipeline.metrics.standalone.image_sets import open_images
        from pipeline.storage.artefact import read_artefact
        from pipeline.tensors.load import require_tensors

        paths, name = Paths.default(), self.extractor.name
        tensors = require_tensors(paths, key)
        if self.dataset == key or (not self.dataset and read_artefact(paths.reference(key, name)) is not None):
            reference = require_reference(paths, key, name)
            expect_current(reference, self.extractor, tensors)
            stored, all_train = load_reference(reference), tensors.details_as(TensorsDetails).images["train"]
            if len(stored.train) == all_train:
                return stored.test, stored.train, ()
            some = f"copies are looked for among {len(stored.train):,} of {all_train:,} training images"
            return stored.test, stored.train, (some,)
        return self._of_images(open_images(tensors.verified_path("test.arrow")))

    def notes(self) -> tuple[str, ...]:
        """Return notes on scores that mean something else with logits of this extractor."""
        noted: dict[str, str] = {}  # one sentence per metric, which begins with its first score
        for name, note in score_notes(self.extractor.labels).items():
            noted.setdefault(note, name)
        return tuple(f"{name}: {note}" for note, name in noted.items())

    def protocol(self, arguments: argparse.Namespace, source: Source) -> dict[str, Any]:
        """Everything that must agree before two scores may be compared."""
        return {
            "extractor": f"{self.dataset} classifier" if self.dataset else self.extractor.name,
            "extractor_sha256": self.extractor.sha256,
            "extractor_labels": self.extractor.labels,
            "resize": self.extractor.resize,
            "quantisation": "uint8, as stored",
            "inception_score_splits": SPLITS,
            "real": f"{source}, held-out test images" if isinstance(source, str) else arguments.real,
            "generated": str(arguments.generated),
            "metrics_version": CODE_VERSION,
        }
