"""
Your first images in five minutes
=================================

Load a data set, train a generator on it, look at what it makes, and keep it. No more than that:
whether the images are of any use is the question of the next tutorial.

Choose a backend first: set ``KERAS_BACKEND`` to ``jax``, ``torch`` or ``tensorflow`` before you
start Python, in a shell by ``export KERAS_BACKEND=jax`` (on Windows: ``set``). In a notebook, write
``%env KERAS_BACKEND=jax`` into its first cell.
"""

# %%
# Load
# ----
# "phantom" is a procedural set: it needs no download, and stands for no real modality. Write
# "breastmnist" in its place, or the name of another MedMNIST set (but for ChestMNIST, which is
# multi-label), and all that follows works the same, only slower. Your own images come in by
# ``kma.datasets.from_arrays`` or
# ``kma.datasets.from_directory``.
import tempfile
from pathlib import Path

import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", seed=0)
print(data)

# %%
# Look
# ----
# Always look first. A row for each class, in the order of ``data.class_names``: a round cyst, a
# mass with spikes, a vessel, a ring. Each lies in layered tissue under speckle, and some are hard
# to see, as in real life.
x, y = data.train
print(", ".join(data.class_names))
by_class = np.concatenate([x[y == label][:10] for label in range(data.num_classes)])
data_figure = kma.plotting.image_grid(by_class, title="Training images, a class a row")

# %%
# In a notebook, put the name of a figure at the end of a cell to see it. In a script, write it to a
# file: ``kma.plotting.save(data_figure, "training.png")``.

# %%
# Train
# -----
# ``kma.models.CVAE`` is good for a first look: it is quick, and it rarely fails. With
# ``num_classes`` it learns to make images of a class that you name. ``compile()`` without arguments
# picks the optimizer; here the networks are narrow and the rate is high, so that training takes
# seconds.
model = kma.models.CVAE(
    data.image_shape,
    latent_dim=16,
    num_classes=data.num_classes,
    encoder_filters=16,
    decoder_filters=16,
    seed=0,
)
model.compile(optimizer=keras.optimizers.Adam(3e-3))
history = model.fit(x, y, epochs=40, batch_size=64, verbose=0)

# %%
# The loss should fall fast and then level out. If it still falls at the end, train for longer.
# That it has levelled out says that training is over, not that the images are good.
losses_figure = kma.plotting.loss_curves(
    history.history, panels=[["loss"]], ylabel="nats per image"
)

# %%
# Generate
# --------
# Name how many images, and the class of each. With a seed the same call gives the same images.
labels = np.repeat(np.arange(data.num_classes), 10)
images = model.generate(len(labels), labels=labels, seed=0)
print(images.shape, images.dtype, float(images.min()) >= 0, float(images.max()) <= 1)

# %%
# Look again
# ----------
# The same layout as above. What was learned is the coarse part: compact dark regions for cysts and
# masses, which one could hardly tell apart, wide ones for vessels, a brighter middle in some rings.
# There are no spikes and there is no speckle: a variational autoencoder answers with averages, and
# this one was trained for seconds.
#
# To make images for training, use ``kma.models.Flow``, the default of ``augment``. Give it the
# image shape, the number of classes and a seed, and train for 2,000 steps, which takes minutes. Its
# images have detail. :doc:`/how_to/which_model` compares the models on real sets.
samples_figure = kma.plotting.image_grid(images, title="Generated images, a class a row")

# %%
# Keep
# ----
# A saved model is a plain ``.keras`` file. It can be loaded under any of the three backends,
# whichever one wrote it, as long as ``keras_medaug`` is imported. The folder here is a temporary
# one.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "first.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)

again = loaded.generate(len(labels), labels=labels, seed=0)
print(f"largest difference of a pixel: {np.abs(again - images).max():.1e}")

# %%
# The first row of each: before saving, and after loading.
loaded_figure = kma.plotting.before_after(images[:10], again[:10], ("saved", "loaded"))
