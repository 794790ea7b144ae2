"""An optimizer that keeps what it is handed."""

import keras

from gradient_oracle.autodiff import as_numpy


@keras.saving.register_keras_serializable(package="gradient_oracle")
class Recorder(keras.optimizers.Optimizer):
    """Keeps the last gradient it was handed for each weight, and moves none.

    The gradients lie in the optimizer's own slots, where a compiled step of any backend can put
    them. Weight differences would not do: in float32 they tell a gradient to a percent or so.
    """

    def __init__(self, learning_rate=1.0, name="recorder", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.received = []

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.received = self.add_optimizer_variables(variables, "received")

    def update_step(self, gradient, variable, learning_rate):
        received = self.received[self._get_variable_index(variable)]
        self.assign(received, keras.ops.cast(gradient, received.dtype))

    def gradients(self):
        """Return the gradients, as NumPy arrays in the order of the weights."""
        return [as_numpy(received.value) for received in self.received]


def received(model):
    """Return what each network's recorder was handed last."""
    networks = model.networks
    if not networks:
        return {"both": model.optimizer.gradients()}
    return {name: recorder.gradients() for name, recorder in model.optimizer.by_network.items()}
