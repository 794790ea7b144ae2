"""
Confidence is not quality
=========================

The paper behind this library judges generated images by how sure a classifier is of them: the
mean of the largest class probability. Here that number is asked of images whose worth is known
beforehand.
"""

# %%
# A classifier, and real images
# -----------------------------
# Trained on the training split, as one would.
import keras_medaug as kma

import keras
import numpy as np

data = kma.datasets.load("phantom", seed=0)
(x_train, y_train), (x_test, y_test) = data.train, data.test

classifier = kma.models.Classifier(data.image_shape, data.num_classes, filters=16, seed=0)
classifier.compile(optimizer=keras.optimizers.Adam(3e-3))
classifier.fit(x_train, y_train, epochs=40, batch_size=64, verbose=0)
loss, accuracy = classifier.evaluate(x_test, y_test, verbose=0)
print(f"accuracy on test images: {accuracy:.2f}")

# %%
# Seven sets of a hundred images
# ------------------------------
# None of them comes from a generator. The first gives the reference value. The others are what a
# generator can get wrong: copying, collapse to one image, noise, nothing at all, the wrong
# brightness, and images upside down.
random = np.random.default_rng(0)
surest = classifier.predict(x_test, verbose=0).max(axis=1).argmax()
sets = {
    "real, unseen": x_test[:100],
    "copies": x_train[:100],
    "one image": np.repeat(x_test[surest : surest + 1], 100, axis=0),
    "noise": random.random((100, *data.image_shape), dtype="float32"),
    "plain gray": np.full((100, *data.image_shape), 0.5, dtype="float32"),
    "too dark": x_test[:100] / 10,
    "upside down": x_test[:100, ::-1],
}
confidence = {name: kma.metrics.mean_confidence(classifier, x) for name, x in sets.items()}
for name, value in confidence.items():
    print(f"{name:14} {100 * value:6.2f}")

# %%
# What they look like
# -------------------
# A row of each set, in the order of the list above.
images = np.concatenate([x[:8] for x in sets.values()])
figure = kma.plotting.image_grid(images, columns=8)

# %%
# What it means
# -------------
# The ideal generator makes new, real images: the reference. Copies and the single image are above
# it, though the first add nothing and the second add one image. Of what no doctor would look at a
# second time some may be above and some below: it is an accident of where the classifier's borders
# happen to run, and another seed gives other numbers.
#
# So a high number does not speak for a generator, and a higher number not for a better one.
figure = kma.plotting.bars_with_intervals(
    list(confidence),
    {"mean confidence": list(confidence.values())},
    ylabel="mean confidence",
    lines={"real, unseen": confidence["real, unseen"]},
    limits=(0, 1.05),
)
