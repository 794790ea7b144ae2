"""Training several networks at once: frozen passes, an optimizer and an average for each, the gate.

A player is a network with an objective of its own. Objectives are written with the other networks
frozen, so that the gradient of their sum is, for every weight, the gradient of its own player's
objective.
"""

from keras_medaug.players.averaged_network import AveragedNetwork
from keras_medaug.players.frozen import frozen
from keras_medaug.players.gate import Gate
from keras_medaug.players.player_optimizer import PlayerOptimizer
from keras_medaug.players.read_once import read_once
from keras_medaug.players.running_statistics import RunningStatistics

__all__ = [
    "AveragedNetwork",
    "Gate",
    "PlayerOptimizer",
    "RunningStatistics",
    "frozen",
    "read_once",
]
