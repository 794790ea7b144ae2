"""Samples drawn and measured during training."""

import csv

import keras
import numpy as np
import pytest

import keras_medaug as kma
from helpers.needs import needs
from keras_medaug.callbacks import ResumeTraining, SampleMonitor
from keras_medaug.callbacks.sample_monitor import _curves
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import register_metric, unregister_metric
from keras_medaug.metrics.samples import Samples

pytestmark = pytest.mark.one_backend

DATA = kma.datasets.load("phantom", size=8)
X, Y = (values[:96] for values in DATA.train)
VAL, VAL_LABELS = (values[:40] for values in DATA.val)
SPACES = {"pixels": kma.features.PixelFeatures(X, components=6), "mean": lambda x: x.mean((1, 2))}
SMALL = {"encoder_filters": 4, "decoder_filters": 4, "latent_dim": 4, "seed": 0}


COMPILED = {}


def new_model(num_classes=None):
    """Return a model that has yet to be trained; compiled once for all tests."""
    if num_classes in COMPILED:
        COMPILED[num_classes].reinitialize(0)
        return COMPILED[num_classes]
    model = COMPILED[num_classes] = kma.models.CVAE((8, 8, 1), num_classes=num_classes, **SMALL)
    model.compile()
    return model


def fit(model, *callbacks, epochs=4, y=None):
    labels = () if y is None else (y,)
    model.fit(X, *labels, batch_size=32, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model


def rows(folder):
    with (folder / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.each_backend
def test_it_leaves_grids_a_table_and_a_figure(tmp_path):
    monitor = SampleMonitor(tmp_path, VAL, SPACES, metrics=["kernel", "coverage"], every=2)
    fit(new_model(), monitor, epochs=5)
    names = {path.name for path in tmp_path.iterdir()} - {"tensorboard"}
    grids = {f"samples-000{epoch}.png" for epoch in (2, 4, 5)}
    assert names == {*grids, "samples.csv", "samples.png"}
    columns = ["pixels_kernel", "pixels_coverage", "mean_kernel", "mean_coverage"]
    table = rows(tmp_path)
    assert list(table[0]) == ["epoch", *columns]
    assert [int(row["epoch"]) for row in table] == [2, 4, 5]  # the last one, too
    assert [row["epoch"] for row in monitor.history] == [2, 4, 5]
    for row, kept in zip(table, monitor.history, strict=True):
        assert [float(row[name]) for name in columns] == [kept[name] for name in columns]


def test_the_values_are_those_of_the_metrics(tmp_path):
    monitor = SampleMonitor(tmp_path, VAL, SPACES, metrics=["kernel", "frechet", "recall"], every=3)
    model = fit(new_model(), monitor, epochs=3)
    made, real = (SPACES["pixels"](x) for x in (model.generate(len(VAL), seed=0), VAL))
    last = monitor.history[-1]
    assert last["pixels_kernel"] == pytest.approx(kma.metrics.kernel_distance(real, made)["value"])
    expected = kma.metrics.frechet_distance(real, made)["value"]
    assert last["pixels_frechet"] == pytest.approx(expected)
    expected = kma.metrics.manifold_scores(real, made)["recall"]["value"]
    assert last["pixels_recall"] == pytest.approx(expected)


def test_the_spectrum_is_a_column_of_its_own(tmp_path):
    """It needs no features; less of it is better."""
    options = {"metrics": ["spectral", "kernel"], "every": 2, "best": "spectral"}
    monitor = SampleMonitor(tmp_path, VAL, SPACES, **options)
    model = fit(new_model(), monitor, epochs=4)
    assert list(rows(tmp_path)[0]) == ["epoch", "spectral", "pixels_kernel", "mean_kernel"]
    values = {row["epoch"]: row["spectral"] for row in monitor.history}
    assert monitor.best_epoch == min(values, key=values.get)
    made = model.generate(len(VAL), seed=0)
    expected = kma.metrics.spectral_distance(VAL, made)["value"]
    assert values[monitor.best_epoch] == pytest.approx(expected, rel=1e-4)
    alone = SampleMonitor(tmp_path / "alone", VAL, SPACES, metrics=["spectral"], every=2)
    fit(new_model(), alone, epochs=2)
    assert list(alone.history[0]) == ["epoch", "spectral"]


@pytest.fixture
def toy():
    """A metric of a user's own, registered for one test."""

    def measure(samples):
        norms = [np.linalg.norm(rows, axis=1).mean() for rows in (samples.real, samples.drawn)]
        return {"value": abs(float(norms[1] - norms[0])), "ci95": [0.0, 9.0]}

    caption = "How far the mean norms of the features are apart."
    yield register_metric(Metric("toy", "norms", "less", caption, measure=measure))
    unregister_metric("toy")


def test_a_registered_metric_is_a_column_and_a_curve(tmp_path, toy):
    options = {"metrics": ["toy", "coverage"], "every": 1, "best": "pixels_toy"}
    monitor = SampleMonitor(tmp_path, VAL, SPACES, **options)
    model = fit(new_model(), monitor, epochs=2)
    columns = ["pixels_toy", "pixels_coverage", "mean_toy", "mean_coverage"]
    assert list(rows(tmp_path)[0]) == ["epoch", *columns]
    values = {row["epoch"]: row["pixels_toy"] for row in monitor.history}
    assert monitor.best_epoch == min(values, key=values.get)
    vectors = [SPACES["pixels"](x) for x in (VAL, model.generate(len(VAL), seed=0))]
    expected = toy.measure(Samples(*vectors))["value"]
    assert values[monitor.best_epoch] == pytest.approx(expected, rel=1e-4)
    panels = _curves(monitor.history, monitor._measured_in, "norms").axes
    assert [panel.get_ylabel() for panel in panels] == ["toy", "coverage"]
    assert [line.get_label() for line in panels[0].lines] == ["pixels", "mean"]


def test_a_metric_that_nobody_registered_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`metrics`: got \['toy'\]; expected some of kernel"):
        SampleMonitor(tmp_path, VAL, SPACES, metrics=["toy"])


@pytest.mark.each_backend
def test_training_is_not_touched(tmp_path):
    plain = fit(new_model()).get_weights()
    watched = fit(new_model(), SampleMonitor(tmp_path, VAL, SPACES, every=1)).get_weights()
    for ours, theirs in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_same_latent_vectors_are_drawn_each_time(tmp_path, monkeypatch):
    model = new_model()
    seeds = []
    original = model.generate

    def watched(n, labels=None, seed=None):
        seeds.append((n, seed))
        return original(n, labels=labels, seed=seed)

    monkeypatch.setattr(model, "generate", watched)
    fit(model, SampleMonitor(tmp_path, every=1, seed=7), epochs=2)
    assert seeds == [(64, 7)] * 2


@pytest.mark.each_backend
def test_the_best_weights_are_kept(tmp_path):
    """Those of the epoch with the least distance, and not those of the last one."""
    weights = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: weights.append([np.array(w) for w in model.get_weights()])
    )
    model = new_model()
    monitor = SampleMonitor(tmp_path, VAL, SPACES, every=1, best="mean_kernel")
    values = iter([3.0, 1.0, 2.0, 5.0])
    monitor._measured = lambda _: dict.fromkeys(monitor.columns, next(values))
    fit(model, note, monitor)
    assert monitor.best_epoch == 2
    for ours, theirs in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in tmp_path.glob("samples-best-*")] == [
        "samples-best-0002.weights.h5"
    ]


@pytest.mark.parametrize(("metric", "best"), [("kernel", 2), ("coverage", 3)])
def test_best_is_least_of_a_distance_and_most_of_a_share(tmp_path, metric, best):
    name = f"pixels_{metric}"
    monitor = SampleMonitor(tmp_path, VAL, SPACES, [metric], every=1, best=name)
    values = iter([0.3, 0.1, 0.5])
    monitor._measured = lambda _: dict.fromkeys(monitor.columns, next(values))
    fit(new_model(), monitor, epochs=3)
    assert monitor.best_epoch == best


@pytest.mark.each_backend
def test_a_training_that_goes_on_goes_on_with_the_table(tmp_path):
    """As if a kill had come after epoch 4, with the checkpoint of epoch 3."""
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    fit(new_model(), SampleMonitor(whole, VAL, SPACES, every=1, best="pixels_kernel"), epochs=5)
    model = new_model()
    fit(model, ResumeTraining(tmp_path / "state"), SampleMonitor(
        parts, VAL, SPACES, every=1), epochs=3)  # fmt: skip
    text = (parts / "samples.csv").read_text(encoding="utf-8")
    lost = text.splitlines()[-1].split(",")
    (parts / "samples.csv").write_text(text + ",".join(["4", *lost[1:]]) + "\n", encoding="utf-8")
    resumed = SampleMonitor(parts, VAL, SPACES, every=1, best="pixels_kernel")
    fit(new_model(), ResumeTraining(tmp_path / "state"), resumed, epochs=5)
    assert (parts / "samples.csv").read_text() == (whole / "samples.csv").read_text()


def test_a_table_of_others_is_refused(tmp_path):
    (tmp_path / "samples.csv").write_text("epoch,loss\n1,0.5\n", encoding="utf-8")
    with pytest.raises(ValueError, match="`folder`"):
        fit(new_model(), SampleMonitor(tmp_path, VAL, SPACES), epochs=1)
    assert (tmp_path / "samples.csv").read_text(encoding="utf-8") == "epoch,loss\n1,0.5\n"


def planted(monitor, *values):
    """Let each look find the next of these values."""
    left = iter(values)
    monitor._measured = lambda _: dict.fromkeys(monitor.columns, next(left))
    return monitor


def test_another_training_begins_anew(tmp_path):
    """Neither rows nor weights of the one before count, and others' files stay."""
    (tmp_path / "best-0009.weights.h5").write_text("a user's")
    first, other = (
        SampleMonitor(tmp_path, VAL, SPACES, every=every, best="pixels_kernel") for every in (1, 2)
    )
    fit(new_model(), planted(first, 3.0, 0.1, 2.0), epochs=3)
    fit(new_model(), planted(other, 9.0, 8.0), epochs=4)
    assert [row["epoch"] for row in rows(tmp_path)] == ["2", "4"]
    assert other.best_epoch == 4
    fit(new_model(), SampleMonitor(tmp_path), epochs=1)
    assert (tmp_path / "samples-best-0004.weights.h5").is_file()
    assert (tmp_path / "best-0009.weights.h5").read_text() == "a user's"


@pytest.mark.each_backend
def test_a_checkpoint_has_the_last_weights_not_the_best(tmp_path):
    """In whichever order the callbacks stand."""
    model = new_model()
    last = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: last.append([np.array(w) for w in model.get_weights()])
    )
    monitor = SampleMonitor(tmp_path / "m", VAL, SPACES, every=1, best="pixels_kernel")
    resume = ResumeTraining(tmp_path / "state", seconds=1000)
    fit(model, note, planted(monitor, 0.1, 0.2), resume, epochs=2)
    assert monitor.best_epoch == 1
    model.load_weights(tmp_path / "state" / "epoch-2.weights.h5")
    for ours, theirs in zip(model.get_weights(), last[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_look_that_a_kill_prevented_is_made_up_for(tmp_path):
    fit(new_model(), ResumeTraining(tmp_path / "state"), epochs=2)
    monitor = SampleMonitor(tmp_path / "m", VAL, SPACES, every=2)
    fit(new_model(), ResumeTraining(tmp_path / "state"), monitor, epochs=2)  # nothing is left
    assert [row["epoch"] for row in monitor.history] == [2]


def test_of_weights_that_are_gone_none_are_best(tmp_path):
    monitor = planted(
        SampleMonitor(tmp_path / "m", VAL, SPACES, every=1, best="pixels_kernel"), 0.1, 0.2
    )
    fit(new_model(), ResumeTraining(tmp_path / "state"), monitor, epochs=2)
    (tmp_path / "m" / "samples-best-0001.weights.h5").unlink()
    other = planted(SampleMonitor(tmp_path / "m", VAL, SPACES, every=1, best="pixels_kernel"), 0.3)
    fit(new_model(), ResumeTraining(tmp_path / "state"), other, epochs=3)
    assert other.best_epoch == 3


def test_images_that_are_not_finite_do_not_end_the_training(tmp_path, monkeypatch):
    model = new_model()
    monkeypatch.setattr(model, "generate", lambda n, **_: np.full((n, 8, 8, 1), np.nan, "float32"))
    monitor = SampleMonitor(tmp_path, VAL, SPACES, every=1, best="pixels_kernel")
    fit(model, monitor, epochs=1)
    assert np.isnan(monitor.history[0]["pixels_kernel"])
    assert monitor.best_epoch is None


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (np.full((40, 8, 8, 1), 1.5), "`model.generate`: got values from 1.5"),
        (np.zeros((40, 8, 8)), "`model.generate`: got"),
        (np.zeros((40, 9, 8, 1)), "`model.generate`: got"),
        (np.zeros((39, 8, 8, 1)), "`model.generate`: got 39 images"),
    ],
)
def test_a_result_of_generate_that_is_not_images_is_refused(tmp_path, monkeypatch, made, message):
    model = new_model()
    monkeypatch.setattr(model, "generate", lambda *_, **__: made)
    with pytest.raises(ValueError, match=message):
        fit(model, SampleMonitor(tmp_path, VAL, SPACES, every=1), epochs=1)


@pytest.mark.one_backend
def test_classes_may_have_the_names_that_the_model_knows(tmp_path):
    model = kma.models.CVAE((8, 8, 1), class_names=["a", "b", "c", "d"], **SMALL)
    model.compile(run_eagerly=True)
    names = np.array(model.class_names)
    monitor = SampleMonitor(tmp_path / "known", labels=names[VAL_LABELS])
    fit(model, monitor, epochs=1, y=Y)
    assert monitor.labels.tolist() == VAL_LABELS.tolist()
    with pytest.raises(ValueError, match=r"`labels`: got names that are not known: 'e'"):
        fit(model, SampleMonitor(tmp_path / "unknown", labels=["a", "e"]), epochs=1, y=Y)


@pytest.mark.parametrize("labels", [None, VAL_LABELS])
def test_a_conditional_model_makes_the_classes_that_are_wanted(tmp_path, monkeypatch, labels):
    model = new_model(num_classes=DATA.num_classes)
    asked = []
    original = model.generate

    def watched(n, labels=None, seed=None):
        asked.append(np.asarray(labels))
        return original(n, labels=labels, seed=seed)

    monkeypatch.setattr(model, "generate", watched)
    monitor = SampleMonitor(tmp_path, VAL, SPACES, every=1, labels=labels)
    fit(model, monitor, epochs=1, y=Y)
    expected = np.arange(len(VAL)) % DATA.num_classes if labels is None else labels
    np.testing.assert_array_equal(asked[0], expected)


@pytest.mark.each_backend
@pytest.mark.parametrize("kind", [kma.models.DCGAN, kma.models.VAEGAN])
def test_models_of_several_networks(tmp_path, kind):
    filters = {"discriminator_filters": 4, "latent_dim": 4, "seed": 0}
    filters |= (
        {"generator_filters": 4}
        if kind is kma.models.DCGAN
        else {"encoder_filters": 4, "decoder_filters": 4}
    )
    model = kind((8, 8, 1), **filters)
    model.compile()
    monitor = SampleMonitor(tmp_path, VAL, SPACES, every=1, best="pixels_kernel")
    fit(model, monitor, epochs=2)
    assert monitor.best_epoch in (1, 2)
    before = model.get_weights()
    fit(model, epochs=1)  # it trains on
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_tensorboard_gets_the_values(tmp_path):
    event_accumulator = needs("tensorboard.backend.event_processing.event_accumulator")
    monitor = SampleMonitor(tmp_path, VAL, SPACES, ["kernel"], every=1)
    fit(new_model(), monitor, epochs=2)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    table = [(e.step, e.tensor_proto.float_val[0]) for e in events.Tensors("samples/mean_kernel")]
    kept = [(row["epoch"], pytest.approx(row["mean_kernel"], rel=1e-5)) for row in monitor.history]
    assert table == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "`every`"),
        ({"held_out": VAL}, "`features`: got nothing"),
        ({"features": SPACES}, "`held_out`: got nothing"),
        ({"held_out": VAL[:10], "features": SPACES}, "`held_out`: got 10 images"),
        ({"metrics": ["fid"]}, r"`metrics`: got \['fid'\]"),
        ({"metrics": "kernel"}, "`metrics`: got 'kernel'"),
        ({"best": "pixels_kernel"}, "`best`"),
        ({"held_out": VAL, "features": SPACES, "best": "kernel"}, "`best`: got 'kernel'"),
        ({"held_out": VAL, "features": SPACES, "labels": [0, 1]}, "`labels`: got 2 labels"),
    ],
)
def test_what_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        SampleMonitor(tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0, 1] * 20}, "`labels`: got labels"),
        ({"held_out": np.zeros((30, 9, 9, 1)), "features": {"a": lambda x: x[:, 0, :, 0]}},
         r"`held_out`: got images of shape \(9, 9, 1\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_model_is_refused_before_training(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fit(new_model(), SampleMonitor(tmp_path, **options), epochs=1)


def test_a_model_that_makes_no_images_is_refused(tmp_path):
    model = kma.models.Classifier((8, 8, 1), 4, filters=4)
    model.compile()
    with pytest.raises(ValueError, match="`model`: got a Classifier"):
        model.fit(X, Y, verbose=0, callbacks=[SampleMonitor(tmp_path)])
