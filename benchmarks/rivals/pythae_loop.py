"""The training step of pythae 0.1.2's VAE/GAN, to race the one here against.

The model's forward pass and the trainer's way with three optimizers are pythae's own code; the
networks, which pythae lets its users bring, are those of our VAE/GAN as shipped, and so are the
settings of Adam. Left out is what pythae does around its steps: loading data, logs, files. It
keeps no average of the decoder's weights.

pythae's discriminator is never shown reconstructions, so that a step takes fewer passes than ours,
and its decoder and discriminator skip steps, backward passes included, when one of them is ahead.
"""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from pythae.models import VAEGAN, VAEGANConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from pythae.trainers import CoupledOptimizerAdversarialTrainer
from torch import Tensor, nn
from torch_loops import BETA_2, BN_EPSILON, BN_MOMENTUM, EPSILON, LATENT, NAMES, SETTINGS

NETWORKS = ("encoder", "decoder", "discriminator")
BASE = 7
# The axis of a dense kernel, as Keras has it, along which images lie flattened.
FLAT_AXIS = {"encoder": 0, "decoder": 1, "discriminator": 0}
# pythae's own, within which neither network skips a step.
MARGIN = 0.4


def _normalization(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=BN_EPSILON, momentum=1 - BN_MOMENTUM)


class Encoder(BaseEncoder):
    """Images to means and log-variances."""

    def __init__(self) -> None:
        super().__init__()
        # "same" in Keras pads the far side alone where the stride is 2 and the kernel odd.
        self.layers = nn.Sequential(
            *(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 32, 3, 2), nn.ReLU()),
            *(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(32, 64, 3, 2), nn.ReLU()),
            nn.Flatten(),
        )
        self.mean = nn.Linear(BASE * BASE * 64, LATENT)
        self.log_var = nn.Linear(BASE * BASE * 64, LATENT)

    def forward(self, x: Tensor) -> ModelOutput:
        """Return `embedding` and `log_covariance`."""
        x = self.layers(x)
        return ModelOutput(embedding=self.mean(x), log_covariance=self.log_var(x))


class Decoder(BaseDecoder):
    """Latent vectors to images."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT, BASE * BASE * 128, bias=False),
            nn.Unflatten(1, (128, BASE, BASE)),
            *(_normalization(128), nn.LeakyReLU(0.2)),
            nn.ConvTranspose2d(128, 64, 4, 2, padding=1, bias=False),
            *(_normalization(64), nn.LeakyReLU(0.2)),
            *(nn.ConvTranspose2d(64, 1, 4, 2, padding=1), nn.Sigmoid()),
        )

    def forward(self, z: Tensor) -> ModelOutput:
        """Return `reconstruction`."""
        return ModelOutput(reconstruction=self.layers(z))


class Discriminator(BaseDiscriminator):
    """Images to the probability that they are real; the second layer's output is the features."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Conv2d(1, 64, 4, 2, padding=1, bias=False)
        score = nn.Linear(BASE * BASE * 128, 1)
        self.layers = nn.ModuleList(
            [
                nn.Sequential(first, _normalization(64), nn.LeakyReLU(0.2)),
                nn.Conv2d(64, 128, 4, 2, padding=1, bias=False),
                nn.Sequential(
                    *(_normalization(128), nn.LeakyReLU(0.2), nn.Flatten()),
                    *(score, nn.Sigmoid()),
                ),
            ]
        )
        self.depth = len(self.layers)

    def forward(self, x: Tensor, output_layer_levels: list[int] | None = None) -> ModelOutput:
        """Return `embedding`, or the outputs of some layers, going no deeper than these."""
        output = ModelOutput()
        levels = output_layer_levels or [self.depth]
        x = 2.0 * x - 1.0
        for level, layer in enumerate(self.layers[: max(levels)], start=1):
            x = layer(x)
            if level in levels:
                output[f"embedding_layer_{level}"] = x
            if level == self.depth:
                output["embedding"] = x
        return output


class Loop:
    """The training of pythae's VAE/GAN, step by step.

    Args:
        weights: `get_weights()` of each network of our VAE/GAN.
        seed: Seed of the noise, set globally.
        gated: Whether networks may skip steps, as by pythae's defaults they may; if not, all three
            are updated in every step, as in our VAE/GAN as shipped.

    Attributes:
        last: The losses of each step of the last run.
        updated: Names of the networks that each step of the last run updated.
    """

    def __init__(
        self, weights: dict[str, list[np.ndarray]], seed: int = 0, gated: bool = False
    ) -> None:
        torch.manual_seed(seed)
        config = VAEGANConfig(
            input_dim=(1, 4 * BASE, 4 * BASE),
            latent_dim=LATENT,
            reconstruction_layer=2,
            margin=MARGIN if gated else math.inf,
        )
        self.model = VAEGAN(config, Encoder(), Decoder(), Discriminator())
        for name in NETWORKS:
            _load(getattr(self.model, name), name, weights[name])
        assert self.trainable_count() == _trainable_count(weights)
        # By these names the trainer knows them.
        self.encoder_optimizer = _adam(self.model.encoder)
        self.decoder_optimizer = _adam(self.model.decoder)
        self.discriminator_optimizer = _adam(self.model.discriminator)
        self.last: list[dict[str, float]] = []
        self.updated: list[list[str]] = []

    def _take(self, images: Tensor) -> ModelOutput:
        """Take a step: what the trainer does with one batch."""
        output = self.model({"data": images}, epoch=1, dataset_size=len(images), uses_ddp=False)
        CoupledOptimizerAdversarialTrainer._optimizers_step(self, output)
        return output

    def losses(self, images: np.ndarray) -> dict[str, float]:
        """Return the losses of one batch at the present weights, without a step.

        Args:
            images: Images in [0, 1].

        Returns:
            The loss terms by name.
        """
        # Batch normalisation would move its statistics.
        model = copy.deepcopy(self.model).train()
        with torch.no_grad():
            return _losses(model({"data": _images(images)}))

    def run(self, batches: Sequence[tuple]) -> None:
        """Take one step for each batch.

        Args:
            batches: Tuples of images and whatever else, which is not looked at.
        """
        self.model.train()
        self.last, self.updated = [], []
        for batch in batches:
            output = self._take(_images(batch[0]))
            # The trainer, too, reads the losses of every step.
            self.last.append(_losses(output))
            self.updated.append([name for name in NETWORKS if output[f"update_{name}"]])
        self.model.update()

    def trainable_count(self) -> int:
        """Return the number of trainable parameters."""
        return sum(
            parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad
        )


def _adam(network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that the trainer makes, with our settings."""
    rate, beta_1, _ = SETTINGS["VAEGAN"]
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(beta_1, BETA_2), eps=EPSILON)


def _losses(output: ModelOutput) -> dict[str, float]:
    return {f"{name}_loss": output[f"{name}_loss"].item() for name in NETWORKS}


def _images(images: np.ndarray) -> Tensor:
    """Return images with the strides that channels first usually have, as pythae is given them."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    return tensor.clone(memory_format=torch.contiguous_format)


def _load(network: nn.Module, name: str, values: list[np.ndarray]) -> None:
    """Set the weights of a network from those of its Keras twin."""
    state = network.state_dict()
    targets = [tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")]
    for target, value in zip(targets, values, strict=True):
        converted = _from_keras(value, FLAT_AXIS[name])
        assert converted.shape == target.shape, f"{name}: {converted.shape}, not {target.shape}"
        target.copy_(converted)


def _from_keras(value: np.ndarray, flat_axis: int) -> Tensor:
    """Return a weight in PyTorch's layout."""
    if value.ndim == 4:
        return torch.tensor(value.transpose(3, 2, 0, 1))
    if value.ndim == 2:
        return torch.tensor(_channels_first(value, flat_axis).T)
    return torch.tensor(value)


def _channels_first(kernel: np.ndarray, axis: int) -> np.ndarray:
    """Return a dense kernel for images flattened channels first; it was for channels last."""
    rows = np.moveaxis(kernel, axis, 0)
    cut = rows.reshape(BASE, BASE, -1, rows.shape[1]).transpose(2, 0, 1, 3)
    return np.moveaxis(cut.reshape(rows.shape), 0, axis)


def _trainable_count(weights: dict[str, list[np.ndarray]]) -> int:
    """Return the number of trainable parameters among `get_weights()` of our networks."""
    named = [pair for net in NETWORKS for pair in zip(NAMES[net], weights[net], strict=True)]
    return sum(value.size for name, value in named if not name.startswith("moving_"))


def make(
    name: str, weights: dict[str, list[np.ndarray]], seed: int = 0, gated: bool = False
) -> Loop:
    """Return a loop that starts from the weights given.

    Args:
        name: `"VAEGAN"`.
        weights: `get_weights()` of `"encoder"`, `"decoder"` and `"discriminator"`.
        seed: Seed of the noise, set globally.
        gated: Whether networks may skip steps, as by pythae's defaults they may.

    Returns:
        The loop.

    Raises:
        ValueError: If the model is another.
    """
    if name != "VAEGAN":
        raise ValueError(f"name is {name!r}: only 'VAEGAN' is pythae's")
    return Loop(weights, seed, gated)
