"""Advice: changes to try, as clauses that name the setting, its value now if it is known, and the value to try.

Sources: "How to train a GAN" (ganhacks) for smoothed labels, noise on images and slower networks; Heusel et al. 2017
for different rates of the two networks; Gulrajani et al. 2017, Mescheder et al. 2018 and Miyato et al. 2018 for
penalties and spectral normalisation; Yazıcı et al. 2019 for averaged weights. No change is sure to help: a comparison
decides.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.objectives import LOSS_FACTS
from pipeline.optimizer_kinds import Adam, OptimizerSettings
from pipeline.settings import TrainingSettings

NETWORKS = ("generator", "discriminator")
MUCH_FASTER = 10.0
SMOOTHED_LABEL = 0.9
NOISE = 0.1
CLIP_NORM = 1.0
HIGH_BETA1, LOW_BETA1 = 0.8, 0.5
PENALTY_R1 = 1.0
EMA_DECAY = 0.99
LONG_EMA_DECAY, LONG_STEPS = 0.999, 20_000  # it averages 1,000 steps, which should be a small part of the training


def either(changes: Iterable[str | None]) -> str:
    """Join changes into one clause: `a, or b`."""
    return ", or ".join(change for change in changes if change)


def slower(network: str, settings: TrainingSettings | None, divisor: float) -> str:
    """Advise a lower learning rate of one network."""
    optimizer = _optimizer(network, settings)
    if optimizer is None:
        return f"lower the {network}'s learning_rate to a {_part(divisor)}"
    rate = optimizer.learning_rate
    return f"lower the {network}'s learning_rate from {rate:g} to {rate / divisor:.3g}"


def slower_both(settings: TrainingSettings | None, divisor: float) -> str:
    """Advise lower learning rates of both networks."""
    if settings is None:
        return f"lower both learning_rates to a {_part(divisor)}"
    rates = [optimizer.learning_rate for optimizer in (settings.generator, settings.discriminator)]
    clauses = [
        f"{network}'s learning_rate from {rate:g} to {rate / divisor:.3g}"
        for network, rate in zip(NETWORKS, rates, strict=True)
    ]
    return f"lower the {' and the '.join(clauses)}"


def slower_where_faster(network: str, settings: TrainingSettings | None) -> str | None:
    """Advise a tenth of a network's learning rate if it is at least ten times the other's, with equal kinds."""
    if settings is None:
        return None
    faster, slower_one = settings.generator, settings.discriminator
    if network == "discriminator":
        faster, slower_one = slower_one, faster
    if faster.kind != slower_one.kind or faster.learning_rate < MUCH_FASTER * slower_one.learning_rate:
        return None
    return slower(network, settings, MUCH_FASTER)


def fewer_updates(settings: TrainingSettings | None) -> str | None:
    """Advise one update of the discriminator per update of the generator if it has several."""
    if settings is None or settings.objective.n_critic == 1:
        return None
    return f"set n_critic = 1 (it is {settings.objective.n_critic})"


def more_updates(settings: TrainingSettings | None) -> str:
    """Advise one more update of the discriminator per update of the generator."""
    return f"set n_critic = {2 if settings is None else settings.objective.n_critic + 1}"


def smoother_labels(settings: TrainingSettings | None) -> str | None:
    """Advise one-sided label smoothing if the loss has labels that are not smoothed yet."""
    if settings is None:
        return f"set real_label = {SMOOTHED_LABEL}"
    has_labels = LOSS_FACTS[settings.objective.loss].has_labels
    return f"set real_label = {SMOOTHED_LABEL}" if has_labels and settings.objective.real_label == 1.0 else None


def noisier_images(settings: TrainingSettings | None) -> str | None:
    """Advise noise on the discriminator's input images if there is none yet."""
    if settings is not None and settings.objective.instance_noise:
        return None
    return f"set instance_noise = {NOISE}"


def clipped(settings: TrainingSettings | None) -> str | None:
    """Advise a limit of the gradients' norm for each network that has none yet."""
    if settings is None:
        return f"set clip_norm = {CLIP_NORM}"
    without = [network for network in NETWORKS if getattr(settings, network).clip_norm is None]
    return f"set clip_norm = {CLIP_NORM} for the {' and the '.join(without)}" if without else None


def less_momentum(settings: TrainingSettings | None) -> str | None:
    """Advise a lower first-moment decay of the discriminator's Adam if it is high."""
    optimizer = _optimizer("discriminator", settings)
    if not isinstance(optimizer, Adam) or optimizer.beta1 < HIGH_BETA1:
        return None
    return f"set the discriminator's beta1 = {LOW_BETA1} (it is {optimizer.beta1:g})"


def penalised(settings: TrainingSettings | None) -> str | None:
    """Advise a penalty or spectral normalisation if the discriminator has neither."""
    if settings is not None:
        objective = settings.objective
        if objective.r1 or objective.gradient_penalty or objective.spectral_norm or objective.weight_clip:
            return None
    return f"set r1 = {PENALTY_R1} or spectral_norm = true"


def averaged(settings: TrainingSettings | None) -> str | None:
    """Advise an average of the generator's weights if none is kept yet."""
    if settings is not None and settings.ema_decay is not None:
        return None
    steps = None if settings is None else settings.steps
    decay = LONG_EMA_DECAY if steps is not None and steps >= LONG_STEPS else EMA_DECAY
    return f"set ema_decay = {decay}: the average of the generator's weights is then sampled and scored"


def larger_batch(settings: TrainingSettings | None) -> str:
    """Advise twice the images per step."""
    return "double batch_size" if settings is None else f"set batch_size = {2 * settings.batch_size}"


def _optimizer(network: str, settings: TrainingSettings | None) -> OptimizerSettings | None:
    if settings is None:
        return None
    return settings.generator if network == "generator" else settings.discriminator


def _part(divisor: float) -> str:
    return {2.0: "half", 10.0: "tenth"}.get(divisor, f"{divisor:g}th")
