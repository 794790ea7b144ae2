"""Every kind of iterable that Keras takes, checked batch by batch."""

import threading
import time
import warnings

import keras
import numpy as np
import pytest

from keras_medaug.checked_images import CheckedImages
from keras_medaug.fitting.array_batches import ArrayBatches
from keras_medaug.fitting.checked_sequence import CheckedSequence, checked_stream
from keras_medaug.images import check_images
from keras_medaug.models import checked_data
from keras_medaug.models.fit_steps import fit_steps

# Keras says so of every iterable of unknown length that ends.
pytestmark = pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")


def batches(x, y=None, size=4):
    """Return the batches of `x`, as `fit` of a model without or with labels wants them."""
    starts = range(0, len(x), size)
    return [x[i : i + size] if y is None else (x[i : i + size], y[i : i + size]) for i in starts]


class Sized:
    """An iterable with a length that begins anew each time, as a data loader does."""

    def __init__(self, items):
        self.items = items
        self.passes = 0

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        self.passes += 1
        return iter(self.items)


class Sequence(keras.utils.PyDataset):
    def __init__(self, items, **kwargs):
        super().__init__(**kwargs)
        self.items = items
        self.ends = 0

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]

    def on_epoch_end(self):
        self.ends += 1


class Unsized:
    """An iterable that can be iterated anew and does not say how long it is."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


def tuples(items):
    return [item if isinstance(item, tuple) else (item,) for item in items]


def tf_data(items):
    if keras.config.backend() != "tensorflow":
        pytest.skip("TensorFlow is not installed beside the other backends")
    import tensorflow as tf

    parts = [np.concatenate(part) for part in zip(*tuples(items), strict=True)]
    return tf.data.Dataset.from_tensor_slices(tuple(parts)).batch(len(tuples(items)[0][0]))


def tf_unsized(items):
    dataset = tf_data(items)
    return dataset.filter(lambda *parts: True)


def torch_loader(items):
    torch = pytest.importorskip("torch")
    parts = [torch.from_numpy(np.concatenate(part)) for part in zip(*tuples(items), strict=True)]
    dataset = torch.utils.data.TensorDataset(*parts)
    return torch.utils.data.DataLoader(dataset, batch_size=len(tuples(items)[0][0]))


KINDS = {
    "generator": lambda items: (item for item in items),
    "sized": Sized,
    "PyDataset": Sequence,
    "PyDataset with workers": lambda items: Sequence(items, workers=2),
    "tf.data": tf_data,
    "tf.data of unknown length": tf_unsized,
    "torch DataLoader": torch_loader,
}


@pytest.fixture(scope="module")
def reference(build):
    """Return what fit, evaluate and predict give for arrays, by labelled or not."""
    x = np.random.default_rng(0).random((8, 8, 8, 1), dtype="float32")
    y = np.arange(8, dtype="int32") % 2
    results = {}
    for labelled in (False, True):
        model = build("CVAE", num_classes=2 if labelled else None)
        history = model.fit(
            x, y if labelled else None, batch_size=4, shuffle=False, verbose=0
        ).history
        evaluated = model.evaluate(x, y if labelled else None, batch_size=4, verbose=0)
        predicted = model.predict([x, y] if labelled else x, batch_size=4, verbose=0)
        results[labelled] = history, evaluated, predicted
    return results


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_iterable_does_what_its_arrays_do(build, reference, x, y, kind, labelled):
    model = build("CVAE", num_classes=2 if labelled else None)
    items = batches(x, y if labelled else None)

    def data():
        return KINDS[kind](items)

    history, evaluated, predicted = reference[labelled]
    streamed = model.fit(data(), verbose=0).history
    for key, values in history.items():
        np.testing.assert_allclose(streamed[key], values, rtol=1e-5, err_msg=key)
    np.testing.assert_allclose(model.evaluate(data(), verbose=0), evaluated, rtol=1e-5)
    np.testing.assert_allclose(model.predict(data(), verbose=0), predicted, atol=1e-5)


# What each backend's users have at hand.
LOADERS = {"jax": "PyDataset", "tensorflow": "tf.data", "torch": "torch DataLoader"}


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN", "Classifier"])
def test_every_model_takes_the_loader_of_its_backend(build, backend, x, y, name):
    """Nine images in batches of four, so that the last is a batch of one."""
    labelled = name != "DCGAN"
    arguments = {"num_classes": 2} if labelled else {}
    x, y = np.concatenate([x, x[:1]]), np.append(y, y[:1])
    model, arrays = build(name, **arguments), build(name, **arguments)

    def data():
        return KINDS[LOADERS[backend]](batches(x, y if labelled else None))

    given = {"batch_size": 4, "verbose": 0}
    labels = y if labelled else None
    history = model.fit(data(), epochs=2, verbose=0).history
    for key, values in arrays.fit(x, labels, epochs=2, shuffle=False, **given).history.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-4, err_msg=key)
    expected = arrays.evaluate(x, labels, **given)
    np.testing.assert_allclose(model.evaluate(data(), verbose=0), expected, rtol=1e-4)
    inputs = [x, y] if name == "VAEGAN" else x
    predicted = model.predict(data(), verbose=0)
    assert len(predicted) == len(x)
    np.testing.assert_allclose(predicted, arrays.predict(inputs, **given), atol=1e-4)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "generator"])
def test_epochs_over_an_iterable(build, same, x, kind):
    items = batches(x)
    model, arrays = build("CVAE"), build("CVAE")
    history = model.fit(
        KINDS[kind](items), epochs=2, validation_data=KINDS[kind](items), verbose=0
    ).history
    assert [len(values) for values in history.values()] == [2] * len(history)
    arrays.fit(x, epochs=2, validation_data=x, shuffle=False, batch_size=4, verbose=0)
    assert same(model, arrays)


def test_a_generator_with_steps(build, x):
    def endless():
        while True:
            yield x[:4]

    history = build("CVAE").fit(endless(), epochs=2, steps_per_epoch=2, verbose=0).history
    assert len(history["loss"]) == 2


def test_predict_passes_over_labels(build, x, y):
    model = build("CVAE")
    expected = model.predict(x, verbose=0)
    pairs = ((a, b) for a, b in batches(x, y))
    np.testing.assert_allclose(model.predict(pairs, verbose=0), expected, atol=1e-6)


def test_hooks_of_a_pydataset(build, x):
    """As often as Keras calls them itself, which is not once an epoch."""
    data, other = Sequence(batches(x)), Sequence(batches(x, np.zeros(len(x))))
    build("CVAE").fit(data, epochs=3, verbose=0)
    plain = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten()])
    plain.add(keras.layers.Dense(1))
    plain.compile("sgd", "mse", run_eagerly=True)
    plain.fit(other, epochs=3, verbose=0)
    assert data.ends == other.ends >= 2


def test_uint8_batches(build, x):
    pixels = (x * 255).astype("uint8")
    model, arrays = build("CVAE"), build("CVAE")
    history = model.fit(Sized(batches(pixels)), verbose=0).history
    expected = arrays.fit(pixels, batch_size=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_first_batch_is_found_before_training(build, all_state, x, kind):
    model = build("CVAE")
    before = all_state(model)
    items = batches(x)
    items[0] = items[0] * 255
    for run in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=r"`x`: got values from .*; expected values in"):
            run(KINDS[kind](items), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, all_state(model), strict=False))


def test_any_bad_batch_of_unknown_length_is_found_before_training(build, all_state, x):
    model = build("CVAE")
    before = all_state(model)
    for data in (Unsized([x * 255]), Unsized([]), Unsized([x[:4], x[:4], x[:4] * 255])):
        with pytest.raises(ValueError, match="`x`: got "):
            model.fit(data, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, all_state(model), strict=False))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_later_batch_is_named(build, x, kind):
    model = build("CVAE")
    items = [*batches(x), *batches(x)]
    items[3] = items[3] * 255
    with pytest.raises(ValueError, match="`x`: got values from"):
        model.fit(KINDS[kind](items), verbose=0)


class Once:
    """An iterable that is gone after one pass, though it is no iterator itself."""

    def __init__(self, items):
        self.iterator = iter(items)

    def __iter__(self):
        return self.iterator


@pytest.mark.parametrize("steps", [None, 2])
def test_what_can_be_iterated_only_once_is_refused_not_waited_for(build, x, steps):
    again = "`x`: got an iterable that yields nothing when it is gone through again"
    with pytest.raises(ValueError, match=again):
        build("CVAE").fit(Once(batches(x)), epochs=2, steps_per_epoch=steps, verbose=0)
    with pytest.raises(ValueError, match=again):
        build("CVAE").fit(x, validation_data=Once([x[:4]]), epochs=2, verbose=0)


def test_an_endless_dataset_needs_steps(build, x):
    data = tf_data(batches(x)).repeat()
    with pytest.raises(ValueError, match=r"`x`: got an endless dataset; expected .* steps"):
        build("CVAE").fit(data, verbose=0)
    assert build("CVAE").fit(data, steps_per_epoch=2, verbose=0).epoch == [0]


def test_bad_labels_in_a_batch(build, x, y):
    model = build("CVAE", num_classes=2)
    with pytest.raises(ValueError, match=r"`y`: got labels from 1 to 2"):
        model.fit(Sized(batches(x, y + 1)), verbose=0)
    with pytest.raises(ValueError, match=r"`y`: got None; expected labels"):
        model.fit(Sized(batches(x)), verbose=0)
    with pytest.raises(ValueError, match=r"`y`: got labels; expected None"):
        build("CVAE").fit(Sized(batches(x, y)), verbose=0)


@pytest.mark.parametrize("data", [(x for x in ()), Sized([]), Sequence([])])
def test_nothing_to_iterate_over(build, data):
    with pytest.raises(ValueError, match="`x`: got an empty iterable"):
        build("CVAE").fit(data, verbose=0)


def test_what_goes_with_arrays_only(build, x, y):
    model = build("Classifier")
    data = Sized(batches(x, y))
    for arguments in ({"y": y}, {"sample_weight": np.ones(8)}, {"validation_split": 0.5}):
        with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`: got .* iterable"):
            model.fit(data, verbose=0, **arguments)


# ---- the batches themselves --------------------------------------------------------------------


def test_order_is_a_function_of_seed_and_epoch():
    def orders(seed, epochs=(0, 1, 2)):
        data = ArrayBatches((np.arange(10),), 4, None if seed is None else lambda: seed)
        orders = []
        for epoch in epochs:
            data.begin_epoch(epoch)
            orders.append(np.concatenate([data[i][0] for i in range(len(data))]).tolist())
        return orders

    first = orders(0)
    np.random.default_rng().random()
    assert orders(0) == first
    assert orders(0, (2, 1, 0)) == first[::-1]
    assert all(sorted(order) == list(range(10)) for order in first)
    assert len({tuple(order) for order in [*first, *orders(1)]}) == 6
    assert orders(None) == [list(range(10))] * 3


def test_images_and_labels_stay_together():
    data = ArrayBatches((np.arange(10), 10 * np.arange(10)), 4, seed=lambda: 0)
    for x, y in data:
        np.testing.assert_array_equal(10 * x, y)


def test_a_stream_covers_every_image_once_a_pass():
    data = ArrayBatches((np.arange(10),), 4, lambda: 0, steps_per_epoch=2)
    data.begin_epoch(0)
    stream = [data[i][0] for i in range(6)]
    assert sorted(np.concatenate(stream[:3])) == sorted(np.concatenate(stream[3:]))
    later = ArrayBatches((np.arange(10),), 4, lambda: 0, steps_per_epoch=2)
    later.begin_epoch(2)
    np.testing.assert_array_equal(later[0][0], stream[4])


def test_checked_stream():
    seen = []
    stream = checked_stream([1, 2], lambda item: seen.append(item) or (item,), repeat=True)
    assert [next(stream) for _ in range(5)] == [(1,), (2,), (1,), (2,), (1,)]
    assert seen == [1, 2, 1, 2, 1]
    assert list(checked_stream([], tuple, repeat=False)) == []


def test_a_checked_sequence_is_its_dataset():
    data = Sequence([1, 2, 3], workers=2, max_queue_size=5)
    checked = CheckedSequence(data, lambda item: (-item,))
    assert (len(checked), checked.num_batches, checked[1]) == (3, 3, (-2,))
    checked.close()


class Shuffled(keras.utils.PyDataset):
    """Images in batches of 4, in another order in each epoch, as many people write it."""

    def __init__(self, count, hook, **kwargs):
        super().__init__(**kwargs)
        self.order = np.arange(count)
        self.random = np.random.default_rng(0)
        setattr(self, hook, self.shuffle)

    def __len__(self):
        return len(self.order) // 4

    def __getitem__(self, index):
        time.sleep(0.02)  # so that the workers are at work when the hook runs
        return np.stack([image(n) for n in self.order[4 * index : 4 * index + 4]])

    def shuffle(self):
        time.sleep(0.03)
        self.order = self.random.permutation(len(self.order))


def image(number):
    """Return an image that tells its number."""
    return np.full((8, 8, 1), number / 64, "float32")


class Seen(keras.callbacks.Callback):
    """Keeps the numbers of the images of each epoch, as the training gets them."""

    def __init__(self, model):
        super().__init__()
        self.epochs, compute_loss = [], model.compute_loss

        def note(x, *rest, **more):
            numbers = 64 * keras.ops.convert_to_numpy(x)[:, 0, 0, 0]
            self.now += numbers.round().astype(int).tolist()
            return compute_loss(x, *rest, **more)

        model.compute_loss = note

    def on_epoch_begin(self, epoch, logs=None):
        self.now = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.now)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("processes", [False, True])
def test_workers_leave_no_image_out_of_a_dataset_that_shuffles_itself(build, processes, hook):
    if processes and keras.config.backend() == "jax":
        pytest.skip("JAX warns that a process with its threads must not be forked")
    model = build("CVAE")
    seen = Seen(model)
    data = Shuffled(24, hook, workers=2, use_multiprocessing=processes)
    model.fit(data, epochs=3, verbose=0, callbacks=[seen])
    assert [sorted(epoch) for epoch in seen.epochs] == [list(range(24))] * 3
    assert len({tuple(epoch) for epoch in seen.epochs}) == 3


def test_workers_load_ahead_and_stop():
    asked, before = [], set(threading.enumerate())

    class Slow(Sequence):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    checked = CheckedSequence(Slow([0, 1, 2, 3, 4], workers=2, max_queue_size=2), lambda x: (x,))
    assert checked[0] == (0,)
    checked.on_epoch_end()
    assert 1 <= len(asked) <= 2
    assert 4 not in asked
    assert [checked[index] for index in (0, 1, 0, 4)] == [(0,), (1,), (0,), (4,)]
    checked.dataset.items = [9, 8, 7, 6, 5]
    checked.on_epoch_begin()  # drops what was loaded before the change
    assert [checked[index] for index in (1, 2)] == [(8,), (7,)]
    checked.close()
    assert set(threading.enumerate()) <= before


def test_an_error_of_a_worker_reaches_the_user(build, x):
    class Broken(Sequence):
        def __getitem__(self, index):
            if index == 1:
                raise OSError("no such image")
            return super().__getitem__(index)

    with pytest.raises(Exception, match="no such image"):
        build("CVAE").fit(Broken(batches(x), workers=2), verbose=0)


# ---- every class ----------------------------------------------------------------------------


LACKING = {
    "list of batches": Sized,
    "generator": KINDS["generator"],
    "PyDataset": Sequence,
    "PyDataset with workers": KINDS["PyDataset with workers"],
    "of unknown length": Unsized,
}


@pytest.mark.parametrize("name", ["Classifier", "DCGAN"])
@pytest.mark.parametrize("kind", LACKING)
def test_batches_that_lack_a_class(build, x, kind, name):
    model, done = build(name, num_classes=3), []
    callback = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: done.append("training"))
    with pytest.raises(ValueError, match="`x`: got no image of class 2 in the first pass"):
        model.fit(
            LACKING[kind](batches(x, np.arange(8) % 2)), epochs=2, verbose=0, callbacks=[callback]
        )
    assert bool(done) != (kind == "of unknown length")  # all of which was gone through before


@pytest.mark.parametrize("kind", ["list of batches", "generator", "of unknown length"])
def test_batches_may_lack_classes_where_labels_may_be_unknown(build, x, kind):
    model, y = build("Flow", num_classes=3), np.int32([0, -1] * 4)
    data, validation = (LACKING[kind](batches(x, y)) for _ in range(2))
    history = model.fit(data, validation_data=validation, verbose=0).history
    assert np.isfinite([*history["loss"], *history["val_loss"]]).all()
    with pytest.raises(ValueError, match=r"`y`: got labels from -2 to -1; .*-1 for an unknown"):
        model.fit(LACKING[kind](batches(x, y % 2 - 2)), verbose=0)
    history = model.fit(x, np.arange(8) // 4, validation_split=0.5, verbose=0).history
    assert np.isfinite(history["val_loss"]).all()


def test_a_pass_that_is_cut_short_may_lack_a_class(build, x):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    data = Sequence(batches(x, np.array([0] * 4 + [1] * 4)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which says so, where no batch is read ahead
        build("Classifier", class_names=["a", "b"]).fit(data, verbose=0, callbacks=[Stop()])


def test_an_epoch_that_is_no_pass_may_lack_a_class(build, x):
    y, model = np.array([0] * 4 + [1] * 4), build("Classifier")

    def stream():
        while True:
            yield from batches(x, y)

    model.fit(stream(), steps_per_epoch=1, epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="no image of class 1 in this training"):
        model.fit((pair for pair in batches(x, np.zeros(8, int)) * 2), steps_per_epoch=4, verbose=0)


def test_images_are_checked_once_and_batches_of_the_packages_own_never(build, x, y, monkeypatch):
    counted = []

    def count(images, *arguments):
        counted.append(images)
        return check_images(images, *arguments)

    monkeypatch.setattr(checked_data, "check_images", count)
    model = build("Classifier")
    fit_steps(model, x, y, steps=4, batch_size=4, rounds=2)
    assert not counted
    model.fit(x, y, batch_size=2, epochs=2, verbose=0)
    assert len(counted) == 1


def test_images_that_were_checked_are_taken_everywhere(build, x, y):
    checked = CheckedImages(x)
    model, conditional = build("CVAE"), build("CVAE", num_classes=2)
    model.fit(checked, validation_data=checked, verbose=0)
    model.train_on_batch(checked)
    conditional.fit(checked, y, validation_data=(checked, y), verbose=0)
    for images in (checked, x):
        np.testing.assert_array_equal(model.encode(images), model.encode(x))
        np.testing.assert_array_equal(
            conditional.predict([images, y], verbose=0), conditional.predict([x, y], verbose=0)
        )
