"""Look into the distributions, and use the installed wheel where nothing but an extra is.

Run by Nox, in a folder away from the checkout, which must not be what is imported:

    python -P smoke_wheel.py distributions WHEEL SDIST    what is in them, and what they say
    python -P smoke_wheel.py types                        mypy of a user's file
    python -P smoke_wheel.py extra NAME                   a job that the extra is there for
"""

import contextlib
import email
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]

# What each script is started with; one that is not named here fails the check of `reproduce`.
EXAMPLES = {
    "reproduce.py": ["--preset", "tiny", "--datasets", "phantom", "--out", "out"],
    "study.py": ["--arms", "none", "oversample", "--seeds", "1", "--steps", "1", "--out", "study"],
}

# A line that ends in `# wrong: CODE` must be an error to mypy, with that code; all others must not.
USER = """\
import keras_medaug as kma

data = kma.datasets.load("phantom")
x, y = data.train
model = kma.models.CVAE(data.image_shape, latent_dim=4)
images = model.generate(3, seed=0)
print(images.mean(), data.num_classes + 1)
images.lenght  # wrong: attr-defined
data.image_shpae  # wrong: attr-defined
kma.datasets.load(28)  # wrong: arg-type
kma.models.CVAE(data.image_shape, latent_dim="4")  # wrong: arg-type
model.generate("three")  # wrong: arg-type
kma.modles  # wrong: attr-defined
"""


# ---- the distributions ----------------------------------------------------------------------


def project():
    """Return the table of pyproject.toml."""
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def files(folder="."):
    """Return the checkout's files below a folder: those git tracks, or all where git is not."""
    if (CHECKOUT / ".git").exists():
        command = ["git", "-C", str(CHECKOUT), "ls-files", "-z", folder]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return set(listed.split("\0")) - {""}
    paths = (path for path in (CHECKOUT / folder).rglob("*") if path.is_file())
    names = {path.relative_to(CHECKOUT).as_posix() for path in paths}
    return {name for name in names if "__pycache__" not in name}


def check_wheel(wheel):
    """Refuse a wheel that holds anything but the package's files in git, and what describes it."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    described = {name for name in inside if name.split("/")[0].endswith(".dist-info")}
    package, tracked = inside - described, files("keras_medaug")
    assert package <= tracked, f"the wheel holds what git does not: {sorted(package - tracked)}"
    assert tracked <= package, f"the wheel lacks {sorted(tracked - package)}"
    assert "keras_medaug/py.typed" in inside, "the wheel lacks py.typed"
    assert any(name.endswith("licenses/LICENSE") for name in described), "the wheel lacks LICENSE"


def check_sdist(sdist):
    """Refuse a source distribution from which the tests, say, could not be run."""
    left_out = project()["tool"]["hatch"]["build"]["targets"]["sdist"]["exclude"]
    needed = {name for name in files() if not f"/{name}".startswith(tuple(left_out))}
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "tests/conftest.py"} <= needed
    assert needed <= inside, f"the sdist lacks {sorted(needed - inside)}"


def check_metadata(wheel):
    """Compare what the wheel says of itself with the checkout, and render its README."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    table = project()["project"]
    version = runpy.run_path(str(CHECKOUT / "keras_medaug/_version.py"))["__version__"]
    expected = {"Name": table["name"], "Version": version, "License-Expression": table["license"]}
    expected |= {"Requires-Python": table["requires-python"]}
    expected |= {"Description-Content-Type": "text/markdown"}
    stated = {key: metadata[key] for key in expected}
    assert stated == expected, f"the wheel states {stated}, the checkout {expected}"
    extras = set(metadata.get_all("Provides-Extra"))
    assert extras == set(table["optional-dependencies"]), f"the wheel has the extras {extras}"
    hard = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(hard) == sorted(table["dependencies"]), f"the wheel requires {hard}"
    check_readme(metadata.get_payload(decode=True).decode())


def check_readme(text):
    """Render as a package index does; every heading, table and block of code must come out."""
    from readme_renderer import markdown

    prose, fences = re.subn(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    html = markdown.render(text)
    assert html, "the README does not render"
    wanted = {
        "<h[1-6]": len(re.findall(r"^#+ ", prose, re.MULTILINE)),
        "<table": len(re.findall(r"^\|[-|: ]*-[-|: ]*\|$", prose, re.MULTILINE)),
        "<pre": fences,
    }
    tags = {tag: len(re.findall(tag, html)) for tag in wanted}
    assert tags == wanted, f"the README has {wanted}, of which {tags} render"
    assert all(wanted.values())


def check_citation(sdist):
    """Refuse a CITATION.cff that is no YAML, or lacks what its format, 1.2.0, requires."""
    import yaml

    with tarfile.open(sdist) as archive:
        (name,) = (n for n in archive.getnames() if n.endswith("/CITATION.cff"))
        citation = yaml.safe_load(archive.extractfile(name))
    required = {"cff-version", "message", "title", "authors"}
    assert required <= set(citation), f"CITATION.cff lacks {sorted(required - set(citation))}"
    assert citation["cff-version"] == "1.2.0"
    for work in [citation, *citation["references"]]:
        assert work["type"]
        assert work["title"]
        assert all({"name", "family-names"} & set(author) for author in work["authors"])


# ---- the installed wheel --------------------------------------------------------------------


def check_types():
    """Check a user's file beside the wheel: `py.typed` is what lets mypy see our types."""
    expected = {
        (str(number), line.partition("# wrong: ")[2])
        for number, line in enumerate(USER.splitlines(), 1)
        if "# wrong: " in line
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "user.py").write_text(USER, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "user.py"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    errors = set(re.findall(r"^user\.py:(\d+): error: .*\[([\w-]+)\]$", run.stdout, re.MULTILINE))
    assert errors == expected, f"expected {sorted(expected)}\n{run.stdout}{run.stderr}"


def check_origin():
    """Refuse a package that is not the installed one."""
    import keras_medaug as kma

    home = Path(kma.__file__)
    assert "site-packages" in home.parts, f"keras_medaug comes from {home}"
    assert kma.__version__ == importlib.metadata.version("keras-medaug")


def use():
    """Train, generate, save and load, with nothing installed but the wheel and a backend."""
    import keras
    import numpy as np

    import keras_medaug as kma

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


def use_backend(name):
    """Use the package on one backend."""
    import keras

    assert keras.config.backend() == name
    use()


def plot(_):
    """Save a figure."""
    import keras_medaug as kma

    x, _ = kma.datasets.load("phantom").train
    kma.plotting.save(kma.plotting.image_grid(x[:4]), "grid.png")
    assert Path("grid.png").read_bytes().startswith(b"\x89PNG")


def study(_):
    """Run a study and write a card, with nothing in them but what the extra brings."""
    import keras_medaug as kma

    data = kma.datasets.load("phantom", size=8, train=40, val=20, test=20)
    tiny = {"steps": 2, "classifier": {"filters": 4}, "verbose": False}
    results = kma.study.run(data, ["none", "oversample"], seeds=2, out="study", **tiny)
    assert results["comparisons"][0]["verdict"] == "INCONCLUSIVE"
    assert Path("study/differences.png").read_bytes().startswith(b"\x89PNG")
    model = kma.models.CVAE((8, 8, 1), latent_dim=4, encoder_filters=4, decoder_filters=4)
    kma.model_card(model, data, "card", count=30, classifier_steps=2, verbose=False)
    assert Path("card/model_card.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def images(_):
    """Read a folder of image files."""
    import numpy as np
    from PIL import Image

    import keras_medaug as kma

    for number in range(60):
        file = Path("skin", ("benign", "malignant")[number % 2], f"{number}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 16), number, np.uint8)).save(file)
    data = kma.datasets.from_directory("skin", size=16)
    assert data.class_names == ("benign", "malignant")
    assert sum(data.counts.values()) == 60


def dask(_):
    """Generate in a worker of a cluster within this process."""
    from dask import distributed

    import keras_medaug as kma

    model = kma.models.CVAE((16, 16, 1), latent_dim=4, seed=0)
    size = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(processes=False, **size) as client:
        made = client.submit(lambda seed: model.generate(2, seed=seed), 0).result()
    assert made.shape == (2, 16, 16, 1)


def medmnist(_):
    """Take over splits that the official package reads."""
    import medmnist
    import numpy as np

    import keras_medaug as kma

    draw = np.random.default_rng(0).integers
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = draw(0, 256, (4, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = np.arange(4, dtype=np.uint8)[:, None] % 2
    np.savez("breastmnist.npz", **arrays)
    train, test = (medmnist.BreastMNIST(split=split, root=".") for split in ("train", "test"))
    data = kma.datasets.from_medmnist(train, test=test)
    assert data.counts == {"train": 4, "val": 0, "test": 4}
    np.testing.assert_array_equal(data.stored("train")[0][..., 0], arrays["train_images"])


def run_script(path):
    """Run a script in this process, where one can see what it imported; return its exit code."""
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        return end.code
    return 0


def reproduce(_):
    """Run copies of the examples, which find the package where it is installed."""
    written = (CHECKOUT / "examples").glob("*.py")
    scripts = {
        path.name for path in written if 'if __name__ == "__main__"' in path.read_text("utf-8")
    }
    assert scripts == set(EXAMPLES), f"EXAMPLES names {set(EXAMPLES)}, there are {scripts}"
    shutil.copytree(CHECKOUT / "examples", "examples", ignore=shutil.ignore_patterns("*.pyc"))
    sys.path.insert(0, str(Path("examples").resolve()))  # as Python does for a script
    for script, arguments in EXAMPLES.items():
        sys.argv = [script, *arguments]
        code = run_script(f"examples/{script}")
        assert not code, f"{script} ended with {code}"
    assert Path(sys.modules["reproduction"].__file__).is_relative_to(Path.cwd())
    assert "phantom" in Path("out/report.md").read_text(encoding="utf-8")
    assert list(Path("out/phantom").glob("*.png"))


JOBS = {
    "jax": use_backend,
    "torch": use_backend,
    "tensorflow": use_backend,
    "plot": plot,
    "study": study,
    "reproduce": reproduce,
    "images": images,
    "dask": dask,
    "medmnist": medmnist,
}


def check_extra(name):
    """Do the job of an extra, in a folder of its own, with the installed package."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        check_origin()
        JOBS[name](name)


def check_distributions(wheel, sdist):
    """Look into both."""
    check_wheel(wheel)
    check_sdist(sdist)
    check_citation(sdist)
    check_metadata(wheel)


COMMANDS = {
    "distributions": check_distributions,
    "types": check_types,
    "extra": check_extra,
}

if __name__ == "__main__":
    _, command, *rest = sys.argv
    COMMANDS[command](*rest)
    print(f"Good: {command}", *rest)
