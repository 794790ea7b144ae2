"""Hand-written training loops in plain PyTorch, to race the models against.

Channels last in memory, native kernels, one fused optimizer. Every forward pass is made once; each
objective is then differentiated by the weights of its own network alone, so that autograd leaves
out the gradients that nobody asks for. Moving variances follow PyTorch's unbiased estimate.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd import grad

Tree = dict[str, Any]

LATENT = 64
EPSILON = 1e-7
BETA_2 = 0.999
BN_EPSILON = 1e-3
BN_MOMENTUM = 0.9
GAMMA = 0.01
EMA_MOMENTUM = 0.99
# Learning rate and first momentum of Adam, and the network whose weights are averaged.
SETTINGS: dict[str, tuple[float, float, str | None]] = {
    "CVAE": (1e-3, 0.9, None),
    "DCGAN": (2e-4, 0.5, "generator"),
    "VAEGAN": (2e-4, 0.5, "decoder"),
    "Classifier": (1e-3, 0.9, None),
}
_DECODER = (
    "dense",
    *("gamma_0", "beta_0", "moving_mean_0", "moving_variance_0"),
    "kernel_1",
    *("gamma_1", "beta_1", "moving_mean_1", "moving_variance_1"),
    *("kernel_2", "bias_2"),
)
# The weights of each network, in the order of `get_weights`.
NAMES: dict[str, tuple[str, ...]] = {
    "encoder": (
        *("kernel_1", "bias_1", "kernel_2", "bias_2"),
        *("mean", "mean_bias", "log_var", "log_var_bias"),
    ),
    "decoder": _DECODER,
    "generator": _DECODER,
    "discriminator": (
        "kernel_1",
        *("gamma_1", "beta_1", "moving_mean_1", "moving_variance_1"),
        "kernel_2",
        *("gamma_2", "beta_2", "moving_mean_2", "moving_variance_2"),
        *("score", "score_bias"),
    ),
    "network": (
        *("kernel_1", "bias_1", "kernel_2", "bias_2", "kernel_3", "bias_3"),
        *("dense", "dense_bias"),
    ),
}


def _half(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Return the 3x3 convolution of stride 2 whose padding is all on the far side."""
    return F.conv2d(F.pad(x, (0, 1, 0, 1)), kernel, bias, stride=2)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu_(x, 0.2)


def _flat(x: Tensor) -> Tensor:
    """Return all features of an image in one row, channels last."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def _normalize(x: Tensor, w: Tree, s: Tree | None, index: int) -> Tensor:
    """Return `x` normalised by the statistics of the batch, which move those given."""
    moving = s or {}
    return F.batch_norm(
        x,
        moving.get(f"moving_mean_{index}"),
        moving.get(f"moving_variance_{index}"),
        w[f"gamma_{index}"],
        w[f"beta_{index}"],
        training=True,
        momentum=1 - BN_MOMENTUM,
        eps=BN_EPSILON,
    )


def _encode(w: Tree, images: Tensor) -> tuple[Tensor, Tensor]:
    x = F.relu_(_half(images, w["kernel_1"], w["bias_1"]))
    x = _flat(F.relu_(_half(x, w["kernel_2"], w["bias_2"])))
    return F.linear(x, w["mean"], w["mean_bias"]), F.linear(x, w["log_var"], w["log_var_bias"])


def _decode(w: Tree, s: Tree | None, z: Tensor) -> Tensor:
    """Return logits of images."""
    x = F.linear(z, w["dense"]).view(z.shape[0], 7, 7, -1).permute(0, 3, 1, 2)
    x = _leaky(_normalize(x, w, s, 0))
    x = F.conv_transpose2d(x, w["kernel_1"], stride=2, padding=1)
    x = _leaky(_normalize(x, w, s, 1))
    return F.conv_transpose2d(x, w["kernel_2"], w["bias_2"], stride=2, padding=1)


def _discriminate(w: Tree, s: Tree | None, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return logit and features."""
    x = F.conv2d(2.0 * images - 1.0, w["kernel_1"], stride=2, padding=1)
    x = _leaky(_normalize(x, w, s, 1))
    features = F.conv2d(x, w["kernel_2"], stride=2, padding=1)
    x = _flat(_leaky(_normalize(features, w, s, 2)))
    return F.linear(x, w["score"], w["score_bias"]), features


def _sample(mean: Tensor, log_var: Tensor, epsilon: Tensor) -> Tensor:
    return mean.float() + torch.exp(0.5 * log_var.float()) * epsilon


def _kl(mean: Tensor, log_var: Tensor) -> Tensor:
    mean, log_var = mean.float(), log_var.float()
    total = torch.sum(torch.square(mean) + torch.exp(log_var) - 1.0 - log_var)
    return total * (0.5 / mean.shape[0])


def _real_loss(logit: Tensor) -> Tensor:
    """Return the cross-entropy against "real"."""
    return F.softplus(-logit.float()).mean()


def _fake_loss(logit: Tensor) -> Tensor:
    """Return the cross-entropy against "fake"."""
    return F.softplus(logit.float()).mean()


def _named(w: Tree, gradients: Iterable[Tensor]) -> Tree:
    return dict(zip(w, gradients, strict=True))


def _list(w: Tree) -> list[Tensor]:
    return list(w.values())


# Each objective returns the losses and a function that gives the gradients of each network.


def _cvae(w: Tree, s: Tree, images: Tensor, _labels: Any, noise: Tree) -> tuple[Tree, Callable]:
    mean, log_var = _encode(w["encoder"], images)
    z = _sample(mean, log_var, noise["epsilon"])
    logits = _decode(w["decoder"], s.get("decoder"), z).float()
    total = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    reconstruction = total / images.shape[0]
    kl = _kl(mean, log_var)

    def gradients() -> Tree:
        encoder, decoder = _list(w["encoder"]), _list(w["decoder"])
        flat = grad(reconstruction + kl, encoder + decoder)
        return {
            "encoder": _named(w["encoder"], flat[: len(encoder)]),
            "decoder": _named(w["decoder"], flat[len(encoder) :]),
        }

    return {"reconstruction": reconstruction, "kl": kl}, gradients


def _dcgan(w: Tree, s: Tree, images: Tensor, _labels: Any, noise: Tree) -> tuple[Tree, Callable]:
    critic, seen = w["discriminator"], s.get("discriminator")
    fake = torch.sigmoid(_decode(w["generator"], s.get("generator"), noise["prior"]).float())
    real_logit, _ = _discriminate(critic, seen, images)
    fake_logit, _ = _discriminate(critic, seen, fake)
    generator_loss = _real_loss(fake_logit)
    discriminator_loss = _real_loss(real_logit) + _fake_loss(fake_logit)

    def gradients() -> Tree:
        down = grad(discriminator_loss, _list(critic), retain_graph=True)
        return {
            "generator": _named(w["generator"], grad(generator_loss, _list(w["generator"]))),
            "discriminator": _named(critic, down),
        }

    return {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}, gradients


def _vaegan(w: Tree, s: Tree, images: Tensor, _labels: Any, noise: Tree) -> tuple[Tree, Callable]:
    critic, seen, moving = w["discriminator"], s.get("discriminator"), s.get("decoder")
    mean, log_var = _encode(w["encoder"], images)
    z = _sample(mean, log_var, noise["epsilon"])
    decoded = torch.sigmoid(_decode(w["decoder"], moving, z).float())
    drawn = torch.sigmoid(_decode(w["decoder"], moving, noise["prior"]).float())
    real_logit, target = _discriminate(critic, seen, images)
    decoded_logit, features = _discriminate(critic, seen, decoded)
    drawn_logit, _ = _discriminate(critic, seen, drawn)

    kl = _kl(mean, log_var)
    total = F.mse_loss(features.float(), target.detach().float(), reduction="sum")
    similarity = total * (0.5 / images.shape[0])
    first, second = _real_loss(decoded_logit), _real_loss(drawn_logit)
    adversarial = first + second
    discriminator_loss = (
        _real_loss(real_logit) + _fake_loss(decoded_logit) + _fake_loss(drawn_logit)
    )

    def gradients() -> Tree:
        encoder, decoder = w["encoder"], w["decoder"]
        down = grad(discriminator_loss, _list(critic), retain_graph=True)
        (by_features,) = grad(similarity, decoded, retain_graph=True)
        (by_judgement,) = grad(first, decoded, retain_graph=True)
        ones = torch.ones_like(kl)
        up = grad((decoded, kl), _list(encoder), (by_features, ones), retain_graph=True)
        by_both = torch.add(by_judgement, by_features, alpha=GAMMA)
        made = grad((decoded, second), _list(decoder), (by_both, ones))
        return {
            "encoder": _named(encoder, up),
            "decoder": _named(decoder, made),
            "discriminator": _named(critic, down),
        }

    losses = {
        "encoder_loss": kl + similarity,
        "decoder_loss": GAMMA * similarity + adversarial,
        "discriminator_loss": discriminator_loss,
        "kl": kl,
        "similarity": similarity,
        "adversarial": adversarial,
    }
    return losses, gradients


def _drop(x: Tensor, rate: float) -> Tensor:
    """Drop entries, deciding each by 16 random bits: on a CPU a draw is what dropout costs."""
    if not rate or x.is_cuda:
        return F.dropout(x, rate)
    count, channels, height, width = x.shape
    bits = torch.empty(x.numel() // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = bits.view(torch.int16).view(count, height, width, channels) >= round(
        (rate - 0.5) * 2**16
    )
    return x * kept.permute(0, 3, 1, 2).to(x.dtype).mul_(1.0 / (1.0 - rate))


def _classifier(
    w: Tree, _s: Tree, images: Tensor, labels: Tensor, noise: Tree
) -> tuple[Tree, Callable]:
    network, rate = w["network"], noise.get("dropout", 0.0)
    x = _leaky(F.conv2d(images, network["kernel_1"], network["bias_1"], padding=1))
    x = _drop(x, rate)
    for step in (2, 3):
        x = _leaky(_half(x, network[f"kernel_{step}"], network[f"bias_{step}"]))
        x = _drop(x, rate)
    logits = F.linear(_flat(x), network["dense"], network["dense_bias"])
    loss = F.cross_entropy(logits.float(), labels)

    def gradients() -> Tree:
        return {"network": _named(network, grad(loss, _list(network)))}

    return {"loss": loss}, gradients


OBJECTIVES: dict[str, Callable[..., tuple[Tree, Callable]]] = {
    "CVAE": _cvae,
    "DCGAN": _dcgan,
    "VAEGAN": _vaegan,
    "Classifier": _classifier,
}


class Loop:
    """A model's training, step by step.

    Args:
        model: Name of the model.
        weights: `get_weights()` of each of its networks.
        seed: Seed of noise and dropout.
        dropout: Dropout rate of the classifier.
        compiled: Whether `torch.compile` compiles losses and gradients; on a GPU with CUDA graphs.
        device: Where the training happens.
        half: Whether convolutions and products are in bfloat16.

    Attributes:
        last: The losses of each step of the last run.
    """

    def __init__(
        self,
        model: str,
        weights: dict[str, list[np.ndarray]],
        seed: int = 0,
        dropout: float = 0.4,
        compiled: bool = False,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        torch.manual_seed(seed)  # dropout takes no generator
        self.model = model
        self.device = device
        self.half = half
        self._replays = compiled and device != "cpu"
        self.dropout = dropout
        self.last: list[dict[str, float]] = []
        self._weights: Tree = {}
        self._moving: Tree = {}
        for net, values in weights.items():
            tensors = {
                name: _from_keras(name, value).to(device)
                for name, value in zip(NAMES[net], values, strict=True)
            }
            self._moving[net] = {k: v for k, v in tensors.items() if k.startswith("moving_")}
            self._weights[net] = {
                k: v.requires_grad_() for k, v in tensors.items() if k not in self._moving[net]
            }
        rate, beta_1, followed = SETTINGS[model]
        self._parameters = [weight for net in self._weights.values() for weight in net.values()]
        self._optimizer = torch.optim.Adam(
            self._parameters, lr=rate, betas=(beta_1, BETA_2), eps=EPSILON, fused=True
        )
        self._live: list[Tensor] = []
        if followed:
            live = {**self._weights[followed], **self._moving[followed]}
            self._live = [live[name].detach() for name in NAMES[followed]]
        self._average = [tensor.clone() for tensor in self._live]
        self._count = 0
        self._work = self._differentiate
        if compiled:
            self._work = _compile(self._differentiate, "reduce-overhead" if self._replays else None)

    def _differentiate(self, images: Tensor, labels: Any, noise: Tree) -> tuple[Tree, list[Tensor]]:
        """Return losses and gradients of a batch; the moving statistics move."""
        with self._precision():
            losses, gradients = OBJECTIVES[self.model](
                self._weights, self._moving, images, labels, noise
            )
        by_network = gradients()
        flat = [by_network[net][name] for net, named in self._weights.items() for name in named]
        return {name: value.detach() for name, value in losses.items()}, flat

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=self.half)

    def _noise(self, count: int) -> Tree:
        if self.model == "Classifier":
            return {"dropout": self.dropout}
        names = {"CVAE": ("epsilon",), "DCGAN": ("prior",), "VAEGAN": ("epsilon", "prior")}
        return {name: torch.randn(count, LATENT, device=self.device) for name in names[self.model]}

    def _take(self, images: Tensor, labels: Any, noise: Tree) -> Tree:
        """Take a step and return its losses."""
        if self._replays:
            torch.compiler.cudagraph_mark_step_begin()
        losses, gradients = self._work(images, labels, noise)
        if self._replays:  # the next replay writes where these lie
            losses = {name: value.clone() for name, value in losses.items()}
        if self._average:
            kept = min(EMA_MOMENTUM, (1 + self._count) / (10 + self._count))
            torch._foreach_lerp_(self._average, self._live, 1 - kept)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        # Keras adds epsilon before the second moment is corrected, PyTorch after.
        corrected = EPSILON / math.sqrt(1 - BETA_2 ** (self._count + 1))
        self._optimizer.param_groups[0]["eps"] = corrected
        self._optimizer.step()
        self._count += 1
        return losses

    def losses(
        self, images: np.ndarray, labels: np.ndarray | None = None, noise: Tree | None = None
    ) -> dict[str, float]:
        """Return the losses of one batch at the present weights, without a step.

        Args:
            images: Images in [0, 1].
            labels: Their classes, for the classifier.
            noise: `"epsilon"` and `"prior"`, as far as the model needs them.

        Returns:
            The loss terms by name.
        """
        with torch.no_grad(), self._precision():
            values, _ = OBJECTIVES[self.model](
                self._weights, {}, *self._given(images, labels), self._moved(noise)
            )
        return {name: float(value) for name, value in values.items()}

    def step(
        self, images: np.ndarray, labels: np.ndarray | None = None, noise: Tree | None = None
    ) -> None:
        """Take one step with the noise given, and without dropout.

        Args:
            images: Images in [0, 1].
            labels: Their classes, for the classifier.
            noise: As in `losses`.
        """
        self._take(*self._given(images, labels), self._moved(noise))

    def run(self, batches: Sequence[tuple]) -> None:
        """Take one step for each batch.

        Args:
            batches: Tuples of images and, for the classifier, labels.
        """
        kept = []
        for batch in batches:
            given = self._given(batch[0], batch[1] if self.model == "Classifier" else None)
            kept.append(self._take(*given, self._noise(len(batch[0]))))
        self.last = [{name: float(value) for name, value in losses.items()} for losses in kept]

    def _given(self, images: np.ndarray, labels: np.ndarray | None) -> tuple[Tensor, Any]:
        """Return a batch on the device, in PyTorch's layout."""
        placed = torch.from_numpy(images).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return placed, None if labels is None else torch.from_numpy(labels).long().to(self.device)

    def _moved(self, noise: Tree | None) -> Tree:
        return {k: torch.from_numpy(v).to(self.device) for k, v in (noise or {}).items()}

    def weights(self) -> dict[str, list[np.ndarray]]:
        """Return the weights of each network as `get_weights` would, and those averaged."""
        named = {net: {**self._weights[net], **self._moving[net]} for net in self._weights}
        lists = {
            net: [_to_keras(name, tensors[name]) for name in NAMES[net]]
            for net, tensors in named.items()
        }
        followed = SETTINGS[self.model][2]
        if followed:
            pairs = zip(NAMES[followed], self._average, strict=True)
            lists["averaged"] = [_to_keras(name, value) for name, value in pairs]
        return lists

    def trainable_count(self) -> int:
        """Return the number of trainable parameters."""
        return sum(parameter.numel() for parameter in self._parameters)


def _compile(function: Callable, mode: str | None) -> Callable:
    """Return `function` compiled as one graph, the gradients inside it included."""
    torch._dynamo.config.trace_autograd_ops = True
    return torch.compile(function, fullgraph=True, dynamic=False, mode=mode)


def _from_keras(name: str, value: np.ndarray) -> Tensor:
    """Return a weight in PyTorch's layout."""
    tensor = torch.tensor(value)
    if name.startswith("kernel"):
        # Keras has (h, w, in, out), or (h, w, out, in) where the convolution is transposed.
        tensor = tensor.permute(3, 2, 0, 1)
        return tensor.clone(memory_format=torch.channels_last)
    return tensor.T.contiguous() if tensor.ndim == 2 else tensor


def _to_keras(name: str, tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if name.startswith("kernel"):
        tensor = tensor.permute(2, 3, 1, 0)
    return (tensor.T if tensor.ndim == 2 else tensor).numpy().copy()


def make(
    model: str,
    weights: dict[str, list[np.ndarray]],
    seed: int = 0,
    dropout: float = 0.4,
    compiled: bool = False,
    device: str = "cpu",
    half: bool = False,
) -> Loop:
    """Return a loop that starts from the weights given.

    Args:
        model: `"CVAE"`, `"DCGAN"`, `"VAEGAN"` or `"Classifier"`.
        weights: `get_weights()` of each network: `"encoder"`, `"decoder"`, `"generator"`,
            `"discriminator"`, `"network"`, as far as the model has them.
        seed: Seed of noise and dropout, set globally.
        dropout: Dropout rate of the classifier.
        compiled: Whether `torch.compile` compiles losses and gradients.
        device: Where the training happens.
        half: Whether convolutions and products are in bfloat16.

    Returns:
        The loop.
    """
    return Loop(model, weights, seed, dropout, compiled, device, half)
