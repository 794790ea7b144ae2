"""The model card: what it says, what it refuses, and that its page needs nothing else."""

import base64
import copy
import functools
import hashlib
import io
import re
import sys
from html.parser import HTMLParser

import jinja2
import keras
import numpy as np
import pytest
from PIL import Image

import keras_medaug as kma
from helpers.rounding import assert_close
from keras_medaug.cards.content import DUPLICATES
from keras_medaug.cards.page import render, template
from keras_medaug.cards.readings import read_quality
from keras_medaug.cards.subject import numbered
from keras_medaug.metrics import registry
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registration import NAMES

pytestmark = pytest.mark.one_backend

FRACTIONS = ("shares", "other_shares")
COUNTS = [35, 20, 25, 22]
LABELS = np.repeat(np.arange(4, dtype="int32"), COUNTS)
LOADING = {"script", "link", "iframe", "object", "embed", "form", "base", "a"}


class Page(HTMLParser):
    """Collects the elements of a page, the text in each kind, and tables by their captions."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, []
        self.tables, self._rows = {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self._open.append(tag)
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        tag = self._open[-1] if self._open else ""
        self.texts.setdefault(tag, []).append(data)
        if tag == "caption":
            self.tables[data] = self._rows
        elif tag in {"td", "th"}:
            self._rows[-1][-1] += data

    def table(self, caption):
        """Return the rows of the table whose caption begins so, without the first."""
        (rows,) = (rows for text, rows in self.tables.items() if text.startswith(caption))
        return rows[1:]

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def made(model, data, folder, **arguments):
    """Return a card that is made as fast as can be."""
    return kma.model_card(
        model, data, folder, **{"classifier_steps": 2, "verbose": False, "count": 40, **arguments}
    )


# ---- what it says ---------------------------------------------------------------------------


@pytest.mark.each_backend
def test_the_json_file_holds_the_card(written, stored):
    assert stored == written[1]
    assert sorted(path.name for path in written[0].iterdir()) == [
        "model_card.html", "model_card.json",
    ]  # fmt: skip


def test_the_card_tells_what_the_images_are(stored, model, data):
    images = model.generate(len(LABELS), LABELS, seed=0)
    assert stored["images"]["counts"] == COUNTS
    saved = kma.datasets.from_arrays(np.rint(images * 255).astype("uint8"), LABELS)
    assert stored["images"]["md5"] == saved.md5
    assert stored["model"]["class"] == "keras_medaug>CVAE"
    assert stored["model"]["config"]["latent_dim"] == 4
    assert stored["model"]["parameters"] == model.count_params()
    assert stored["model"]["steps"] == 2 * -(-len(data.train[0]) // 32)
    assert stored["source"]["md5"] == data.md5
    assert stored["source"]["counts"]["val"] == np.bincount(data.val[1]).tolist()
    assert stored["versions"]["keras"] == keras.__version__
    assert stored["features"]["classifier"]["steps"] == 5


@pytest.mark.each_backend
def test_numbers_are_those_of_the_functions(stored, model, data):
    """What the card repeats is what a user gets who calls the functions."""
    images, labels = (
        np.rint(model.generate(len(LABELS), LABELS, seed=0) * 255).astype("uint8"),
        LABELS,
    )
    train, val, test = (data.stored(split) for split in ("train", "val", "test"))
    seed = functools.partial(kma.seeds.derive_seed, 0)
    classifier = kma.features.ClassifierFeatures(*train, steps=5, seed=seed("classifier"))
    spaces = {
        "classifier": classifier,
        "pixels": kma.features.PixelFeatures(train[0], seed=seed("pixels")),
        "means": lambda images: np.asarray(images).mean(axis=(1, 2)),
    }
    held_out = np.concatenate([val[0], test[0]])
    audit = kma.metrics.copy_audit(images, train[0], held_out, classifier)
    quality = kma.metrics.sample_quality(
        images, train[0], val[0], spaces, labels, train[1], val[1], seed=seed("quality")
    )
    two_sample = kma.metrics.two_sample_auc(
        images, train[0], spaces["pixels"], seed=seed("two-sample"), held_out=val[0]
    )
    assert_close(stored["copy_audit"], audit, rel=1e-6, looser=NAMES)
    assert_close(stored["quality"], quality, rel=1e-6)
    assert_close(stored["two_sample"], two_sample, rel=1e-6)
    assert stored["features"]["classifier"] == classifier.card
    fitted = classifier.classifier
    assert stored["labels"]["fidelity"] == kma.metrics.label_fidelity(
        fitted, images, labels, *val, class_names=data.class_names
    )
    confidence = [kma.metrics.mean_confidence(fitted, x) for x in (images, val[0])]
    assert [stored["labels"][name] for name in ("confidence", "held_out_confidence")] == confidence
    checks = stored["checks"]
    assert checks["diversity"] == kma.metrics.diversity(
        images, train[0], labels, train[1], seed("diversity"), data.class_names
    )
    assert checks["classifier"] == kma.metrics.collapsed_classifier(
        val[1], fitted.logits(val[0]), data.class_names
    )
    for split, (x, y) in (("val", val), ("test", test)):
        assert checks["prior_shift"][split] == kma.metrics.prior_shift(
            train[1], y, 4, data.class_names
        )
        duplicates = kma.metrics.near_duplicates(x, train[0], y, train[1])
        assert checks["duplicates"][split].items() <= duplicates.items()


def test_a_sure_classifier_is_ranked_by_its_logits(data, tmp_path, untrained, monkeypatch):
    """As probabilities of float32 these are all exactly 0 or 1, and tie."""

    def sure(x):
        return np.random.default_rng(0).normal(100 * np.eye(4)[0], 10, (len(x), 4)).astype("f4")

    outputs = kma.features.ClassifierFeatures.outputs
    monkeypatch.setattr(
        kma.features.ClassifierFeatures,
        "outputs",
        lambda self, x: {**outputs(self, x), "logits": sure(x)},
    )
    card = made(untrained, data, tmp_path)
    images, labels = data.stored("val")
    expected = kma.metrics.collapsed_classifier(labels, sure(images), data.class_names)
    assert card["checks"]["classifier"] == expected


def test_the_training_is_that_of_the_last_fit(stored, model):
    assert stored["training"]["epochs"] == 2
    assert stored["training"]["history"] == model.history.history


@pytest.mark.each_backend
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
    for part in (
        "no step of training", "40 of 40 images are exact copies", "may be one image",
        "Validation split: 30 of 30 images are near-duplicates of a training image",
        "Training and test split: Class 'd' is",
    ):  # fmt: skip
        assert part in text
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert html.index("no step of training") < html.index("Samples")
    assert card["images"]["generated"] is False
    assert card["images"]["seed"] is None


def test_what_any_check_says_is_among_the_warnings(stored):
    from keras_medaug.cards.content import warnings_of

    counts = {"synthetic": 102, "training": 130, "held-out": 97}
    card = copy.deepcopy(stored)
    checks = card["checks"]
    places = [
        checks["diversity"], checks["classifier"], card["labels"]["fidelity"],
        *checks["duplicates"].values(), *checks["prior_shift"].values(),
    ]  # fmt: skip
    for number, check in enumerate(places):
        check["warning"] = f"warning {number}."
    text = " ".join(warnings_of(card, counts, show_real=True))
    assert len(places) == 8
    assert all(f"warning {number}." in text for number in range(8))


@pytest.mark.one_backend
def test_labels_that_are_wrong_are_seen(data, tmp_path, untrained):
    """Real images under the labels of others, to a classifier that has learned the classes."""
    x, y = data.stored("train")
    order = np.argsort(y, kind="stable")
    right = {"images": x[order], "labels": y[order]}
    wrong = {"images": x[order], "labels": (y[order] + 1) % 4}
    cards = [
        made(untrained, data, tmp_path / name, count=None, classifier_steps=150, **given)
        for name, given in (("right", right), ("wrong", wrong))
    ]
    warnings = [card["labels"]["fidelity"]["warning"] for card in cards]
    assert warnings[0] is None
    assert "labels may be wrong" in warnings[1]
    assert warnings[1] in cards[1]["warnings"]


def test_a_model_without_classes(data, tmp_path, unconditional):
    card = made(unconditional, data, tmp_path)
    assert card["images"]["count"] == 40
    assert card["images"]["counts"] is None
    assert card["quality"]["classes"] is None
    assert card["labels"]["fidelity"] is None
    assert not any("show their classes" in text for text in card["warnings"])
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
    assert card["checks"]["classifier"] is None
    assert set(card["features"]) == {"pixels"}
    assert any("there are 7 synthetic, 0 held-out" in text for text in card["warnings"])
    assert any("no held-out images" in text for text in card["notes"])
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert "Distances were not measured; see above." in html
    assert "Labels" not in Page(html).texts["h2"]


def test_a_small_validation_split_is_joined_by_the_test_split(plain, tmp_path, unconditional):
    x, y = plain.stored("val")
    few = kma.datasets.Dataset("few", plain.stored("train"), (x[:12], y[:12]), plain.stored("test"))
    card = made(unconditional, few, tmp_path)
    assert card["held_out"] == {
        "splits": ["val", "test"], "count": 44, "audit_splits": ["val", "test"], "audit_count": 44,
    }  # fmt: skip
    assert card["quality"]["count"] == 40


def test_8_bit_images_are_taken_as_they_are(plain, tmp_path, unconditional):
    images = np.rint(plain.val[0] * 255).astype("uint8")
    cards = [
        made(unconditional, plain, tmp_path / str(number), images=given, count=None)
        for number, given in enumerate((images, images / np.float32(255)))
    ]
    assert cards[0]["quality"] == cards[1]["quality"]
    assert cards[0]["copy_audit"]["exact_copies"] == cards[1]["copy_audit"]["exact_copies"]


def test_leaks_are_counted_in_the_split_where_they_are(plain, tmp_path, unconditional):
    splits = {name: plain.stored(name) for name in ("train", "val", "test")}
    leaks = {"train": 2, "val": 3, "test": 5}
    for split, count in leaks.items():
        x, y = (array.copy() for array in splits[split])
        x[-count:] = splits["train"][0][:count]
        splits[split] = x, y
    card = made(unconditional, kma.datasets.Dataset("leaky", **splits), tmp_path)
    exact = {name: check["exact"] for name, check in card["checks"]["duplicates"].items()}
    assert exact == leaks


def test_how_many_images_are_made(data, plain, tmp_path, model, unconditional):
    """As many as training images, but not fewer than 100; and of each class its share."""
    x, y = plain.stored("train")
    few, many = kma.datasets.from_arrays(x[:30], y[:30]), plain
    for name, of, count in (("a", few, 100), ("b", many, 130)):
        card = made(unconditional, of, tmp_path / name, count=None)
        assert card["images"]["count"] == count
    labels = np.int32([0] * 15 + [2] * 15)
    card = made(model, data, tmp_path / "c", count=None, labels=labels)
    assert card["images"]["counts"] == [15, 0, 15, 0]
    assert list(card["quality"]["classes"].values()) == [None] * 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"loss": [1, 2.5]}, {"loss": [1.0, 2.5]}),
        ({"loss": [np.float32(0.5), float("nan")], "none": []}, {"loss": [0.5, None]}),
        ([{"loss": 2.0, "kl": 1}, {"loss": 1.5, "kl": 2}], {"loss": [2.0, 1.5], "kl": [1.0, 2.0]}),
    ],
)
def test_a_history_may_be_given(given, expected, plain, tmp_path, unconditional):
    assert made(unconditional, plain, tmp_path, history=given)["training"]["history"] == expected


def test_values_that_not_every_epoch_has_are_left_out(plain, tmp_path, unconditional):
    """As those of validation, where it is not after every epoch. The page says whose they are."""
    model = type(unconditional).from_config(unconditional.get_config())
    model.compile()
    x = plain.train[0]
    model.fit(x, epochs=2, verbose=0, validation_data=(plain.val[0],), validation_freq=2)
    training = made(model, plain, tmp_path)["training"]
    assert {len(values) for values in training["history"].values()} == {2}
    assert not any(name.startswith("val_") for name in training["history"])
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert "those of the last call of fit" in html


def test_labels_that_cannot_be_checked_are_warned_of(data, tmp_path, untrained):
    x, y = data.stored("val")
    only = kma.datasets.Dataset("x", data.stored("train"), (x[y == 1], y[y == 1]))
    card = made(untrained, only, tmp_path)
    assert card["labels"]["fidelity"] is None
    assert any("show their classes was not looked at" in text for text in card["warnings"])


def test_progress_is_printed_with_the_time_left(plain, tmp_path, unconditional, capsys):
    made(unconditional, plain, tmp_path, verbose=True)
    printed = capsys.readouterr()
    first, *_, last = printed.err.splitlines()
    assert first == "[  0%, 0 s gone, estimating] 0/7: making images"
    assert re.fullmatch(r"model card: done in \d+ s", last)
    assert printed.out == f"Model card: {tmp_path / 'model_card.html'}\n"


def test_real_images_can_be_left_out(data, tmp_path, model, monkeypatch):
    """Nothing of them is on the page, neither beside the samples nor as pairs."""
    from keras_medaug.cards import figures

    drawn = []
    grid = kma.plotting.image_grid
    monkeypatch.setattr(
        figures.plotting, "image_grid", lambda x, *a: (drawn.append(x), grid(x, *a))[1]
    )
    monkeypatch.setattr(figures.plotting, "nearest_pairs", None)
    training = data.stored("train")[0]
    images = np.rint(model.generate(40, np.repeat(range(4), 10), seed=0) * 255).astype("uint8")
    images[::10] = training[:4]  # exact copies are real images as well
    card = made(
        model, data, tmp_path, images=images, labels=np.repeat(range(4), 10), count=None,
        show_real=False,
    )  # fmt: skip
    shown = {image.tobytes() for grid in drawn for image in grid.array}
    assert len(drawn) == 4
    assert shown == {image.tobytes() for number, image in enumerate(images) if number % 10}
    assert any("Look at them: the JSON file lists them" in text for text in card["warnings"])
    parsed = Page((tmp_path / "model_card.html").read_text(encoding="utf-8"))
    assert "training images" not in " ".join(parsed.texts["figcaption"])
    assert not any("This page shows real images" in text for text in parsed.texts["li"])


def test_a_page_with_real_images_says_so(page):
    assert any("This page shows real images" in text for text in Page(page).texts["li"])


def test_images_unlike_real_ones_are_warned_of(plain, tmp_path, unconditional):
    """Noise: no check of copies or collapse finds fault with it."""
    noise = np.random.default_rng(0).random((60, 8, 8, 1))
    card = made(unconditional, plain, tmp_path, images=noise, count=None)
    assert any("have a synthetic image near them" in w for w in card["warnings"])


@pytest.mark.parametrize(
    ("name", "value", "warned"),
    [
        ("precision", [0.1, 0.2], True), ("precision", [0.1, 0.3], False),
        ("coverage", [0.0, 0.2], True), ("recall", [0.0, 0.1], False),
    ],
)  # fmt: skip
def test_a_share_is_far_below_its_floor_by_the_intervals(name, value, warned):
    from keras_medaug.cards.sentences import far_below

    floor = {"value": 0.7, "ci95": [0.5, 0.9]}
    good = {"value": 0.7, "ci95": [0.5, 0.9], "floor": floor}
    measured = dict.fromkeys(("precision", "recall", "coverage"), good)
    measured[name] = {"value": sum(value) / 2, "ci95": value, "floor": floor}
    assert len(far_below({"spaces": {"pixels": measured}})) == warned


def test_real_images_are_not(plain, tmp_path, unconditional):
    """Images that training has not seen: what the best of generators would make."""
    x, y = plain.stored("val")
    data = kma.datasets.Dataset("x", plain.stored("train"), (x[:48], y[:48]))
    card = made(unconditional, data, tmp_path, images=x[48:], count=None)
    # At 8 pixels and with 48 held-out images, chance may make a suspect of one in fifty.
    assert card["copy_audit"]["suspect_count"] <= 0.05 * card["copy_audit"]["count"]
    expected = ("no step", "Suspected copies: ")
    others = [text for text in card["warnings"] if not any(part in text for part in expected)]
    assert others == []


def test_the_steps_of_a_model_that_is_not_compiled_are_not_known(plain, tmp_path, unconditional):
    model = type(unconditional).from_config(unconditional.get_config())
    assert made(model, plain, tmp_path)["warnings"][0].startswith("The model is not compiled")


def test_classes_without_images_are_named(data, tmp_path, untrained):
    labels = np.int32([0] * 20 + [2] * 20)
    made(untrained, data, tmp_path, labels=labels, count=None)
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    names = numbered(data.class_names)
    text = f"There is no synthetic image of: {names[1]}; {names[3]}."
    assert any(text in paragraph for paragraph in Page(html).texts["p"])


# ---- the page -------------------------------------------------------------------------------


def test_the_page_loads_nothing(page):
    parsed = Page(page)
    assert not LOADING & {tag for tag, _ in parsed.elements}
    assert all(image["src"].startswith("data:image/png;base64,") for image in parsed.of("img"))
    assert not [name for _, given in parsed.elements for name in given if name in {"href", "style"}]
    assert not re.search(r"https?:|url\(|@import", page)


def test_the_page_forbids_scripts_and_connections(page):
    parsed = Page(page)
    policies = [meta["content"] for meta in parsed.of("meta") if "http-equiv" in meta]
    style = parsed.texts["style"][0].encode()
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    expected = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
    assert policies == [f"{expected}base-uri 'none'; form-action 'none'"]


def test_names_are_text_and_never_markup(page, stored):
    hostile = stored["class_names"][0]
    parsed = Page(page)
    assert hostile.startswith("<script>")
    assert any(hostile in text for text in parsed.texts["th"])
    assert any(hostile in text for text in parsed.texts["figcaption"])
    assert f"None. {hostile}" in parsed.texts["dd"]
    assert parsed.texts["title"] == ["Model card: CVAE trained on phantom <b>8</b>"]


def test_pictures_are_whole_and_described(page):
    pictures = Page(page).of("img")
    for picture in pictures:
        content = base64.b64decode(picture["src"].partition(",")[2], validate=True)
        image = Image.open(io.BytesIO(content))
        image.load()
        assert np.asarray(image.convert("L")).std() > 1  # something is drawn
        assert len(picture["alt"]) > 10
    # two of each class, a chart for each space, the nearest pairs, and three curves
    assert len(pictures) == 8 + 3 + 1 + 3


def number(value):
    return "-" if value is None else f"{value:.3g}"


def percent(value):
    return "-" if value is None else f"{value:.1%}"


def interval(value):
    low, high = value["ci95"]
    return f"{number(value['value'])} [{number(low)}, {number(high)}]"


def test_the_tables_beside_real_images_are_those_of_the_card(page, stored):
    parsed = Page(page)
    for space, measured in stored["quality"]["spaces"].items():
        rows = parsed.table(f"In the space {space!r}")
        assert [row[1] for row in rows] == [interval(value) for value in measured.values()]
        assert [row[2] for row in rows] == [interval(value["floor"]) for value in measured.values()]
        smallest = [
            number(read["smallest_difference"]) for read in stored["readings"][space].values()
        ]
        assert [row[4].rpartition(" ")[2].rstrip(")") for row in rows] == smallest
        words = dict(zip(measured, (row[0].split()[0].lower() for row in rows), strict=True))
        assert words == {name: name.replace("frechet", "fréchet") for name in measured}
    expected = []
    for label, name in enumerate(numbered(stored["class_names"])):
        of_class = stored["quality"]["classes"][str(label)]
        expected += [] if of_class is None else [
            [
                name, space,
                *(
                    f"{number(values[key]['value'])} ({number(values[key]['floor']['value'])})"
                    for key in ("kernel", "precision", "coverage")
                ),
            ]
            for space, values in of_class["spaces"].items()
        ]  # fmt: skip
    assert parsed.table("By class") == expected


def test_a_new_metric_is_in_tables_and_explanations(stored, monkeypatch):
    """It is registered and measured, and no file of the cards knows its name."""
    toy = Metric(
        "toy", "toy distance", "less", "How far apart <toys> are.", measure=lambda _: {"value": 0.0}
    )
    monkeypatch.setattr(registry, "_METRICS", registry.metrics() | {"toy": toy})
    card = copy.deepcopy(stored)
    reference = {"value": 0.125, "ci95": [0.1, 0.2]}
    for measured in card["quality"]["spaces"].values():
        measured["toy"] = {"value": 0.75, "ci95": [0.7, 0.8], "floor": reference}
    card["readings"] = read_quality(card["quality"])
    parsed = Page(render(card, {}))
    for space in card["quality"]["spaces"]:
        assert parsed.table(f"In the space {space!r}")[-1] == [
            "toy distance \u2193", "0.75 [0.7, 0.8]", "0.125 [0.1, 0.2]",
            "worse than unseen real images", "above 0.25 (a difference of 0.125)",
        ]  # fmt: skip
    assert "toy distance" in parsed.texts["dt"]
    assert "How far apart <toys> are." in parsed.texts["dd"]
    assert f"Of {3 * 7} numbers that compare" in " ".join(parsed.texts["li"])


def test_a_name_that_the_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="has no attribute 'source'"):
        template().render(card={})


def test_the_table_of_distances_is_that_of_the_card(page, stored):
    assert Page(page).table("Distances to training images") == [
        [
            name,
            number(space["nearest"]["median"]),
            number(space["held_out"]["median"]),
            percent(space["nearer_than_held_out_01"]),
            number(space["relative"]["min"]),
            number(space["relative"]["limit"]),
            percent(space["authentic"]),
            percent(space["held_out"]["authentic"]),
        ]
        for name, space in stored["copy_audit"]["spaces"].items()
    ]


def test_the_tables_of_classes_are_those_of_the_card(page, stored):
    parsed, data, checks = Page(page), stored["source"], stored["checks"]
    names, fidelity = numbered(stored["class_names"]), stored["labels"]["fidelity"]
    assert parsed.table("Classes") == [
        [
            name, str(COUNTS[k]), str(stored["labels"]["seen"][k]),
            percent(fidelity["by_class"][k]), percent(fidelity["held_out_by_class"][k]),
            number(checks["diversity"]["by_class"][k]),
        ]
        for k, name in enumerate(names)
    ]  # fmt: skip
    splits = ("train", "val", "test")
    counts = [[name, *(str(data["counts"][s][k]) for s in splits)] for k, name in enumerate(names)]
    total = ["all", *(str(sum(data["counts"][split])) for split in splits)]
    assert parsed.table("Images by class and split") == [*counts, total]
    assert parsed.table("Images that are in the training split as well") == [
        [word, *(str(checks["duplicates"][split][key]) for key in DUPLICATES[:3])]
        for split, word in zip(splits, ("training", "validation", "test"), strict=True)
    ]
    shifts = checks["prior_shift"]
    assert parsed.table("How common classes are") == [
        [
            word, names[shifts[split]["class"]],
            *(percent(shifts[split][key][shifts[split]["class"]]) for key in FRACTIONS),
        ]
        for split, word in (("val", "validation"), ("test", "test"))
    ]  # fmt: skip


def test_warnings_and_notes_are_on_the_page(page, stored):
    for text in (*stored["warnings"], *stored["notes"]):
        assert text in Page(page).texts["li"]


def test_the_first_line_is_the_two_sample_test(page, stored):
    parsed, test = Page(page), stored["two_sample"]
    assert list(stored)[:2] == ["summary", "two_sample"]
    assert f"AUC {test['auc']:.2f} " in stored["summary"]
    assert f"real images: {test['reference']['auc']:.2f} " in stored["summary"]
    assert page.index(stored["summary"]) < page.index("warnings</strong>")
    assert parsed.texts["strong"][0] == stored["summary"]
    rows = parsed.table("Classifier two-sample test")
    assert [row[1] for row in rows] == [str(test["count"]), str(test["reference"]["count"])]
    assert [row[2].split()[0] for row in rows] == [
        f"{test['auc']:.2f}", f"{test['reference']['auc']:.2f}",
    ]  # fmt: skip


def test_blur_is_told_first_although_no_number_is_called_worse(plain, tmp_path, unconditional):
    """On a small set intervals are wide: what was called "no different" is told apart."""
    train, val = plain.stored("train")[0][:60], plain.stored("val")[0]
    real = val[30:70].astype("float32") / 255
    blurred = real + sum(np.roll(real, step, axis=axis) for step in (-1, 1) for axis in (1, 2))
    few = kma.datasets.Dataset(
        "few", (train, np.zeros(60, int)), (val[:24], np.zeros(24, int))
    )  # fmt: skip
    card = made(unconditional, few, tmp_path, images=blurred / 5, count=None)
    readings = [read["reading"] for read in card["readings"]["pixels"].values()]
    assert readings.count("same") >= 4
    assert card["two_sample"]["auc"] > 0.9 > card["two_sample"]["reference"]["auc"]
    html = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert "no different" not in html
    assert f"no difference seen: {readings.count('same')}" in html
    assert "24 held-out images a difference can be too small to see" in html
    assert card["sharpness"]["high_frequency_ratio"] < 0.5
    assert any("they are blurred" in warning for warning in card["warnings"])


def nine_classes(count):
    """Return 9 classes of so many training images, a few of them held out."""
    data = kma.datasets.load("phantom", size=8, train=9 * count, val=27, test=4)
    labels = {"train": np.arange(9 * count) % 9, "val": np.arange(27) % 9}
    return kma.datasets.Dataset(
        "nine", *((data.stored(split)[0], y) for split, y in labels.items())
    )


def test_the_card_that_is_returned_does_not_flood_a_notebook(written):
    lines = repr(written[1]).splitlines()
    assert len(lines) == len(written[1])
    assert max(map(len, lines)) < 100


def test_warnings_speak_of_classes_by_name(stored):
    of_classes = [warning for warning in stored["warnings"] if "class" in warning.lower()]
    assert any(repr(name) in " ".join(of_classes) for name in stored["class_names"])
    assert not [text for text in of_classes if re.search(r"class(es)? \d", text, re.IGNORECASE)]


def test_classes_with_too_few_images_take_one_line(tmp_path):
    data = nine_classes(10)
    model = kma.models.CVAE(
        (8, 8, 1), num_classes=9, latent_dim=4, encoder_filters=4, decoder_filters=4, seed=0
    )
    model.compile()
    made(model, data, tmp_path, labels=np.repeat(range(9), 5), count=None)
    page = (tmp_path / "model_card.html").read_text(encoding="utf-8")
    assert page.count("oo few images to compare") == 1
    assert "Too few images to compare any class alone: that takes 20 synthetic" in page
    assert "too few images</td>" not in page


def test_the_charts_are_of_the_images_and_of_the_reference_values(stored, monkeypatch):
    from keras_medaug.cards import figures

    drawn = []
    monkeypatch.setattr(figures.plotting, "bars_with_intervals", lambda *a, **_: drawn.append(a))
    monkeypatch.setattr(figures, "_picture", lambda *_: None)
    figures._quality(stored["quality"])
    for (groups, series, _), measured in zip(
        drawn, stored["quality"]["spaces"].values(), strict=True
    ):
        of_images, floor = series.values()
        assert of_images == [measured[name]["value"] for name in groups]
        assert floor == [measured[name]["floor"]["value"] for name in groups]


def test_samples_are_of_the_class_that_the_caption_names(data, untrained, monkeypatch):
    """Images that are as bright as their class tells."""
    from keras_medaug.cards import figures
    from keras_medaug.cards.subject import Subject

    shades = np.arange(4, dtype="uint8") * 60
    x, y = data.stored("train")
    real = kma.datasets.from_arrays(shades[y][:, None, None, None] + x * 0, y)
    images = shades[LABELS][:, None, None, None] * np.ones((1, 8, 8, 1), "uint8")
    subject = Subject(untrained, real, images, LABELS, 0, True)
    monkeypatch.setattr(figures, "_grid", lambda images, caption: (images, caption))
    drawn = figures._samples(subject, show_real=True)
    assert [caption.partition(":")[0] for _, caption in drawn] == [*"00112233"]
    assert [caption.split()[-2] for _, caption in drawn] == ["training", "synthetic"] * 4
    for number, (shown, _) in enumerate(drawn):
        assert set(np.unique(shown)) == {shades[number // 2]}
        assert len(shown) == 20


# ---- what it refuses ------------------------------------------------------------------------


class Silent(kma.models.CVAE):
    """Makes no image."""

    def generate(self, *args, **kwargs):
        raise AssertionError("made images before all was checked")


class Carded:
    """An extractor with something on its card."""

    def __init__(self, value):
        self.card = {"value": value}

    def __call__(self, images):
        return images.mean(axis=(1, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda count: np.zeros((count, 8, 8)),
        lambda count: np.full((count, 8, 8, 1), -1.0),
        lambda count: np.full((count, 8, 8, 1), np.nan),
        lambda count: np.zeros((count // 2, 8, 8, 1)),
        lambda count: np.zeros((count, 9, 8, 1)),
        lambda count: [None] * count,
    ],
)
def test_what_the_model_makes_is_checked_before_anything_else(wrong, data, tmp_path):
    model = type("Wrong", (Silent,), {"generate": lambda self, n, labels, seed: wrong(n)})
    silent = model((8, 8, 1), num_classes=4, latent_dim=4, decoder_filters=2, encoder_filters=2)
    with pytest.raises(RuntimeError, match=r"does not make images as it should: `model\.generate`"):
        kma.model_card(silent, data, tmp_path, verbose=False)


def test_an_extractor_needs_no_kind_on_its_card(plain, tmp_path, unconditional):
    card = made(unconditional, plain, tmp_path, features={"mine": Carded(3)})
    assert card["features"]["mine"] == {"kind": "Carded", "value": 3}


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
        ({"history": {"loss": [1j]}}, "history"),
        ({"history": {"loss": [1, 2], "val_loss": [1]}}, "history"),
        ({"history": {"\ud800": [1]}}, "history"),
        ({"features": {"pixels": np.ravel}}, "features"),
        ({"features": {"mine": 3}}, "features"),
        ({"about": {"Licence": ""}}, "about"),
        ({"about": "mine"}, "about"),
        ({"classifier_steps": 0}, "classifier_steps"),
        ({"verbose": 1}, "verbose"),
        ({"show_real": 1}, "show_real"),
        ({"out": None}, "out"),
        ({"out": __file__}, "out"),
        ({"out": f"{__file__}/card"}, "out"),
        ({"about": {"Licence": "\ud800"}}, "about"),
        ({"features": {"\ud800": np.ravel}}, "features"),
        ({"features": {"flat": np.ravel}}, r"features\['flat'\]"),
        ({"features": {"mine": Carded(np.nan)}}, r"features\['mine'\]"),
        ({"features": {"no": lambda x: x.nothing}}, r"features\['no'\]"),
    ],
    ids=lambda value: value.partition("[")[0] if isinstance(value, str) else "-".join(value),
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


@pytest.mark.parametrize("missing", ["matplotlib.figure", "scipy", "jinja2"])
def test_what_is_not_installed_is_named_at_once(missing, silent, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "keras-medaug\[(plot|study)\]"'):
        kma.model_card(silent, data, tmp_path)


def test_a_card_does_not_train_the_model(plain, tmp_path, unconditional):
    before = [np.array(keras.ops.convert_to_numpy(weight)) for weight in unconditional.weights]
    made(unconditional, plain, tmp_path)
    for old, new in zip(before, unconditional.weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))
