"""`Flow` written by hand in plain PyTorch, to race the model against: its step and its sampler.

Channels last in memory, native group normalisation and dropout, one fused optimizer. The network
is that of 28 x 28 gray images with two classes, from weights that are given.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

GROUPS, EPSILON, DROPOUT, LABEL_DROPOUT = 8, 1e-5, 0.1, 0.1
EMA_MOMENTUM, RATE, DECAY, CLIP, WARM_UP = 0.999, 2e-3, 1e-2, 1.0, 100
TIME_MEAN, SHORTEST = -0.4, 0.02
FREQUENCIES = np.geomspace(0.1, 100.0, 32).astype("float32")


class Loop:
    """Takes steps of training, and makes images.

    Args:
        weights: The network's weights by path, as Keras holds them.
        classes: Number of classes.
    """

    def __init__(self, weights: dict[str, np.ndarray], classes: int) -> None:
        self.classes = classes
        self.weights = {path: _native(path, value) for path, value in weights.items()}
        for value in self.weights.values():
            value.requires_grad_(True)
        self.averaged = {path: value.detach().clone() for path, value in self.weights.items()}
        self.steps = 0
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), RATE, weight_decay=DECAY, eps=1e-7, fused=True
        )
        self.frequencies = torch.from_numpy(FREQUENCIES)

    def run(self, batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Take a step on each batch."""
        for images, labels in batches:
            self._step(torch.from_numpy(images), torch.from_numpy(labels))

    def _step(self, images: Tensor, labels: Tensor) -> None:
        images = 2.0 * images.permute(0, 3, 1, 2) - 1.0
        noise = torch.randn_like(images)
        times = torch.sigmoid(torch.randn(len(images)) + TIME_MEAN)
        time = times[:, None, None, None]
        hidden = torch.rand(len(images)) < LABEL_DROPOUT
        shown = torch.where(hidden, self.classes, labels)
        state = (1.0 - time) * noise + time * images
        velocity = self._network(self.weights, state, times, shown, training=True)
        loss = F.mse_loss(velocity, images - noise)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), CLIP)
        self.optimizer.param_groups[0]["lr"] = RATE * min(1.0, self.steps / WARM_UP)
        self._follow()
        self.optimizer.step()
        self.steps += 1

    def _follow(self) -> None:
        kept = min(EMA_MOMENTUM, (1 + self.steps) / (10 + self.steps))
        averages, live = list(self.averaged.values()), list(self.weights.values())
        with torch.no_grad():
            torch._foreach_lerp_(averages, live, 1.0 - kept)

    def sample(self, noise: np.ndarray, labels: np.ndarray, steps: int) -> np.ndarray:
        """Return images made of noise by Heun's method, the last step by Euler's."""
        with torch.no_grad():
            return self._followed(noise, labels, steps)

    def _followed(self, noise: np.ndarray, labels: np.ndarray, steps: int) -> np.ndarray:
        x = torch.from_numpy(noise).permute(0, 3, 1, 2).contiguous(memory_format=_LAST)
        given = torch.from_numpy(labels)

        def velocity(state: Tensor, time: float) -> Tensor:
            times = torch.full((len(state),), time)
            return self._network(self.averaged, state, times, given, training=False)

        length = 1.0 / steps
        for step in range(steps):
            first = velocity(x, step * length)
            ahead = x + length * first
            if step == steps - 1:
                x = ahead
            else:
                x = x + 0.5 * length * (first + velocity(ahead, (step + 1) * length))
        return (0.5 + 0.5 * x).clamp(0, 1).permute(0, 2, 3, 1).numpy()

    def _network(
        self, w: dict[str, Tensor], images: Tensor, times: Tensor, labels: Tensor, training: bool
    ) -> Tensor:
        angles = times[:, None] * self.frequencies
        told = [angles.sin(), angles.cos(), F.embedding(labels, w["label/embeddings"])]
        condition = torch.cat(told, dim=1)
        for name in ("condition_1", "condition_2"):
            condition = F.silu(F.linear(condition, w[f"{name}/kernel"], w[f"{name}/bias"]))
        folded = _fold(images).contiguous(memory_format=_LAST)
        block = _Block(w, condition, training)
        x = F.conv2d(folded, w["input/kernel"], w["input/bias"], padding=1)
        skip = x = block(x, "down_1_1")
        padded = F.pad(x, (0, 1, 0, 1))
        x = F.conv2d(padded, w["halving_1/kernel"], w["halving_1/bias"], stride=2)
        x = block(block(x, "middle_1"), "middle_2")
        x = F.conv2d(x, w["up_1/kernel"], w["up_1/bias"])
        x = torch.cat([F.interpolate(x, scale_factor=2), skip], dim=1)
        x = F.silu(block.normalized(block(x, "up_1_1"), "normalization"))
        x = F.conv2d(torch.cat([x, folded], dim=1), w["output/kernel"], w["output/bias"], padding=1)
        return (_unfold(x) - images) / (1.0 - times)[:, None, None, None].clamp(min=SHORTEST)


class _Block:
    """A residual block under a condition."""

    def __init__(self, w: dict[str, Tensor], condition: Tensor, training: bool) -> None:
        self.w, self.condition, self.training = w, condition, training

    def __call__(self, features: Tensor, name: str) -> Tensor:
        w = self.w
        x = F.silu(self.normalized(features, f"{name}/normalization_1"))
        x = _convolved(w, x, f"{name}/convolution_1")
        x = F.silu(self.normalized(x, f"{name}/normalization_2"))
        x = _convolved(w, F.dropout(x, DROPOUT, self.training), f"{name}/convolution_2")
        if f"{name}/shortcut/kernel" in w:
            features = F.conv2d(features, w[f"{name}/shortcut/kernel"], w[f"{name}/shortcut/bias"])
        return features + x

    def normalized(self, x: Tensor, name: str) -> Tensor:
        linear = F.linear(self.condition, self.w[f"{name}/kernel"], self.w[f"{name}/bias"])
        scale, shift = linear[:, :, None, None].chunk(2, dim=1)
        groups = math.gcd(GROUPS, x.shape[1])
        return torch.addcmul(shift, F.group_norm(x, groups, eps=EPSILON), 1.0 + scale)


_LAST = torch.channels_last


def _convolved(w: dict[str, Tensor], x: Tensor, name: str) -> Tensor:
    return F.conv2d(x, w[f"{name}/kernel"], w[f"{name}/bias"], padding=1)


def _native(path: str, value: np.ndarray) -> Tensor:
    """Return a weight in PyTorch's layout."""
    tensor = torch.from_numpy(np.array(value))
    if tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous(memory_format=_LAST)
    return tensor.T.contiguous() if path.endswith("kernel") else tensor


def _fold(images: Tensor) -> Tensor:
    """Return patches of 2 x 2 pixels as channels, in the order of rows, columns, channels."""
    n, c, h, w = images.shape
    x = images.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, 4 * c, h // 2, w // 2)


def _unfold(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.reshape(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // 4, 2 * h, 2 * w)


def monai_loop(classes: int) -> Any:
    """Return a loop over MONAI's diffusion U-Net, of about as many weights, in `Loop`'s step."""
    from monai.networks.nets import DiffusionModelUNet

    network = DiffusionModelUNet(
        spatial_dims=2, in_channels=1, out_channels=1, num_res_blocks=1, channels=(24, 48),
        attention_levels=(False, False), norm_num_groups=8, num_class_embeds=classes + 1,
    )  # fmt: skip

    class Monai(Loop):
        def __init__(self) -> None:
            self.classes, self.steps = classes, 0
            self.network = network
            self.weights = dict(network.named_parameters())
            self.averaged = {name: w.detach().clone() for name, w in self.weights.items()}
            self.optimizer = torch.optim.AdamW(
                self.weights.values(), RATE, weight_decay=DECAY, eps=1e-7, fused=True
            )

        def _network(self, w, images, times, labels, training):
            network.train(training)
            return network(images, timesteps=1000 * times, class_labels=labels)

    return Monai()
