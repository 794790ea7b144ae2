"""Networks of the user's own, handed to a generative model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import keras

from keras_medaug.checks import fail
from keras_medaug.models.configuration import constructor_arguments
from keras_medaug.models.image_model import ImageModel
from keras_medaug.networks.contracts import check_apart


class GivenNetworks(ImageModel):
    """The part of a model that takes networks in place of those that it would build."""

    # The networks that each argument of size shapes; those may be handed in instead.
    _shaped_networks: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    _given: frozenset[str] = frozenset()

    def _take(self, **networks: keras.Model | None) -> None:
        """Check the networks handed in, and that no size was given for those."""
        given = {name: network for name, network in networks.items() if network is not None}
        arguments = constructor_arguments(type(self))
        for argument, shaped in self._shaped_networks.items():
            value = getattr(self, argument)
            if given.keys() >= set(shaped) and value != arguments[argument].default:
                beside = " and ".join(f"`{name}`" for name in shaped)
                raise fail(argument, repr(value), f"no such argument beside {beside}")
        for name, network in given.items():
            self._check_network(network, name)
        check_apart(given)
        self._given = frozenset(given)

    def _check_network(self, network: keras.Model, name: str) -> None:
        """Check a network handed in under the name of an argument."""
        raise fail(name, type(network).__name__, "no network: this model takes none")

    def _argument(self, name: str):
        networks = {network for shaped in self._shaped_networks.values() for network in shaped}
        built = name in networks and name not in self._given
        return None if built else super()._argument(name)
