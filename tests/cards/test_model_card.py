"""The model card: what it says, what it refuses, and that its page needs nothing else."""

import base64
import hashlib
import io
import re
import sys
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from PIL import Image

import keras_medaug as kma
from keras_medaug.datasets.dataset import content_md5

LOADING = {"script", "link", "iframe", "object", "embed", "form", "base", "a"}


class Page(HTMLParser):
    """Collects the elements of a page, and the text in each kind."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self._open[-1] if self._open else "", []).append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def made(model, data, folder, **arguments):
    """Return a card that is made as fast as can be."""
    return kma.model_card(
        model, data, folder, **{"classifier_steps": 2, "verbose": False, "count": 40, **arguments}
    )


# ---- what it says ---------------------------------------------------------------------------


def test_the_json_file_holds_the_card(written, stored):
    assert stored == written[1]
    assert sorted(path.name for path in written[0].iterdir()) == [
        "model_card.html", "model_card.json",
    ]  # fmt: skip


def test_the_card_tells_what_the_images_are(stored, model, data):
    images = model.generate(80, np.repeat(range(4), 20), seed=0)
    assert stored["images"]["counts"] == [20, 20, 20, 20]
    md5 = content_md5({"train": (images, np.repeat(range(4), 20).astype("int32"))})
    assert stored["images"]["md5"] == md5
    assert stored["model"]["class"] == "keras_medaug>CVAE"
    assert stored["model"]["config"]["latent_dim"] == 4
    assert stored["model"]["parameters"] == model.count_params()
    assert stored["model"]["steps"] == 2 * -(-len(data.train[0]) // 32)
    assert stored["data"]["md5"] == data.md5
    assert stored["data"]["counts"]["val"] == np.bincount(data.val[1]).tolist()
    assert stored["versions"]["keras"] == keras.__version__
    assert stored["features"]["classifier"]["steps"] == 5


def test_numbers_are_those_of_the_functions(stored, model, data):
    """What the card repeats is what a user gets who calls the functions."""
    images, labels = model.generate(80, np.repeat(range(4), 20), seed=0), np.repeat(range(4), 20)
    train, val, test = (data.stored(split) for split in ("train", "val", "test"))
    audit = kma.metrics.copy_audit(images, train[0], np.concatenate([val[0], test[0]]))
    for space in ("pixels", "aligned"):
        assert stored["copy_audit"]["spaces"][space] == audit["spaces"][space]
    means = stored["quality"]["spaces"]["means"]
    seed = kma.seeds.derive_seed(0, "quality")
    quality = kma.metrics.sample_quality(
        images, train[0], val[0], {"means": lambda x: x.mean(axis=(1, 2))},
        labels, train[1], val[1], seed=seed,
    )  # fmt: skip
    assert means == quality["spaces"]["means"]
    assert set(stored["quality"]["classes"]) == {"0", "1", "2", "3"}
    shift = kma.metrics.prior_shift(train[1], test[1], 4)
    assert stored["guards"]["prior_shift"]["test"] == shift
    assert stored["guards"]["duplicates"]["test"]["exact"] == 0
    fidelity = stored["labels"]["fidelity"]
    assert sum(stored["labels"]["seen"]) == 80
    assert fidelity["held_out"] == pytest.approx(np.mean(fidelity["held_out_by_class"]))


def test_the_training_is_that_of_the_last_fit(stored, model):
    assert stored["training"]["epochs"] == 2
    assert stored["training"]["history"] == model.history.history


def test_two_cards_are_the_same_byte_by_byte(model, data, tmp_path):
    for name in ("one", "two"):
        made(model, data, tmp_path / name)
    for file in ("model_card.html", "model_card.json"):
        one, two = ((tmp_path / name / file).read_bytes() for name in ("one", "two"))
        assert one == two


def test_planted_faults_come_first(data, tmp_path, untrained):
    """An untrained model, copies, images all alike, leaks between splits, another prior."""
    x, y = data.stored("train")
    leaky = kma.datasets.Dataset(
        "leaky", (x, y), (x[:30], y[:30]), (data.stored("test")[0][:9], np.int32([3] * 9)),
        class_names=["a", "b", "c", "d"],
    )  # fmt: skip
    images = np.concatenate([x[:4], np.repeat(x[5:6], 36, axis=0)])
    card = made(
        untrained, leaky, tmp_path, images=images, labels=np.repeat(range(4), 10), count=None
    )
    text = "\n".join(card["warnings"])
    for found in (
        "no step of training", "40 of 40 images are exact copies", "may be one image",
        "Validation split: Of 30 images 30 are in the training images",
        "Training and test split: Class 3 is",
    ):  # fmt: skip
        assert found in text
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert html.index("no step of training") < html.index("Samples")
    assert card["images"]["generated"] is False
    assert card["images"]["seed"] is None


def test_labels_that_are_wrong_are_seen(data, tmp_path, untrained):
    """Real images under the labels of others, to a classifier that has learned the classes."""
    x, y = data.stored("train")
    order = np.argsort(y, kind="stable")
    right = {"images": x[order], "labels": y[order]}
    wrong = {"images": x[order], "labels": (y[order] + 1) % 4}
    found = [
        made(untrained, data, tmp_path / name, count=None, classifier_steps=150, **given)
        for name, given in (("right", right), ("wrong", wrong))
    ]
    warnings = [card["labels"]["fidelity"]["warning"] for card in found]
    assert warnings[0] is None
    assert "labels may be wrong" in warnings[1]
    assert warnings[1] in found[1]["warnings"]


def test_a_model_without_classes(data, tmp_path, unconditional):
    card = made(unconditional, data, tmp_path)
    assert card["images"]["count"] == 40
    assert card["images"]["counts"] is None
    assert card["quality"]["classes"] is None
    assert card["labels"]["fidelity"] is None
    assert sum(card["labels"]["seen"]) == 40
    assert card["training"] is None
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert len(Page(html).of("img")) == 2 + 2 + 1  # samples, spaces, pairs


def test_where_there_is_little_to_measure_the_card_says_so(data, tmp_path, unconditional):
    """One class, no held-out image, few images: what cannot be had is None, and named."""
    x, _ = data.stored("train")
    only = kma.datasets.from_arrays(x, np.zeros(len(x), int))
    card = made(unconditional, only, tmp_path, count=7)
    assert card["quality"] is None
    assert card["labels"] is None
    assert card["guards"]["classifier"] is None
    assert set(card["features"]) == {"pixels"}
    assert any("there are 7 synthetic images" in text for text in card["warnings"])
    assert any("no held-out images" in text for text in card["notes"])


def test_a_small_validation_split_is_joined_by_the_test_split(plain, tmp_path, unconditional):
    x, y = plain.stored("val")
    few = kma.datasets.Dataset("few", plain.stored("train"), (x[:12], y[:12]), plain.stored("test"))
    card = made(unconditional, few, tmp_path)
    assert card["held_out"] == {
        "splits": ["val", "test"], "count": 52, "audit_splits": ["val", "test"], "audit_count": 52,
    }  # fmt: skip
    assert card["quality"]["count"] == 40


def test_8_bit_images_are_taken_as_they_are(plain, tmp_path, unconditional):
    images = np.rint(plain.val[0] * 255).astype("uint8")
    found = [
        made(unconditional, plain, tmp_path / str(number), images=each, count=None)
        for number, each in enumerate((images, images / np.float32(255)))
    ]
    assert found[0]["quality"] == found[1]["quality"]
    assert found[0]["copy_audit"]["exact_copies"] == found[1]["copy_audit"]["exact_copies"]


def test_leaks_are_counted_in_the_split_where_they_are(plain, tmp_path, unconditional):
    splits = {name: plain.stored(name) for name in ("train", "val", "test")}
    leaks = {"train": 2, "val": 3, "test": 5}
    for split, count in leaks.items():
        x, y = (array.copy() for array in splits[split])
        x[-count:] = splits["train"][0][:count]
        splits[split] = x, y
    card = made(unconditional, kma.datasets.Dataset("leaky", **splits), tmp_path)
    found = {name: each["exact"] for name, each in card["guards"]["duplicates"].items()}
    assert found == leaks


def test_how_many_images_are_made(data, plain, tmp_path, model, unconditional):
    """As many as training images, but not fewer than 100; and of each class its share."""
    assert made(unconditional, plain, tmp_path / "a", count=None)["images"]["count"] == 100
    labels = np.int32([0] * 15 + [2] * 15)
    card = made(model, data, tmp_path / "b", count=None, labels=labels)
    assert card["images"]["counts"] == [15, 0, 15, 0]
    assert [found["count"] if found else 0 for found in card["quality"]["classes"].values()] == [
        0, 0, 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"loss": [1, 2.5]}, {"loss": [1.0, 2.5]}),
        ({"loss": [np.float32(0.5), float("nan")], "none": []}, {"loss": [0.5, None]}),
    ],
)
def test_a_history_may_be_given(given, expected, plain, tmp_path, unconditional):
    assert made(unconditional, plain, tmp_path, history=given)["training"]["history"] == expected


def test_progress_is_printed_with_the_time_left(plain, tmp_path, unconditional, capsys):
    made(unconditional, plain, tmp_path, verbose=True)
    printed = capsys.readouterr().out
    assert re.search(r"\[fitting the features, about \d+ s left\]", printed)
    assert str(tmp_path / "model_card.html") in printed


# ---- the page -------------------------------------------------------------------------------


def test_the_page_loads_nothing(page):
    parsed = Page(page)
    assert not LOADING & {tag for tag, _ in parsed.elements}
    assert all(image["src"].startswith("data:image/png;base64,") for image in parsed.of("img"))
    assert not [name for _, each in parsed.elements for name in each if name in {"href", "style"}]
    assert not re.search(r"https?:|url\(|@import", page)


def test_the_page_forbids_scripts_and_connections(page):
    parsed = Page(page)
    policies = [each["content"] for each in parsed.of("meta") if "http-equiv" in each]
    style = parsed.texts["style"][0].encode()
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert policies == [f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"]


def test_names_are_text_and_never_markup(page, stored):
    hostile = stored["data"]["class_names"][0]
    parsed = Page(page)
    assert hostile.startswith("<script>")
    assert any(hostile in text for text in parsed.texts["th"])
    assert any(hostile in text for text in parsed.texts["figcaption"])
    assert f"None. {hostile}" in parsed.texts["dd"]
    assert parsed.texts["title"] == ["Model card: CVAE trained on phantom <b>8</b>"]


def test_pictures_are_whole_and_described(page):
    pictures = Page(page).of("img")
    for each in pictures:
        content = base64.b64decode(each["src"].partition(",")[2], validate=True)
        image = Image.open(io.BytesIO(content))
        image.load()
        assert np.asarray(image.convert("L")).std() > 1  # something is drawn
        assert len(each["alt"]) > 10
    # two of each class, a chart for each space, the nearest pairs, and three curves
    assert len(pictures) == 8 + 3 + 1 + 3


def test_numbers_on_the_page_are_those_of_the_card(page, stored):
    cells = Page(page).texts["td"]
    for measured in stored["quality"]["spaces"].values():
        for value in measured.values():
            shown = f"{value['value']:.3g} [{value['ci95'][0]:.3g}, {value['ci95'][1]:.3g}]"
            assert shown in cells
            assert any(cell.startswith(f"{value['floor']['value']:.3g} [") for cell in cells)
    for text in (*stored["warnings"], *stored["notes"]):
        assert text in Page(page).texts["li"]


@pytest.mark.parametrize(
    ("value", "floor", "better", "reading"),
    [
        ([0.1, 0.2], [0.15, 0.3], "less", "same"),
        ([0.1, 0.2], [0.3, 0.4], "less", "better"),
        ([0.5, 0.6], [0.3, 0.4], "less", "worse"),
        ([0.1, 0.2], [0.3, 0.4], "more", "worse"),
        ([0.5, 0.6], [0.3, 0.4], "more", "better"),
    ],
)
def test_a_number_is_read_by_the_intervals(value, floor, better, reading):
    from keras_medaug.cards.page import _reading

    assert _reading({"ci95": value, "floor": {"ci95": floor}}, better) == reading


# ---- what it refuses ------------------------------------------------------------------------


class Silent(kma.models.CVAE):
    """Makes no image."""

    def generate(self, *args, **kwargs):
        raise AssertionError("made images before all was checked")


@pytest.fixture(scope="module")
def silent():
    model = Silent((8, 8, 1), num_classes=4, latent_dim=4, decoder_filters=2, encoder_filters=2)
    model.compile()
    return model


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"ds": np.zeros((2, 8, 8, 1))}, "ds"),
        ({"ds": kma.datasets.load("phantom", size=16, train=8, val=4, test=4)}, "ds"),
        ({"images": np.zeros((2, 9, 9, 1)), "labels": [0, 1]}, "images"),
        ({"images": np.zeros((2, 8, 8, 1))}, "labels"),
        ({"images": np.zeros((2, 8, 8, 1)), "labels": [0, 4]}, "labels"),
        ({"labels": [0, 4]}, "labels"),
        ({"labels": [0, 1], "count": 2}, "count"),
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"history": 3}, "history"),
        ({"history": {"loss": ["low"]}}, "history"),
        ({"features": {"pixels": np.ravel}}, "features"),
        ({"features": {"mine": 3}}, "features"),
        ({"about": {"Licence": ""}}, "about"),
        ({"about": "mine"}, "about"),
        ({"classifier_steps": 0}, "classifier_steps"),
        ({"verbose": 1}, "verbose"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_wrong_arguments_are_named_before_anything_is_made(
    arguments, named, silent, data, tmp_path
):
    with pytest.raises(ValueError, match=f"^`{named}`: got .*; expected "):
        kma.model_card(**{"model": silent, "ds": data, "out": tmp_path, **arguments})
    assert not list(tmp_path.iterdir())


def test_a_classifier_is_no_generative_model(data, tmp_path):
    model = kma.models.Classifier((8, 8, 1), num_classes=4, filters=2)
    with pytest.raises(ValueError, match=r"^`model`: got a Classifier"):
        kma.model_card(model, data, tmp_path)


def test_another_number_of_classes_is_refused(silent, data, tmp_path):
    x, y = data.stored("train")
    two = kma.datasets.from_arrays(x, y % 2)
    with pytest.raises(ValueError, match=r"^`ds`: got 2 classes; expected the model's, 4"):
        kma.model_card(silent, two, tmp_path)


def test_labels_are_refused_by_a_model_without_classes(data, tmp_path, unconditional):
    with pytest.raises(ValueError, match=r"^`labels`: got labels; expected None"):
        kma.model_card(unconditional, data, tmp_path, labels=[0, 1])


@pytest.mark.parametrize("name", ["model_card.html", "model_card.json"])
def test_nothing_is_overwritten(name, silent, data, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=name):
        kma.model_card(silent, data, tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_both_files_or_none(plain, tmp_path, unconditional, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    module = sys.modules["keras_medaug.cards.model_card"]  # the name is that of the function
    monkeypatch.setattr(module, "write_json_atomic", full)
    with pytest.raises(OSError, match="no space left"):
        made(unconditional, plain, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["matplotlib.figure", "scipy"])
def test_what_is_not_installed_is_named_at_once(missing, silent, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "keras-medaug\[(plot|study)\]"'):
        kma.model_card(silent, data, tmp_path)


def test_a_card_does_not_train_the_model(plain, tmp_path, unconditional):
    before = [np.array(keras.ops.convert_to_numpy(each)) for each in unconditional.weights]
    made(unconditional, plain, tmp_path)
    for old, new in zip(before, unconditional.weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))
