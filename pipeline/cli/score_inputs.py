"""Score inputs: the files that `ganforge score` gets, as features and class probabilities.

In: REAL, GENERATED and the options. Out: `ScoreInputs`. PyTorch is imported only if there are images. Files that do not
belong together are one sentence that names them.
"""

from __future__ import annotations

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
    from pipeline.cli.score_options import ScoreOptions
    from pipeline.metrics.extractors.extractor import Extractor
    from pipeline.metrics.standalone.extraction import ExtractedSet, Shape
    from pipeline.metrics.standalone.image_sets import ImageSet

INCEPTION = "inception"
FID_ALONE = "mean and covariance alone give FID alone"

RealSource: TypeAlias = "str | Moments | ImageSet"  # the key of a data set, a Gaussian, or images


@dataclass(frozen=True)
class ScoreInputs:
    """The two sets to score, and the notes and the protocol to print with the scores."""

    generated: GeneratedSet
    real: RealFeatures | Moments | None
    notes: tuple[str, ...] = ()
    protocol: dict[str, Any] | None = None  # how features were computed from images; None if they were given
    write_sheet: Callable[[], None] | None = None  # draws the closest images; None without --sheet


# ---------------------------------------------------------------------------------------------------------------------
# Arrays


def from_arrays(real: str | None, generated: Path | None, options: ScoreOptions) -> ScoreInputs:
    """Read REAL and GENERATED as features, probabilities or logits of GENERATED, or the latter alone."""
    image_options = {
        "--extractor": options.extractor,
        "--skip-unreadable": options.skip_unreadable,
        "--sheet": options.sheet,
    }
    for option, value in image_options.items():
        if value:
            raise ValueError(f"{option} is for images; leave it out with --features, --probabilities and --logits")
    log_p = _log_p(options)
    if options.features:
        return _from_features(*_both(real, generated, "features: .npy files (N, D)"), options, log_p)
    if real or options.train:
        raise ValueError("found REAL or --train with --probabilities or --logits, expected --features as well")
    note = "no features are given, so there is nothing but the Inception Score"
    return ScoreInputs(GeneratedSet(None, log_p), None, (note,))


def _from_features(real: Path, generated: Path, options: ScoreOptions, log_p: Matrix | None) -> ScoreInputs:
    features = _read_features(generated, "GENERATED")
    if log_p is not None and options.outputs is not None:
        _expect_equal("rows", generated, len(features), options.outputs, len(log_p))
    generated_set, notes = GeneratedSet(features, log_p), _note_on_equal_paths(real, generated)
    if holds_statistics(real):
        if options.train is not None:
            raise ValueError(f"{real}: {FID_ALONE}; leave --train out, or give features")
        moments = read_statistics(real)
        _expect_equal("dimensions", real, moments.mean.size, generated, features.shape[1])
        return ScoreInputs(generated_set, moments)
    against = _read_features(real, "REAL")
    _expect_equal("dimensions", real, against.shape[1], generated, features.shape[1])
    if options.train is None:
        return ScoreInputs(generated_set, RealFeatures(Features(against), neighbours=options.k), notes)
    train = _read_features(options.train, "TRAIN")
    _expect_equal("dimensions", options.train, train.shape[1], generated, features.shape[1])
    return ScoreInputs(generated_set, RealFeatures(Features(against), Features(train), options.k), notes)


def _log_p(options: ScoreOptions) -> Matrix | None:
    if options.logits is not None:
        return log_probabilities(read_features(options.logits, "logits"))
    if options.probabilities is None:
        return None
    values = read_features(options.probabilities, "probabilities")
    try:
        return log_of_probabilities(values)
    except ValueError as error:
        raise ValueError(f"{options.probabilities}: {str(error).removeprefix('probabilities: ')}") from error


def _read_features(path: Path, argument: str) -> Matrix:
    """Read features; for an .npz, raise a sentence that names the argument where statistics belong."""
    if path.suffix.lower() == ".npz" and path.is_file():
        content = "an .npz of mu and sigma" if holds_statistics(path) else "an .npz without mu and sigma"
        raise ValueError(
            f"{path}: found {content} in {argument}'s place, expected features there, an .npy (N, D); statistics, an "
            ".npz of mu and sigma, go in REAL's place"
        )
    return read_features(path)


def _both(real: str | None, generated: Path | None, kind: str) -> tuple[Path, Path]:
    if real is None or generated is None:
        given = "REAL alone" if real else "neither REAL nor GENERATED"
        raise ValueError(f"found {given}, expected REAL and GENERATED, two sets of {kind}")
    return Path(real), generated


def _expect_equal(unit: str, first: Path, first_count: int, second: Path, second_count: int) -> None:
    if first_count != second_count:
        raise ValueError(
            f"found {first_count:,} {unit} in {first} and {second_count:,} in {second}, expected equally many: of the "
            f"same {'extractor' if unit == 'dimensions' else 'images'}"
        )


def _note_on_equal_paths(real: Path, generated: Path) -> tuple[str, ...]:
    return ("REAL and GENERATED are the same",) if real.resolve() == generated.resolve() else ()


# ---------------------------------------------------------------------------------------------------------------------
# Images


def from_images(real: str | None, generated: Path | None, options: ScoreOptions) -> ScoreInputs:
    """Read REAL and GENERATED as images and extract their features; all files are opened first."""
    from pipeline.metrics.standalone.image_sets import open_images

    _, generated_path = _both(real, generated, "images")
    name = str(real)
    _expect_sheet(options)
    images, source = open_images(generated_path), _open_real(name)
    train = None if options.train is None else open_images(options.train)
    if isinstance(source, Moments) and train is not None:
        raise ValueError(f"{name}: {FID_ALONE}; leave --train out, or give images")
    extractor = options.extractor or (source if isinstance(source, str) else INCEPTION)
    feature_extractor = _FeatureExtractor.load(extractor, Paths.default(), options.skip_unreadable)
    extracted_train = None if train is None else feature_extractor.extract(train)
    against, notes = feature_extractor.real(source, extracted_train, options.k)
    extracted = feature_extractor.extract(images)
    features = extracted.features
    if isinstance(against, Moments):
        dimensions = features.features.shape[1]
        _expect_equal("dimensions", Path(name), against.mean.size, generated_path, dimensions)
    equal_paths = () if isinstance(source, str) else _note_on_equal_paths(Path(name), generated_path)
    log_p = None if features.logits is None else log_probabilities(features.logits)
    return ScoreInputs(
        GeneratedSet(features.features, log_p),
        against,
        (*equal_paths, *notes, *extracted.notes(), *feature_extractor.notes()),
        feature_extractor.protocol(source, name, generated_path),
        None
        if options.sheet is None or extracted_train is None
        else partial(_write_sheet, options.sheet, extracted, extracted_train),
    )


def _expect_sheet(options: ScoreOptions) -> None:
    from pipeline.cli.score_sheet import expect_writable

    if options.sheet is None:
        return
    if options.train is None:
        raise ValueError("--sheet needs --train TRAIN, the images that the generated ones may be copies of")
    expect_writable(options.sheet)


def _write_sheet(path: Path, generated: ExtractedSet, train: ExtractedSet) -> None:
    from pipeline.cli.score_sheet import write_sheet

    write_sheet(path, generated, train)


def _open_real(real: str) -> RealSource:
    """Open the file or folder that REAL names, or else return the key of the data set that it names."""
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
class _FeatureExtractor:
    """An extractor with the images that it accepts."""

    extractor: Extractor
    dataset: str  # the data set of a classifier, or ""
    shape: Shape | None  # of all images; None for an extractor that accepts any
    skip_unreadable: bool

    @classmethod
    def load(cls, name: str, paths: Paths, skip_unreadable: bool) -> _FeatureExtractor:
        from pipeline.metrics.extractors.extractor import require_extractor
        from pipeline.raw.catalogue import load_datasets

        if name == INCEPTION:
            return cls(require_extractor(INCEPTION, "", paths), "", None, skip_unreadable)
        find({INCEPTION: None, **load_datasets()}, name, "extractor")
        extractor = require_extractor("classifier", name, paths)
        from pipeline.metrics.extractors.classifier import require_classifier

        channels, height, width = require_classifier(paths, name).details_as(ClassifierDetails).image_shape
        return cls(extractor, name, (channels, height, width), skip_unreadable)

    def extract(self, images: ImageSet) -> ExtractedSet:
        """Return the features of the images."""
        from pipeline.metrics.standalone.extraction import extract_images

        return extract_images(images, self.extractor, self.shape, skip_unreadable=self.skip_unreadable)

    def real(
        self, source: RealSource, trained: ExtractedSet | None, neighbours: int
    ) -> tuple[RealFeatures | Moments, tuple[str, ...]]:
        """Return the real side of the scores, and the notes on it."""
        if isinstance(source, Moments):
            return source, ()
        test, stored_train, notes = (
            self._dataset_features(source) if isinstance(source, str) else self._image_features(source)
        )
        if trained is None:
            return RealFeatures(test, stored_train, neighbours), notes
        return RealFeatures(test, trained.features, neighbours), notes + trained.notes()

    def _image_features(self, images: ImageSet) -> tuple[Features, None, tuple[str, ...]]:
        extracted = self.extract(images)
        return extracted.features, None, extracted.notes()

    def _dataset_features(self, key: str) -> tuple[Features, Features | None, tuple[str, ...]]:
        """Return stored features of held-out and training images, or else extract those of held-out images."""
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
        return self._image_features(open_images(tensors.verified_path("test.arrow")))

    def notes(self) -> tuple[str, ...]:
        """Return notes on scores that mean something else with logits of this extractor."""
        noted: dict[str, str] = {}  # one sentence per metric, which begins with its first score
        for name, note in score_notes(self.extractor.labels).items():
            noted.setdefault(note, name)
        return tuple(f"{name}: {note}" for note, name in noted.items())

    def protocol(self, source: RealSource, real: str, generated: Path) -> dict[str, Any]:
        """Return the values that must agree before two scores may be compared."""
        return {
            "extractor": f"{self.dataset} classifier" if self.dataset else self.extractor.name,
            "extractor_sha256": self.extractor.sha256,
            "extractor_labels": self.extractor.labels,
            "resize": self.extractor.resize,
            "quantisation": "uint8, as stored",
            "inception_score_splits": SPLITS,
            "real": f"{source}, held-out test images" if isinstance(source, str) else real,
            "generated": str(generated),
            "metrics_version": CODE_VERSION,
        }
