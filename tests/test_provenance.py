"""One schema of provenance records, whichever function writes them."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug import provenance

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "provenance.md"
LABELS = np.repeat(np.arange(4, dtype="int32"), 6)
MD5 = re.compile(r"[0-9a-f]{32}")


def text(value):
    return isinstance(value, str) and value != ""


def count(value):
    return type(value) is int and value >= 0


def list_of(kind):
    return lambda value: isinstance(value, list) and all(map(kind, value))


def or_null(kind):
    return lambda value: value is None or kind(value)


def by_name(kind):
    return lambda value: isinstance(value, dict) and all(map(text, value)) and all(
        map(kind, value.values())
    )  # fmt: skip


def holds(**kinds):
    """Return whether a dictionary holds at least these keys, each of its kind."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and kind(value[name]) for name, kind in kinds.items())
    )


def md5(value):
    return text(value) and MD5.fullmatch(value) is not None


def plain(value):
    return isinstance(value, dict)


SCHEMA = {
    "made_by": lambda value: value == "keras_medaug",
    "format": lambda value: value == 1,
    "kind": lambda value: value in {"augment", "save_npz", "model_card"},
    "image_shape": lambda value: list_of(count)(value) and len(value) == 3,
    "class_names": or_null(list_of(text)),
    "model": or_null(holds(**{"class": text, "config": plain, "steps": or_null(count)})),
    "seed": or_null(count),
    "images": holds(
        count=count, counts=or_null(list_of(count)), seed=or_null(count), md5=md5,
    ),
    "source": or_null(holds(name=or_null(text), md5=md5, counts=by_name(list_of(count)))),
    "copy_audit": or_null(holds(count=count, exact_copies=count, suspect_count=count)),
    "versions": lambda value: by_name(text)(value)
    and list(value) == ["keras-medaug", "keras", "numpy", "backend", value["backend"]],
    "device": or_null(text),
    "dtype": text,
    "notes": list_of(text),
}  # fmt: skip


def faults(record):
    """Return the keys of the schema that a record lacks, or holds something else under."""
    return [name for name, kind in SCHEMA.items() if name not in record or not kind(record[name])]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return the records of the three functions about the same images."""
    folder = tmp_path_factory.mktemp("records")
    data = kma.datasets.load("phantom", size=8, train=80, val=40, test=20)
    x, y, record = kma.augment(
        *data.stored("train"), "cvae", per_class=6, steps=2, seed=3, verbose=0, latent_dim=4,
        class_names=data.class_names, save=folder / "model.keras",
    )  # fmt: skip
    model = keras.saving.load_model(folder / "model.keras")
    images = kma.datasets.from_arrays(x, y, class_names=data.class_names)
    kma.datasets.save_npz(
        folder / "made.npz", images, origin="synthetic", model=model, seed=record["images"]["seed"],
        source=data,
    )  # fmt: skip
    kma.model_card(
        model, data, folder, images=x, labels=y, classifier_steps=2, verbose=False, show_real=False
    )
    files = {"save_npz": "made.json", "model_card": "model_card.json"}
    return {
        "augment": json.loads(json.dumps(record)),
        **{kind: json.loads((folder / name).read_text("utf-8")) for kind, name in files.items()},
    }


@pytest.mark.parametrize("kind", ["augment", "save_npz", "model_card"])
def test_every_record_is_of_the_schema(records, kind):
    assert faults(records[kind]) == []
    assert records[kind]["kind"] == kind


def test_the_schema_can_be_broken(records):
    for name in SCHEMA:
        assert faults({**records["augment"], name: object()}) == [name]
        assert faults({key: records["augment"][key] for key in SCHEMA if key != name}) == [name]


def test_records_about_the_same_images_say_the_same(records):
    augment, saved, card = records.values()
    same = ("made_by", "format", "image_shape", "class_names", "versions", "dtype")
    for name in same:
        assert augment[name] == saved[name] == card[name]
    assert augment["images"]["md5"] == saved["images"]["md5"] == card["images"]["md5"]
    assert augment["images"]["counts"] == saved["images"]["counts"] == card["images"]["counts"]
    assert augment["images"]["seed"] == saved["images"]["seed"]
    assert card["images"]["seed"] is None  # the card was given the images
    assert augment["source"]["counts"]["train"] == saved["source"]["counts"]["train"]
    assert saved["source"] == card["source"]
    for record in (saved, card):
        assert record["model"].items() >= augment["model"].items()
    exact = [record["copy_audit"]["exact_copies"] for record in records.values()]
    assert len(set(exact)) == 1


@pytest.mark.backend_free
def test_the_page_describes_every_key():
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows[: len(SCHEMA)] == list(SCHEMA)


@pytest.mark.backend_free
def test_versions_are_those_of_what_runs():
    versions = provenance.versions()
    assert versions["keras-medaug"] == kma.__version__
    assert versions["backend"] == keras.config.backend()
    assert versions["numpy"] == np.__version__
