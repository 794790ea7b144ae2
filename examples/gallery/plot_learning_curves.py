"""
How much does augmentation help as the set grows?
=================================================

``kma.study.sweep`` runs a study for each of several shares of the training split and draws the
scores over the number of images: learning curves, one for each arm.
"""

# %%
# Three shares
# ------------
# Small images, a narrow classifier and three seeds, so that the page takes seconds. Seed s draws
# the same images for every arm, and validation and test split stay whole. The budget is the same at
# every share, so the curves compare amounts of data, not of training.
import tempfile
from pathlib import Path

import keras_medaug as kma

data = kma.datasets.load("phantom", size=16, seed=0)
folder = tempfile.TemporaryDirectory()
results = kma.study.sweep(
    data,
    [0.05, 0.2, 1.0],
    arms=["none", "geometric-safe"],
    seeds=3,
    steps=100,
    classifier={"filters": 8},
    out=folder.name,
    verbose=False,
)

# %%
# The curves
# ----------
# Bars are 95% intervals over seeds of each arm by itself: wide with three seeds, and they say
# nothing of the difference of two arms, whose seeds are paired. Where curves are level, more real
# images would not help much, and synthetic ones can hardly be expected to.
curves_figure = kma.study.figures.learning_curves(list(results.values()))

# %%
# The differences
# ---------------
# Each share has its own report, with the paired differences. What holds with 24 images need not
# hold with 480, and a verdict is about the share that it was reached on.
for study in results.values():
    each = study["comparisons"][0]
    low, high = each["ci95"]
    images = sum(study["arms"]["none"]["images"][0])
    print(f"{images} images: {each['mean_difference']:+.3f} ({low:+.3f} to {high:+.3f})")

# %%
# ``learning_curves.png`` is in the folder, and beside it a folder for each share.
print(sorted(path.name for path in Path(folder.name).iterdir()))
folder.cleanup()

# %%
# :doc:`/tutorials/plot_3_first_study` reads a study line by line. As a command, on real data:
# ``KERAS_BACKEND=jax python examples/study.py --dataset pneumoniamnist
# --train-fraction 0.02 0.1 0.3 1``.
