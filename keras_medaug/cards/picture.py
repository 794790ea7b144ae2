"""A picture on a page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture and its words.

    Attributes:
        source: Address of the picture, which holds all of it.
        text: What it shows, for those who do not see it.
        caption: What is written below it.

    Example:

    >>> from keras_medaug.cards.picture import Picture
    >>> Picture("data:image/png;base64,", "Nothing.", "Nothing").text
    'Nothing.'
    """

    source: str
    text: str
    caption: str
