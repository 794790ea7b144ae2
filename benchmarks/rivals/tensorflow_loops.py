"""Hand-written training loops in plain TensorFlow, to race the models against.

One `tf.function` for the step, channels last, fused batch normalisation and fused Adam. Every
forward pass is made once; `tf.gradients` differentiates each objective by the weights of its own
network alone, and what no objective asks for is pruned from the graph.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

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


def _convolve(x: tf.Tensor, kernel: tf.Tensor, stride: int = 2) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, stride, "SAME")


def _transpose(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    batch, height, width, _ = x.shape
    shape = (tf.shape(x)[0] if batch is None else batch, 2 * height, 2 * width, kernel.shape[2])
    return tf.nn.conv2d_transpose(x, kernel, shape, 2, "SAME")


def _leaky(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, 0.2)


def _normalize(x: tf.Tensor, w: Tree, index: int) -> tuple[tf.Tensor, tuple]:
    """Return `x` normalised by the statistics of the batch, and these."""
    x, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        x, w[f"gamma_{index}"], w[f"beta_{index}"], epsilon=BN_EPSILON, is_training=True
    )
    count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    # The fused kernel returns the unbiased estimate; Keras keeps the biased one.
    return x, (mean, variance * ((count - 1.0) / count))


def _encode(w: Tree, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    x = tf.nn.relu(tf.nn.bias_add(_convolve(images, w["kernel_1"]), w["bias_1"]))
    x = tf.nn.relu(tf.nn.bias_add(_convolve(x, w["kernel_2"]), w["bias_2"]))
    x = tf.reshape(x, (-1, w["mean"].shape[0]))
    mean = tf.nn.bias_add(tf.matmul(x, w["mean"]), w["mean_bias"])
    return mean, tf.nn.bias_add(tf.matmul(x, w["log_var"]), w["log_var_bias"])


def _decode(w: Tree, z: tf.Tensor) -> tuple[tf.Tensor, Tree]:
    """Return logits of images, and the statistics of the batch."""
    x = tf.reshape(tf.matmul(z, w["dense"]), (-1, 7, 7, w["gamma_0"].shape[0]))
    x, first = _normalize(x, w, 0)
    x, second = _normalize(_transpose(_leaky(x), w["kernel_1"]), w, 1)
    logits = tf.nn.bias_add(_transpose(_leaky(x), w["kernel_2"]), w["bias_2"])
    return logits, {"0": first, "1": second}


def _discriminate(w: Tree, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tree]:
    """Return logit, features, and the statistics of the batch."""
    x, first = _normalize(_convolve(2.0 * images - 1.0, w["kernel_1"]), w, 1)
    features = _convolve(_leaky(x), w["kernel_2"])
    x, second = _normalize(features, w, 2)
    x = tf.reshape(_leaky(x), (-1, w["score"].shape[0]))
    logit = tf.nn.bias_add(tf.matmul(x, w["score"]), w["score_bias"])
    return logit, features, {"1": first, "2": second}


def _sample(mean: tf.Tensor, log_var: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    return mean + tf.exp(0.5 * log_var) * epsilon


def _batch(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.shape(x)[0], tf.float32)


def _kl(mean: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    total = tf.reduce_sum(tf.square(mean) + tf.exp(log_var) - 1.0 - log_var)
    return 0.5 * total / _batch(mean)


def _real_loss(logit: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy against "real"."""
    return tf.reduce_mean(tf.nn.softplus(-logit))


def _fake_loss(logit: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy against "fake"."""
    return tf.reduce_mean(tf.nn.softplus(logit))


def _move(statistics: Tree, *moments: Tree) -> Tree:
    """Return the moving statistics after passes with these statistics of their batches."""
    moved = dict(statistics)
    for of_pass in moments:
        for index, pair in of_pass.items():
            for name, value in zip(("moving_mean", "moving_variance"), pair, strict=True):
                old = moved[f"{name}_{index}"]
                moved[f"{name}_{index}"] = BN_MOMENTUM * old + (1 - BN_MOMENTUM) * value
    return moved


def _gradients(targets: Any, w: dict[Any, Any], given: Any = None) -> dict[Any, Any]:
    gradients = tf.gradients(targets, list(w.values()), given)
    return dict(zip(w, gradients, strict=True))


def _cvae(w: Tree, s: Tree, images: tf.Tensor, _labels: Any, noise: Tree) -> tuple:
    mean, log_var = _encode(w["encoder"], images)
    logits, moments = _decode(w["decoder"], _sample(mean, log_var, noise["epsilon"]))
    per_pixel = tf.nn.sigmoid_cross_entropy_with_logits(images, logits)
    reconstruction = tf.reduce_sum(per_pixel) / _batch(images)
    kl = _kl(mean, log_var)
    both = {(net, name): weight for net, named in w.items() for name, weight in named.items()}
    gradients: Tree = {net: {} for net in w}
    for (net, name), gradient in _gradients(reconstruction + kl, both).items():
        gradients[net][name] = gradient
    losses = {"reconstruction": reconstruction, "kl": kl}
    return losses, gradients, {"decoder": _move(s["decoder"], moments)}


def _dcgan(w: Tree, s: Tree, images: tf.Tensor, _labels: Any, noise: Tree) -> tuple:
    generator, critic = w["generator"], w["discriminator"]
    logits, made = _decode(generator, noise["prior"])
    fake = tf.sigmoid(logits)
    real_logit, _, seen_real = _discriminate(critic, images)
    fake_logit, _, seen_fake = _discriminate(critic, fake)
    generator_loss = _real_loss(fake_logit)
    discriminator_loss = _real_loss(real_logit) + _fake_loss(fake_logit)
    gradients = {
        "generator": _gradients(generator_loss, generator),
        "discriminator": _gradients(discriminator_loss, critic),
    }
    statistics = {
        "generator": _move(s["generator"], made),
        "discriminator": _move(s["discriminator"], seen_real, seen_fake),
    }
    losses = {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}
    return losses, gradients, statistics


def _vaegan(w: Tree, s: Tree, images: tf.Tensor, _labels: Any, noise: Tree) -> tuple:
    encoder, decoder, critic = w["encoder"], w["decoder"], w["discriminator"]
    mean, log_var = _encode(encoder, images)
    logits, made = _decode(decoder, _sample(mean, log_var, noise["epsilon"]))
    drawn_logits, made_drawn = _decode(decoder, noise["prior"])
    decoded, drawn = tf.sigmoid(logits), tf.sigmoid(drawn_logits)
    real_logit, target, seen = _discriminate(critic, images)
    decoded_logit, features, seen_decoded = _discriminate(critic, decoded)
    drawn_logit, _, seen_drawn = _discriminate(critic, drawn)

    kl = _kl(mean, log_var)
    difference = features - tf.stop_gradient(target)
    similarity = tf.nn.l2_loss(difference) / _batch(images)
    first, second = _real_loss(decoded_logit), _real_loss(drawn_logit)
    adversarial = first + second
    discriminator_loss = (
        _real_loss(real_logit) + _fake_loss(decoded_logit) + _fake_loss(drawn_logit)
    )

    (by_features,) = tf.gradients(similarity, [decoded])
    (by_judgement,) = tf.gradients(first, [decoded])
    by_both = by_judgement + GAMMA * by_features
    ones = tf.ones_like(kl)
    gradients = {
        "encoder": _gradients([decoded, kl], encoder, [by_features, ones]),
        "decoder": _gradients([decoded, second], decoder, [by_both, ones]),
        "discriminator": _gradients(discriminator_loss, critic),
    }
    losses = {
        "encoder_loss": kl + similarity,
        "decoder_loss": GAMMA * similarity + adversarial,
        "discriminator_loss": discriminator_loss,
        "kl": kl,
        "similarity": similarity,
        "adversarial": adversarial,
    }
    statistics = {
        "decoder": _move(s["decoder"], made, made_drawn),
        "discriminator": _move(s["discriminator"], seen, seen_decoded, seen_drawn),
    }
    return losses, gradients, statistics


def _drop(x: tf.Tensor, rate: float, seed: int) -> tf.Tensor:
    """Drop entries, deciding each by 16 random bits: on a CPU a draw is what dropout costs."""
    *sizes, channels = x.shape
    ends = {"minval": tf.int32.min, "maxval": tf.int32.max, "dtype": tf.int32}
    bits = tf.bitcast(tf.random.uniform((*sizes, channels // 2), seed=seed, **ends), tf.int16)
    kept = tf.cast(tf.reshape(bits, x.shape) >= round((rate - 0.5) * 2**16), x.dtype)
    return x * (kept * (1.0 / (1.0 - rate)))


def _classifier(w: Tree, _s: Tree, images: tf.Tensor, labels: tf.Tensor, noise: Tree) -> tuple:
    network, rate = w["network"], noise.get("dropout", 0.0)
    x = images
    for step, stride in enumerate((1, 2, 2), start=1):
        x = _convolve(x, network[f"kernel_{step}"], stride)
        x = _leaky(tf.nn.bias_add(x, network[f"bias_{step}"]))
        if rate:
            x = _drop(x, rate, seed=noise["seed"] + step)
    x = tf.reshape(x, (-1, network["dense"].shape[0]))
    logits = tf.nn.bias_add(tf.matmul(x, network["dense"]), network["dense_bias"])
    per_image = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    loss = tf.reduce_mean(per_image)
    return {"loss": loss}, {"network": _gradients(loss, network)}, {}


OBJECTIVES: dict[str, Callable[..., tuple]] = {
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
        jit: Whether XLA compiles the step.

    Attributes:
        last: The losses of each step of the last run.
    """

    def __init__(
        self,
        model: str,
        weights: dict[str, list[np.ndarray]],
        seed: int = 0,
        dropout: float = 0.4,
        jit: bool = False,
    ) -> None:
        self.model = model
        self.dropout = dropout
        self.seed = seed
        self.last: list[dict[str, float]] = []
        named = {net: dict(zip(NAMES[net], arrays, strict=True)) for net, arrays in weights.items()}
        self._weights = {net: _part(arrays, moving=False) for net, arrays in named.items()}
        self._moving = {net: _part(arrays, moving=True) for net, arrays in named.items()}
        self._m, self._v = ({net: _zeros(w) for net, w in self._weights.items()} for _ in range(2))
        followed = SETTINGS[model][2]
        self._average = {k: tf.Variable(v) for k, v in named[followed].items()} if followed else {}
        self._count = tf.Variable(0.0)
        self._losses = tf.function(self._compute_losses)
        self._given = tf.function(self._take_given, jit_compile=jit)
        self._step = tf.function(self._take, jit_compile=jit)

    def _objective(self, images: tf.Tensor, labels: Any, noise: Tree) -> tuple:
        weights, moving = _read(self._weights), _read(self._moving)
        return (weights, *OBJECTIVES[self.model](weights, moving, images, labels, noise))

    def _compute_losses(self, images: tf.Tensor, labels: Any, noise: Tree) -> Tree:
        return self._objective(images, labels, noise)[1]

    def _take(self, images: tf.Tensor, labels: Any) -> Tree:
        return self._take_given(images, labels, self._noise(images))

    def _noise(self, images: tf.Tensor) -> Tree:
        if self.model == "Classifier":
            return {"dropout": self.dropout, "seed": self.seed}
        shape = (images.shape[0], LATENT)
        return {
            name: tf.random.normal(shape, seed=self.seed + index)
            for index, name in enumerate(("epsilon", "prior"))
        }

    def _take_given(self, images: tf.Tensor, labels: Any, noise: Tree) -> Tree:
        """Take a step with this noise and return its losses."""
        weights, losses, gradients, statistics = self._objective(images, labels, noise)
        followed = SETTINGS[self.model][2]
        if followed:
            self._follow({**weights[followed], **statistics[followed]})
        for net, values in statistics.items():
            for name, value in values.items():
                self._moving[net][name].assign(value)
        self._descend(gradients)
        self._count.assign_add(1.0)
        return losses

    def _follow(self, live: Tree) -> None:
        kept = tf.minimum(EMA_MOMENTUM, (1.0 + self._count) / (10.0 + self._count))
        for name, average in self._average.items():
            average.assign_sub((1.0 - kept) * (average - live[name]))

    def _descend(self, gradients: Tree) -> None:
        rate, beta_1, _ = SETTINGS[self.model]
        powers = {
            "beta1_power": tf.pow(beta_1, self._count + 1.0),
            "beta2_power": tf.pow(BETA_2, self._count + 1.0),
        }
        settings = {"lr": rate, "beta1": beta_1, "beta2": BETA_2, "epsilon": EPSILON}
        for net, named in self._weights.items():
            for name, variable in named.items():
                tf.raw_ops.ResourceApplyAdam(
                    var=variable.handle,
                    m=self._m[net][name].handle,
                    v=self._v[net][name].handle,
                    grad=gradients[net][name],
                    **powers,
                    **settings,
                )

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
        values = self._losses(tf.constant(images), _labels(labels), _tensors(noise))
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
        self._given(tf.constant(images), _labels(labels), _tensors(noise))

    def run(self, batches: Sequence[tuple]) -> None:
        """Take one step for each batch.

        Args:
            batches: Tuples of images and, for the classifier, labels.
        """
        kept = []
        for batch in batches:
            labels = _labels(batch[1]) if self.model == "Classifier" else None
            kept.append(self._step(tf.constant(batch[0]), labels))
        self.last = [{name: float(value) for name, value in losses.items()} for losses in kept]

    def weights(self) -> dict[str, list[np.ndarray]]:
        """Return the weights of each network as `get_weights` would, and those averaged."""
        named = {net: {**self._weights[net], **self._moving[net]} for net in self._weights}
        lists = {
            net: [variables[name].numpy() for name in NAMES[net]]
            for net, variables in named.items()
        }
        if self._average:
            lists["averaged"] = [average.numpy() for average in self._average.values()]
        return lists

    def trainable_count(self) -> int:
        """Return the number of trainable parameters."""
        leaves = [weight for named in self._weights.values() for weight in named.values()]
        return sum(int(np.prod(weight.shape)) for weight in leaves)


def _part(named: dict[str, np.ndarray], moving: bool) -> Tree:
    """Return the moving statistics of a network, or its other weights, as variables."""
    return {
        name: tf.Variable(value)
        for name, value in named.items()
        if name.startswith("moving_") == moving
    }


def _zeros(named: Tree) -> Tree:
    return {name: tf.Variable(tf.zeros(weight.shape)) for name, weight in named.items()}


def _read(variables: Tree) -> Tree:
    return {
        net: {k: v.read_value() for k, v in weights.items()} for net, weights in variables.items()
    }


def _labels(labels: np.ndarray | None) -> tf.Tensor | None:
    return None if labels is None else tf.constant(labels)


def _tensors(noise: Tree | None) -> Tree:
    return {name: tf.constant(value) for name, value in (noise or {}).items()}


def make(
    model: str,
    weights: dict[str, list[np.ndarray]],
    seed: int = 0,
    dropout: float = 0.4,
    jit: bool = False,
) -> Loop:
    """Return a loop that starts from the weights given.

    Args:
        model: `"CVAE"`, `"DCGAN"`, `"VAEGAN"` or `"Classifier"`.
        weights: `get_weights()` of each network: `"encoder"`, `"decoder"`, `"generator"`,
            `"discriminator"`, `"network"`, as far as the model has them.
        seed: Seed of noise and dropout.
        dropout: Dropout rate of the classifier.
        jit: Whether XLA compiles the step.

    Returns:
        The loop.
    """
    return Loop(model, weights, seed, dropout, jit)
