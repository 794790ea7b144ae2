"""Callbacks for `fit`: training that survives a kill, and a look at the images as it goes on."""

from keras_medaug.callbacks.resume_training import ResumeTraining
from keras_medaug.callbacks.sample_monitor import SampleMonitor

__all__ = ["ResumeTraining", "SampleMonitor"]
