"""Look into the distributions, then use the installed wheel for one small job.

Run by `nox -s build`, in the folder of the distributions, where only the wheel and one backend are
installed: python -P smoke_wheel.py WHEEL
"""

import importlib.metadata
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def check_contents(wheel):
    """Refuse distributions that lack what belongs in them, or hold what does not."""
    sdist = max(Path().glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    tops = {name.split("/")[0] for name in inside}
    dist_info = {top for top in tops if top.endswith(".dist-info")}
    assert tops == {"keras_medaug"} | dist_info, f"the wheel holds {sorted(tops)}"
    assert "keras_medaug/py.typed" in inside, "the wheel lacks py.typed"
    assert any(name.endswith("licenses/LICENSE") for name in inside), "the wheel lacks LICENSE"
    junk = [name for name in inside if name.endswith((".pyc", ".npz", ".part"))]
    assert not junk, f"the wheel holds {junk}"
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "README.md", "pyproject.toml", "keras_medaug/py.typed"}
    needed |= {"tests/conftest.py", "noxfile.py", "requirements/test.txt"}
    assert needed <= inside, f"the sdist lacks {sorted(needed - inside)}"


def use():
    """Train, generate, save and load, with nothing installed but the wheel and a backend."""
    import keras
    import numpy as np

    import keras_medaug as kma

    home = Path(kma.__file__)
    assert "site-packages" in home.parts, f"keras_medaug comes from {home}"
    assert kma.__version__ == importlib.metadata.version("keras-medaug")
    data = kma.datasets.load("phantom")
    x, _ = data.train
    model = kma.models.CVAE(data.image_shape, latent_dim=4)
    model.compile()
    model.fit(x[:32], epochs=1, batch_size=16, verbose=0)
    images = model.generate(3, seed=0)
    assert images.shape == (3, *data.image_shape)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        again = keras.saving.load_model(path)
    assert np.allclose(again.generate(3, seed=0), images, atol=1e-6)
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"matplotlib", "PIL", "medmnist", "dask"}


if __name__ == "__main__":
    check_contents(sys.argv[1])
    use()
    print("The wheel works.")
