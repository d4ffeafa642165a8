"""Shares: made-up excess of a discriminator's loss over its least value, per interval.

The unit is the excess of an undecided discriminator (`pipeline/objectives.py`): 1 is undecided, 0 is certain and right.
"""

from __future__ import annotations

import numpy as np

from benchmarks.detectors.kinds import Random, log_uniform, wander
from pipeline.checks.member_curves import Values


def _noisy(random: Random, level: Values, deviation: float) -> Values:
    return level * np.exp(wander(random, len(level), deviation, random.uniform(0, 0.8)))


def _time(count: int) -> Values:
    return np.arange(1, count + 1) / count


# ---------------------------------------------------------------------------------------------------------------------
# Healthy


def settling(random: Random, count: int) -> Values:
    """From a discriminator that is fast at first to a balance."""
    first, last = log_uniform(random, 0.05, 0.6), random.uniform(0.1, 1.2)
    level = last + (first - last) * np.exp(-_time(count) / random.uniform(0.03, 0.3))
    return _noisy(random, level, random.uniform(0.01, 0.06))


def certain_at_first(random: Random, count: int) -> Values:
    """Like `adam_ttur` on MNIST: the discriminator is always right for hundreds of steps, then less."""
    first, last = log_uniform(random, 0.018, 0.05), random.uniform(0.08, 0.4)
    until, rise = random.uniform(0.02, 0.3), random.uniform(0.05, 0.3)
    caught_up = 1 - np.exp(-np.clip(_time(count) - until, 0, None) / rise)
    return _noisy(random, first + (last - first) * caught_up, random.uniform(0.03, 0.1))


def strong_to_the_end(random: Random, count: int) -> Values:
    """A discriminator that stays far ahead without being certain."""
    first, last = random.uniform(0.1, 0.6), log_uniform(random, 0.015, 0.1)
    level = last + (first - last) * np.exp(-_time(count) / random.uniform(0.05, 0.3))
    return _noisy(random, level, random.uniform(0.03, 0.15))


def oscillating(random: Random, count: int) -> Values:
    """The networks chase each other with a steady swing."""
    level = settling(random, count)
    period, amplitude = random.uniform(5, 25), random.uniform(0.05, 0.3)
    return level * (1 + amplitude * np.sin(2 * np.pi * (np.arange(count) / period + random.uniform())))


def two_phases(random: Random, count: int) -> Values:
    """Like `celeba_dense` with Adam: calm at first, then the discriminator gains ground and its loss is livelier."""
    start = random.uniform(0.3, 0.75)
    gain = np.clip((_time(count) - start) / (1 - start), 0, 1)
    level = random.uniform(0.9, 1.2) * (1 - gain * random.uniform(0.2, 0.6))
    calm = random.uniform(0.008, 0.025)
    deviation = np.where(gain > 0, calm * random.uniform(1.5, 4.5), calm)
    return level * (1 + deviation * wander(random, count, 1.0, random.uniform(0, 0.5)))


def spikes_at_first(random: Random, count: int) -> Values:
    """Spikes in the first fifth, then calm."""
    values = settling(random, count)
    early = max(1, count // 5)
    for interval in random.integers(0, early, random.integers(2, 6)):
        values[interval] += log_uniform(random, 0.5, 8)
    return values


def rare_spikes(random: Random, count: int) -> Values:
    """A spike now and then, gone an interval later."""
    values = settling(random, count)
    struck = random.random(count) < random.uniform(0.005, 0.04)
    return values + struck * random.uniform(0.2, 2, count)


def lively(random: Random, count: int) -> Values:
    """Like minimax and hinge losses on MNIST: every interval at another level, to the end."""
    return _noisy(random, np.full(count, random.uniform(0.6, 1.1)), random.uniform(0.03, 0.09))


# ---------------------------------------------------------------------------------------------------------------------
# Sick


def pinned_early(random: Random, count: int) -> Values:
    """Certain within the first third, and for good."""
    last, reached = log_uniform(random, 1e-4, 0.02), random.uniform(0.05, 0.3)
    level = np.exp(np.interp(_time(count), [0, reached, 1], np.log([random.uniform(0.2, 0.8), last, last])))
    return _noisy(random, level, random.uniform(0.1, 0.5))


def pinned_late(random: Random, count: int) -> Values:
    """Healthy for most of the run, then certain."""
    start, last = random.uniform(0.5, 0.93), log_uniform(random, 1e-4, 0.02)
    return np.where(_time(count) <= start, settling(random, count), _noisy(random, np.full(count, last), 0.3))


def pinned_with_escapes(random: Random, count: int) -> Values:
    """Certain except for some intervals."""
    escapes = random.random(count) < random.uniform(0.1, 0.5)
    return pinned_early(random, count) + escapes * random.uniform(0.02, 0.5, count)


def growing_swings(random: Random, count: int) -> Values:
    """Noise that grows from some time on."""
    start, calm = random.uniform(0.3, 0.7), random.uniform(0.01, 0.05)
    growth = np.clip((_time(count) - start) / (1 - start), 0, 1)
    deviation = calm * (log_uniform(random, 0.1, 1.0) / calm) ** growth
    return np.abs(random.uniform(0.3, 1.1) + deviation * random.normal(size=count))


def bursts(random: Random, count: int) -> Values:
    """Spikes that become frequent in the last half."""
    values = settling(random, count)
    struck = (_time(count) > random.uniform(0.5, 0.75)) & (random.random(count) < random.uniform(0.15, 0.6))
    return values + struck * random.exponential(log_uniform(random, 0.2, 1.5), count)


def growing_oscillation(random: Random, count: int) -> Values:
    """The networks chase each other with a swing that grows."""
    last = random.uniform(0.3, 1.0)
    amplitude = last * _time(count) ** random.uniform(1, 4)
    swing = np.sin(2 * np.pi * np.arange(count) / random.uniform(3, 15))
    return np.clip(_noisy(random, random.uniform(0.5, 1.1) * (1 + amplitude * swing), 0.03), 1e-3, None)


def huge_throughout(random: Random, count: int) -> Values:
    """Like Adam at rates of 0.01: swings from the start to the end."""
    level = random.uniform(0.4, 1.1)
    return np.clip(level + log_uniform(random, 0.07, 0.5) * random.normal(size=count), 1e-3, None)
