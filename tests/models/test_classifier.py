"""The paper's classifier: what it learns, returns, and takes."""

import keras
import numpy as np
import pytest


def stripes():
    """Return images that any classifier can tell apart: bright above or bright below."""
    rng = np.random.default_rng(0)
    x = 0.2 * rng.random((16, 8, 8, 1), dtype="float32")
    y = np.arange(16) % 2
    x[y == 0, :4] += 0.8
    x[y == 1, 4:] += 0.8
    return x, y


@pytest.fixture(scope="module")
def trained(build):
    model = build("Classifier", dropout=0.1)
    model.compile(keras.optimizers.Adam(2e-2), run_eagerly=True)
    x, y = stripes()
    history = model.fit(x, y, batch_size=4, epochs=8, verbose=0).history
    return model, history


def test_it_learns(trained):
    model, history = trained
    x, y = stripes()
    assert history["loss"][-1] < history["loss"][0]
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] == 1.0
    assert (model.predict(x, verbose=0).argmax(axis=1) == y).all()


def test_predictions_are_probabilities(trained):
    model, _ = trained
    x, _ = stripes()
    p = model.predict(x, verbose=0)
    assert (p.shape, p.dtype) == ((16, 2), np.float32)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(p, model.predict(x, verbose=0))  # no dropout
    pixels = np.round(x * 255).astype("uint8")
    np.testing.assert_allclose(
        model.predict(pixels, verbose=0), model.predict(pixels / 255, verbose=0), atol=1e-5
    )


def test_the_loss_is_the_cross_entropy(trained):
    model, _ = trained
    x, y = stripes()
    p = model.predict(x, verbose=0)[np.arange(16), y]
    loss = model.evaluate(x, y, batch_size=6, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(-np.log(p).mean(), rel=1e-3, abs=1e-6)


def test_sample_weights(build, x, y):
    """Images of weight 0 count for nothing."""
    model = build("Classifier", dropout=0.0)
    half = np.repeat([1.0, 0.0], 4)
    kept = model.evaluate(x[:4], y[:4], batch_size=8, verbose=0)[0]
    weighted = model.evaluate(x, y, batch_size=8, sample_weight=half, verbose=0)[0]
    assert weighted * 8 == pytest.approx(kept * 4, rel=1e-4)
    one, other = (build("Classifier", dropout=0.0) for _ in range(2))
    spoilt = x.copy()
    spoilt[4:] = 0
    for model, images in ((one, x), (other, spoilt)):
        model.fit(images, y, batch_size=8, sample_weight=half, shuffle=False, verbose=0)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_mask_is_a_weight(build, x, y):
    model, mask = build("Classifier", dropout=0.0), np.arange(8) < 4
    expected = model.evaluate(x, y, sample_weight=mask.astype("float32"), verbose=0)
    assert model.evaluate(x, y, sample_weight=mask, verbose=0) == expected


def test_class_weights(build, same, x, y):
    by_class, by_sample, neither = (build("Classifier") for _ in range(3))
    by_class.fit(x, y, batch_size=4, class_weight={0: 3.0, 1: 0.5}, verbose=0)
    by_sample.fit(x, y, batch_size=4, sample_weight=np.where(y == 0, 3.0, 0.5), verbose=0)
    neither.fit(x, y, batch_size=4, verbose=0)
    assert same(by_class, by_sample)
    assert not same(by_class, neither)


def test_its_network_and_its_features(build):
    model = build("Classifier", filters=2)
    assert model.network.output_shape == (None, 2)
    assert model.network.get_layer("features").output.shape == (None, 2 * 2 * 8)
    names = [layer.__class__.__name__ for layer in model.network.layers]
    assert names.count("Conv2D") == names.count("LeakyReLU") == names.count("Dropout") == 3


def test_its_kernel_size(build):
    model = build("Classifier", compiled=False, kernel_size=5)
    kernels = [v for v in model.trainable_variables if len(v.shape) == 4]
    assert {tuple(v.shape[:2]) for v in kernels} == {(5, 5)}


def test_dropout_in_training_only(build, x, y):
    logs = {}
    for dropout in (0.0, 0.6):
        model = build("Classifier", dropout=dropout)
        logs[dropout] = model.evaluate(x, y, verbose=0)[0]
        logs[dropout, "training"] = model.train_on_batch(x, y)[0]
    assert logs[0.0] == pytest.approx(logs[0.6], rel=1e-6)
    assert logs[0.0, "training"] != pytest.approx(logs[0.6, "training"], rel=1e-4)


def test_another_optimizer_loss_and_metric(build):
    model = build("Classifier", compiled=False)
    model.compile("sgd", metrics=["accuracy", "sparse_categorical_crossentropy"])
    assert type(model.optimizer).__name__ == "SGD"
    model.compile()
    assert type(model.optimizer).__name__ == "Adam"
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


def saturated(build, **arguments):
    """Return a classifier that is very sure, and images that it is sure of to different degrees."""
    model = build("Classifier", dropout=0.0, compiled=False, **arguments)
    kernel = model.network.get_layer("logits").kernel
    kernel.assign(kernel * 3000)
    return model, np.random.default_rng(0).random((12, 8, 8, 1), dtype="float32")


def test_logits_are_what_the_softmax_is_taken_of(trained):
    model, _ = trained
    x, _ = stripes()
    logits = model.logits(x, batch_size=5)
    assert (logits.shape, logits.dtype) == ((16, 2), np.float32)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = model.predict(x, verbose=0)
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), probabilities, atol=1e-5)
    pixels = np.round(x * 255).astype("uint8")
    np.testing.assert_allclose(model.logits(pixels), model.logits(pixels / 255), rtol=1e-5)


def test_logits_rank_what_probabilities_tie(build):
    model, x = saturated(build)
    p, logits = model.predict(x, verbose=0), model.logits(x)
    highest = p.max(axis=1)
    sure = highest > 1 - 1e-6  # some processors round the sum of a softmax to a bit less than 1
    assert sure.sum() > 6
    assert len(np.unique(highest[sure])) < sure.sum()
    assert len(np.unique(np.ptp(logits[sure], axis=1))) == sure.sum()


def test_logits_are_float32_under_mixed_precision(build):
    model, x = saturated(build, dtype="mixed_bfloat16")
    logits = model.logits(x)
    assert logits.dtype == np.float32
    # Eight bits of a bfloat16 would leave the last sixteen of a float32 empty.
    assert (logits.view(np.uint32) & 0xFFFF).any(axis=1).all()


def test_logits_follow_the_weights_and_are_no_part_of_a_file(build, load, same, tmp_path, x, y):
    model = build("Classifier")
    before = model.logits(x)
    model.fit(x, y, batch_size=8, verbose=0)
    after = model.logits(x)
    assert not np.array_equal(before, after)
    model.save(tmp_path / "model.keras")
    loaded = load(tmp_path / "model.keras")
    assert same(model, loaded)
    np.testing.assert_allclose(loaded.logits(x), after, rtol=1e-6)
    never_asked = build("Classifier")
    assert [v.path for v in never_asked.weights] == [v.path for v in model.weights]


def test_logits_of_something_else_are_refused(build):
    with pytest.raises(ValueError, match=r"`x`: got images of shape"):
        build("Classifier").logits(np.zeros((2, 9, 8, 1)))
