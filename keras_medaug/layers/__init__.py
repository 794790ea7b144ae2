"""Layers: the reparameterisation, geometric augmentation, and what the networks are made of."""

from keras_medaug.layers.adaptive_group_normalization import AdaptiveGroupNormalization
from keras_medaug.layers.batch_normalization import BatchNormalization
from keras_medaug.layers.conv2d import Conv2D
from keras_medaug.layers.conv2d_transpose import Conv2DTranspose
from keras_medaug.layers.decoder_block import DecoderBlock
from keras_medaug.layers.discriminator_block import DiscriminatorBlock
from keras_medaug.layers.dropout import Dropout
from keras_medaug.layers.encoder_block import EncoderBlock
from keras_medaug.layers.geometric_augmentation import GeometricAugmentation
from keras_medaug.layers.label_embedding import LabelEmbedding
from keras_medaug.layers.residual_block import ResidualBlock
from keras_medaug.layers.sampling import Sampling
from keras_medaug.layers.time_embedding import TimeEmbedding
from keras_medaug.layers.velocity_from_image import VelocityFromImage

__all__ = [
    "AdaptiveGroupNormalization",
    "BatchNormalization",
    "Conv2D",
    "Conv2DTranspose",
    "DecoderBlock",
    "DiscriminatorBlock",
    "Dropout",
    "EncoderBlock",
    "GeometricAugmentation",
    "LabelEmbedding",
    "ResidualBlock",
    "Sampling",
    "TimeEmbedding",
    "VelocityFromImage",
]
