"""
Geometric policies and label safety
===================================

Turning, shifting and mirroring images costs nothing and often helps. It rests on one assumption:
that the label still holds afterwards. This page checks the assumption, twice.
"""

# %%
# Three policies
# --------------
# The defaults of ``kma.layers.GeometricAugmentation`` are the policy of the paper: turns of up to
# 90 degrees either way, shifts of up to a fifth, and both flips. Beside it stand a milder policy,
# and that one with a left-right flip.
#
# The phantom images have an up and a down, as ultrasound has: they get darker with depth, a cyst
# brightens what is behind it, a mass shadows it. Look for images in the row of the paper's policy
# that are bright at the bottom, or whose layers run upright, and for streaks along the border
# where the edge was repeated. No scanner makes such images.
from typing import Any

import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", seed=0)
(x_train, y_train), (x_test, y_test) = data.train, data.test

still: dict[str, Any] = {"shift": 0.0, "horizontal_flip": False, "vertical_flip": False}
settings = {
    "none": {"rotation": 0, **still},
    "mild": {"rotation": 10, **still, "shift": 0.05},
    "mild, left-right": {"rotation": 10, **still, "shift": 0.05, "horizontal_flip": True},
    "up-down": {"rotation": 0, **still, "vertical_flip": True},
    "paper": {},
}


def policy(name):
    """Return a new layer with the settings of that name."""
    return kma.layers.GeometricAugmentation(**settings[name], seed=1)


def augmented(layer, images):
    """Return the images under fresh draws of the layer."""
    return keras.ops.convert_to_numpy(layer(images, training=True))


rows = [augmented(policy(name), x_test[:10]) for name in ("mild", "mild, left-right", "paper")]
policies_figure = kma.plotting.image_grid(
    np.concatenate([x_test[:10], *rows]), title="Original; mild; mild with left-right flip; paper"
)

# %%
# What a classifier makes of them
# -------------------------------
# A classifier is trained on untouched images. Then it is asked about the same test images under
# each policy: bars are the mean over five draws, whiskers the lowest and the highest. The bar of
# ``none`` is what to compare with: where another is as high, the labels are still visible to it.
#
# A drop does *not* prove that labels became wrong. In this set the class is the shape of a
# structure, which no turn changes; the classifier may be put off by surroundings it does not know,
# by streaks, or by a structure that was shifted out of the image. Nor does the small drop under the
# up-down flip prove that such images are fit for training: they never occur. So take a drop as a
# question to put to someone who knows the modality.
classifier = kma.models.Classifier(
    data.image_shape, data.num_classes, filters=16, dropout=0.2, seed=0
)
classifier.compile(optimizer=keras.optimizers.Adam(3e-3))
classifier.fit(x_train, y_train, epochs=25, batch_size=64, verbose=0)

accuracies = {}
for name in settings:
    layer = policy(name)
    predicted = [classifier.predict(augmented(layer, x_test), verbose=0) for _ in range(5)]
    accuracies[name] = [100 * float((p.argmax(axis=1) == y_test).mean()) for p in predicted]
    print(f"{name:17} {np.mean(accuracies[name]):5.1f} %")

accuracy_figure = kma.plotting.bars_with_intervals(
    list(settings),
    {"accuracy": [float(np.mean(values)) for values in accuracies.values()]},
    {"accuracy": [(min(values), max(values)) for values in accuracies.values()]},
    ylabel="accuracy on test images (%)",
    lines={"chance": 100 / data.num_classes},
    limits=(0, 105),
)

# %%
# A label that does not survive
# -----------------------------
# Now let the label be a side: is the marker in the left half or in the right? Side is a finding in
# many images: of lungs, of eyes, of the heart. A mask outlines each marker. Handed over in one
# dictionary, image and mask get the same draw; masks are moved by nearest neighbour, so a label
# map keeps its values.
#
# The orange tint is the transformed mask. It covers the marker in each image, which it could not
# if the two had been drawn apart.
count = 120
sides = np.arange(count) % 2
images = x_test[:count] * 0.7
masks = np.zeros((count, 28, 28), "int32")
for mask, side in zip(masks, sides, strict=True):
    left = 6 if side == 0 else 18
    mask[12:16, left : left + 4] = 1
images = np.where(masks[..., None] == 1, 1.0, images).astype("float32")


def tinted(images, masks):
    """Return the images in colour, with the masks over them in orange."""
    orange = np.array([1.0, 0.55, 0.0], "float32")
    cover = 0.6 * masks[..., None].astype("float32")
    return images * (1 - cover) + orange * cover


pair = policy("paper")({"images": images, "masks": masks}, training=True)
moved_images = keras.ops.convert_to_numpy(pair["images"])
moved_masks = keras.ops.convert_to_numpy(pair["masks"])
masks_figure = kma.plotting.image_grid(
    np.concatenate([tinted(images[:10], masks[:10]), tinted(moved_images, moved_masks)[:10]]),
    title="Markers and their masks: before, and under the paper's policy",
)

# %%
# Here no classifier is needed: the mask says on which side the marker now is. With a left-right
# flip, or turns of 90 degrees, half of the labels or so are wrong, and a classifier trained on
# them learns nothing about sides. Small turns and shifts leave every label right.
agreement = {}
for name in settings:
    moved = policy(name)({"images": images, "masks": masks}, training=True)["masks"]
    moved = keras.ops.convert_to_numpy(moved)
    left_half, right_half = moved[:, :, :14].sum(axis=(1, 2)), moved[:, :, 14:].sum(axis=(1, 2))
    agreement[name] = 100 * float(((right_half > left_half) == (sides == 1)).mean())

agreement_figure = kma.plotting.bars_with_intervals(
    list(agreement),
    {"labels that still hold": list(agreement.values())},
    ylabel="labels that still hold (%)",
    limits=(0, 105),
)

# %%
# The library cannot know which labels a flip changes. Choose the policy for the question that the
# images are to answer, and look at augmented images before training on them.
