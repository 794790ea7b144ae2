"""That convolutions, as shipped, copy no image needlessly, and that the networks have them."""

import keras
import numpy as np
import pytest
from drop_in import images
from keras import ops

from keras_medaug import layers, models
from keras_medaug.layers import channels_first

CONVOLUTIONS = ["Conv2D", "Conv2DTranspose"]


def large_copies(layer, x):
    """Return how many copies as large as input or output PyTorch makes."""
    import torch

    least = min(np.prod(x.shape), np.prod(layer(x).shape))
    with torch.profiler.profile(record_shapes=True) as profile:
        layer(x)
    copies = [event for event in profile.events() if event.name == "aten::copy_"]
    return sum(np.prod(event.input_shapes[0]) >= least for event in copies)


# As the networks have them, and the copies that padding costs even so: on the uneven padding of
# images before a convolution, and on cutting the output of a transposed one.
SHIPPED = {
    "discriminator": ("Conv2D", {"kernel_size": 4, "strides": 2}, 0),
    "classifier, first": ("Conv2D", {"kernel_size": 3}, 0),
    "encoder": ("Conv2D", {"kernel_size": 3, "strides": 2}, 1),
    "decoder": ("Conv2DTranspose", {"kernel_size": 4, "strides": 2}, 1),
    "nothing to cut": ("Conv2DTranspose", {"kernel_size": 2, "strides": 2}, 0),
}


@pytest.mark.skipif(keras.config.backend() != "torch", reason="only PyTorch copies")
@pytest.mark.parametrize(("name", "settings", "left"), SHIPPED.values(), ids=SHIPPED)
def test_images_are_not_copied_but_to_pad_or_to_cut(name, settings, left):
    # Larger than the kernel, which PyTorch copies in any case.
    x = ops.convert_to_tensor(images(8, 16, 16, 8))
    ours, stock = (
        getattr(module, name)(8, padding="same", **settings) for module in (layers, keras.layers)
    )
    assert large_copies(ours, x) == left
    assert large_copies(stock, x) > left  # as of Keras 3.15: else our layer has become needless


def test_only_pytorch_looks_through_a_view():
    assert channels_first.copies() is (keras.config.backend() == "torch")


def parts(layer):
    """Return a layer and all those inside it."""
    return [layer, *layer._flatten_layers(include_self=False)]


@pytest.mark.parametrize("name", [*models.generators(), "classifier"])
def test_the_models_are_made_of_our_convolutions(name):
    classes = {"num_classes": 2} if name == "classifier" else {}
    made = {**models.generators(), "classifier": models.Classifier}
    model = made[name]((28, 28, 1), seed=0, **classes)
    convolutions = [
        part
        for part in parts(model)
        if isinstance(part, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
    ]
    assert convolutions
    assert {type(part) for part in convolutions} <= {getattr(layers, name) for name in CONVOLUTIONS}
