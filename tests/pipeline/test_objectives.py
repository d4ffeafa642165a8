import math

import pytest
import torch

from pipeline.objectives import LOSS_FACTS
from pipeline.training.engine import losses


@pytest.mark.parametrize("label", [0.7, 0.9, 1.0])
@pytest.mark.parametrize("loss", LOSS_FACTS)
def test_the_facts_of_a_loss_follow_from_the_function_that_trains(loss: str, label: float) -> None:
    facts, trained = LOSS_FACTS[loss], losses.LOSS_FUNCTIONS[loss]
    if facts.least is None:
        assert facts.undecided_excess(label) is None
        return
    outputs = torch.linspace(-8, 8, 160_001, dtype=torch.float64)  # one output for all images: undecided
    values = trained.on_real(outputs, torch.tensor(label, dtype=torch.float64)) + trained.on_generated(outputs)
    assert facts.undecided_excess(label) == pytest.approx(float(values.min()) - facts.least(label), abs=1e-8)


def test_without_smoothing_an_undecided_discriminator_has_twice_the_entropy_of_a_coin() -> None:
    assert LOSS_FACTS["non_saturating"].undecided_excess(1.0) == pytest.approx(2 * math.log(2))
