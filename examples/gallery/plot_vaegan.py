"""
The VAE/GAN, one class at a time
================================

``kma.models.VAEGAN`` is the paper's CVAEDCGAN: an autoencoder that compares images by what a
discriminator sees in them, not pixel by pixel. It has an encoder, so it can reconstruct, and a
discriminator, so it need not blur.
"""

# %%
# Fit, with labels
# ----------------
# With ``num_classes`` all three networks are told the class. The images are 16 pixels wide here so
# that a few hundred steps take seconds; ``gamma``, the weight of the similarity in the decoder's
# loss, is set lower than by default, which leaves more say to the discriminator.
import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", size=16, seed=0)
(x_train, y_train), (x_test, y_test) = data.train, data.test

model = kma.models.VAEGAN(
    data.image_shape,
    latent_dim=32,
    num_classes=data.num_classes,
    gamma=0.005,
    encoder_filters=16,
    decoder_filters=16,
    discriminator_filters=32,
    seed=0,
)
model.compile(optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5))
history = model.fit(x_train, y_train, epochs=40, batch_size=64, verbose=0).history

# %%
# Three losses and their parts
# ----------------------------
# The encoder's loss is ``beta * kl + similarity``, the decoder's ``gamma * similarity +
# adversarial``. The discriminator's has three terms: real images, reconstructions and images from
# the prior. Undecided, it is at 3 log(3) - 2 log(2) = 1.91 nats, since two of three images are
# generated; far below that, it is winning.
#
# ``similarity`` is measured by features of a network that is itself learning. Its
# scale changes during training, so a rise need not be a loss of quality.
losses_figure = kma.plotting.loss_curves(
    history,
    panels=[
        ["encoder_loss", "similarity", "kl"],
        ["decoder_loss", "adversarial"],
        ["discriminator_loss"],
    ],
    ylabel="nats per image",
)

# %%
# Reconstructions
# ---------------
# Test images with their labels, encoded and decoded. Compare them with those of the CVAE: these
# have grain. It is not the grain of the original but some that looks like it, because the loss
# asks for the same features and not for the same pixels. Small structures may be moved or made up
# in the same way. Never read a finding from a reconstruction.
reconstructions_figure = kma.plotting.before_after(
    x_test[:10], model.reconstruct(x_test[:10], y_test[:10]), ("test image", "decoded")
)

# %%
# A row for each class
# --------------------
# Four test images of each class, then eight that were generated for it. Texture comes early, and
# structure late: after so few steps some samples show something of the structure they were asked
# for and many show none. Those would be wrong labels in a training set. The second tutorial shows
# how to count them.
rows = []
for label in range(data.num_classes):
    rows.append(x_test[y_test == label][:4])
    rows.append(model.generate(8, labels=[label] * 8, seed=label))
    print(f"row {label + 1}: {data.class_names[label]}")
classes_figure = kma.plotting.image_grid(
    np.concatenate(rows), columns=12, title="Four test images, then eight samples, by class"
)

# %%
# Variety within a class
# ----------------------
# With labels, a model can make the same image for every vector and still fill four rows with four
# different things. So look along a row, and measure the spread over samples of one class. Here it
# is well below that of real images: these samples are too gray and too much alike. More steps and
# the default widths may narrow the gap; check that on your own data before you use the images.
for label, name in enumerate(data.class_names):
    real = x_test[y_test == label]
    made = model.generate(len(real), labels=[label] * len(real), seed=label)
    print(f"{name:16} real {real.std(axis=0).mean():.3f}, made {made.std(axis=0).mean():.3f}")

# %%
# When one network wins
# ---------------------
# The code published by the VAE/GAN's authors lets the network that is ahead skip steps. That gate
# is off by default here, and can be had: ``kma.models.VAEGAN(..., gate=kma.networks.Gate())``. The
# history then has ``discriminator_trains`` and ``decoder_trains``, the shares of steps that were
# taken. Try it where the discriminator's loss falls towards 0 and stays there; it mends the
# balance, not a model that is too small or a set that is too narrow.
