import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from pipeline.champion.card import as_markdown
from pipeline.champion.versions import Champion, require_champion
from pipeline.networks.latents import latents_by_seed
from pipeline.samples import onnx_file
from pipeline.samples.fresh import generate_first
from pipeline.samples.onnx_file import run_onnx
from pipeline.samples.tracing import UnsupportedNetworkError
from pipeline.storage.artefact import is_intact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.training.trained import load_generator
from tests.pipeline.champion.example_contenders import GOOD, contender, decide, trained

FILES = {
    *("card.json", "card.md", "generator.onnx", "generator.safetensors", "generator_average.safetensors"),
    *("grid.png", "settings.json"),
}


@pytest.fixture
def champion(paths: Paths) -> Champion:
    """Member 0 diverged, member 2 is the best; scored with the average of the weights."""
    contender(paths, "adam", [None, 104.0, 101.0], average=True)
    decide(paths)
    return require_champion("mnist_mlp", paths)


def test_the_folder_is_read_like_a_training_and_keeps_its_weights(champion: Champion, paths: Paths) -> None:
    training = read_artefact(paths.training("mnist_mlp", "adam"))
    artefact = read_artefact(paths.champion("mnist_mlp") / "0001")
    assert training is not None and artefact is not None and is_intact(artefact)
    assert set(artefact.files) == FILES
    assert artefact == champion.artefact
    before = load_generator(training, torch.device("cpu"), "average").state_dict()
    drawn_before = generate_first(training, "average", [2], 3, 0)
    trained(paths, "adam", seed=9)
    now = load_generator(artefact, torch.device("cpu"), "average").state_dict()
    assert all(torch.equal(before[name], now[name]) for name in before)
    assert np.array_equal(generate_first(artefact, "average", [2], 3, 0).pixels, drawn_before.pixels)


def test_the_onnx_file_is_of_the_best_sound_member_and_the_weights_that_were_scored(champion: Champion) -> None:
    assert champion.artefact.details["champion"]["member"] == 2
    path = champion.artefact.path("generator.onnx")
    facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert (facts["member"], facts["weights"], facts["training_fingerprint"]) == (
        "2",
        "average",
        "mnist_mlp adam seed 0",
    )
    latents = latents_by_seed("normal", 100, np.arange(3))
    generator = load_generator(champion.artefact, torch.device("cpu"), "average")
    with torch.no_grad():
        images = generator(torch.from_numpy(latents).expand(3, -1, -1))[2].numpy()
    assert np.abs(run_onnx(path, latents) - images).max() < 1e-5
    card = champion.card()["onnx"]
    assert (card["file"], card["latents"], card["refusal"]) == ("generator.onnx", 64, "")
    assert card["largest_difference"] < 1e-5


def test_a_network_that_cannot_be_exported_is_still_champion_and_the_card_names_the_reason(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedNetworkError("network mlp: found a sum of two layers in its generator")

    monkeypatch.setattr(onnx_file, "write_program", refuse)
    contender(paths, "adam", GOOD)
    assert decide(paths).promoted
    champion = require_champion("mnist_mlp", paths)
    assert "generator.onnx" not in champion.artefact.files
    assert champion.card()["onnx"]["file"] is None
    text = champion.artefact.path("card.md").read_text()
    assert "There is no ONNX file: network mlp: found a sum of two layers in its generator." in text


def test_the_card_names_the_network_its_scores_the_reason_and_its_sources(champion: Champion) -> None:
    card = champion.card()
    assert (card["recipe"], card["optimizer"], card["version"], card["weights"]) == ("mnist_mlp", "adam", 1, "average")
    fid = card["scores"]["fid"]
    assert (fid["mean"], fid["by_member"], fid["floor"], fid["ceiling"]) == (102.5, [104.0, 101.0], 1.0, 900.0)
    assert fid["half_width"] == pytest.approx(12.706 * 1.5, rel=1e-3)  # t(0.975, 1) · s/√2
    assert card["data"] == {"source": "official, from mnist", "official": True, "licence": "CC BY 4.0"}
    assert (card["lineage"]["git_commit"], card["lineage"]["ganforge_version"]) == ("abc1234", "0.1.0")
    assert card["lineage"]["training_fingerprint"] == "mnist_mlp adam seed 0"
    assert set(card["lineage"]["data_versions"]) == {"training", "samples", "tensors"}
    assert card["settings"]["generator"]["kind"] == "adam"
    assert (card["training"]["seconds"], card["training"]["diverged_members"]) == (2.5, [0])
    assert card["decision"]["reason"].startswith("adam is the first champion: the only configuration with a score")
    assert [check["check"] for check in card["checks"]] == ["mode_drop"]


def test_the_cards_text_holds_scores_licence_picture_and_how_to_load_it(champion: Champion) -> None:
    text = champion.artefact.path("card.md").read_text(encoding="utf-8")
    assert text == as_markdown(champion.card())
    assert text.startswith("# mnist_mlp, champion 1: adam\n")
    assert "| fid | 102 ± 19 | 1 | 900 | lower |" in text
    assert "Licence of the data: CC BY 4.0." in text
    assert "| ganforge_version | 0.1.0 |" in text
    assert "`ganforge sample mnist_mlp` generates images with member 2" in text
    assert "![generated images](grid.png)" in text
    with Image.open(champion.artefact.path("grid.png")) as picture:
        assert picture.height == 28


def test_published_files_name_no_folder_of_this_machine(champion: Champion, paths: Paths) -> None:
    for name in ("card.json", "card.md", "manifest.json"):
        text = (champion.artefact.folder / name).read_text(encoding="utf-8")
        assert "/home/someone" not in text
        assert str(paths.root) not in text
    assert (
        json.loads((champion.artefact.folder / "manifest.json").read_text())["details"]["source"]["origin"] == "mnist"
    )


def test_a_version_never_changes(champion: Champion, paths: Paths) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    before = contents(champion.artefact.folder)
    contender(paths, "sgd", [1.0, 2.0, 1.5])
    decide(paths)
    decide(paths, only="sgd", force=True)
    assert contents(champion.artefact.folder) == before
