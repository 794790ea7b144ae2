"""Every check of the project, each in an environment of its own. `nox` runs the default ones."""

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests", "build"]

ROOT = Path(__file__).parent
# One environment each: a hidden import of another backend fails where that one is not installed.
BACKENDS = {
    "jax": {"JAX_PLATFORMS": "cpu"},
    "torch": {},
    "tensorflow": {"TF_CPP_MIN_LOG_LEVEL": "3"},
}
BACKEND = nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))


def scratch(session: nox.Session, name: str) -> Path:
    """A path in the session's own temporary folder."""
    return Path(session.create_tmp()).resolve() / name


def environment(session: nox.Session, backend: str) -> dict[str, str]:
    """Variables of a run on the CPU, whatever the user's own Keras configuration says."""
    home = scratch(session, "keras")
    common = {"KERAS_BACKEND": backend, "KERAS_HOME": str(home), "MPLBACKEND": "Agg"}
    return common | {"CUDA_VISIBLE_DEVICES": "-1"} | BACKENDS[backend]


def install(session: nox.Session, backend: str, device: str = "cpu") -> None:
    """Install the package with pinned versions of the backend and of the test tools."""
    pins = f"requirements/{backend}-{device}.txt"
    session.install("-r", pins, "-r", "requirements/test.txt", "-e", ".")


@nox.session
@BACKEND
def tests(session: nox.Session, backend: str) -> None:
    """Tests and docstring examples on one backend, on the CPU. Arguments go to pytest."""
    install(session, backend)
    env = environment(session, backend)
    session.run("python", "-m", "pytest", "--durations=15", *session.posargs, env=env)


@nox.session(default=False)
@BACKEND
def tests_gpu(session: nox.Session, backend: str) -> None:
    """The same on a GPU; fails, rather than skips, where the backend sees none."""
    install(session, backend, "cuda")
    env = {"KERAS_BACKEND": backend, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    session.run("python", "-m", "pytest", "tests", "--check-gpu", *session.posargs, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting, over everything."""
    session.install("-r", "requirements/lint.txt")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types, over the package and the examples."""
    session.install("-r", "requirements/types.txt")
    session.run("mypy", *session.posargs)


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build the distributions, look into them, and use the wheel where nothing else is."""
    dist = scratch(session, "dist")
    session.install("-r", "requirements/build.txt")
    session.run("python", "-m", "build", "--outdir", str(dist))
    wheel = max(dist.glob("*.whl"), key=os.path.getmtime)
    session.install(f"keras-medaug[jax] @ {wheel.as_uri()}", "-c", "requirements/jax-cpu.txt")
    smoke, env = str(ROOT / "tests" / "smoke_wheel.py"), environment(session, "jax")
    session.chdir(dist)  # away from the checkout, which must not be what is imported
    session.run("python", "-P", smoke, wheel.name, env=env)


@nox.session(default=False)
def examples(session: nox.Session) -> None:
    """Run the main job's smoke preset on JAX, into a folder of the session's own."""
    session.install("-r", "requirements/jax-cpu.txt", "-e", ".[reproduce]")
    command = ["python", "examples/reproduce.py", "--preset", "smoke"]
    command += ["--out", str(scratch(session, "out")), *session.posargs]
    session.run(*command, env=environment(session, "jax"))
