"""Build networks, and train several at once: frozen passes, an optimizer and an average for each.

Each network has an objective of its own. An objective is written with the other networks frozen.
The gradient of the sum of all objectives is then, for every weight, the gradient of the objective
of the network that owns the weight.
"""

from keras_medaug.networks.averaged_network import AveragedNetwork
from keras_medaug.networks.frozen import frozen
from keras_medaug.networks.gate import Gate
from keras_medaug.networks.network_optimizer import NetworkOptimizer
from keras_medaug.networks.read_once import read_once
from keras_medaug.networks.running_statistics import RunningStatistics

__all__ = [
    "AveragedNetwork",
    "Gate",
    "NetworkOptimizer",
    "RunningStatistics",
    "frozen",
    "read_once",
]
