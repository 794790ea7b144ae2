"""A generative model of a user's: registered, it does all that those of the package do."""

import inspect
import io
from contextlib import redirect_stderr

import keras
import numpy as np
import pytest

import harness
import keras_medaug as kma
from helpers.needs import needs
from helpers.toy_generator import ToyGenerator
from keras_medaug.models import registry


@pytest.fixture
def toy():
    """Return the toy, registered as "toy" for the time of a test."""
    kma.models.register_generator("toy")(ToyGenerator)
    yield ToyGenerator
    del registry._GENERATORS["toy"]


@pytest.fixture(scope="module")
def data():
    return kma.datasets.load("phantom", size=8, train=64, val=32, test=32)


@pytest.fixture
def trained(toy, data):
    model = toy(data.image_shape, data.num_classes, class_names=data.class_names, seed=0)
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(*data.train, epochs=30, verbose=0)
    return model


def test_it_is_all_that_a_user_writes():
    lines = inspect.getsource(ToyGenerator).splitlines()
    assert len([line for line in lines if line.strip()]) < 30
    assert not hasattr(ToyGenerator, "latent_dim")


def test_it_does_what_all_models_do(toy, tmp_path):
    harness.run_model_test(toy, tmp_path)


def test_it_learns_its_classes_and_is_saved(trained, data, tmp_path):
    x, y = data.train
    images = trained.generate(200, labels=1, seed=3)
    assert (images.shape, images.dtype) == ((200, *data.image_shape), np.float32)
    distances = [
        np.abs(images.mean(axis=0) - x[y == label].mean(axis=0)).mean()
        for label in range(data.num_classes)
    ]
    assert np.argmin(distances) == 1
    trained.save(tmp_path / "toy.keras")
    loaded = keras.saving.load_model(tmp_path / "toy.keras")
    np.testing.assert_array_equal(loaded.generate(200, labels=1, seed=3), images)
    by_name = loaded.generate(200, labels=data.class_names[1], seed=3)
    np.testing.assert_array_equal(by_name, images)


def test_images_come_in_batches_with_seeds_of_their_own(trained):
    seen = []
    images = trained.generate(
        5, labels=0, seed=1, batch_size=2, verbose=lambda *done: seen.append(done)
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert len(np.unique(images.reshape(5, -1), axis=0)) == 5
    again = trained.generate(4, labels=0, seed=1, batch_size=2)
    np.testing.assert_array_equal(again, images[:4])
    keras.utils.set_random_seed(7)
    drawn = [trained.generate(2, labels=0) for _ in range(2)]
    assert not np.array_equal(*drawn)


@pytest.mark.usefixtures("toy")
def test_augment_takes_its_name_and_its_settings(data):
    x_new, _, record = kma.augment(
        *data.train, method="toy", per_class=2, steps=4, seed=0, verbose=0, scale=0.5
    )
    assert x_new.shape == (2 * data.num_classes, *data.image_shape)
    assert record["method"] == "toy"
    assert record["model"]["class"] == "generators>toy"
    assert record["model"]["config"]["scale"] == 0.5
    with pytest.raises(ValueError, match=r"among .*scale"):
        kma.augment(*data.train, method="toy", width=3)
    with pytest.raises(ValueError, match=r"one of cvae, dcgan, .*vaegan, toy"):
        kma.augment(*data.train, method="flower")


@pytest.mark.usefixtures("toy")
def test_a_study_runs_it_and_shows_progress(data, tmp_path):
    with redirect_stderr(io.StringIO()) as shown:
        result = kma.study.run(
            data, ["none", "toy", "geometric-safe+toy", "only-toy"], seeds=1, steps=2,
            generator_steps=2, generators={"toy": {"scale": 0.5}}, verbose=True,
            out=tmp_path / "study",
        )  # fmt: skip
    assert set(result["arms"]) == {"none", "toy", "geometric-safe+toy", "only-toy"}
    assert shown.getvalue()
    with pytest.raises(ValueError, match="only-toy"):
        kma.study.run(data, ["none", "flower"])


def test_a_model_card_is_written_of_it(trained, data, tmp_path):
    needs("matplotlib")
    kma.model_card(trained, data, tmp_path, count=24, classifier_steps=2, verbose=False)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_monitor_watches_it(trained, data, tmp_path):
    needs("matplotlib")
    monitor = kma.callbacks.SampleMonitor(tmp_path)
    trained.fit(*data.train, epochs=1, verbose=0, callbacks=[monitor])
    assert list(tmp_path.iterdir())


def test_predict_says_that_it_does_nothing_with_images(trained, data):
    message = r"`model`: got a ToyGenerator, .*`_infer`"
    for call in (trained.predict, trained.predict_on_batch):
        with pytest.raises(ValueError, match=message):
            call(data.train[0])
    with pytest.raises(ValueError, match=message):
        trained([np.float32(data.train[0][:2]), data.train[1][:2]])


def test_what_a_model_may_lack_is_an_error_that_names_those_that_have_it(trained):
    with pytest.raises(ValueError, match=r"`arm`: got a ToyGenerator, .*`encode`.*cvae, vaegan"):
        registry.check_ability(trained, "encode", "arm")
    with pytest.raises(ValueError, match="no `levitate`; expected a model of your own"):
        registry.check_ability(trained, "levitate", "arm")
    registry.check_ability(trained, "generate", "arm")


@pytest.mark.parametrize(
    ("ability", "able"),
    [("encode", ["cvae", "vaegan"]), ("reconstruct", ["cvae", "vaegan"]), ("vary", ["flow"])],
)
def test_asking_a_model_for_an_ability_that_it_lacks(ability, able, data):
    dcgan = kma.models.DCGAN((8, 8, 1), latent_dim=2, seed=0)
    with pytest.raises(
        ValueError, match=rf"`{ability}`: got a DCGAN, .*one of {', '.join(able)}\."
    ):
        getattr(dcgan, ability)(data.train[0], batch_size=4)
    assert not registry.has_ability(dcgan, ability)
    assert not registry.has_ability(kma.models.Classifier((8, 8, 1), 2), ability)
    kinds = registry.generators()
    assert [method for method in kinds if registry.has_ability(kinds[method], ability)] == able


def test_a_model_that_asks_its_base_for_an_ability_is_told_so(data):
    class Encoding(kma.models.DCGAN):
        def encode(self, *args, **kwargs):
            return super().encode(*args, **kwargs)

    model = Encoding((8, 8, 1), latent_dim=2, seed=0)
    with pytest.raises(ValueError, match="`encode`: got a Encoding, whose base has no `encode`"):
        model.encode(data.train[0])
    assert registry.has_ability(model, "encode")


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (kma.models.GenerativeModel, "_sample"),
        (kma.models.GenerativeModel, "compute_loss"),
        (kma.models.LatentModel, "compute_loss"),
    ],
)
def test_a_model_without_a_method_that_it_needs_is_refused_before_training(base, method):
    needed = {"compute_loss": lambda *_, **__: 0.0, "_sample": lambda *_, **__: np.zeros(1)}
    del needed[method]
    unfinished = type("Unfinished", (base,), needed)
    with pytest.raises(TypeError, match=f"abstract class Unfinished .*{method}"):
        unfinished((8, 8, 1), **({"latent_dim": 2} if base is kma.models.LatentModel else {}))


class OwnSteps(ToyGenerator):
    """Looks at the training images, and makes images, in methods of its own."""

    add, drop = 0.0, 0

    def fit(self, x, *args, **kwargs):
        self.average = (x - x.mean(axis=0)).mean()
        return super().fit(x, *args, **kwargs)

    def generate(self, n, *args, **kwargs):
        return (super().generate(n, *args, **kwargs) + self.add)[self.drop :]


@pytest.fixture
def own_steps(monkeypatch):
    monkeypatch.setitem(registry._GENERATORS, "toy", OwnSteps)
    return OwnSteps


@pytest.mark.usefixtures("own_steps")
def test_a_fit_of_its_own_gets_an_array(data):
    x_new, *_ = kma.augment(*data.train, method="toy", per_class=2, steps=2, seed=0, verbose=0)
    assert len(x_new) == 2 * data.num_classes


@pytest.mark.parametrize("labels", ["conditional", "classifier"])
@pytest.mark.parametrize(
    ("change", "message"),
    [({"add": 9.0}, r"values from 9"), ({"add": np.nan}, "NaN"), ({"drop": 1}, r"\d+ images")],
)
def test_images_of_a_generate_of_its_own_are_checked(
    data, own_steps, monkeypatch, labels, change, message
):
    monkeypatch.setattr("keras_medaug.augmenting.CLASSIFIER_STEPS", 1)
    for name, value in change.items():
        monkeypatch.setattr(own_steps, name, value)
    with pytest.raises(ValueError, match=rf"`OwnSteps.generate`: got {message}"):
        kma.augment(
            *data.train, method="toy", per_class=2, steps=2, labels=labels, confidence=0.1, seed=0,
            verbose=0,
        )  # fmt: skip


class Broken(ToyGenerator):
    """Its images are of another shape, and out of range."""

    def _sample(self, count, labels, seed):
        return np.full((count, *self.shape), self.value)


@pytest.mark.parametrize(
    ("shape", "value", "message"),
    [((8, 8, 1), 2.0, "values from 2 to 2"), ((9, 8, 1), 0.5, "images of shape")],
)
def test_images_that_are_none_are_refused(shape, value, message):
    model = Broken((8, 8, 1), seed=0)
    model.shape, model.value = shape, value
    with pytest.raises(ValueError, match=f"`Broken._sample`: got {message}"):
        model.generate(2, seed=0)


def test_a_term_that_is_not_declared_and_an_argument_that_is_not_kept_are_named():
    model = ToyGenerator((8, 8, 1), seed=0)
    with pytest.raises(ValueError, match="`loss_networks`: got no term named 'mean'"):
        model._record(2, mean=0.5)
    del model.scale
    with pytest.raises(ValueError, match="`scale`: got no attribute of that name"):
        model.get_config()


def test_a_model_that_takes_unlabelled_images_gets_labels_of_minus_one():
    class Counting(ToyGenerator):
        takes_unlabelled = True

        def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
            loss = super().compute_loss(x, keras.ops.maximum(y, 0))
            return loss + 1000.0 * keras.ops.mean(keras.ops.cast(y < 0, "float32"))

        def _sample(self, count, labels, seed):
            images = np.full((count, *self.image_shape), 0.5)
            images[labels < 0] = 0.25
            return images

    model = Counting((8, 8, 1), num_classes=2, seed=0)
    model.compile()
    x = np.zeros((8, 8, 8, 1), "float32")
    loss = model.fit(x, [0, -1] * 4, verbose=0).history["loss"][0]
    assert 400 < loss < 600
    assert (model.generate(4, seed=0) == 0.25).all()
    assert (model.generate(2, labels=[-1, 1], seed=0)[:, 0, 0, 0] == [0.25, 0.5]).all()
    with pytest.raises(ValueError, match="`labels`: got labels from -2 to -2"):
        model.generate(1, labels=-2)


@pytest.mark.parametrize("name", ["Toy", "toy-1", "1toy", "", None, "toy model"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match=r"`name`: got .*; expected lower-case letters"):
        kma.models.register_generator(name)


def test_a_name_is_of_one_class_which_may_be_defined_again(toy):
    with pytest.raises(ValueError, match=r"'cvae', the name of keras_medaug\.models\.cvae\.CVAE"):
        kma.models.register_generator("cvae")(toy)
    with pytest.raises(ValueError, match=r"`cls`: got .*a subclass of keras_medaug\.models\.Gen"):
        kma.models.register_generator("fresh")(kma.models.Classifier)
    again = type(toy.__name__, (toy,), {"__module__": toy.__module__})
    kma.models.register_generator("toy")(again)
    assert kma.models.generators()["toy"] is again
    assert "fresh" not in kma.models.generators()


def test_keras_loads_the_class_that_was_registered_last(toy):
    again = type(toy.__name__, (toy,), {"__module__": toy.__module__})
    for kind in (again, toy):
        kma.models.register_generator("toy")(kind)
        assert keras.saving.get_registered_object("generators>toy") is kind


@pytest.mark.parametrize("name", ["none", "oversample", "geometric", "mixup"])
def test_names_of_arms_are_no_names_of_generators(name):
    with pytest.raises(ValueError, match=f"`name`: got '{name}', .* arm without a gen"):
        kma.models.register_generator(name)
