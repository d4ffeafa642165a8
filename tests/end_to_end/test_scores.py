"""Reports beyond the plain ones: the scores that take minutes, and another extractor."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from assets import cli
from pipeline.metrics.catalogue import score_names, thorough_names
from pipeline.metrics.extractors import extractor as extractors
from pipeline.metrics.extractors.extractor import Extractor, require_extractor
from pipeline.metrics.features import IMAGENET, Features
from pipeline.metrics.frechet_distance import frechet_distance
from pipeline.metrics.memorisation import memorisation_distance
from pipeline.metrics.precision_recall import precision_recall
from pipeline.metrics.reference import load_reference, require_reference, seeded_order
from pipeline.reports import store
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.tensors.load import load_split, require_tensors

BUDGET = ["--steps", "3", "--members", "2", "--samples", "60"]


pytestmark = pytest.mark.usefixtures("prepared", "no_page")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    return cli.main()


def newest(paths: Paths, optimizer: str) -> store.Report:
    report = store.latest(paths.reports(), "mnist_mlp", optimizer)
    assert report is not None
    return report


@pytest.mark.slow
def test_requested_thorough_scores_come_with_the_scores_of_real_images(
    monkeypatch: pytest.MonkeyPatch, paths: Paths
) -> None:
    monkeypatch.setattr("pipeline.reports.thorough.PATHS", 100)
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET) == 0
    assert newest(paths, "adam").metrics() == score_names("classes")
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET, "--thorough") == 0
    report = newest(paths, "adam")
    assert report.metrics() == [*score_names("classes"), *thorough_names()]
    for metric in thorough_names():
        assert len(report.scores(metric)) == 2
    assert all(0 <= value <= 1 for value in report.scores("gan_train") + report.scores("gan_test"))
    assert all(value > 0 for value in report.scores("perceptual_path_length"))
    written = len(store.read_all(paths.reports()))
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET) == 0
    assert len(store.read_all(paths.reports())) == written  # the fuller report stays
    floor, ceiling = report.anchors("gan_test")
    assert floor > np.mean(report.scores("gan_test"))
    assert ceiling is None


def test_every_report_row_carries_its_error_and_its_classes(monkeypatch: pytest.MonkeyPatch, paths: Paths) -> None:
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET) == 0
    rows = {row["metric"]: row for row in newest(paths, "adam").rows.to_pylist() if row["member"] == 0}
    assert rows["fid"]["standard_error"] > 0
    assert rows["kid"]["standard_error"] > 0
    assert sum(rows["missing_classes"]["by_class"]) == 60
    assert len(rows["per_class_fid"]["by_class"]) == 10
    assert rows["precision"]["standard_error"] is None
    picture = newest(paths, "adam").path.with_name("_nearest_training_images.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_report_holds_scores_and_as_anchors_those_of_equally_many_real_images_and_noise(
    monkeypatch: pytest.MonkeyPatch, paths: Paths
) -> None:
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET) == 0
    extractor, rows = require_extractor("classifier", "mnist", paths), newest(paths, "adam").rows.to_pylist()
    images = read_images(paths.samples("mnist_mlp", "adam") / "samples.arrow")
    tensors = require_tensors(paths, "mnist")
    test, train = (extractor.extract(load_split(tensors, name).pixels).features for name in ("test", "train"))
    floor_set = train[seeded_order(len(train), None)][:60]
    held_out_distance = memorisation_distance(test[seeded_order(len(test), 60)], train).mean()
    for member in (0, 1):
        seen = extractor.extract(np.asarray(images.pixels)[images.columns["member"] == member]).features
        scores = {row["metric"]: row for row in rows if row["member"] == member}
        assert scores["fid"]["value"] == pytest.approx(frechet_distance(seen, test).value, rel=1e-4)
        assert scores["precision"]["value"] == precision_recall(seen, test).precision
        assert scores["recall"]["value"] == precision_recall(seen, test).recall
        assert scores["memorisation_distance"]["value"] == pytest.approx(memorisation_distance(seen, train).mean())
        assert scores["fid"]["floor"] == pytest.approx(frechet_distance(floor_set, test).value, rel=1e-4)
        assert scores["memorisation_distance"]["floor"] == pytest.approx(held_out_distance)
        assert scores["memorisation_distance"]["floor"] > 0
    noise = load_reference(require_reference(paths, "mnist")).noise.features[:60]
    assert rows[0]["ceiling"] == pytest.approx(frechet_distance(noise, test).value, rel=1e-4)
    assert len({row["value"] for row in rows if row["metric"] == "fid"}) == 2  # members differ


def stand_in(dataset: str, paths: Paths, sha256: str = "0" * 64) -> Extractor:
    """Use logits of a random projection: the real network takes a tenth of a second per image."""

    def load() -> Callable[[Pixels], Features]:
        projection = np.random.default_rng(0).standard_normal((784, 16)).astype(np.float32)

        def extract(pixels: Pixels) -> Features:
            features = pixels.reshape(len(pixels), -1).astype(np.float32) / 255 @ projection
            return Features(features, features[:, :12])

        return extract

    return Extractor("inception", sha256, IMAGENET, "none", load, most_train_images=200)


@pytest.mark.slow
def test_scores_of_another_extractor_stand_apart_from_the_classifiers(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(extractors.EXTRACTORS, "inception", stand_in)
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", "sgd", *BUDGET) == 0
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET, "--extractor", "inception") == 0
    report = newest(paths, "adam")
    assert report.extractor == "inception"
    assert report.metrics() == score_names(IMAGENET)
    assert "missing_classes" not in report.metrics()
    assert report.protocol["n_train"] == 200
    capsys.readouterr()
    assert run(monkeypatch, "reports", "show", "mnist_mlp") == 0
    assert "not comparable: sgd (extractor inception and classifier" in capsys.readouterr().out


def test_a_reference_of_other_weights_is_refused_with_the_asset_to_make_again(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.metrics.reference import StaleReferenceError
    from pipeline.reports.judge import Judge

    monkeypatch.setitem(extractors.EXTRACTORS, "inception", stand_in)
    assert run(monkeypatch, "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET, "--extractor", "inception") == 0
    monkeypatch.setitem(extractors.EXTRACTORS, "inception", partial(stand_in, sha256="1" * 64))
    with pytest.raises(
        StaleReferenceError, match=r"weights 000000000000, but 1{12} .* mnist/inception_reference again"
    ):
        Judge.load("mnist", paths, "inception")
