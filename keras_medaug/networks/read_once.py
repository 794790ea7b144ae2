"""Several passes over one reading of the weights, so that a compiler can merge them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import ops


@contextmanager
def read_once(network: keras.layers.Layer) -> Iterator[None]:
    """Within the block, each variable of `network` is read once, however many passes use it.

    What passes assign (moving statistics, random states) is seen by the passes that follow, and
    goes to the variables when the block ends. Variables assigned must be `network`'s; those of
    others are to be read before the block, where gradients of theirs are wanted. Results are those
    without it. What is gained: TensorFlow takes two readings of a variable for two values, and
    would run a live pass and its frozen twin both; of one reading it runs the pass once.

    Args:
        network: A built layer or model whose parts are called in the block.

    Returns:
        The block's context manager.

    Raises:
        RuntimeError: If a variable was assigned that does not belong to `network`.

    Example:

    >>> import keras
    >>> from keras_medaug.networks import frozen, read_once
    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> x = keras.ops.ones((4, 3))
    >>> with read_once(network):
    ...     live, cold = network(x), frozen(network)(x)
    >>> bool(keras.ops.all(live == cold))
    True
    """
    variables = network.variables
    # On TensorFlow the value of a variable is a handle, which the operations that use it read.
    mapping = [(v, ops.reshape(v.value, v.shape)) for v in variables]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        before = dict(scope.state_mapping)
        yield
    strangers = set(scope.state_mapping) - {id(variable) for variable in variables}
    if strangers:
        raise RuntimeError(
            f"{len(strangers)} variables were assigned in the block that are not variables of "
            f"{network.name!r}; what they were given is lost. Assign them outside of it."
        )
    for variable in variables:
        value = scope.get_current_value(variable)
        if value is not before[id(variable)]:
            variable.assign(value)
