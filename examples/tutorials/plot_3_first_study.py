"""
A first study
=============

The second tutorial ended with one run, which decides nothing. A study repeats all of it with many
seeds, pairs the runs, and says HELPS, HURTS or INCONCLUSIVE. This one is as small as can be: three
arms, three seeds, images of 8 pixels, about half a minute. It can show how a study is read, and not
whether anything helps. Set ``KERAS_BACKEND`` before you start Python.
"""

# %%
# Three arms
# ----------
# An *arm* is a way to make training data. ``"none"`` is the training split as it is, and is always
# there: the others are compared with it. ``"geometric-safe"`` turns and shifts the images a little,
# anew in every epoch. ``"geometric-safe+cvae"`` does the same to a set that is twice as large: a
# ``CVAE`` has added one image for each real one. Whether the model is worth its trouble is seen
# against ``"geometric-safe"``, which costs nearly nothing, and not against ``"none"``.
#
# The budgets are in *steps*, so that the cost is known before the study starts. ``verbose=True``,
# the default, also prints an estimate of the time left as it goes.
import json
import tempfile
import textwrap
from pathlib import Path

import keras_medaug as kma

data = kma.datasets.load("phantom", size=8, seed=0)
folder = tempfile.TemporaryDirectory()
out = Path(folder.name)


def study():
    """Run the study, or what is left of it."""
    return kma.study.run(
        data,
        arms=["none", "geometric-safe", "geometric-safe+cvae"],
        seeds=3,
        train_fraction=0.5,
        steps=150,
        generator_steps=300,
        classifier={"filters": 8},
        generators={"cvae": {"latent_dim": 8, "encoder_filters": 8, "decoder_filters": 8}},
        out=out,
        verbose=False,
    )


results = study()

# %%
# What was kept equal
# -------------------
# *Pairing.* Seed 0 fixes which half of the training split is used and the weights that the
# classifier starts from, alike for the three arms; so do seeds 1 and 2. The order of the images is
# the same in ``"none"`` and ``"geometric-safe"``; the third arm has more images, and another order.
# The ``CVAE`` is trained anew for each seed, on the same half. What the luck of a seed does to all
# arms cancels in the difference of two arms.
#
# *Compute.* Every classifier takes 150 steps of 64 images, whether its set has 240 images or 480.
#
# *Choice.* Of each training those weights count that did best on the validation split, which is
# looked at twenty times. The test split is looked at once, with these weights. A classifier that
# was stopped by its test score would do better in every arm, and would not keep the promise. Where
# the best look is a late one, as with most trainings here, more steps would have gone further.
for name, arm in results["arms"].items():
    images, steps = sum(arm["images"][0]), arm["best_step"]
    print(f"{name:20} {images} images, best after {steps} of {results['config']['steps']} steps")

# %%
# The verdicts
# ------------
# The measure is the area under the ROC curve (AUC), averaged over classes: 0.5 is guessing, 1 is
# perfect. A line is the mean difference of two arms with two 95% intervals. The first asks what
# other seeds would give on the same test images; the second, what other seeds would give on other
# test images of the same kind. ``p`` is corrected for the number of comparisons.
columns = "{:20} {:16} {:>10}  {:18} {:18} {:>5}  {}"
print(columns.format("arm", "against", "difference", "over seeds", "and images", "p", "verdict"))
for each in results["comparisons"]:
    seeds, images = (
        "{:+.3f} to {:+.3f}".format(*each[interval]) for interval in ("ci95", "ci95_images")
    )
    print(
        columns.format(
            each["arm"], each["against"], f"{each['mean_difference']:+.4f}", seeds, images,
            f"{each['p_holm']:.2f}", each["verdict"],
        )
    )  # fmt: skip

# %%
# In the figure, small strokes are seeds, the dot is their mean, the thick bar is the interval over
# seeds, and the thin one is that over seeds and images. The gray band is the margin, 0.01: a
# difference inside it is taken to be of no interest.
differences_figure = kma.study.figures.paired_differences(results)

# %%
# Why there is no verdict
# -----------------------
# All three are INCONCLUSIVE, and would be whatever came out: fewer than ten seeds give no verdict.
# Three differences have a mean and a spread, but the spread is itself badly known, so that a 95%
# interval has to reach 2.48 standard deviations to either side. With ten seeds it is 0.72.
#
# INCONCLUSIVE is no "no". The report says for each comparison how small a difference the study
# would still have found, four times out of five, and how many seeds a difference as small as the
# margin would take. From three seeds these numbers are rough; they say whether to go on at all.
# Where no number of seeds is enough, it is the test images that are too few.
report = (out / "report.md").read_text(encoding="utf-8")
for line in report.splitlines():
    if line.startswith("- **"):
        print(textwrap.fill(line, 96, subsequent_indent="  "))
print()
for each in results["comparisons"]:
    print(f"{each['arm']} against {each['against']}: seeds needed {each['seeds_needed']}")

# %%
# Warnings
# --------
# Read them before the verdicts: they say what would make the numbers mean something else than they
# seem to. A ``CVAE`` after 300 steps makes images of a class that are much alike, and at a budget
# like this one a classifier may hardly be better than guessing. Either would have to be mended,
# here by more steps, before the study is worth ten seeds.
for warning in results["warnings"]:
    print(textwrap.fill(f"- {warning['check']}: {warning['message']}", 96, subsequent_indent="  "))

# %%
# The one number to quote
# -----------------------
# ``headline`` is the arm that did best on the *validation* split, with its test scores. The arm
# with the best test score is not it: the best of several is partly the luckiest.
print(results["headline"])

# %%
# What is left on disk
# --------------------
# ``report.md`` is for reading, with its figure. ``results.json`` holds what ``run`` returned: the
# scores of every arm and seed, the comparisons, the settings, the versions and the MD5 of the data.
# Two runs of one configuration differ in ``timing`` alone. ``tasks`` holds the work: a folder for
# each arm and seed, and one for each generative model.
print(sorted(path.name for path in out.iterdir()))
print(list(json.loads((out / "results.json").read_text(encoding="utf-8"))))
print(len(list((out / "tasks").iterdir())), "tasks")

# %%
# Go on where it was
# ------------------
# All tasks are done, so the same call trains nothing. After a kill, the call does the tasks that
# are left. With ``seeds=10`` it would keep these three seeds and add seven.
again = study()
print("seconds of work in tasks:", again["timing"]["seconds_in_tasks"])
print("same numbers:", {**again, "timing": None} == {**results, "timing": None})
folder.cleanup()

# %%
# From here
# ---------
# On your own data: leave the settings of the models at their defaults, name the arms that you would
# use, and take ten seeds or more. ``examples/study.py`` is such a run, with all arms, as a command.
#
# - :doc:`/how_to/scale_out`: several processes, or a cluster.
# - :doc:`/explanation/study`: what the numbers are, what each warning asks for, and what a study
#   cannot say.
