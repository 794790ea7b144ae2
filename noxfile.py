"""Every check of the project, each in an environment of its own. `nox` runs the default ones."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint", "types", "tests", "backend_free", "parity", "exchange", "previous", "build", "extras",
    "docs",
]  # fmt: skip

ROOT = Path(__file__).parent
# One environment each: a hidden import of another backend fails where that one is not installed.
BACKENDS = {
    "jax": {"JAX_PLATFORMS": "cpu"},
    "torch": {},
    "tensorflow": {"TF_CPP_MIN_LOG_LEVEL": "3"},
}
# Tests that need no backend have a session of their own. Tests that need Keras, but no particular
# backend, run on PyTorch alone, which compiles nothing.
ONCE = "torch"
CHOSEN = dict.fromkeys(BACKENDS, "not backend_free and (each_backend or not one_backend)")
CHOSEN[ONCE] = "not backend_free"
# Two processes, between which pytest-xdist balances the tests while they run.
WORKERS = ["-n", "2", "--dist", "worksteal"]
# Most of the tests' time on JAX goes into compiling thousands of programs that run a few times.
# These settings halve that time; the programs run slower. The gradient oracle, parity, the site and
# the wheel use JAX's own settings.
COMPILED_QUICKLY = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
}
ORACLE = "tests/oracle"
BACKEND = nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))

# What a user of the wheel can ask for. The others are for work on a checkout, in other sessions.
DEVELOPERS = {"test", "dev", "docs"}
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
EXTRAS = [extra for extra in PROJECT["optional-dependencies"] if extra not in DEVELOPERS]
TRIED_ON = {"medmnist": "torch"}  # which it requires; the others are tried on JAX

# What the tests on each backend leave for the sessions that compare backends.
PARITY = ROOT / ".nox" / "left" / "parity"
EXCHANGE = ROOT / ".nox" / "left" / "exchange"

# What this run of Nox has made already: the wheel, and by backend an environment with nothing else.
WHEELS: list[Path] = []
BARE: dict[str, Path] = {}

# Where the scripts that compare backends and libraries find the tests' helpers.
HELPERS = os.pathsep.join(["tests", "tests/oracle"])


def scratch(session: nox.Session, name: str) -> Path:
    """A path in the session's own temporary folder."""
    return Path(session.create_tmp()).resolve() / name


def environment(session: nox.Session, backend: str) -> dict[str, str]:
    """Variables of a run on the CPU, whatever the user's own Keras configuration says."""
    home = scratch(session, "keras")
    common = {"KERAS_BACKEND": backend, "KERAS_HOME": str(home), "MPLBACKEND": "Agg"}
    return common | {"CUDA_VISIBLE_DEVICES": "-1"} | BACKENDS[backend]


@functools.cache
def compiled_once() -> dict[str, str]:
    """Return the variables that give all processes of this run one JAX compilation cache.

    It is removed when Nox ends. Do not use it in benchmarks.
    """
    cache = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    least = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return {"JAX_COMPILATION_CACHE_DIR": cache, **least}


def tests_environment(session: nox.Session, backend: str) -> dict[str, str]:
    """Return the variables of a test run, of which two processes share the cores."""
    shared = compiled_once() if backend == "jax" else {}
    return environment(session, backend) | shared | {"OMP_NUM_THREADS": "1"}


def install(session: nox.Session, backend: str, device: str = "cpu") -> None:
    """Install the package with pinned versions of the backend and of the test tools."""
    pins = ["-r", f"requirements/{backend}-{device}.txt", "-r", "requirements/test.txt"]
    session.install(*pins, "-r", "requirements/dask.txt", "-e", ".")


@nox.session
@BACKEND
def tests(session: nox.Session, backend: str) -> None:
    """Tests and docstring examples on one backend, on the CPU. Arguments go to pytest.

    Without arguments the session leaves out the tests of `backend_free`, and writes the files that
    `parity` and `exchange` compare.
    """
    install(session, backend)
    env = tests_environment(session, backend)
    compiled_quickly = env | (COMPILED_QUICKLY if backend == "jax" else {})
    command = ["python", "-m", "pytest", "--durations=25"]
    if session.posargs:
        session.run(*command, *session.posargs, env=compiled_quickly)
        return
    command += ["-m", CHOSEN[backend], *WORKERS]
    if backend == "jax":
        docs_run_the_gallery = {"KERAS_MEDAUG_GALLERY": "docs"}
        others = [f"--ignore={ORACLE}"]
        session.run(*command, *others, env=compiled_quickly | docs_run_the_gallery)
        session.run(*command, ORACLE, env=env)
    else:
        session.run(*command, env=env)
    witness(session, "train.py", str(PARITY / f"{backend}.npz"), env=env)
    witness(session, "exchange.py", "save", str(EXCHANGE), env=env)


@nox.session(venv_backend="none")
def backend_free(session: nox.Session) -> None:
    """Tests that need no backend: statistics, metrics, data, files. Arguments go to pytest.

    They run in the environment of `tests(torch)`, which holds the libraries whose numbers they
    compare with ours.
    """
    python = tests_python(session, ONCE)
    command = [python, "-m", "pytest", "--durations=25", "-m", "backend_free"]
    env = tests_environment(session, ONCE)
    session.run(*command, *(session.posargs or WORKERS), env=env, external=True)


@nox.session(venv_backend="none", default=False)
def quick(session: nox.Session) -> None:
    """Style, types, the tests that need no backend, and a small training on each backend.

    For your own edits. It takes less than three minutes once the environments exist.
    """
    for name in ("lint", "types"):
        session.notify(name)
    for backend in BACKENDS:
        session.notify(f"tests({backend})", posargs=["tests/test_small_training.py"])
    session.notify("backend_free")


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Lines and branches of the package that the tests run, on PyTorch. Arguments go to pytest."""
    install(session, ONCE)
    env = tests_environment(session, ONCE)
    command = ["python", "-m", "pytest", *(session.posargs or WORKERS)]
    session.run(*command, "--cov", "--cov-report=term-missing:skip-covered", env=env)


def witness(
    session: nox.Session, script: str, *arguments: str, env: dict[str, str], python: str = "python"
) -> None:
    """Run one of the scripts that compare backends, with the tests' helpers at hand."""
    command = [python, f"tests/parity/{script}", *arguments]
    session.run(*command, env=env | {"PYTHONPATH": HELPERS}, external=python != "python")


@nox.session
def parity(session: nox.Session) -> None:
    """Say whether all backends trained to the same weights. Needs none; run `tests` before."""
    session.install("numpy", "-c", "requirements/test.txt")
    witness(session, "compare.py", str(PARITY), env={})


@nox.session(venv_backend="none")
@BACKEND
def exchange(session: nox.Session, backend: str) -> None:
    """Load what was saved on each backend, where only this one is. Run `tests` before."""
    python = tests_python(session, backend)
    witness(
        session, "exchange.py", "load", str(EXCHANGE), env=tests_environment(session, backend),
        python=python,
    )  # fmt: skip


def tests_python(session: nox.Session, backend: str) -> str:
    """Return the Python of the environment that the tests on a backend ran in."""
    return session_python(session, f"tests-{backend}")


def session_python(session: nox.Session, name: str) -> str:
    """Return the Python of another session's environment."""
    folder = ROOT / ".nox" / name
    path = shutil.which("python", path=f"{folder / 'bin'}{os.pathsep}{folder / 'Scripts'}")
    if path is None:
        known = {f"tests-{backend}": f"tests({backend})" for backend in BACKENDS}
        session.error(f'there is no {folder}; run `nox -s "{known.get(name, name)}"` first')
    return str(path)


@nox.session
def previous(session: nox.Session) -> None:
    """Load what the previous release saves. Skipped until there is one."""
    tags = ["git", "tag", "--list", "v*", "--sort=-v:refname", "--merged", "HEAD"]
    released = str(session.run(*tags, external=True, silent=True)).split()
    if not released:
        session.skip("there is no release yet: no tag v* on this branch")
    install(session, "jax")
    env = environment(session, "jax")
    old, files = emptied(session, "old"), emptied(session, "files")
    archive = scratch(session, "old.tar")
    session.run("git", "archive", "-o", str(archive), released[0], external=True)
    shutil.unpack_archive(archive, old, filter="data")
    path = os.pathsep.join([str(old), "tests/oracle"])
    command = ["python", "tests/parity/exchange.py", "save", str(files)]
    where = "import keras_medaug; print(keras_medaug.__file__)"
    imported = session.run("python", "-P", "-c", where, env=env | {"PYTHONPATH": path}, silent=True)
    if str(old) not in str(imported):
        session.error(f"not {released[0]} is imported, but {imported}")
    session.run(*command, env=env | {"PYTHONPATH": path})
    witness(session, "exchange.py", "load", str(files), "jax", env=env)


@nox.session(default=False)
@BACKEND
def mutants(session: nox.Session, backend: str) -> None:
    """Break the training in one place at a time; each time the oracle has to go red."""
    install(session, backend)
    script = "tests/oracle/gradient_oracle/mutants.py"
    session.run("python", script, *session.posargs, env=tests_environment(session, backend))


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Race the models against the loops of others, and print what came of every target.

    Runs where `tests` and `pythae` have run before: in their environments, all in turn.
    """
    pythons = {backend: tests_python(session, backend) for backend in BACKENDS}
    named = [f"{name}={python}" for name, python in pythons.items()]
    named.append(f"pythae={session_python(session, 'pythae')}")
    races: dict[str, list[str]] = {"speed": [], "speed_keep_memory": ["--keep-memory"]}
    for name, options in races.items():
        out = ["--out", f"docs/results/{name}.json", *options, *session.posargs]
        session.run("python", "benchmarks/speed.py", "--python", *named, *out)
    for backend, python in pythons.items():
        env = environment(session, backend)
        for script in ("costs", "profiles"):
            out = ["--out", f"docs/results/{script}_{backend}.json"]
            session.run(python, f"benchmarks/{script}.py", *out, env=env, external=True)
    session.run(pythons["jax"], "benchmarks/targets.py", external=True)


@nox.session(default=False)
def bench_gpu(session: nox.Session) -> None:
    """Race JAX and PyTorch on a GPU against loops written by hand, in float32 and bfloat16.

    Fails where there is none. Then the paper preset of both real sets, timed, on JAX.
    """
    session.install("-r", "requirements/jax-cuda.txt", "-r", "requirements/torch-cuda.txt")
    session.install("-r", "requirements/test.txt", "-e", ".[reproduce]")
    for name, options in (("float32", []), ("bfloat16", ["--half"])):
        out = ["--out", f"docs/results/speed_gpu_{name}.json"]
        session.run("python", "benchmarks/speed.py", "--gpu", *options, *out, *session.posargs)
    preset = ["--preset", "paper", "--datasets", "breastmnist", "pneumoniamnist"]
    out = ["--out", str(scratch(session, "paper"))]
    env = {"KERAS_BACKEND": "jax", "MPLBACKEND": "Agg"}
    session.run("python", "examples/reproduce.py", *preset, *out, env=env)


@nox.session(default=False)
def pythae(session: nox.Session) -> None:
    """Point the gradient oracle at another library's VAE/GAN; needs BreastMNIST."""
    pins = ["-r", "requirements/pythae.txt", "-r", "requirements/test.txt"]
    session.install("-r", "requirements/torch-cpu.txt", *pins, "-e", ".")
    env = environment(session, "torch") | {"PYTHONPATH": HELPERS}
    command = ["benchmarks/pythae_gradients.py", "--out", "docs/results/pythae_gradients.json"]
    session.run("python", *command, *session.posargs, env=env)


@nox.session(default=False)
@BACKEND
def tests_gpu(session: nox.Session, backend: str) -> None:
    """The same on a GPU; fails, rather than skips, where the backend sees none."""
    install(session, backend, "cuda")
    env = {"KERAS_BACKEND": backend, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Products in TF32, which GPUs take by default, are good to three digits; tests ask for more.
    env |= {"NVIDIA_TF32_OVERRIDE": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    session.run("python", "-m", "pytest", "tests", "--check-gpu", *session.posargs, env=env)


@nox.session(default=False)
@BACKEND
def doctest(session: nox.Session, backend: str) -> None:
    """The examples in docstrings and the code on the pages alone; `tests` has them as well."""
    install(session, backend)
    command = ["python", "-m", "pytest", "keras_medaug", "tests/docs", *session.posargs]
    session.run(*command, env=tests_environment(session, backend))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, gallery and all, and check that it lacks no public name."""
    install_docs(session)
    site = ROOT / "docs" / "_build" / "html"
    before = example_files()
    for name in ("gallery", "tutorials"):  # else a script that has not changed does not run again
        shutil.rmtree(ROOT / "docs" / name, ignore_errors=True)
    build_docs(session, "html", site)
    if left := example_files() - before:
        session.error(f"the scripts of the gallery leave behind {sorted(map(str, left))}")
    scripts = [path for path in (ROOT / "examples").glob("*/plot_*.py") if not pictures_of(path)]
    if scripts:
        session.error(f"no figure comes from {sorted(map(str, scripts))}")
    session.run("python", "docs/check_reference.py", str(site), env=environment(session, "jax"))
    session.log(f"Open {site / 'index.html'}")


def example_files() -> set[Path]:
    """Return the files below `examples`, where the scripts of the gallery run."""
    paths = (ROOT / "examples").rglob("*")
    return {path for path in paths if path.is_file() and "__pycache__" not in path.parts}


def pictures_of(script: Path) -> list[Path]:
    """Return the figures that the site shows of a script of the gallery."""
    folder = ROOT / "docs" / script.parent.name / "images"
    return list(folder.glob(f"sphx_glr_{script.stem}_*.png"))


@nox.session(default=False)
def linkcheck(session: nox.Session) -> None:
    """Follow every link of the site; needs a network."""
    install_docs(session)
    skip_gallery = ["-D", "plot_gallery=0"]
    build_docs(session, "linkcheck", ROOT / "docs" / "_build" / "linkcheck", *skip_gallery)


def install_docs(session: nox.Session) -> None:
    """Install what the site is built with: the package as users get it, and JAX for the gallery."""
    session.install("-r", "requirements/docs.txt", "-r", "requirements/jax-cpu.txt", ".")


def build_docs(session: nox.Session, builder: str, out: Path, *options: str) -> None:
    """Build the site with warnings, of broken references too, as errors."""
    # Anew each time: an older environment does not know of pages that have come since, and no stubs
    # are made of what they name.
    command = ["sphinx-build", "-b", builder, "-E", "-n", "-W", "--keep-going", *options]
    session.run(*command, "docs", str(out), env=environment(session, "jax") | compiled_once())


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting, over everything."""
    session.install("-r", "requirements/lint.txt")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types, over all that is not a test."""
    session.install("-r", "requirements/types.txt")
    session.run("mypy", *session.posargs)


def emptied(session: nox.Session, name: str) -> Path:
    """An empty folder of the session's own."""
    folder = scratch(session, name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def smoke(session: nox.Session, *arguments: str, backend: str = "jax") -> None:
    """Run the checks of the wheel away from the checkout, which must not be what is imported."""
    script = str(ROOT / "tests" / "smoke_wheel.py")
    with session.chdir(session.create_tmp()):
        env = environment(session, backend) | compiled_once()
        session.run("python", "-P", script, *arguments, env=env)


def distributions(session: nox.Session) -> list[str]:
    """Build wheel and source distribution, and check what they hold and say."""
    dist = emptied(session, "dist")
    session.install("-r", "requirements/build.txt")
    session.run("python", "-m", "build", "--outdir", str(dist))
    made = [str(path) for pattern in ("*.whl", "*.tar.gz") for path in dist.glob(pattern)]
    session.run("twine", "check", "--strict", *made)
    smoke(session, "distributions", *made)
    WHEELS[:] = [Path(made[0])]
    return made


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build the distributions, look into them, and type-check a user's file beside the wheel."""
    wheel, _ = distributions(session)
    session.install(wheel, "-c", "requirements/jax-cpu.txt", "-c", "requirements/types.txt")
    smoke(session, "types")


def built(session: nox.Session) -> Path:
    """Return the wheel that this run has built, else build it, leaving the environment bare."""
    if not WHEELS:
        folder = emptied(session, "wheel")
        command = ["python", "-m", "pip", "wheel", "--quiet", "--no-deps"]
        session.run_install(*command, "--wheel-dir", str(folder), str(ROOT))
        WHEELS.extend(folder.glob("*.whl"))
    return WHEELS[0]


def install_extra(session: nox.Session, backend: str, extra: str) -> None:
    """Install the wheel with a backend and an extra, pinned."""
    # The extra names tensorflow, of which the pinned tensorflow-cpu is a smaller build.
    pins = Path(f"requirements/{backend}-cpu.txt").read_text(encoding="utf-8")
    constraints = scratch(session, "constraints.txt")
    constraints.write_text(pins.replace("tensorflow-cpu", "tensorflow"), encoding="utf-8")
    names = ",".join(dict.fromkeys([backend, extra]))
    wanted = f"keras-medaug[{names}] @ {built(session).as_uri()}"
    pinned = [str(constraints), "requirements/test.txt", "requirements/dask.txt"]
    session.install(wanted, *(argument for path in pinned for argument in ("-c", path)))


def packages(session: nox.Session) -> Path:
    """Return the folder of the packages of the session's environment."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(str(session.run("python", "-c", ask, silent=True)).strip())


@nox.session(reuse_venv=False)
@nox.parametrize("extra", EXTRAS, ids=EXTRAS)
def extras(session: nox.Session, extra: str) -> None:
    """Use the wheel with one extra, where nothing else is.

    To save time, an extra without a backend of its own finds that backend, and the wheel, in the
    environment where this run has tried it: bare too. With the argument `apart` it does not.
    """
    backend = extra if extra in BACKENDS else TRIED_ON.get(extra, "jax")
    if backend in BARE and "apart" not in session.posargs:
        path = packages(session) / "bare.pth"
        path.write_text(f"{BARE[backend]}\n", encoding="utf-8")
    install_extra(session, backend, extra)
    smoke(session, "extra", extra, backend=backend)
    if extra == backend:
        BARE[backend] = packages(session)


@nox.session(default=False, reuse_venv=False)
def release(session: nox.Session) -> None:
    """Check that all is ready for a release, and make its files in `dist/`. Tags nothing."""
    session.run("python", "tools/release.py", "check")
    made = distributions(session)
    install_extra(session, "jax", "jax")
    smoke(session, "types")
    smoke(session, "extra", "jax")
    session.run("python", "tools/release.py", "stage", *made)


@nox.session(default=False)
def examples(session: nox.Session) -> None:
    """Run the main job's smoke preset on JAX, into a folder of the session's own."""
    session.install("-r", "requirements/jax-cpu.txt", "-e", ".[reproduce]")
    command = ["python", "examples/reproduce.py", "--preset", "smoke"]
    command += ["--out", str(scratch(session, "out")), *session.posargs]
    session.run(*command, env=environment(session, "jax"))
