"""
A model card
============

``kma.model_card`` looks at what a model makes, and writes a page about it that needs no network:
how well its images can be told from real ones, warnings, samples, numbers beside their floors,
possible copies, curves and data.
"""

# %%
# A small model
# -------------
# Trained for some seconds only, on images of 16 pixels. What the page below says of it is what
# there is to say.
import html
import tempfile
from pathlib import Path

import keras_medaug as kma

data = kma.datasets.load("phantom", size=16, seed=0)
model = kma.models.CVAE(
    data.image_shape,
    num_classes=data.num_classes,
    latent_dim=16,
    encoder_filters=8,
    decoder_filters=8,
    seed=0,
)
model.compile()
history = model.fit(*data.train, epochs=100, batch_size=64, verbose=0)

# %%
# The card
# --------
# ``about`` is for what no number tells. On a set of your own leave ``classifier_steps`` as it is:
# the classifier in whose features the images are compared is trained for fewer steps here, to spare
# this page time.
with tempfile.TemporaryDirectory() as folder:
    card = kma.model_card(
        model,
        data,
        folder,
        count=300,
        history=history,
        classifier_steps=200,
        about={
            "Intended use": "To show what a card looks like.",
            "Not for": "Anything else: the model was trained for some seconds.",
        },
        verbose=False,
    )
    page = Path(folder, "model_card.html").read_text(encoding="utf-8")

print(card["summary"])
for warning in card["warnings"]:
    print("-", warning)

# %%
# What is on the page is in the dictionary, and in ``model_card.json`` beside it.
for space, measured in card["quality"]["spaces"].items():
    value = measured["coverage"]
    low, high = value["ci95"]
    print(
        f"{space}: coverage {value['value']:.2f} [{low:.2f}, {high:.2f}], "
        f"of unseen real images {value['floor']['value']:.2f}"
    )
    read = card["readings"][space]["coverage"]
    print(f"  {read['reading']}; worse by {read['smallest_difference']:.2f} would have been seen")

# %%
# The page
# --------
# As a browser shows it: it is a single file, and this is it, in a frame.


class Framed:
    """Shows a page within a page."""

    def _repr_html_(self):
        style = "width: 100%; height: 42rem; border: 1px solid gray"
        return f'<iframe title="Model card" srcdoc="{html.escape(page)}" style="{style}"></iframe>'


Framed()

# %%
# The same samples, as a figure. What a CVAE makes is smooth. In the space of pixels, which sees
# little of that, hardly a real image is without a synthetic one near it; in that of the classifier,
# which sees texture, most are. So two spaces are better than one. See :doc:`/how_to/publish` for
# what to do with a card, and :doc:`/explanation/sample_quality` for what its numbers see and miss.
samples_figure = kma.plotting.image_grid(
    model.generate(24, labels=[label for label in range(4) for _ in range(6)], seed=0),
    columns=6,
    title="A row for each class",
)
