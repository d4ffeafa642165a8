"""A kept average of the generator's weights is sampled, scored, shown, promoted and exported."""

import re
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import torch

from assets import cli
from assets.graph.partitions import OPTIMIZERS
from pipeline.champion.promote import promote
from pipeline.champion.versions import ONNX, Champion
from pipeline.comparison.page import write_page
from pipeline.comparison.page.drawing import first_two_latents
from pipeline.comparison.page.entries import find_entries
from pipeline.comparison.page.explorer import gather_explorer
from pipeline.comparison.page.interpolation import gather_interpolation
from pipeline.comparison.ranking import compare
from pipeline.reports import store
from pipeline.reports.by_step import scores_along
from pipeline.reports.store import Report
from pipeline.samples.browser import browser_generator
from pipeline.samples.members import one_generator
from pipeline.samples.onnx_file import run_onnx
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from tests.end_to_end.test_chain import latest_materialization

BUDGET = ["--steps", "6", "--members", "2", "--samples", "60"]
AVERAGED, PLAIN = "sgd", "sgd_adam"
PLENTY = 10_000_000


@pytest.fixture(autouse=True)
def averaged(prepared: None, no_page: None, tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare the small data set and one built-in configuration with an average; write no page."""
    entry = f"[{AVERAGED}]\n"
    text = (tables / "optimizers.toml").read_text()
    assert text.count(entry) == 1
    (tables / "optimizers.toml").write_text(text.replace(entry, f"{entry}ema_decay = 0.5\n"))
    monkeypatch.setitem(OPTIMIZERS, AVERAGED, replace(OPTIMIZERS[AVERAGED], ema_decay=0.5))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *words])
    return cli.main()


def materialize(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    assert run(monkeypatch, "materialize", "mnist_mlp", *words, *BUDGET) == 0


def samples_of(paths: Paths, optimizer: str) -> Artefact:
    artefact = read_artefact(paths.samples("mnist_mlp", optimizer))
    assert artefact is not None
    return artefact


def report_of(paths: Paths, optimizer: str) -> Report:
    report = store.latest(paths.reports(), "mnist_mlp", optimizer)
    assert report is not None
    return report


def training_of(paths: Paths, optimizer: str) -> Artefact:
    artefact = read_artefact(paths.training("mnist_mlp", optimizer))
    assert artefact is not None
    return artefact


def pixels(samples: Artefact) -> np.ndarray:
    return read_images(samples.path("samples.arrow")).pixels.copy()


def test_samples_scores_and_report_are_of_the_average_and_on_request_of_the_raw_weights(
    monkeypatch: pytest.MonkeyPatch,
    paths: Paths,
    instance: dg.DagsterInstance,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    materialize(monkeypatch, "--optimizer", AVERAGED, PLAIN)
    first = {key: samples_of(paths, key) for key in (AVERAGED, PLAIN)}
    scored = report_of(paths, AVERAGED)
    assert {key: artefact.details["weights"] for key, artefact in first.items()} == {AVERAGED: "average", PLAIN: "raw"}
    assert scored.protocol["weights"] == "average"
    assert report_of(paths, PLAIN).protocol["weights"] == "raw"
    for asset in ("samples", "report"):
        made = latest_materialization(instance, "mnist_mlp", asset, partition=AVERAGED).asset_materialization
        assert made is not None and made.metadata["weights"].value == "average"
    along = scores_along(scored, paths)
    assert along is not None and along.schema.metadata[b"weights"] == b"average"
    averaged_pixels = pixels(first[AVERAGED])
    capsys.readouterr()

    assert run(monkeypatch, "reports", "show", "mnist_mlp", AVERAGED) == 0
    assert re.search(r"^weights +average$", capsys.readouterr().out, re.MULTILINE)
    assert run(monkeypatch, "sample", "mnist_mlp", "--optimizer", AVERAGED, "-n", "60", "-o", f"{tmp_path}/a.npz") == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.array_equal(np.moveaxis(arrays["images"], 3, 1), averaged_pixels[:60])

    materialize(monkeypatch, "--optimizer", AVERAGED, PLAIN, "--weights", "raw")
    printed = capsys.readouterr().out
    assert f"generator {AVERAGED}: unchanged" in printed and f"samples {AVERAGED}: made" in printed
    assert f"samples {PLAIN}: unchanged" in printed and f"report {PLAIN}: unchanged" in printed
    raw = report_of(paths, AVERAGED)
    assert samples_of(paths, AVERAGED).details["weights"] == "raw"
    assert raw.protocol["weights"] == "raw"
    assert not np.array_equal(pixels(samples_of(paths, AVERAGED)), averaged_pixels)
    assert raw.scores("fid") != scored.scores("fid")
    assert run(monkeypatch, "status", "mnist_mlp") == 0
    assert "raw weights (the training keeps their average)" in capsys.readouterr().out

    materialize(monkeypatch, "--optimizer", AVERAGED)
    assert samples_of(paths, AVERAGED).fingerprint == first[AVERAGED].fingerprint
    assert report_of(paths, AVERAGED).scores("fid") == scored.scores("fid")


def test_an_average_where_none_is_kept_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], paths: Paths
) -> None:
    words = ["materialize", "mnist_mlp", "--optimizer", PLAIN, "--weights", "average", *BUDGET]
    assert run(monkeypatch, *words) == 1
    (printed,) = capsys.readouterr().err.splitlines()
    assert f"--weights average: found no ema_decay in {PLAIN}, so they keep no average" in printed
    assert read_artefact(paths.training("mnist_mlp", PLAIN)) is None, "it was trained in vain"


def promoted(paths: Paths) -> Champion:
    """Promote the averaged configuration by name, because after six steps it passes no check."""
    outcome = promote("mnist_mlp", [AVERAGED, PLAIN], paths, run_checks=lambda _: [], only=AVERAGED, force=True)
    assert outcome.champion is not None
    return outcome.champion


def test_the_page_and_the_champion_hold_the_averaged_generator(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, tmp_path: Path
) -> None:
    materialize(monkeypatch, "--optimizer", AVERAGED)
    training = training_of(paths, AVERAGED)
    ranking = compare("mnist_mlp", [AVERAGED], paths)
    (entry,) = find_entries(ranking, paths)
    shown = gather_explorer([entry], PLENTY)["generators"][AVERAGED]["generator"]
    member = entry.first_sound_member()
    assert shown == browser_generator(training, member, "average").to_json()
    assert shown != browser_generator(training, member, "raw").to_json()
    strips = gather_interpolation([entry])["by_configuration"]
    assert AVERAGED in strips
    write_page(ranking, paths, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"{AVERAGED}: images, scores and generators on this page use the running average" in page
    assert "<td>average</td>" in page

    champion = promoted(paths)
    assert champion.card()["weights"] == "average"
    latents = first_two_latents(entry)
    drawn = {}
    for weights in ("average", "raw"):
        with torch.no_grad():
            generator = one_generator(training, int(champion.card()["member"]), weights)
            drawn[weights] = generator(torch.from_numpy(latents)[None])[0].numpy()
    exported = run_onnx(champion.artefact.path(ONNX), latents)
    assert np.abs(exported - drawn["average"]).max() < 1e-4
    assert np.abs(exported - drawn["raw"]).max() > 1e-3
