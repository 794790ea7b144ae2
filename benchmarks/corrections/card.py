"""What the model card and the record of `augment` say of images that a classifier can tell.

    KERAS_BACKEND=torch python benchmarks/corrections/card.py --out FILE.json --root DIR

`DIR` holds `breastmnist.npz`. Writes cards of a CVAE and a DCGAN after 300 steps on BreastMNIST, of
blurred real images, and of a set of nine classes with few images; calls `augment` once; and notes
what is on the pages and in the record. Runs on the package before and after the corrections. With
`--models FOLDER` the trained models are kept there and taken from there. About three minutes on one
core.
"""

import argparse
import inspect
import json
import re
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma

STEPS, BATCH = 300, 64
CLASSIFIER_STEPS = 100
Figure = dict[str, Any]


def figure(name: str, value: Any, target: str) -> Figure:
    """Return one line of the table."""
    print(f"{name}: {value} (target {target})", flush=True)
    return {"name": name, "value": value, "target": target}


def trained(method: str, data: kma.datasets.Dataset, folder: Path | None) -> keras.Model:
    """Return a model after `STEPS` steps, from a folder where it is there."""
    path = None if folder is None else folder / f"{method}.keras"
    if path is not None and path.exists():
        return keras.saving.load_model(path)
    kind = {"cvae": kma.models.CVAE, "dcgan": kma.models.DCGAN}[method]
    model = kind(data.image_shape, num_classes=data.num_classes, seed=0)
    model.compile()
    x, y = data.stored("train")
    model.fit(x, y, BATCH, -(-STEPS // -(-len(x) // BATCH)), verbose=0)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
    return model


def card_and_page(model: keras.Model, data: kma.datasets.Dataset, **given: Any) -> tuple[Any, str]:
    """Return a card, and the text of its page."""
    with tempfile.TemporaryDirectory() as folder:
        card = kma.model_card(
            model, data, folder, classifier_steps=CLASSIFIER_STEPS, verbose=False, **given
        )
        page = Path(folder, "model_card.html").read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    return card, unescape(re.sub(r"<[^>]+>", "\n", body))


def blurred(images: NDArray) -> NDArray:
    """Return images of which each pixel is the mean of nine."""
    x = np.asarray(images, "float32") / (255 if images.dtype == np.uint8 else 1)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = x.shape[1:3]
    parts = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.mean(parts, axis=0)


def of_page(name: str, card: dict[str, Any], text: str) -> list[Figure]:
    """Return what a page says of images that differ from real ones."""
    seen = re.search(r"(no different|no difference seen): (\d+)", text)
    found = [
        figure(
            f"{name}: of 12 numbers, those that the page counts as '{seen[1]}'" if seen else name,
            int(seen[2]) if seen else None,
            "called 'no difference seen'",
        )
    ]
    told = card.get("two_sample")
    limit = "above 0.5; on the first line"
    found += [
        figure(f"{name}: AUC of the two-sample test", told and round(told["auc"], 3), limit),
        figure(
            f"{name}: its reference value, real from other real images",
            told and round(told["reference"]["auc"], 3),
            "about 0.5, or below where splits share images",
        ),
    ]
    first = text[text.index("Read this first") + len("Read this first") :].strip()
    found.append(figure(f"{name}: first line", first.partition("\n")[0], "the two-sample test"))
    missed = re.search(r"With \d+ held-out images[^.]*\.\d[^.]*\.\d[^.]*\.", text)
    target = "a sentence"
    found.append(figure(f"{name}: what could not be seen", missed and missed[0], target))
    return found


def of_few() -> list[Figure]:
    """Return how many lines a set of nine classes with few images takes."""
    data = kma.datasets.load("phantom", size=16, train=90, val=36, test=9, seed=0)
    splits = {split: data.stored(split)[0] for split in ("train", "val")}
    train, val = ((x, np.arange(len(x)) % 9) for x in splits.values())
    nine = kma.datasets.Dataset("nine", train, val)
    model = kma.models.CVAE(nine.image_shape, num_classes=9, latent_dim=8, seed=0)
    model.compile()
    _, text = card_and_page(model, nine, labels=np.repeat(range(9), 5))
    lines = [line for line in text.splitlines() if "oo few images" in line]
    return [
        figure(
            "nine classes with few images: how often the page says 'too few images'",
            len(lines),
            "1",
        )
    ]


def of_record(data: kma.datasets.Dataset) -> list[Figure]:
    """Return what the record of `augment` holds, and whether the model can be kept."""
    x, y = data.stored("train")
    settings: dict[str, Any] = {"latent_dim": 16, "encoder_filters": 16, "decoder_filters": 16}
    can_save = "save" in inspect.signature(kma.augment).parameters
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        settings |= {"save": path} if can_save else {}
        x_new, y_new, record = kma.augment(
            x, y, "cvae", per_class=50, steps=STEPS, held_out=data.stored("val")[0], seed=0,
            verbose=0, **settings,
        )  # fmt: skip
        same = False
        if can_save:
            model = keras.saving.load_model(path)
            again = model.generate(len(y_new), y_new, seed=record["images_seed"])
            same = bool(np.array_equal(again, x_new))
    wanted = ["two_sample", "quality", "diversity", "label_fidelity", "sharpness", "warnings"]
    shown = record.get("label_fidelity")
    return [
        figure("record: first key", next(iter(record)), "the two-sample test"),
        figure("record: has", [name for name in wanted if name in record], ", ".join(wanted)),
        figure(
            "record: labels seen in synthetic images, and in real ones out of fold",
            shown and [round(shown["made"], 3), round(shown["held_out"], 3)],
            "given",
        ),
        figure("record: warnings", len(record.get("warnings", [])), "those of the card"),
        figure("a saved model makes the same images again", same, "True"),
    ]


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    args = parser.parse_args()
    data = kma.datasets.load("breastmnist", root=args.root, download=False)
    figures: list[Figure] = []
    models = {method: trained(method, data, args.models) for method in ("cvae", "dcgan")}
    for method, model in models.items():
        figures += of_page(method, *card_and_page(model, data))
    images, labels = data.stored("test")
    given = {"images": blurred(images), "labels": labels}
    figures += of_page("blurred test images", *card_and_page(models["dcgan"], data, **given))
    figures += of_few()
    figures += of_record(data)
    command = "KERAS_BACKEND=torch python benchmarks/corrections/card.py --out FILE.json --root DIR"
    content = {"command": command, "machine": "two AMD EPYC cores", "figures": figures}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
