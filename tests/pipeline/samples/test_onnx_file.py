import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from pipeline.networks.latents import latents_by_seed
from pipeline.networks.normalisation import apply_spectral_norm
from pipeline.samples import onnx_file
from pipeline.samples.generate import latent_seeds
from pipeline.samples.members import one_generator
from pipeline.samples.onnx_file import TOLERANCE, export_onnx, run_onnx
from pipeline.storage.paths import Paths
from pipeline.training.trained import load_generator, trained_network
from tests.pipeline.samples.example_training import WIDTHS, untrained_training


@pytest.mark.parametrize("recipe", WIDTHS)
def test_onnxruntime_generates_the_same_images_as_the_member_for_any_batch(
    recipe: str, paths: Paths, tmp_path: Path
) -> None:
    training, path = untrained_training(paths, recipe), tmp_path / "generator.onnx"
    verified = export_onnx(training, 1, path)
    assert verified.latents == 64
    assert verified.largest_difference <= TOLERANCE
    network = trained_network(training)
    latents = latents_by_seed(network.latent_distribution, 100, latent_seeds(5, 7))
    with torch.no_grad():
        drawn = load_generator(training, torch.device("cpu"))(torch.from_numpy(latents).expand(2, -1, -1)).numpy()
    assert drawn.std() > 0.1  # nearly constant images would agree with any weights in the file
    assert drawn.min() >= network.value_range[0]
    for batch in (1, 7):
        images = run_onnx(path, latents[:batch])
        assert images.shape == (batch, *network.image_shape)
        assert np.abs(images - drawn[1, :batch]).max() <= TOLERANCE
    assert np.abs(images - drawn[0]).max() > 0.1


def test_the_file_describes_its_content_and_needs_no_other(paths: Paths, tmp_path: Path) -> None:
    training = untrained_training(paths, "mnist_conv", average=True)
    export_onnx(training, 0, tmp_path / "generator.onnx", weights="average")
    assert [path.name for path in tmp_path.glob("*onnx*")] == ["generator.onnx"]
    model = onnx.load(tmp_path / "generator.onnx", load_external_data=False)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts.pop("value_range")) == [0, 1]
    assert facts == {
        "recipe": "mnist_conv",
        "optimizer": "adam",
        "member": "0",
        "seed": "0",
        "weights": "average",
        "latent_distribution": "uniform",
        "training_fingerprint": training.fingerprint,
    }
    sides = [
        [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (model.graph.input[0], model.graph.output[0])
    ]
    assert sides == [["batch", 100], ["batch", 1, 28, 28]]
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("latent", "images")


def test_raw_and_averaged_weights_give_different_images_and_equal_exports_equal_files(
    paths: Paths, tmp_path: Path
) -> None:
    training = untrained_training(paths, "mnist_mlp", average=True)
    for name, weights in (("raw", "raw"), ("again", "raw"), ("average", "average")):
        export_onnx(training, 0, tmp_path / f"{name}.onnx", weights=weights)
    raw, again, average = ((tmp_path / f"{name}.onnx").read_bytes() for name in ("raw", "again", "average"))
    assert raw == again != average


def test_a_spectral_norm_is_in_the_weights(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, path = untrained_training(paths, "mnist_dcgan"), tmp_path / "generator.onnx"
    plain = one_generator(training, 0)
    apply_spectral_norm(plain)
    for name, values in plain.named_buffers():
        if name.endswith("spectral_norm.u"):
            values.copy_(torch.nn.functional.normalize(torch.ones_like(values), dim=1))
    monkeypatch.setattr(onnx_file, "one_generator", lambda *_: plain.eval())
    assert export_onnx(training, 0, path).largest_difference <= TOLERANCE


def test_a_file_that_draws_something_else_is_not_kept_and_an_earlier_one_stays(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, path = untrained_training(paths, "mnist_mlp"), tmp_path / "generator.onnx"
    path.write_bytes(b"an earlier one")
    for wrong in (lambda images: images + 2 * TOLERANCE, lambda images: images * np.nan, lambda images: images[1:]):
        monkeypatch.setattr(onnx_file, "run_onnx", lambda file, latents, wrong=wrong: wrong(run_onnx(file, latents)))
        with pytest.raises(
            ValueError, match=r"generator\.onnx: onnxruntime computes images that differ by .* from PyT"
        ):
            export_onnx(training, 0, path)
        assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"generator.onnx"}
        assert path.read_bytes() == b"an earlier one"


@pytest.mark.parametrize(
    ("member", "message"),
    [(1, "member 1 diverged and generates no images"), (7, "found member 7"), (-1, "found member -1")],
)
def test_a_member_that_generates_no_images_is_one_sentence(
    paths: Paths, tmp_path: Path, member: int, message: str
) -> None:
    training = untrained_training(paths, "mnist_mlp", members=3, diverged=(1,))
    with pytest.raises(ValueError, match=f"mnist_mlp adam: {message}, expected one of 0, 2"):
        export_onnx(training, member, tmp_path / "generator.onnx")
    with pytest.raises(ValueError, match="mnist_mlp adam: every member diverged"):
        export_onnx(untrained_training(paths, "mnist_mlp", members=1, diverged=(0,)), 0, tmp_path / "generator.onnx")
