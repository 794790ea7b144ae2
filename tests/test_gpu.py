"""Runs on a GPU, and the promise that such a run never passes without one."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

NO_GPU = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.gpu
def test_training_happens_on_the_gpu(images):
    network = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    network.compile(optimizer="sgd", loss=lambda y, z: keras.ops.mean(z, axis=-1))
    network.fit(images, images[:, 0, 0, 0], verbose=0)
    where = str(network(images).device).lower()
    assert "gpu" in where or "cuda" in where


def test_check_gpu_fails_where_there_is_none(backend):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--check-gpu", str(Path(__file__))],
        env=os.environ | NO_GPU,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert f"--check-gpu: {backend} sees no GPU" in run.stdout + run.stderr
