"""Callbacks for `fit`: training that survives a kill."""

from keras_medaug.callbacks.resume_training import ResumeTraining

__all__ = ["ResumeTraining"]
