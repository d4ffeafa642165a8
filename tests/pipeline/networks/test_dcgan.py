import torch
from torch import Tensor, nn

from pipeline.networks.architectures.dcgan import WIDTH, Discriminator, Generator
from pipeline.networks.convolution import Convolution
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.normalisation import BatchNorm
from pipeline.networks.stacked import Stacked

DIGITS = (1, 28, 28)


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def parameters_a_member(network: Stacked) -> int:
    return sum(parameter[0].numel() for parameter in network.parameters())


def torchs_generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(100, 6272),
        nn.BatchNorm1d(6272),
        nn.ReLU(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def torchs_discriminator() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(3136, 1),
    )


def give(torchs: nn.Sequential, network: Stacked, member: int) -> nn.Sequential:
    """Torch's network with the weights of one member; layers with weights come in the same order in both."""
    ours = [module for module in network.modules() if isinstance(module, Dense | LogitLayer | Convolution | BatchNorm)]
    theirs = [module for module in torchs if next(module.parameters(), None) is not None]
    for our_weight, other in zip(ours, theirs, strict=True):
        weight = our_weight.scale[member] if isinstance(our_weight, BatchNorm) else our_weight.weight[member]
        bias = our_weight.shift if isinstance(our_weight, BatchNorm) else our_weight.bias
        other.weight.data = (weight.T if isinstance(our_weight, Dense) else weight).detach().clone()
        if other.bias is not None:
            assert bias is not None
            other.bias.data = bias[member].flatten().detach().clone()
    return torchs


def test_the_parameter_counts_are_those_stated() -> None:
    assert parameters_a_member(Generator(2, DIGITS, WIDTH)) == 778_241
    assert parameters_a_member(Discriminator(2, DIGITS, WIDTH)) == 36_577
    assert sum(parameter.numel() for parameter in torchs_generator().parameters()) == 778_241
    assert sum(parameter.numel() for parameter in torchs_discriminator().parameters()) == 36_577


def test_each_member_equals_the_same_network_of_torchs_layers_in_training_and_evaluation() -> None:
    generator, discriminator = Generator(2, DIGITS, WIDTH), Discriminator(2, DIGITS, WIDTH)
    generator.initialise(streams(0, 1))
    discriminator.initialise(streams(2, 3))
    generator.flatten(), discriminator.flatten()
    alone = [
        (give(torchs_generator(), generator, member), give(torchs_discriminator(), discriminator, member))
        for member in range(2)
    ]
    latents = torch.randn(2, 5, 100, generator=streams(4)[0])
    for training in (True, False):
        images = generator.train(training)(latents)
        logits = discriminator.train(training)(images)
        assert images.shape == (2, 5, 1, 28, 28)
        assert images.abs().max() <= 1.0
        assert logits.shape == (2, 5)
        for member, (torchs_g, torchs_d) in enumerate(alone):
            expected = torchs_g.train(training)(latents[member])
            assert torch.allclose(images[member], expected, atol=1e-5)
            assert torch.allclose(logits[member], torchs_d.train(training)(expected).squeeze(1), atol=1e-5)


def trained_gradients(seeds: tuple[int, ...]) -> list[Tensor]:
    """The logits and all gradients of one generator's step, on flattened parameters, as in training."""
    generator, discriminator = Generator(len(seeds), DIGITS, WIDTH), Discriminator(len(seeds), DIGITS, WIDTH)
    generator.initialise(streams(*seeds))
    discriminator.initialise(streams(*seeds))
    generator.flatten(), discriminator.flatten()
    latents = torch.stack([torch.randn(16, 100, generator=stream) for stream in streams(*seeds)])
    logits = discriminator(generator(latents))
    parameters = [*generator.parameters(), *discriminator.parameters()]
    return [logits, *torch.autograd.grad(logits.sigmoid().sum(), parameters)]


def test_a_members_logits_and_gradients_are_bit_identical_alone_and_in_a_stack() -> None:
    stacked, alone = trained_gradients((5, 6, 7)), trained_gradients((7,))
    assert all(torch.equal(many[2], one[0]) for many, one in zip(stacked, alone, strict=True))


def test_initial_weights_are_normal_with_the_papers_deviation() -> None:
    generator, discriminator = Generator(1, DIGITS, WIDTH), Discriminator(1, DIGITS, WIDTH)
    generator.initialise(streams(0))
    discriminator.initialise(streams(1))
    hidden = (generator.get_parameter("hidden.0.weight"), discriminator.get_parameter("hidden.0.weight"))
    for weight in (generator.dense.weight, *hidden):
        assert abs(weight.std().item() / 0.02 - 1) < 0.02
    scale = generator.dense_norm.scale
    assert abs(scale.mean().item() - 1) < 0.002
    assert abs(scale.std().item() / 0.02 - 1) < 0.05
