"""
Sampling and the latent space
=============================

A variational autoencoder does not give an image a point but a cloud of points: a mean and a
variance for each latent number. ``kma.layers.Sampling`` draws one point of that cloud. This page
shows what the draws look like, and what lies between the clouds of two images.
"""

# %%
# A small model
# -------------
# The networks are narrow and training is short, so that this page takes seconds. The model has
# 32 latent numbers to spend, at half the usual price: ``beta`` weighs the divergence.
import keras_medaug as kma

import keras
import numpy as np
from matplotlib.figure import Figure

data = kma.datasets.load("phantom", seed=0)
x_train, _ = data.train
x_test, _ = data.test

model = kma.models.CVAE(
    data.image_shape, latent_dim=32, beta=0.5, encoder_filters=16, decoder_filters=16, seed=0
)
model.compile(optimizer=keras.optimizers.Adam(3e-3))
history = model.fit(x_train, epochs=40, batch_size=64, verbose=0)
print({name: round(values[-1], 1) for name, values in history.history.items()})

# %%
# Several draws for one image
# ---------------------------
# The encoder returns means and log-variances. ``Sampling`` draws eight times from those of one
# test image, and the decoder turns each draw into an image.
#
# Look at what stays and what changes. What the encoder is sure of is the same in all eight; what
# it is not sure of differs. The speckle of the original is in none of them: it is noise, no latent
# number describes it, and the decoder answers with its average.
image = x_test[1:2]
z_mean, z_log_var = model.encoder.predict(image, verbose=0)
sampling = kma.layers.Sampling(seed=0)
draws = keras.ops.convert_to_numpy(
    sampling([np.repeat(z_mean, 8, axis=0), np.repeat(z_log_var, 8, axis=0)])
)
decoded = model.decode(draws)
draws_figure = kma.plotting.image_grid(
    np.concatenate([image, model.decode(z_mean), decoded]),
    title="A test image, the decoded mean, and eight draws",
)

# %%
# Where the draws differ
# ----------------------
# The standard deviation of each pixel over two hundred draws, from the smallest (black) to the
# largest (white). It is the spread of the model's *reconstructions*. It is not a map of how
# uncertain a finding is, and it should not be read as one.
many = sampling([np.repeat(z_mean, 200, axis=0), np.repeat(z_log_var, 200, axis=0)])
spread = model.decode(keras.ops.convert_to_numpy(many)).std(axis=0)
print(f"largest standard deviation of a pixel: {spread.max():.3f}")
spread_figure = kma.plotting.image_grid(
    np.stack([image[0], (spread - spread.min()) / np.ptp(spread)]),
    title="Image, and spread of its draws",
)

# %%
# How many latent numbers are in use
# ----------------------------------
# A latent number that the encoder leaves at mean 0 and variance 1 says nothing about the image.
# The divergence of each, averaged over the test images, tells which ones do. A few carry most of
# what gets through and the last carry little: the loss charges for every nat, and in images as
# noisy as these not every number is worth its price. A smaller ``beta`` lowers that price, and
# more get used. A larger ``latent_dim`` mostly adds idle ones.
means, log_vars = model.encoder.predict(x_test, verbose=0)
kl = 0.5 * (means**2 + np.exp(log_vars) - 1.0 - log_vars).mean(axis=0)
print(f"{(kl > 0.1).sum()} of {len(kl)} latent numbers carry more than 0.1 nats")
kl_figure = Figure(figsize=(6, 3), layout="constrained")
axes = kl_figure.add_subplot()
axes.bar(np.arange(len(kl)), np.sort(kl)[::-1])
axes.set_xlabel("latent number, sorted")
axes.set_ylabel("divergence (nats)")
axes.spines[["top", "right"]].set_visible(False)

# %%
# A walk between two images
# -------------------------
# Both ends are encoded without noise, the latent vectors between them lie on a straight line, and
# each is decoded. The outer images are the originals.
#
# The walk has no jumps, and each step is an image such as this model makes. That does not make the
# middle a real case: half-way between a cyst and a vessel there is no anatomy, and it has no
# label. Interpolated images are for looking at a model, not for training a classifier.
first, last = x_test[1:2], x_test[:1]
start, end = model.encode(first), model.encode(last)
shares = np.linspace(0.0, 1.0, 8)[:, None]
walk = model.decode((1.0 - shares) * start + shares * end)
walk_figure = kma.plotting.image_grid(
    np.concatenate([first, walk, last]), title="From a cyst to a vessel"
)
