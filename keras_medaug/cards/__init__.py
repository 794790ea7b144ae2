"""Cards that say what a generative model's images are."""

from keras_medaug.cards.model_card import model_card

__all__ = ["model_card"]
