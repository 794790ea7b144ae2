"""A model has its weights after `predict`, `evaluate` or `generate` has failed, on JAX too."""

import keras
import numpy as np
import pytest

from keras_medaug.models.quiet_model import QuietModel

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


class Failing(QuietModel):
    """Fails while it is compiled, as where memory lacks."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.fails = False

    def call(self, inputs):
        if self.fails:
            raise MemoryError("no memory")
        return self.dense(inputs)


@pytest.mark.parametrize("method", ["predict", "evaluate"])
def test_the_weights_are_there_after_a_failure(method):
    model = Failing()
    model.compile(loss="mse")
    model(X)  # which builds it
    before = [weight.copy() for weight in model.get_weights()]
    arguments = (X,) if method == "predict" else (X, X[:, :1])
    model.fails = True
    with pytest.raises(Exception, match="no memory"):
        getattr(model, method)(*arguments, verbose=0)
    model.fails = False
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    getattr(model, method)(*arguments, verbose=0)


def test_images_of_a_latent_vector_can_be_made_after_a_failure(build, monkeypatch):
    model = build("DCGAN")
    before = model.generate(2, seed=0)
    network = model._image_network
    network.predict_function = None  # so that it is compiled anew
    layer = network.layers[-1]
    with monkeypatch.context() as patched:
        patched.setattr(type(layer), "call", lambda *_, **__: 1 / 0)
        with pytest.raises(Exception, match="division by zero"):
            model.generate(2, seed=0)
    network.predict_function = None
    np.testing.assert_array_equal(model.generate(2, seed=0), before)
