"""Hand-written training loops in plain JAX, to race the models against.

One jitted step with donated state. Every forward pass is made once and pulled back once for each
objective that needs it; what no objective asks for, the compiler drops. Each convolution and each
gradient of one takes the form that is quickest on a CPU, or, with `stock`, is left to cuDNN.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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


def _unfold_4(x: jax.Array) -> jax.Array:
    """Return what each output pixel of a 4x4 convolution of stride 2 sees: `(n, h, w, 16 c)`."""
    x = _blocks(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    return jnp.concatenate([x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]], axis=-1)


def _unfold_3(x: jax.Array) -> jax.Array:
    """Return what each output pixel of a 3x3 convolution of stride 2 sees: `(n, h, w, 9 c)`."""
    channels = x.shape[-1]
    x = _blocks(jnp.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0))))
    right = x[:, :-1, 1:]
    return jnp.concatenate(
        [
            x[:, :-1, :-1],
            right[..., :channels],
            right[..., 2 * channels : 3 * channels],
            x[:, 1:, :-1, : 2 * channels],
            x[:, 1:, 1:, :channels],
        ],
        axis=-1,
    )


def _blocks(x: jax.Array) -> jax.Array:
    """Move 2x2 pixels into the channels, `(row, column, channel)`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)


def _stock(x: jax.Array, kernel: jax.Array, stride: int = 2, padding: Any = "SAME") -> jax.Array:
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=dimensions
    )


def _matrix_4(kernel: jax.Array) -> jax.Array:
    """Return a 4x4 kernel as a matrix by which `_unfold_4` is multiplied."""
    channels, filters = kernel.shape[2:]
    kernel = kernel.reshape(2, 2, 2, 2, channels, filters).transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(16 * channels, filters)


def _matrix_3(kernel: jax.Array) -> jax.Array:
    """Return a 3x3 kernel as a matrix by which `_unfold_3` is multiplied."""
    parts = [kernel[:2, :2], kernel[:2, 2], kernel[2, :2], kernel[2, 2]]
    return jnp.concatenate([part.reshape(-1, kernel.shape[-1]) for part in parts])


def _gather(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the convolution of stride 2, of one channel as a product of matrices."""
    if x.shape[-1] > 1:
        return _stock(x, kernel)
    if len(kernel) == 4:
        return _unfold_4(x) @ _matrix_4(kernel)
    return _unfold_3(x) @ _matrix_3(kernel)


def _spread(y: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the adjoint of `_gather`."""
    batch, height, width, channels = y.shape
    filters = kernel.shape[2]
    if len(kernel) == 3:
        shape = jax.ShapeDtypeStruct((batch, 2 * height, 2 * width, filters), y.dtype)
        (x,) = jax.linear_transpose(_unfold_3, shape)(y @ _matrix_3(kernel).T)
        return x
    kernel = kernel.reshape(2, 2, 2, 2, filters, channels)
    total = _overlap(y, kernel) if filters == 1 else _phases(y, kernel)
    total = total.reshape(batch, height + 1, width + 1, 2, 2, filters)
    total = total.transpose(0, 1, 3, 2, 4, 5)
    return total.reshape(batch, 2 * height + 2, 2 * width + 2, filters)[:, 1:-1, 1:-1]


def _phases(y: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return all 2x2 blocks of the adjoint by one ordinary convolution."""
    filters, channels = kernel.shape[4:]
    kernel = kernel[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    kernel = kernel.reshape(2, 2, channels, 4 * filters)
    return _stock(y, kernel, 1, ((1, 1), (1, 1)))


def _overlap(y: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the same by a product of matrices and overlapping sums: quicker for few filters."""
    filters, channels = kernel.shape[4:]
    parts = y @ kernel.transpose(5, 0, 2, 1, 3, 4).reshape(channels, 16 * filters)
    parts = parts.reshape(*y.shape[:3], 2, 2, 4 * filters)
    return sum(
        jnp.pad(parts[:, :, :, i, j], ((0, 0), (i, 1 - i), (j, 1 - j), (0, 0)))
        for i in range(2)
        for j in range(2)
    )


def _correlate(x: jax.Array, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the gradient of the kernel that leads from `x` to `y`."""
    gather = _stock if x.shape[-1] > 1 else _gather
    (gradient,) = jax.linear_transpose(lambda kernel: gather(x, kernel), kernel)(y)
    return gradient


# The gradients by which JAX would pull back are convolutions of a dilated input: slow on a CPU.
def _pull_convolve(residual: tuple, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = residual
    return _spread(cotangent, kernel), _correlate(x, cotangent, kernel)


def _pull_transpose(residual: tuple, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    y, kernel = residual
    return _gather(cotangent, kernel), _correlate(cotangent, y, kernel)


_tuned, _tuned_transpose = jax.custom_vjp(_gather), jax.custom_vjp(_spread)
_tuned.defvjp(lambda x, kernel: (_gather(x, kernel), (x, kernel)), _pull_convolve)
_tuned_transpose.defvjp(lambda y, kernel: (_spread(y, kernel), (y, kernel)), _pull_transpose)


class Forms:
    """Which form convolutions take, and in which precision: one for all loops of a process."""

    stock = False
    half = False


def _prepared(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    return (x.astype("bfloat16"), kernel.astype("bfloat16")) if Forms.half else (x, kernel)


def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    x, kernel = _prepared(x, kernel)
    return _stock(x, kernel) if Forms.stock else _tuned(x, kernel)


def _transpose(y: jax.Array, kernel: jax.Array) -> jax.Array:
    y, kernel = _prepared(y, kernel)
    if Forms.stock:
        form = ("NHWC", "HWIO", "NHWC")
        return lax.conv_transpose(
            y, kernel, (2, 2), "SAME", dimension_numbers=form, transpose_kernel=True
        )
    return _tuned_transpose(y, kernel)


def _convolve_same(x: jax.Array, kernel: jax.Array) -> jax.Array:
    x, kernel = _prepared(x, kernel)
    if Forms.stock:
        return _stock(x, kernel, 1)
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [(i, j) for i in range(3) for j in range(3)]
    return sum(x[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in taps)


def _convolve_stock(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _stock(*_prepared(x, kernel))


def _multiply(x: jax.Array, matrix: jax.Array) -> jax.Array:
    x, matrix = _prepared(x, matrix)
    return x @ matrix


def _full(x: jax.Array) -> jax.Array:
    return x.astype("float32")


def _leaky(x: jax.Array) -> jax.Array:
    return jnp.where(x >= 0, x, 0.2 * x)


def _normalize(x: jax.Array, gamma: jax.Array, beta: jax.Array) -> tuple[jax.Array, tuple]:
    """Return `x` normalised by the statistics of the batch, and these."""
    dtype, x = x.dtype, _full(x)
    mean = jnp.mean(x, axis=(0, 1, 2))
    variance = jnp.mean(jnp.square(x), axis=(0, 1, 2)) - jnp.square(mean)
    scale = gamma * lax.rsqrt(variance + BN_EPSILON)
    return (x * scale + (beta - mean * scale)).astype(dtype), (mean, variance)


def _encode(w: Tree, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    x = jax.nn.relu(_full(_convolve(images, w["kernel_1"])) + w["bias_1"])
    x = jax.nn.relu(_full(_convolve(x, w["kernel_2"])) + w["bias_2"])
    x = x.reshape(x.shape[0], -1)
    mean, log_var = _multiply(x, w["mean"]), _multiply(x, w["log_var"])
    return _full(mean) + w["mean_bias"], _full(log_var) + w["log_var_bias"]


def _decode(w: Tree, z: jax.Array) -> tuple[jax.Array, Tree]:
    """Return logits of images, and the statistics of the batch."""
    x = _multiply(z, w["dense"]).reshape(z.shape[0], 7, 7, -1)
    x, first = _normalize(x, w["gamma_0"], w["beta_0"])
    x = _transpose(_leaky(x), w["kernel_1"])
    x, second = _normalize(x, w["gamma_1"], w["beta_1"])
    logits = _full(_transpose(_leaky(x), w["kernel_2"])) + w["bias_2"]
    return logits, {"0": first, "1": second}


def _generate(w: Tree, z: jax.Array) -> tuple[jax.Array, Tree]:
    logits, moments = _decode(w, z)
    return jax.nn.sigmoid(logits), moments


def _discriminate(w: Tree, images: jax.Array) -> tuple[tuple[jax.Array, jax.Array], Tree]:
    """Return logit and features, and the statistics of the batch."""
    x = _convolve(2.0 * images - 1.0, w["kernel_1"])
    x, first = _normalize(x, w["gamma_1"], w["beta_1"])
    features = _convolve(_leaky(x), w["kernel_2"])
    x, second = _normalize(features, w["gamma_2"], w["beta_2"])
    x = _leaky(x).reshape(x.shape[0], -1)
    logit = _full(_multiply(x, w["score"])) + w["score_bias"]
    return (logit, _full(features)), {"1": first, "2": second}


def _sample(mean: jax.Array, log_var: jax.Array, epsilon: jax.Array) -> jax.Array:
    return mean + jnp.exp(0.5 * log_var) * epsilon


def _kl(mean: jax.Array, log_var: jax.Array) -> jax.Array:
    per_image = 0.5 * jnp.sum(jnp.square(mean) + jnp.exp(log_var) - 1.0 - log_var, axis=-1)
    return jnp.mean(per_image)


def _move(statistics: Tree, *moments: Tree) -> Tree:
    """Return the moving statistics after passes with these statistics of their batches."""
    moved = dict(statistics)
    for of_pass in moments:
        for index, pair in of_pass.items():
            for name, value in zip(("moving_mean", "moving_variance"), pair, strict=True):
                old = moved[f"{name}_{index}"]
                moved[f"{name}_{index}"] = BN_MOMENTUM * old + (1 - BN_MOMENTUM) * value
    return moved


def _real_loss(logit: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the cross-entropy against "real", and its gradient."""
    return jnp.mean(jax.nn.softplus(-logit)), -jax.nn.sigmoid(-logit) / logit.size


def _fake_loss(logit: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the cross-entropy against "fake", and its gradient."""
    return jnp.mean(jax.nn.softplus(logit)), jax.nn.sigmoid(logit) / logit.size


def _add(*trees: Tree) -> Tree:
    return jax.tree.map(lambda *leaves: sum(leaves), *trees)


def _cvae(w: Tree, s: Tree, images: jax.Array, _labels: Any, noise: Tree) -> tuple:
    def objective(w: Tree) -> tuple:
        mean, log_var = _encode(w["encoder"], images)
        z = _sample(mean, log_var, noise["epsilon"])
        logits, moments = _decode(w["decoder"], z)
        per_pixel = jax.nn.softplus(logits) - images * logits
        reconstruction = jnp.sum(per_pixel) / images.shape[0]
        kl = _kl(mean, log_var)
        losses = {"reconstruction": reconstruction, "kl": kl}
        return reconstruction + kl, (losses, moments)

    gradients, (losses, moments) = jax.grad(objective, has_aux=True)(w)
    return losses, gradients, {**s, "decoder": _move(s["decoder"], moments)}


def _dcgan(w: Tree, s: Tree, images: jax.Array, _labels: Any, noise: Tree) -> tuple:
    critic = w["discriminator"]
    fake, pull_images, made = jax.vjp(
        lambda w: _generate(w, noise["prior"]), w["generator"], has_aux=True
    )
    (fake_logit, features), pull_fake, seen_fake = jax.vjp(
        _discriminate, critic, fake, has_aux=True
    )
    (real_logit, _), pull_real, seen_real = jax.vjp(
        lambda w: _discriminate(w, images), critic, has_aux=True
    )
    none = jnp.zeros_like(features)
    adversarial, towards_real = _real_loss(fake_logit)
    real, real_down = _real_loss(real_logit)
    fakes, fake_down = _fake_loss(fake_logit)
    gradients = {
        "generator": pull_images(pull_fake((towards_real, none))[1])[0],
        "discriminator": _add(pull_real((real_down, none))[0], pull_fake((fake_down, none))[0]),
    }
    losses = {"generator_loss": adversarial, "discriminator_loss": real + fakes}
    statistics = {
        "generator": _move(s["generator"], made),
        "discriminator": _move(s["discriminator"], seen_real, seen_fake),
    }
    return losses, gradients, statistics


def _vaegan(w: Tree, s: Tree, images: jax.Array, _labels: Any, noise: Tree) -> tuple:
    critic, decoder = w["discriminator"], w["decoder"]

    def encode(w: Tree) -> tuple:
        mean, log_var = _encode(w, images)
        return _sample(mean, log_var, noise["epsilon"]), _kl(mean, log_var)

    (z, kl), pull_z = jax.vjp(encode, w["encoder"])
    decoded, pull_decoded, made = jax.vjp(_generate, decoder, z, has_aux=True)
    drawn, pull_drawn, made_drawn = jax.vjp(
        lambda w: _generate(w, noise["prior"]), decoder, has_aux=True
    )
    (real_logit, target), pull_real, seen = jax.vjp(
        lambda w: _discriminate(w, images), critic, has_aux=True
    )
    (decoded_logit, features), pull_judged, seen_decoded = jax.vjp(
        _discriminate, critic, decoded, has_aux=True
    )
    (drawn_logit, _), pull_sample, seen_drawn = jax.vjp(_discriminate, critic, drawn, has_aux=True)

    real, real_down = _real_loss(real_logit)
    (first, first_up), (second, second_up) = _real_loss(decoded_logit), _real_loss(drawn_logit)
    (third, third_down), (fourth, fourth_down) = _fake_loss(decoded_logit), _fake_loss(drawn_logit)
    difference = features - target
    similarity = 0.5 * jnp.sum(jnp.square(difference)) / images.shape[0]
    closer = difference / images.shape[0]
    none = jnp.zeros_like(features)

    by_features = pull_judged((jnp.zeros_like(decoded_logit), closer))[1]
    by_both = GAMMA * by_features + pull_judged((first_up, none))[1]
    gradients = {
        "encoder": pull_z((pull_decoded(by_features)[1], jnp.ones_like(kl)))[0],
        "decoder": _add(pull_decoded(by_both)[0], pull_drawn(pull_sample((second_up, none))[1])[0]),
        "discriminator": _add(
            pull_real((real_down, none))[0],
            pull_judged((third_down, none))[0],
            pull_sample((fourth_down, none))[0],
        ),
    }
    adversarial = first + second
    losses = {
        "encoder_loss": kl + similarity,
        "decoder_loss": GAMMA * similarity + adversarial,
        "discriminator_loss": real + third + fourth,
        "kl": kl,
        "similarity": similarity,
        "adversarial": adversarial,
    }
    statistics = {
        "encoder": {},
        "decoder": _move(s["decoder"], made, made_drawn),
        "discriminator": _move(s["discriminator"], seen, seen_decoded, seen_drawn),
    }
    return losses, gradients, statistics


def _classifier(w: Tree, s: Tree, images: jax.Array, labels: jax.Array, noise: Tree) -> tuple:
    def objective(w: Tree) -> jax.Array:
        w = w["network"]
        x = images
        for step, convolve in enumerate((_convolve_same, _convolve_stock, _convolve_stock), 1):
            x = _leaky(_full(convolve(x, w[f"kernel_{step}"])) + w[f"bias_{step}"])
            mask = noise.get(f"dropout_{step}")
            x = x if mask is None else mask(x)
        logits = _full(_multiply(x.reshape(x.shape[0], -1), w["dense"])) + w["dense_bias"]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return -jnp.mean(chosen)

    loss, gradients = jax.value_and_grad(objective)(w)
    return {"loss": loss}, gradients, s


def _dropout(key: jax.Array, rate: float) -> Callable[[jax.Array], jax.Array]:
    """Return a function that drops entries, deciding each by 16 random bits."""

    def drop(x: jax.Array) -> jax.Array:
        count, *sizes = x.shape
        bits, least = jax.random.bits(key, (count // 2, *sizes), "uint32"), round(rate * 2**16)
        kept = jnp.concatenate([(bits & 0xFFFF) >= least, (bits >> 16) >= least])
        return jnp.where(kept, x * (1.0 / (1.0 - rate)), 0.0)

    return drop


def _draw(model: str, key: jax.Array, count: int, dropout: float) -> Tree:
    """Return the noise of one step."""
    first, second, third = jax.random.split(key, 3)
    if model == "Classifier":
        keys = enumerate((first, second, third), start=1)
        return {f"dropout_{step}": _dropout(key, dropout) for step, key in keys if dropout}
    return {
        "epsilon": jax.random.normal(first, (count, LATENT)),
        "prior": jax.random.normal(second, (count, LATENT)),
    }


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

    Attributes:
        last: The losses of each step of the last run.
    """

    def __init__(
        self,
        model: str,
        weights: dict[str, list[np.ndarray]],
        seed: int = 0,
        dropout: float = 0.4,
    ) -> None:
        self.model = model
        self.dropout = dropout
        self.last: list[dict[str, float]] = []
        named = {net: dict(zip(NAMES[net], arrays, strict=True)) for net, arrays in weights.items()}
        w = {net: _part(arrays, moving=False) for net, arrays in named.items()}
        statistics = {net: _part(arrays, moving=True) for net, arrays in named.items()}
        followed = SETTINGS[model][2]
        self._state = {
            "weights": w,
            "statistics": statistics,
            "m": jax.tree.map(jnp.zeros_like, w),
            "v": jax.tree.map(jnp.zeros_like, w),
            # Copies: the state is donated, and no buffer can be given away twice.
            "average": jax.tree.map(jnp.copy, {**w[followed], **statistics[followed]})
            if followed
            else {},
            "count": jnp.zeros((), "float32"),
            "key": jax.random.key(seed),
        }
        self._losses = jax.jit(self._compute_losses)
        self._given = jax.jit(self._take_given, donate_argnums=0)
        self._step = jax.jit(self._take, donate_argnums=0)

    def _compute_losses(self, state: Tree, images: Any, labels: Any, noise: Tree) -> Tree:
        objective = OBJECTIVES[self.model]
        return objective(state["weights"], state["statistics"], images, labels, noise)[0]

    def _take(self, state: Tree, images: Any, labels: Any) -> tuple[Tree, Tree]:
        key, now = jax.random.split(state["key"])
        noise = _draw(self.model, now, images.shape[0], self.dropout)
        return self._take_given({**state, "key": key}, images, labels, noise)

    def _take_given(self, state: Tree, images: Any, labels: Any, noise: Tree) -> tuple[Tree, Tree]:
        """Return the state after a step with this noise, and the step's losses."""
        rate, beta_1, followed = SETTINGS[self.model]
        losses, gradients, statistics = OBJECTIVES[self.model](
            state["weights"], state["statistics"], images, labels, noise
        )
        count = state["count"] + 1
        alpha = rate * jnp.sqrt(1 - BETA_2**count) / (1 - beta_1**count)
        m = jax.tree.map(lambda m, g: m + (g - m) * (1 - beta_1), state["m"], gradients)
        v = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - BETA_2), state["v"], gradients)
        weights = jax.tree.map(
            lambda w, m, v: w - alpha * m / (jnp.sqrt(v) + EPSILON), state["weights"], m, v
        )
        average = state["average"]
        if followed:
            kept = jnp.minimum(EMA_MOMENTUM, count / (9 + count))
            live = {**state["weights"][followed], **statistics[followed]}
            average = jax.tree.map(lambda a, w: w + kept * (a - w), average, live)
        new = {"weights": weights, "statistics": statistics, "m": m, "v": v, "average": average}
        return {**new, "count": count, "key": state["key"]}, losses

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
        values = self._losses(self._state, images, labels, noise or {})
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
        self._state, _ = self._given(self._state, images, labels, noise or {})

    def run(self, batches: Sequence[tuple]) -> None:
        """Take one step for each batch.

        Args:
            batches: Tuples of images and, for the classifier, labels.
        """
        kept = []
        for batch in batches:
            labels = batch[1] if self.model == "Classifier" else None
            self._state, losses = self._step(self._state, batch[0], labels)
            kept.append(losses)
        jax.block_until_ready(self._state["weights"])
        self.last = [
            {name: float(value) for name, value in losses.items()}
            for losses in jax.device_get(kept)
        ]

    def weights(self) -> dict[str, list[np.ndarray]]:
        """Return the weights of each network as `get_weights` would, and those averaged."""
        state = self._state
        named = {net: {**w, **state["statistics"][net]} for net, w in state["weights"].items()}
        lists = {
            net: [np.asarray(arrays[name]) for name in NAMES[net]] for net, arrays in named.items()
        }
        if state["average"]:
            names = NAMES[SETTINGS[self.model][2] or ""]
            lists["averaged"] = [np.asarray(state["average"][name]) for name in names]
        return lists

    def trainable_count(self) -> int:
        """Return the number of trainable parameters."""
        return sum(leaf.size for leaf in jax.tree.leaves(self._state["weights"]))


def _part(named: dict[str, np.ndarray], moving: bool) -> Tree:
    """Return the moving statistics of a network, or its other weights."""
    return {
        name: jnp.array(value)
        for name, value in named.items()
        if name.startswith("moving_") == moving
    }


def make(
    model: str,
    weights: dict[str, list[np.ndarray]],
    seed: int = 0,
    dropout: float = 0.4,
    stock: bool = False,
    half: bool = False,
) -> Loop:
    """Return a loop that starts from the weights given.

    Args:
        model: `"CVAE"`, `"DCGAN"`, `"VAEGAN"` or `"Classifier"`.
        weights: `get_weights()` of each network: `"encoder"`, `"decoder"`, `"generator"`,
            `"discriminator"`, `"network"`, as far as the model has them.
        seed: Seed of noise and dropout.
        dropout: Dropout rate of the classifier.
        stock: Whether convolutions are XLA's own, as they should be on a GPU; in all loops of the
            process.
        half: Whether convolutions and products are in bfloat16; in all loops of the process.

    Returns:
        The loop.
    """
    Forms.stock, Forms.half = stock, half
    return Loop(model, weights, seed, dropout)
