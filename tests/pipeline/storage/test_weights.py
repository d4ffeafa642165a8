from pathlib import Path

import pytest
from torch import nn

from pipeline.storage.weights import load_weights, save_weights


@pytest.mark.parametrize("kept", [0, 4, 40])
def test_a_cut_off_file_is_one_sentence_that_names_it(tmp_path: Path, kept: int) -> None:
    network, path = nn.Linear(3, 2), tmp_path / "generator.safetensors"
    save_weights(path, network.state_dict())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"generator\.safetensors: not the weights of this network .* train it again"):
        load_weights(path, network)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", nn.Linear(3, 3).state_dict())
    with pytest.raises(ValueError, match="not the weights of this network"):
        load_weights(tmp_path / "w.safetensors", nn.Linear(3, 2))
