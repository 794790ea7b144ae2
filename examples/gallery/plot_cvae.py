"""
The variational autoencoder
===========================

``kma.models.CVAE`` is the quickest of the generative models and the hardest to break: one loss goes
down, and when it stops the model is done. What it pays for that is sharpness.
"""

# %%
# Fit
# ---
# The networks are narrower and the learning rate is higher than the defaults, so that this page
# takes seconds. ``beta`` weighs the divergence in the loss.
import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", seed=0)
x_train, _ = data.train
x_test, _ = data.test

model = kma.models.CVAE(
    data.image_shape, latent_dim=32, beta=0.5, encoder_filters=16, decoder_filters=16, seed=0
)
model.compile(optimizer=keras.optimizers.Adam(3e-3))
history = model.fit(x_train, epochs=40, batch_size=64, verbose=0).history

# %%
# Losses that add up
# ------------------
# The loss is ``reconstruction + beta * kl``, in nats per image, and both terms are logged. So it
# can be checked in every epoch; the difference printed is rounding.
total = np.array(history["reconstruction"]) + model.beta * np.array(history["kl"])
print(f"largest difference: {np.abs(total - history['loss']).max():.1e} nats")
print({name: round(values[-1], 2) for name, values in history.items()})

# %%
# Look at ``kl`` on its own axis: it is small beside the other term, yet it is the only part that
# says how much of an image gets through the latent vector. Near 0, the decoder ignores the vector
# and all samples look alike.
#
# The height of ``reconstruction`` means little. The likelihood is that of grey values under a
# Bernoulli distribution, which never reaches 0 for images that are not black and white.
losses_figure = kma.plotting.loss_curves(
    history, panels=[["loss", "reconstruction"], ["kl"]], ylabel="nats per image"
)

# %%
# Reconstructions
# ---------------
# Test images, which the model has never seen, and what comes back of them: where a dark structure
# lies and about how large it is. Rings are filled in, spikes are gone, a faint structure may vanish
# altogether, and there is no speckle. A decoder that answers each pixel with its mean has to smooth
# out what it cannot foresee.
reconstructions_figure = kma.plotting.before_after(
    x_test[:10], model.reconstruct(x_test[:10]), ("test image", "decoded")
)

# %%
# Samples
# -------
# The first two rows are training images, the others are new: latent vectors drawn from the prior
# and decoded. They vary in brightness, and in where the dark areas lie; few show a structure that
# one could name. They are smooth where the data is grainy: a classifier could tell the two apart
# from the grain alone, so mixing them into a training set is not free of risk.
#
# More steps sharpen the structures. They do not bring the grain back; that is a matter of the loss,
# and what the DCGAN and the VAE/GAN are there for. What the picture does not show is whether a
# sample is a copy of a training image.
samples = model.generate(30, seed=1)
samples_figure = kma.plotting.image_grid(
    np.concatenate([x_train[:20], samples]), title="Two rows of training images, three of samples"
)
