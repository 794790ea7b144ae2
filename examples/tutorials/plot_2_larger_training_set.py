"""
From a trained model to a larger training set
=============================================

A generator is trained, its images are checked, added to the real ones, and a classifier is trained
with them and without. Then the images are written to a file that says where they came from.
Set ``KERAS_BACKEND`` before you start Python.
"""

# %%
# Keep the test split out of it
# -----------------------------
# The generator sees the *training* split and nothing else. If it saw the test images, its samples
# would carry them into the training set, and the test would measure memory.
#
# The images are 16 pixels wide here, and the model is a ``CVAE``, so that the page takes seconds.
# For your own set take ``Flow``. Both are conditional, since an image that is to be trained on
# needs a label.
import tempfile
from pathlib import Path

import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", size=16, seed=0)
(x_train, y_train), (x_test, y_test) = data.train, data.test
print(data)

model = kma.models.CVAE(
    data.image_shape,
    latent_dim=16,
    num_classes=data.num_classes,
    encoder_filters=16,
    decoder_filters=16,
    seed=0,
)
model.compile(optimizer=keras.optimizers.Adam(3e-3))
model.fit(x_train, y_train, epochs=40, batch_size=64, verbose=0)

# %%
# Generate for each class
# -----------------------
# As many images as there are real ones, equally many of each class. Rows are classes: four training
# images, then eight that were made. They have the coarse shapes of their class and no speckle, as
# is to be expected of this model. A picture like this one shows gross failures; it cannot show
# whether the images help.
y_made = np.arange(len(x_train)) % data.num_classes
x_made = model.generate(len(y_made), labels=y_made, seed=1)

rows = []
for label in range(data.num_classes):
    rows += [x_train[y_train == label][:4], x_made[y_made == label][:8]]
images_figure = kma.plotting.image_grid(
    np.concatenate(rows), columns=12, title="Four training images, then eight made, by class"
)

# %%
# Check the labels
# ----------------
# A classifier trained on real images alone is asked what the generated ones show. The share that
# gets the label which was asked for is to be read beside its accuracy on real test images: no more
# can be expected of it than that. Much below, and labels in the larger set would be wrong, or the
# images so unlike real ones that the classifier is at a loss. Above says that the made images are
# *easier* than real ones, each close to the typical case of its class: they may have little to
# teach.
STEPS = 200


def trained_classifier(images, labels):
    """Return a classifier after about `STEPS` steps, however many images there are."""
    classifier = kma.models.Classifier(
        data.image_shape, data.num_classes, filters=16, dropout=0.2, seed=0
    )
    classifier.compile(optimizer=keras.optimizers.Adam(3e-3))
    steps_per_epoch = -(-len(images) // 64)
    epochs = STEPS // steps_per_epoch
    classifier.fit(images, labels, epochs=epochs, batch_size=64, verbose=0)
    return classifier


without = trained_classifier(x_train, y_train)
agreement = (without.predict(x_made, verbose=0).argmax(axis=1) == y_made).mean()
accuracy_without = (without.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean()
print(f"real test images, classified as labelled: {100 * accuracy_without:.1f} %")
print(f"made images, classified as asked for:     {100 * agreement:.1f} %")

# %%
# The paper reports mean confidence, the classifier's largest probability, averaged. Here it is, for
# real and for made images. It is no measure of quality: it asks how sure the classifier is, not
# whether it is right. A generator that makes one clear image over and over does better by it than
# real images do.
sure_of_real = kma.metrics.mean_confidence(without, x_test)
sure_of_made = kma.metrics.mean_confidence(without, x_made)
print(f"mean confidence, real test images: {100 * sure_of_real:.1f} %")
print(f"mean confidence, made images:      {100 * sure_of_made:.1f} %")

checks_figure = kma.plotting.bars_with_intervals(
    ["label agreement", "mean confidence"],
    {
        "real test images": [100 * float(accuracy_without), 100 * sure_of_real],
        "made images": [100 * float(agreement), 100 * sure_of_made],
    },
    ylabel="%",
    limits=(0, 105),
)

# %%
# Train with them
# ---------------
# The larger set is twice as large, so an epoch has twice as many steps. Both classifiers get the
# same number of *steps*; with the same number of epochs the second would have been trained twice
# as long, and would win by that alone. The test split is still the real one, untouched.
x_larger = np.concatenate([x_train, x_made])
y_larger = np.concatenate([y_train, y_made])
with_made = trained_classifier(x_larger, y_larger)
accuracy_with = (with_made.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean()
print(f"test accuracy without: {100 * accuracy_without:.1f} %")
print(f"test accuracy with:    {100 * accuracy_with:.1f} %")


# %%
# The whiskers are two standard errors of an accuracy on so few test images. They leave out what
# another seed would change: of the generator, of the images made, of the classifier.
#
# Expect the second bar to be the lower one on this page. In as many steps, each real image is seen
# half as often, and what takes its place is smooth, where the test images have speckle. That is no
# verdict on generated images either: **one run with one seed decides nothing**, and with another
# model, a longer training or a smaller set it can go the other way.
#
# To find out whether a generator helps on your data, repeat all of it, generator included, with
# many seeds; compare pairs that share a seed; and let plain geometric augmentation compete.
def two_errors(accuracy):
    """Return the accuracy less and plus two standard errors, in percent."""
    error = 2 * np.sqrt(accuracy * (1 - accuracy) / len(y_test))
    return 100 * float(accuracy - error), 100 * float(accuracy + error)


accuracy_figure = kma.plotting.bars_with_intervals(
    ["real images", "real and made"],
    {"test accuracy": [100 * float(accuracy_without), 100 * float(accuracy_with)]},
    {"test accuracy": [two_errors(accuracy_without), two_errors(accuracy_with)]},
    ylabel="accuracy on real test images (%)",
    lines={"chance": 100 / data.num_classes},
    limits=(0, 105),
)

# %%
# Hand the images on
# ------------------
# Generated images that have lost their history are a trap for whoever finds them. ``save_npz``
# writes the images and, beside them, a card: what made them, from which data, with which seed, and
# how near they come to training images. The folder is a temporary one here.
#
# Read the notes at the end of the card. They say that nearly all these images are nearer to a
# training image than real, held-out images are, which is what copies would look like. Here blur is
# enough to explain it: without speckle of its own an image is near, pixel by pixel, to many others.
# A copy is near to *one* training image: that is what makes a suspect, mirrored and turned copies
# included. Look at the nearest pairs (``kma.plotting.nearest_pairs``) before you hand images on.
made = kma.datasets.from_arrays(
    x_made, y_made, name="phantom-made", class_names=list(data.class_names)
)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "phantom-made.npz")
    card = kma.datasets.save_npz(path, made, origin="synthetic", model=model, seed=1, source=data)
    print(sorted(file.name for file in Path(folder).iterdir()))
    reread = kma.datasets.from_npz(path, class_names=card["class_names"])

print(reread)
print(card["origin"], "by", card["model"]["class"], "from", card["source"]["name"])
print("exact copies:", card["copy_audit"]["exact_copies"])
print("suspects:", card["copy_audit"]["suspect_count"])
for note in card["notes"]:
    print("-", note)
