import math

import pytest
import torch

from pipeline.checks.least_losses import least_loss, undecided_excess
from pipeline.objectives import LOSSES as NAMES
from pipeline.objectives import ObjectiveSettings
from pipeline.training.engine.losses import LOSSES


@pytest.mark.parametrize("label", [0.7, 0.9, 1.0])
@pytest.mark.parametrize("loss", NAMES)
def test_they_are_those_of_the_losses_that_train(loss: str, label: float) -> None:
    objective, trained = ObjectiveSettings(loss=loss, real_label=label), LOSSES[loss]
    if trained.least_on_real is None:
        assert least_loss(objective) is None
        assert undecided_excess(objective) is None
        return
    least, unit = least_loss(objective), undecided_excess(objective)
    assert least is not None
    assert least == pytest.approx(trained.least_on_real(label), abs=1e-12)
    outputs = torch.linspace(-8, 8, 160_001, dtype=torch.float64)  # the same for every image: it cannot tell
    of_outputs = trained.on_real(outputs, torch.tensor(label, dtype=torch.float64)) + trained.on_generated(outputs)
    assert unit == pytest.approx(float(of_outputs.min()) - least, abs=1e-8)


def test_without_smoothing_an_undecided_discriminator_has_twice_the_entropy_of_a_coin() -> None:
    assert undecided_excess(ObjectiveSettings()) == pytest.approx(2 * math.log(2))
