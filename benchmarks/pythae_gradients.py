"""What the optimizers of pythae 0.1.2's VAE/GAN are handed, against what they should be.

    KERAS_BACKEND=torch nox -s pythae

The oracle of `tests/oracle`, pointed at another library. Its own trainer runs one step, with its
own networks and defaults, on 64 images of BreastMNIST; an optimizer that moves nothing keeps what
it is handed. The intended gradient of a network is that of the loss which the library itself
names after it, at the same weights, images and noise. Beside it stands the same of the VAE/GAN
here. The cosine is 1 where both point the same way, -1 where the step goes straight uphill.

The file is read from `$MEDMNIST_ROOT`, else from `~/.medmnist`.
"""

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import keras
import numpy as np
import pythae
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAEGAN, VAEGANConfig
from pythae.models.nn.benchmarks import mnist
from pythae.trainers import (
    CoupledOptimizerAdversarialTrainer,
    CoupledOptimizerAdversarialTrainerConfig,
)

import keras_medaug as kma
from gradient_oracle.agreement import cosine, relative_error
from gradient_oracle.autodiff import gradients
from gradient_oracle.cases import Case, gradients_in_fit, intended_gradients
from keras_medaug.files import write_json_atomic

BATCH = 64
NETWORKS = ("encoder", "decoder", "discriminator")


class Weight(NamedTuple):
    """A torch parameter in the form in which the oracle takes a variable."""

    value: torch.Tensor
    shape: tuple[int, ...]


class Recorder(torch.optim.Optimizer):
    """Keeps what it is handed, and moves nothing."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self.received: list[np.ndarray] = []

    def step(self, closure: Any = None) -> None:
        """Keep the gradients, in the order of the parameters."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        self.received = [
            np.zeros(tuple(p.shape)) if p.grad is None else p.grad.numpy().copy()
            for p in parameters
        ]


class Tape:
    """Keeps the batch and the noise of a step, and plays the noise again."""

    def __init__(self) -> None:
        self.batch: Any = None
        self.draws: list[torch.Tensor] = []
        self.replay: list[torch.Tensor] = []
        self._draw = torch.randn_like

    def begin(self, _: torch.nn.Module, inputs: tuple) -> None:
        """Take note of a batch.

        What an earlier pass drew is forgotten: the trainer makes one to see whether models run.
        """
        self.batch = inputs[0]
        self.draws.clear()

    def randn_like(self, tensor: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Stand in for `torch.randn_like`."""
        if self.replay:
            return self.replay.pop(0)
        self.draws.append(self._draw(tensor).detach())
        return self.draws[-1].clone()


def step(model: VAEGAN, images: np.ndarray) -> tuple[dict[str, list], dict[str, list]]:
    """Run one step of the library's trainer; return what came, and what should have come."""
    tape = Tape()
    hook = model.register_forward_pre_hook(tape.begin)
    names = {f"{name}_optimizer_cls": "Recorder" for name in NETWORKS}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(torch.optim, "Recorder", Recorder, create=True),
        mock.patch.object(torch, "randn_like", tape.randn_like),
    ):
        trainer = CoupledOptimizerAdversarialTrainer(
            model,
            BaseDataset(torch.tensor(images), torch.ones(len(images))),
            training_config=CoupledOptimizerAdversarialTrainerConfig(
                output_dir=folder, num_epochs=1, per_device_train_batch_size=len(images),
                no_cuda=True, **names,
            ),
        )  # fmt: skip
        trainer.train()
        hook.remove()
        received = {name: getattr(trainer, f"{name}_optimizer").received for name in NETWORKS}
        intended = {}
        for name in NETWORKS:
            weights = [Weight(p, tuple(p.shape)) for p in getattr(model, name).parameters()]

            def loss(name: str = name) -> torch.Tensor:
                tape.replay = [draw.clone() for draw in tape.draws]
                return getattr(model(tape.batch), f"{name}_loss")

            intended[name] = gradients(loss, weights)
    return received, intended


def of_pythae(images: np.ndarray, seed: int, convolutional: bool) -> dict[str, float]:
    """Return the cosine of each network of pythae's VAE/GAN with its defaults."""
    torch.manual_seed(seed)
    config = VAEGANConfig(input_dim=(1, 28, 28), latent_dim=16)
    parts = {}
    if convolutional:
        parts = {
            "encoder": mnist.Encoder_Conv_VAE_MNIST(config),
            "decoder": mnist.Decoder_Conv_AE_MNIST(config),
            "discriminator": mnist.Discriminator_Conv_MNIST(config),
        }
    received, intended = step(VAEGAN(config, **parts), images)
    return {name: cosine(received[name], intended[name]) for name in NETWORKS}


def of_ours(images: np.ndarray, seed: int) -> tuple[dict[str, float], float]:
    """Return the cosine of each network of the VAE/GAN here as shipped, and the largest error."""
    case = Case("VAEGAN", {"seed": seed}, as_shipped=True, images=images)
    received, intended = gradients_in_fit(case), intended_gradients(case)
    errors = [relative_error(received[name], intended[name]) for name in NETWORKS]
    return {name: cosine(received[name], intended[name]) for name in NETWORKS}, max(errors)


def main() -> None:
    """Print the cosines, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    x, _ = kma.datasets.load("breastmnist").train
    images = np.moveaxis(x[:BATCH], -1, 1)
    cosines: dict[str, Any] = {}
    for kind, convolutional in (("multilayer perceptrons", False), ("convolutional", True)):
        runs = [of_pythae(images, seed, convolutional) for seed in range(options.seeds)]
        cosines[f"pythae, {kind}"] = {
            name: [round(run[name], 4) for run in runs] for name in NETWORKS
        }
    ours = [of_ours(x[:BATCH], seed) for seed in range(options.seeds)]
    cosines["keras-medaug"] = {name: [round(run[name], 4) for run, _ in ours] for name in NETWORKS}
    for kind, by_network in cosines.items():
        said = [
            f"{name} {min(values):+.3f} to {max(values):+.3f}"
            for name, values in by_network.items()
        ]
        print(f"{kind}: {', '.join(said)}")
    print(f"largest relative error here: {max(error for _, error in ours):.1e}")
    versions = {
        "pythae": getattr(pythae, "__version__", "0.1.2"),
        "torch": torch.__version__,
        "keras": keras.__version__,
    }
    config = {"batch_size": BATCH, "seeds": options.seeds, "versions": versions}
    write_json_atomic(options.out, {"config": config, "cosines": cosines})


if __name__ == "__main__":
    main()
