"""A model's seed: begun anew with another one, and saved with all random states."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from keras_medaug.array_checks import copied
from keras_medaug.models.quiet_model import QuietModel
from keras_medaug.seeds import resolve_seed


class RandomState(QuietModel):
    """The part of `ImageModel` that depends on its seed, and saves what has become of it."""

    seed: int | None
    _seed: int

    def reinitialize(self, seed: int | None = None) -> None:
        """Become what a new model of another seed is, without compiling the training step again.

        Weights, running statistics, random generators and, where the model is compiled, the
        optimizers with their rates are those of a model just made with this seed and compiled as
        this one was (of a model from a file: with the rates that it was saved with). What Keras
        has traced and compiled stays, so that runs with many seeds pay for it once.

        Args:
            seed: Integer seed of weights, noise, dropout and data order, or `None` for one that
                `keras.utils.set_random_seed` governs.

        Raises:
            ValueError: If `seed` is not as described.
            RuntimeError: If the optimizers cannot be made anew as they were, as where a part was
                frozen before `compile`, or where a learning-rate schedule has no `get_config`. The
                model is then as it was.
        """
        own_seed = resolve_seed(seed)
        fresh = type(self).from_config(self._config_of_seed(own_seed))
        pairs = [*_paired(fresh.weights, self.weights)]
        pairs += _paired(fresh._random_states(), self._random_states())
        if self.compiled:
            if self._optimizer_record is None:
                raise _not_reinitialized("an optimizer that cannot be saved")
            fresh._compile_as_recorded(self._optimizer_record)
            pairs += _paired(fresh.optimizer.variables, self.optimizer.variables)
        for new, old in pairs:
            old.assign(new.value)
        self.seed, self._seed = seed, own_seed
        self.stop_training = False
        self._initial_epoch = None  # which a resumed training leaves where it is interrupted
        self.reset_metrics()

    def _config_of_seed(self, seed: int) -> dict:
        """Return the configuration of a model like this one, of another seed."""
        return {**self.get_config(), "seed": seed}

    # The optimizers as they were compiled with, as JSON; `None` where they cannot be saved.
    _optimizer_record: str | None = None

    def _compile_as_recorded(self, record: str) -> None:
        """Compile with the optimizers of a record."""
        self.compile_from_config(json.loads(record))

    def _random_states(self) -> list:
        """Return the state of every random generator inside, in a fixed order."""
        weights = {id(variable) for variable in self.weights}
        metrics = {id(variable) for variable in self.metrics_variables}
        return [
            variable
            for variable in self.non_trainable_variables
            if id(variable) not in weights and id(variable) not in metrics
        ]

    def _own_weights(self) -> list:
        """Return the weights that are the model's own, and none of its layers'."""
        inner = {id(variable) for layer in self.layers for variable in layer.weights}
        return [variable for variable in self.weights if id(variable) not in inner]

    def _own_state(self) -> dict:
        """Return what is saved beside the layers: own weights, states of random generators."""
        kinds = {"weight": self._own_weights(), "random_state": self._random_states()}
        return {
            f"{kind}_{index}": variable
            for kind, variables in kinds.items()
            for index, variable in enumerate(variables)
        }

    def save_own_variables(self, store) -> None:
        """Save the seed, own weights and the states of random generators, which Keras does not."""
        store["seed"] = np.asarray(self._seed, dtype="int64")
        for name, variable in self._own_state().items():
            store[name] = copied(variable)

    def load_own_variables(self, store) -> None:
        """Restore the seed, on which the data order depends, and what was saved with it."""
        self._seed = int(np.asarray(store["seed"]))
        for name, variable in self._own_state().items():
            variable.assign(np.asarray(store[name]))


def _paired(source: Sequence, target: Sequence) -> Iterator[tuple]:
    """Yield variables and those they stand for, in the same order."""
    if [variable.shape for variable in source] != [variable.shape for variable in target]:
        raise _not_reinitialized("an optimizer or networks with variables that a new model has not")
    return zip(source, target, strict=True)


def _not_reinitialized(got: str) -> RuntimeError:
    return RuntimeError(
        f"reinitialize: got {got}; expected a model that can be made and compiled anew: with "
        "Keras's optimizers, and with no part frozen before `compile`."
    )
