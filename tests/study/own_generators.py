"""A generator of a user's own, which nothing here registers: a worker process has to be told."""

import keras_medaug as kma


class Toy(kma.models.CVAE):
    """Makes images as a CVAE does."""
