"""
Flow matching: from noise to an image
=====================================

``kma.models.Flow`` makes an image from noise in small steps. Its network says for each step which
way the image has to go. This page shows the way, what guidance does, and variations of real images.
:doc:`/explanation/flow_matching` explains the method.
"""

# %%
# Fit, with labels
# ----------------
# The network is much smaller here than by default, and ``augmentation``, ``dropout`` and the
# average of the weights are off, so that this page takes less than a minute. Most of that is
# compilation. On a small set of your own, leave them on. The learning rate decays to zero, which
# ``compile()`` alone does not do, because it does not know how long training will last.
import keras_medaug as kma

import keras
import numpy as np
from keras.optimizers.schedules import CosineDecay

data = kma.datasets.load("phantom", size=16, num_classes=3, train=1600, seed=0)
(x, y), (x_test, y_test) = data.train, data.test

model = kma.models.Flow(
    data.image_shape,
    num_classes=data.num_classes,
    filters=16,
    blocks=1,
    dropout=0.0,
    augmentation=None,
    ema_momentum=None,
    seed=0,
)
epochs, batch_size = 22, 32
steps = epochs * len(x) // batch_size
rate = CosineDecay(0.0, steps, warmup_target=6e-3, warmup_steps=50)
model.compile(optimizer=keras.optimizers.AdamW(rate, global_clipnorm=1.0))
history = model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0).history
print(f"{steps} steps, loss {history['loss'][0]:.2f} to {history['loss'][-1]:.2f}")

# %%
# The loss does not go to zero. Many images and noises lead to the same noisy image, so no network
# can know the velocity exactly. A loss that still falls says that training can go on. It does not
# say that the images are good.

# %%
# From noise to an image
# ----------------------
# This loop follows the velocities with 20 Euler steps, from noise at time 0 to an image at time 1.
# ``generate`` does the same in one compiled loop, and with a better method. There are two rows for
# each class. The upper row is the state, at times 0, 0.1, and so on up to 1. The lower row is the
# image that the network expects from there: the state plus the velocity times the time that is
# left.
#
# At first the network expects something near the mean image of the class. Coarse structure comes
# next, and speckle comes last.
labels = np.arange(data.num_classes)
times = np.linspace(0, 1, 21)
state = np.random.default_rng(0).normal(size=(len(labels), *data.image_shape)).astype("float32")
states, expected = [], []
for time in times:
    inputs = [state, np.full(len(labels), time, "float32"), labels]
    velocity = model.network.predict(inputs, verbose=0)
    states.append(state)
    expected.append(state + (1 - time) * velocity)
    state = state + (times[1] - times[0]) * velocity

rows = [row for label in labels for row in (np.stack(states), np.stack(expected))]
rows = [of_all[::2, label] for of_all, label in zip(rows, np.repeat(labels, 2), strict=True)]
path_figure = kma.plotting.image_grid(
    np.clip(0.5 + 0.5 * np.concatenate(rows), 0, 1),
    columns=11,
    title="State, and expected image, from time 0 to 1",
)

# %%
# How many steps?
# ---------------
# The same noise with 1, 2, 4, 8 and 20 steps of ``generate``, a row for each number: four images of
# each class. With one or two steps the images are blurred, since the first step goes near the mean.
# From 8 steps on they hardly change. Draw drafts with few steps, and make the images that you keep
# with 20.
labels = np.repeat(np.arange(data.num_classes), 4)
rows = [
    model.generate(len(labels), labels, seed=1, steps=steps, guidance=2)
    for steps in (1, 2, 4, 8, 20)
]
steps_figure = kma.plotting.image_grid(
    np.concatenate(rows), columns=12, title="1, 2, 4, 8 and 20 steps"
)

# %%
# Guidance
# --------
# The first row shows test images: four cysts, four spiculated masses, four vessels. Below are
# images from the same noise with a guidance of 0, 1, 2 and 4. At 0 the label has no effect. At 1
# the images follow the label as far as the network has learned it. Above 1 the images show their
# class more clearly. They also have more contrast than real images, and are more alike.
#
# After so short a training, many images at 1 show their class poorly. A guidance of 2 compensates
# for a part of that: cysts can be recognised, but vessels are broken, and masses have no spikes
# yet. Measure whether guidance helps your classifier: see :doc:`/explanation/study`.
real = np.concatenate([x_test[y_test == label][:4] for label in range(data.num_classes)])
rows = [model.generate(len(labels), labels, seed=1, guidance=value) for value in (0, 1, 2, 4)]
guidance_figure = kma.plotting.image_grid(
    np.concatenate([real, *rows]), columns=12, title="Test images, then guidance 0, 1, 2 and 4"
)

# %%
# Variations of real images
# -------------------------
# ``vary`` adds noise to real images and takes it away again. ``strength`` is how far back it goes:
# 0.2, 0.4, 0.6 and 0.8 in the rows below the real images. At 0.2 and 0.4 the layout stays, and the
# speckle is new. At 0.6 the structure itself changes. At 0.8 hardly more than the brightness stays.
#
# The images are test images here, to show that the model can vary images that it has not seen. To
# grow a training set, vary training images only: a variation of a test image in the training set is
# data leakage. A variation that has lost its structure has a wrong label.
rows = [
    model.vary(real, labels, strength=value, seed=1, guidance=2) for value in (0.2, 0.4, 0.6, 0.8)
]
vary_figure = kma.plotting.image_grid(
    np.concatenate([real, *rows]), columns=12, title="Test images, then strength 0.2, 0.4, 0.6, 0.8"
)

# %%
# How far from the original?
# --------------------------
# The mean correlation of the pixels of a variation with those of its original.
for value, images in zip((0.2, 0.4, 0.6, 0.8), rows, strict=True):
    pairs = zip(real, images, strict=True)
    correlations = [np.corrcoef(before.ravel(), after.ravel())[0, 1] for before, after in pairs]
    print(f"strength {value}: correlation {np.mean(correlations):.2f}")

# %%
# None of these pictures shows whether the images are copies of training images. On small sets that
# is the risk of this model: :doc:`plot_copy_audit` shows how to look.
