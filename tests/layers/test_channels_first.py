"""That convolutions, as shipped, copy no image; and that the networks are made of them."""

import keras
import numpy as np
import pytest
from drop_in import images
from keras import ops

from keras_medaug import layers, models
from keras_medaug.layers import channels_first

CONVOLUTIONS = ["Conv2D", "Conv2DTranspose"]


def large_copies(layer, x):
    """Return how many copies as large as the images PyTorch makes."""
    import torch

    layer(x)
    with torch.profiler.profile(record_shapes=True) as profile:
        layer(x)
    copies = [event for event in profile.events() if event.name == "aten::copy_"]
    return sum(np.prod(event.input_shapes[0]) >= np.prod(x.shape) for event in copies)


@pytest.mark.skipif(keras.config.backend() != "torch", reason="only PyTorch copies")
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_no_image_is_copied(name):
    x = ops.convert_to_tensor(images(4, 8, 8, 16))
    ours, stock = (getattr(each, name)(2, 3) for each in (layers, keras.layers))
    assert large_copies(ours, x) == 0
    assert large_copies(stock, x) > 0  # as of Keras 3.15: else our layer has become needless


def test_only_pytorch_looks_through_a_view():
    assert channels_first.copies() is (keras.config.backend() == "torch")


def parts(layer):
    """Yield a layer and all those inside it."""
    return [layer, *layer._flatten_layers(include_self=False)]


@pytest.mark.parametrize("name", ["CVAE", "DCGAN", "VAEGAN", "Classifier"])
def test_the_models_are_made_of_our_convolutions(name):
    classes = {"num_classes": 2} if name == "Classifier" else {}
    model = getattr(models, name)((28, 28, 1), seed=0, **classes)
    found = [
        each
        for each in parts(model)
        if isinstance(each, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
    ]
    assert found
    assert {type(each) for each in found} <= {getattr(layers, each) for each in CONVOLUTIONS}
