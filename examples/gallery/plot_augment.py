"""
From labelled images to more of them, in one call
=================================================

``kma.augment`` trains a generative model on a labelled set and makes images with labels. It returns
them with a provenance record: what was done, and what to know before the images are used.
"""

# %%
# One call
# --------
# The images are 16 pixels wide here, and the networks narrow, so that the page takes seconds. The
# model is a ``CVAE``. The other names are ``"dcgan"``, ``"vaegan"`` and ``"flow"``. ``per_class``
# is a number of images for each class here; ``"balance"`` gives each class what it lacks to the
# largest one, and ``"proportional"``, the default, doubles the set. ``held_out`` is not trained on:
# it gives the reference values. ``save`` keeps the trained model, in a temporary folder here.
import tempfile
from pathlib import Path

import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", size=16, val=192, seed=0)
x, y = data.train

folder = tempfile.TemporaryDirectory()
model_file = Path(folder.name, "model.keras")
x_new, y_new, record = kma.augment(
    x,
    y,
    method="cvae",
    per_class=8,
    steps=800,
    held_out=data.val[0],
    seed=0,
    verbose=0,
    save=model_file,
    latent_dim=16,
    encoder_filters=8,
    decoder_filters=8,
)
print(x_new.shape, x_new.dtype, np.bincount(y_new))

# %%
# A row for each class
# --------------------
# Four real images, then eight that were made. The model was told the class, and the label is what
# it was told: nobody has looked at whether the image shows it. Look along the rows, then; and see
# :doc:`/how_to/class_imbalance` for a filter that asks classifiers.
rows = []
for label in range(data.num_classes):
    rows += [x[y == label][:4], x_new[y_new == label]]
images_figure = kma.plotting.image_grid(
    np.concatenate(rows), columns=12, title="Four training images, then eight made, by class"
)

# %%
# The provenance record
# ---------------------
# A dictionary that JSON can hold. Keep it with the images. It begins with a summary: how well a
# simple classifier tells the images from real ones. These have no speckle, so it hardly ever errs.
# The warnings are those that a model card has.
print(record["summary"])
for warning in record["warnings"]:
    print("-", warning)

# %%
# What was done, and from what:
for name in ("method", "seed", "labels", "requested", "images", "generated", "source", "versions"):
    print(f"{name}: {record[name]}")

# %%
# Small classifiers, each fitted without a third of the training images, tell whether the images
# show their classes. ``held_out`` is what they see in the training images that are new to them.
for name in ("made", "held_out", "by_class", "held_out_by_class"):
    print(f"{name}: {np.round(record['label_fidelity'][name], 2)}")

# %%
# Its notes are sentences to read before the images are used. A share of images near to training
# images that is far above 1% can mean copies. Here it is more likely blur: an image without speckle
# is near, pixel by pixel, to many. Suspects are something else: each is much nearer to one training
# image than to the next ones, which blur does not bring about.
for note in record["notes"]:
    print("-", note)

# %%
# The nearest pairs
# -----------------
# Suspects come first; where there are few, the images follow that come nearest to being one. Each
# is beside its training image, and the difference is gray where the two are equal.
pairs_figure = kma.plotting.nearest_pairs(x_new, x, record["copy_audit"])

# %%
# More images from the same model
# -------------------------------
# The file loads on any backend, and the same seed makes the same images. ``kma.model_card`` writes
# a page about the model: :doc:`plot_model_card`.
model = keras.saving.load_model(model_file)
again = model.generate(len(y_new), y_new, seed=record["images"]["seed"])
more = model.generate(100, np.arange(100) % data.num_classes, seed=1)
print("the same images again:", np.array_equal(again, x_new), "and more:", more.shape)
folder.cleanup()

# %%
# The record does not say whether the images help a classifier. ``kma.study.run`` finds that out,
# with and without them, over many seeds: :doc:`/tutorials/plot_3_first_study`.
