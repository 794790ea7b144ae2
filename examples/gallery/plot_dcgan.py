"""
The DCGAN and its two losses
============================

In ``kma.models.DCGAN`` a generator makes images and a discriminator tells them from real ones.
Nothing in it compares an image with an image, so nothing makes it blur. Nothing tells you when it
is done either. This page is about reading what it logs, and about where its images come from.
"""

# %%
# Fit
# ---
# The images are only 16 pixels wide here, and the networks narrow, so that a few hundred steps take
# seconds. For your own images leave both at their defaults and give it some thousand steps.
import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", size=16, seed=0)
x_train, _ = data.train

model = kma.models.DCGAN(
    data.image_shape, latent_dim=32, generator_filters=32, discriminator_filters=32, seed=0
)
model.compile(optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5))
history = model.fit(x_train, epochs=60, batch_size=64, verbose=0).history

# %%
# Two losses
# ----------
# Each network has its own loss, and each one's success is the other's failure: neither curve is
# meant to go to 0. The lines mark a discriminator that cannot decide: 2 log 2 = 1.39 for its own
# loss, which has two terms, and log 2 = 0.69 for the generator's.
#
# - Both near their lines: an even match. That is what good training looks like, and also what a
#   discriminator looks like that has learned nothing. The images decide which it is.
# - The discriminator's loss near 0 while the generator's climbs: it has won, and its gradient
#   teaches little. Lower its learning rate, or give it some dropout.
# - A generator's loss that falls is no sign of better images. Never choose a step by it.
losses_figure = kma.plotting.loss_curves(
    history, panels=[["discriminator_loss"], ["generator_loss"]], ylabel="nats"
)
for axes, undecided in zip(losses_figure.axes, (2 * np.log(2), np.log(2)), strict=True):
    axes.axhline(undecided, color="black", linewidth=1, linestyle=":")

# %%
# Images
# ------
# Two rows of training images, then three of samples. Unlike those of a variational autoencoder,
# the samples have the grain and the contrast of the data. Their structures are less convincing:
# dark areas of about the right size, hardly ever a clean ring or a tube, and more level stripes
# than the data has. Clean ones take more steps than this page allows. Good texture is what a GAN
# learns first, and it flatters the rest.
samples = model.generate(30, seed=1)
samples_figure = kma.plotting.image_grid(
    np.concatenate([x_train[:20], samples]), title="Two rows of training images, three of samples"
)

# %%
# Which generator makes the images
# --------------------------------
# There are two. ``model.generator`` is the network in training. ``model.averaged.network`` follows
# it with a running average of its weights, and is what ``generate`` and ``decode`` use. Here both
# get the same latent vectors.
#
# The two networks circle around each other, so the one in training is, at any one step, somewhere
# on the circle. Look for a grid, and for one tone that all images share: the average smooths both
# out. The difference is one of degree, and at some steps there is hardly any.
z = np.random.default_rng(2).standard_normal((10, model.latent_dim)).astype("float32")
generators_figure = kma.plotting.before_after(
    model.generator.predict(z, verbose=0), model.decode(z), ("in training", "averaged")
)

# %%
# Do the samples differ?
# ----------------------
# A generator that has collapsed makes the same image over and over. The standard deviation of each
# pixel over many samples, averaged over pixels, should then be far below that of the data. It
# catches the plain case alone: samples can vary in brightness and still lack a whole kind of image.
many = model.generate(len(x_train), seed=3)
print(f"spread of training images: {x_train.std(axis=0).mean():.3f}")
print(f"spread of samples:         {many.std(axis=0).mean():.3f}")

# %%
# With ``num_classes`` the model is conditional: ``fit`` takes labels, ``generate`` asks for them.
# Conditional GANs collapse more easily on small sets, so look at many samples *of one class*.
