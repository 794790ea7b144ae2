"""The terms that the generative models' objectives are made of, as pure functions.

Every term is a scalar: the mean over the batch of a per-image value. What is summed and what is
averaged within an image is said in each docstring, since the weights of the terms depend on it.
"""

import math

from keras import ops

__all__ = [
    "bernoulli_reconstruction",
    "fake_cross_entropy",
    "gaussian_reconstruction",
    "generator_adversarial",
    "kl_divergence",
    "kl_single_sample",
    "real_cross_entropy",
    "similarity",
]


def kl_divergence(z_mean, z_log_var):
    """Kullback-Leibler divergence from N(z_mean, exp(z_log_var)) to N(0, I), in closed form.

    Args:
        z_mean: Means, shape `(n, latent_dim)`.
        z_log_var: Logarithms of the variances, shape `(n, latent_dim)`.

    Returns:
        A scalar in nats: summed over latent dimensions, averaged over the batch.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> float(losses.kl_divergence(np.zeros((1, 2), "float32"), np.zeros((1, 2), "float32")))
    0.0

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """
    z_mean, z_log_var = ops.cast(z_mean, "float32"), ops.cast(z_log_var, "float32")
    per_image = 0.5 * ops.sum(ops.square(z_mean) + ops.exp(z_log_var) - 1.0 - z_log_var, axis=-1)
    return ops.mean(per_image)


def kl_single_sample(z, z_mean, z_log_var):
    """Single-sample Monte Carlo estimate of the same divergence: log q(z|x) - log p(z).

    Args:
        z: Draws from N(z_mean, exp(z_log_var)), shape `(n, latent_dim)`.
        z_mean: Means, shape `(n, latent_dim)`.
        z_log_var: Logarithms of the variances, shape `(n, latent_dim)`.

    Returns:
        A scalar in nats: summed over latent dimensions, averaged over the batch. It is unbiased,
        and can be negative.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> zeros = np.zeros((1, 2), "float32")
    >>> float(losses.kl_single_sample(zeros, zeros, zeros))
    0.0

    References:
        Equation 2 of the paper this library implements.
    """
    z, z_mean = ops.cast(z, "float32"), ops.cast(z_mean, "float32")
    z_log_var = ops.cast(z_log_var, "float32")
    log_q = -0.5 * (z_log_var + ops.square(z - z_mean) * ops.exp(-z_log_var))
    log_p = -0.5 * ops.square(z)
    return ops.mean(ops.sum(log_q - log_p, axis=-1))


def bernoulli_reconstruction(images, logits):
    """Negative log-likelihood of images under independent Bernoulli pixels.

    Args:
        images: Targets in [0, 1], shape `(n, h, w, c)`.
        logits: Logits of the decoder, before the sigmoid, same shape.

    Returns:
        A scalar in nats: summed over pixels and channels, averaged over the batch.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> image = np.zeros((1, 1, 1, 1), "float32")
    >>> round(float(losses.bernoulli_reconstruction(image, image)), 4)  # log 2
    0.6931
    """
    images, logits = ops.cast(images, "float32"), ops.cast(logits, "float32")
    return ops.mean(ops.sum(ops.softplus(logits) - images * logits, axis=(1, 2, 3)))


def gaussian_reconstruction(images, decoded, scale):
    """Negative log-likelihood of images under Gaussian pixels of one fixed standard deviation.

    Args:
        images: Targets in [0, 1], shape `(n, h, w, c)`.
        decoded: Decoded images (the means) in [0, 1], same shape.
        scale: Standard deviation of a pixel, in the same units.

    Returns:
        A scalar in nats, the normalising constant included: summed over pixels and channels,
        averaged over the batch.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> image = np.zeros((1, 1, 1, 1), "float32")
    >>> round(float(losses.gaussian_reconstruction(image, image, 1.0)), 4)  # log(2 pi) / 2
    0.9189
    """
    images, decoded = ops.cast(images, "float32"), ops.cast(decoded, "float32")
    constant = math.log(scale) + 0.5 * math.log(2 * math.pi)
    squares = 0.5 * ops.square((images - decoded) / scale) + constant
    return ops.mean(ops.sum(squares, axis=(1, 2, 3)))


def similarity(target_features, features):
    """The learned-similarity term of the VAE/GAN: half the squared distance of features.

    This is the negative log-likelihood of the target's features under N(features, I), up to a
    constant.

    Args:
        target_features: Features of the real images, shape `(n, ...)`.
        features: Features of their reconstructions, same shape.

    Returns:
        A scalar: summed over features, averaged over the batch.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> float(losses.similarity(np.zeros((1, 2), "float32"), np.ones((1, 2), "float32")))
    1.0

    References:
        Larsen et al., Autoencoding beyond pixels using a learned similarity metric, 2016,
        equations 7 and 8.
    """
    target_features, features = ops.cast(target_features, "float32"), ops.cast(features, "float32")
    axes = tuple(range(1, len(features.shape)))
    return ops.mean(0.5 * ops.sum(ops.square(target_features - features), axis=axes))


def real_cross_entropy(logits):
    """Cross-entropy of a discriminator's logits against the answer "real" (1).

    Args:
        logits: Shape `(n, 1)`.

    Returns:
        A scalar in nats, averaged over the batch: the discriminator's loss on real images, and
        the non-saturating loss of a generator on its own.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> round(float(losses.real_cross_entropy(np.zeros((1, 1), "float32"))), 4)  # log 2
    0.6931

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014, section 3.
    """
    return ops.mean(ops.softplus(-ops.cast(logits, "float32")))


def fake_cross_entropy(logits):
    """Cross-entropy of a discriminator's logits against the answer "fake" (0).

    Args:
        logits: Shape `(n, 1)`.

    Returns:
        A scalar in nats, averaged over the batch: the discriminator's loss on generated images.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> round(float(losses.fake_cross_entropy(np.zeros((1, 1), "float32"))), 4)  # log 2
    0.6931

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014, section 3.
    """
    return ops.mean(ops.softplus(ops.cast(logits, "float32")))


def generator_adversarial(logits, form="nonsaturating"):
    """What a generator descends, given the discriminator's logits on its images.

    Args:
        logits: Shape `(n, 1)`.
        form: `"nonsaturating"`, -log D, or `"minimax"`, log(1 - D), whose gradient vanishes where
            the discriminator wins.

    Returns:
        A scalar in nats, averaged over the batch.

    Raises:
        ValueError: If `form` is neither of the two.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import losses
    >>> logits = np.zeros((1, 1), "float32")
    >>> round(float(losses.generator_adversarial(logits, "minimax")), 4)
    -0.6931

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014, section 3.
    """
    if form == "nonsaturating":
        return real_cross_entropy(logits)
    if form == "minimax":
        return -fake_cross_entropy(logits)
    raise ValueError(f"`form`: got {form!r}; expected 'nonsaturating' or 'minimax'.")
