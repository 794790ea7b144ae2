"""The house rules, checked over the syntax tree of every file of the package.

A rule is a generator of `(line, what is wrong)`. Each is shown below to catch planted code, and to
let through what only looks like it.
"""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

PACKAGE = Path(__file__).parents[1] / "keras_medaug"
FILES = sorted(PACKAGE.rglob("*.py"))
BACKENDS = {
    "jax", "jaxlib", "flax", "optax", "torch", "torchvision", "tensorflow", "tf_keras", "openvino",
}  # fmt: skip
OPTIONAL = {"matplotlib", "PIL", "dask", "distributed", "jinja2"}
PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
DYNAMIC_IMPORTS = {"import_module", "__import__", "find_spec", "LazyLoader", "exec", "eval"}
STEPS = re.compile(
    r"_?(train|test|predict)_step(s)?|make_(train|test|predict)_function|jax_state_sync"
)
BACKEND_PATH = re.compile(rf"({'|'.join(sorted(BACKENDS))})(\.\w+)*\.?")

# Dependencies point one way: a part may import parts of a lower rank, and itself. What is not named
# here is a helper at the bottom, such as `checks`.
RANKS = {
    "layers": 1, "losses": 1, "datasets": 1, "metrics": 1, "plotting": 1,
    "networks": 2, "fitting": 2,
    "models": 3, "callbacks": 3,
    "features": 4, "labels": 4, "study": 5, "cards": 6, "augmenting": 7,
}  # fmt: skip

# Parts that know nothing of others of their rank, but for those named.
ALONE = {"datasets": {"metrics"}, "metrics": set()}


def docstrings(tree):
    """Return the ids of the constants that are docstrings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, kinds)]
    firsts = [body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)]
    return {id(value) for value in firsts if isinstance(value, ast.Constant)}


def imported(tree):
    """Yield `(line, dotted name)` of all that is imported; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def dotted(node):
    """Return `a.b.c` of an attribute chain; what is not a name in it becomes `?`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def called(node):
    """Return the last part of the name that a call calls."""
    return dotted(node.func).rpartition(".")[2]


def strings(tree):
    """Yield `(line, text)` of the string constants that are no docstrings, f-strings' included."""
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in skipped:
            yield node.lineno, node.value


def calls(tree):
    """Yield the calls."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def is_constant(node, *values):
    """Tell whether a node is a constant of one of these values."""
    return isinstance(node, ast.Constant) and any(node.value is value for value in values)


def backend_imports(tree):
    """No backend, in any form, and no part of Keras that belongs to one."""
    for line, name in imported(tree):
        top, _, rest = name.partition(".")
        if top in BACKENDS | {"medmnist"}:
            yield line, f"imports {name}"
        if top == "keras" and rest.split(".")[0] == "src":
            yield line, f"imports {name}, which is private to Keras"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node).startswith("keras.src"):
            yield node.lineno, f"uses {dotted(node)}"


def dynamic_imports(tree):
    """No import that the other rules cannot see: imports inside functions are lazy enough."""
    for node in calls(tree):
        if called(node) in DYNAMIC_IMPORTS:
            yield node.lineno, f"calls {called(node)}"
    for line, name in imported(tree):
        if name.rpartition(".")[2] in DYNAMIC_IMPORTS:
            yield line, f"imports {name}"


def backend_names(tree):
    """No question as to which backend runs, and no string that names one."""
    for line, text in strings(tree):
        if BACKEND_PATH.fullmatch(text) or "KERAS_BACKEND" in text:
            yield line, f"names a backend: {text!r}"
    for line, name in imported(tree):
        if name.startswith("keras.") and name.endswith(".backend"):
            yield line, f"imports {name}"
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    # `keras.backend` also holds what is no question, `keras.backend.standardize_dtype` for one
    harmless = {id(node.value) for node in attributes if node.attr != "backend"}
    for node in attributes:
        if node.attr == "backend" and not (
            dotted(node) == "keras.backend" and id(node) in harmless
        ):
            yield node.lineno, f"uses {dotted(node)}"
    for node in calls(tree):
        values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if called(node) in {"getattr", "attrgetter", "hasattr"} and "backend" in values:
            yield node.lineno, "looks up `backend`"


def training_steps(tree):
    """No training step of our own: `fit` and its steps are Keras's."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [dotted(target).rpartition(".")[2] for target in targets]
        elif isinstance(node, ast.Call) and called(node) == "setattr":
            names = [a.value for a in node.args if isinstance(getattr(a, "value", None), str)]
        for name in names:
            if STEPS.fullmatch(name):
                yield node.lineno, f"defines {name}"


def unsafe_loading(tree):
    """No file is ever run: no pickle, and NumPy and Keras are told so."""
    for line, name in imported(tree):
        if name.split(".")[0] in PICKLERS:
            yield line, f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and "pickle" in node.attr:
            yield node.lineno, f"uses {dotted(node)}"
    for node in calls(tree):
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if not is_constant(given.get("allow_pickle", ast.Constant(False)), False):
            yield node.lineno, "allows pickles"
        if dotted(node.func) in {"np.load", "numpy.load"} and "allow_pickle" not in given:
            yield node.lineno, "np.load without allow_pickle=False"
        if not is_constant(given.get("safe_mode", ast.Constant(True)), True, None):
            yield node.lineno, "switches safe_mode off"
        if called(node) == "enable_unsafe_deserialization":
            yield node.lineno, f"calls {called(node)}"


def runs_later(node):
    """Tell whether what stands in a node does not run when the package is imported."""
    for_types = isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")
    return for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def eager_imports(tree):
    """What is optional is imported inside the function that uses it, and nowhere else."""
    later = {name for node in ast.walk(tree) if runs_later(node) for name in imported(node)}
    for line, name in imported(tree):
        if name.split(".")[0] in OPTIONAL and (line, name) not in later:
            yield line, f"imports {name} with the package"


RULES = [
    backend_imports,
    dynamic_imports,
    backend_names,
    training_steps,
    unsafe_loading,
    eager_imports,
]


# The places that may ask which backend runs. `backend_check` looks for the chosen backend before
# Keras is imported, and imports none. The environment of a study notes it, and does nothing with
# it. As for the layers: how Keras does a transposed convolution is slow by an order of magnitude on
# JAX, and on PyTorch it copies images around; the results are the same. Keras empties variables on
# JAX alone, and elsewhere no copies of them are needed.
EXCEPTIONS = {
    ("backend_check.py", backend_names),
    ("backend_check.py", dynamic_imports),
    ("layers/channels_first.py", backend_names),
    ("layers/conv2d_transpose.py", backend_names),
    ("models/whole_after_failure.py", backend_names),
    ("provenance.py", backend_names),
}


def rules_for(path):
    """Return the rules that hold for a file of the package."""
    return [rule for rule in RULES if (Path(path).as_posix(), rule) not in EXCEPTIONS]


def part_of(path):
    """Return the part of the package that a file belongs to: `layers`, `checks`, ..."""
    return Path(path).parts[0].removesuffix(".py")


def wrong_way(tree, part):
    """Dependencies point one way: layers, losses <- networks <- models <- study."""
    for line, name in imported(tree):
        top, *rest = name.split(".")
        other = rest[0] if rest else ""
        if name.startswith("."):
            yield line, f"imports {name}, a relative name"
        if top != "keras_medaug" or part in {"__init__", other}:
            continue
        if top == name and part in RANKS:
            yield line, "imports the whole package"
        if RANKS.get(other, 0) > RANKS.get(part, 0):
            yield line, f"{part} imports {other}"
        if part in ALONE and RANKS.get(other, 0) > 0 and other not in ALONE[part]:
            yield line, f"{part} stands alone, but imports {other}"


def misnamed_classes(tree, stem):
    """One public class a file, which is named after it."""
    public = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    for node in public:
        if len(public) > 1:
            yield node.lineno, f"{node.name} is one of {len(public)} public classes of one file"
        elif stem != stem.lower() or stem.replace("_", "") != node.name.lower():
            yield node.lineno, f"{node.name} stands in {stem}.py"


def conversions(tree):
    """No arithmetic with 255: `images.py` has `to_float` and `to_uint8`."""
    for node in ast.walk(tree):
        operands = []
        if isinstance(node, ast.BinOp):
            operands = [node.left, node.right]
        elif isinstance(node, ast.AugAssign):
            operands = [node.value]
        elif isinstance(node, ast.Call) and called(node) in {"float32", "float64", "true_divide"}:
            operands = node.args
        if any(isinstance(value, ast.Constant) and value.value == 255 for value in operands):
            yield node.lineno, "calculates with 255"


# Where 255 stays: the converter; tensors in a compiled step; what 8 bits round off; and features,
# which are scaled in place.
WITH_255 = {
    "images.py",
    "layers/geometric_augmentation.py", "models/image_model.py",
    "metrics/duplicates.py", "metrics/spectral.py",
    "features/pixel_features.py",
}  # fmt: skip


def problems(findings):
    """Return findings as lines of text."""
    return [f"line {line}: {what}" for line, what in findings]


def test_there_are_files_to_check():
    assert {"__init__.py", "checks.py"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_package_keeps_the_rules(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    rules = rules_for(path.relative_to(PACKAGE))
    breaches = [problem for rule in rules for problem in problems(rule(tree))]
    breaches += problems(wrong_way(tree, part_of(path.relative_to(PACKAGE))))
    breaches += problems(misnamed_classes(tree, path.stem))
    assert not breaches


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_images_are_converted_in_one_file_alone(path):
    converts = problems(conversions(ast.parse(path.read_text(encoding="utf-8"))))
    assert bool(converts) == (path.relative_to(PACKAGE).as_posix() in WITH_255), converts


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("x / 255", True),
        ("x / 255.0", True),
        ("np.rint(255 * x)", True),
        ("x /= 255", True),
        ("x = x / np.float32(255)", True),
        ("to_float(x)", False),
        ("x.max() <= 255", False),
        ("np.clip(x, 0, 255)", False),
        ("unit = 255 if x.dtype == np.uint8 else 1", False),
    ],
)
def test_a_planted_conversion_is_caught(code, caught):
    assert bool(problems(conversions(ast.parse(code)))) == caught


def test_the_exceptions_are_those_that_contributors_read_of():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^  \| `(.+?\.py)` \|", text, flags=re.MULTILINE)) == {
        file for file, _ in EXCEPTIONS
    }


def test_an_exception_is_made_only_where_it_is_needed():
    assert len(EXCEPTIONS) == 6
    for name, rule in EXCEPTIONS:
        assert list(rule(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))))
        assert rule not in rules_for(name)
        assert len(rules_for(name)) == len(RULES) - sum(path == name for path, _ in EXCEPTIONS)


PLANTED = {
    backend_imports: [
        "import jax",
        "import jax.numpy as jnp",
        "import numpy, torch",
        "from torch import nn",
        "from tensorflow.keras import layers",
        "def f():\n    import tensorflow as tf",
        "try:\n    import torch\nexcept ImportError:\n    torch = None",
        "if TYPE_CHECKING:\n    from jax import Array",
        "import medmnist",
        "from medmnist import INFO",
        "import keras.src.backend.jax",
        "from keras.src.backend import torch",
        "from keras.src.backend.tensorflow.trainer import TensorFlowTrainer",
        "from keras.src import backend",
        "from keras import src",
        "keras.src.backend.torch.convert_to_tensor(x)",
        "x = keras.src.utils.module_utils.tensorflow",
    ],
    dynamic_imports: [
        "importlib.import_module('jax')",
        "import_module('torch.nn')",
        "from importlib import import_module as load",
        "__import__('tensorflow')",
        "importlib.import_module(name)",
        "importlib.import_module('ja' + 'x')",
        "importlib.util.find_spec('torch')",
        "LazyLoader('tf', globals(), name)",
        "exec('import jax')",
    ],
    backend_names: [
        "keras.backend.backend()",
        "keras.config.backend()",
        "if keras.config.backend() == 'jax':\n    pass",
        "import keras.backend as B",
        "from keras import backend",
        "which = keras.backend",
        "from keras.config import backend",
        "from keras.backend import backend as which",
        "from keras import config\nwhich = config.backend",
        "getattr(keras.config, 'backend')()",
        "os.environ['KERAS_BACKEND']",
        "os.environ.get('KERAS_BACKEND', None)",
        "sys.modules['torch']",
        "sys.modules.get('jax.numpy')",
        "if type(x).__module__.startswith('torch'):\n    pass",
        "name = 'tensorflow'",
        "match name:\n    case 'torch':\n        pass",
    ],
    training_steps: [
        "class A(keras.Model):\n    def train_step(self, data):\n        pass",
        "class A(keras.Model):\n    def test_step(self, data):\n        pass",
        "class A(keras.Model):\n    train_step = step",
        "class A(keras.Model):\n    def make_train_function(self, force=False):\n        pass",
        "async def train_step(data):\n    pass",
        "model.train_step = lambda data: {}",
        "model.train_step: object = None",
        "setattr(model, 'train_step', step)",
    ],
    unsafe_loading: [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle",
        "import joblib",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=allow)",
        "np.load(path)",
        "np.save(path, x, allow_pickle=True)",
        "pandas.read_pickle(path)",
        "keras.saving.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
    ],
    eager_imports: [
        "import matplotlib.pyplot as plt",
        "from PIL import Image",
        "try:\n    import dask\nexcept ImportError:\n    dask = None",
        "class A:\n    import distributed",
    ],
}
ALLOWED = [
    '"""Runs on jax, torch and tensorflow; see KERAS_BACKEND."""',
    "def f():\n    '''jax'''\n    return 1",
    "from keras_medaug.datasets.medmnist import load",
    "from keras_medaug.datasets import medmnist",
    "import keras\nfrom keras import ops\nimport numpy as np",
    "def f():\n    import matplotlib.pyplot as plt",
    "if TYPE_CHECKING:\n    from matplotlib.figure import Figure",
    "raise ImportError('pip install \"keras-medaug[jax,plot]\"')",
    "name = 'breastmnist'\nroot = '~/.medmnist'",
    "np.load(path, allow_pickle=False)",
    "keras.saving.load_model(path)",
    "steps_per_epoch = 3\ndef train(data):\n    pass",
    "x = keras.config.floatx()",
    "keras.backend.standardize_dtype(x.dtype)",
]


@pytest.mark.parametrize(
    ("rule", "code"), [(rule, code) for rule, codes in PLANTED.items() for code in codes]
)
def test_a_planted_breach_is_caught(rule, code):
    assert problems(rule(ast.parse(code)))


@pytest.mark.parametrize("code", ALLOWED)
def test_what_only_looks_like_a_breach_is_let_through(code):
    assert not [problem for rule in RULES for problem in problems(rule(ast.parse(code)))]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("checks", "from keras_medaug.layers import Sampling"),
        ("layers", "from keras_medaug.networks import frozen"),
        ("layers", "from keras_medaug import models"),
        ("layers", "import keras_medaug.models.cvae"),
        ("losses", "from keras_medaug.models.cvae import CVAE"),
        ("networks", "def f():\n    from keras_medaug.models import CVAE"),
        ("models", "from keras_medaug.study import run"),
        ("datasets", "from keras_medaug.models import CVAE"),
        ("datasets", "from keras_medaug.layers import Sampling"),
        ("metrics", "from keras_medaug.models import Classifier"),
        ("metrics", "from keras_medaug.datasets import load"),
        ("metrics", "import keras_medaug"),
        ("networks", "from .. import models"),
    ],
)
def test_a_dependency_the_wrong_way_is_caught(part, code):
    assert problems(wrong_way(ast.parse(code), part))


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("__init__", "from keras_medaug import datasets, models"),
        ("layers", "from keras_medaug.layers.sampling import Sampling"),
        ("layers", "from keras_medaug.checks import fail"),
        ("networks", "from keras_medaug.layers import Sampling"),
        ("models", "from keras_medaug import losses\nfrom keras_medaug.networks import frozen"),
        ("study", "from keras_medaug.models import CVAE"),
        ("datasets", "from keras_medaug.images import check_images"),
        ("datasets", "from keras_medaug.metrics import copy_audit"),
    ],
)
def test_a_dependency_the_right_way_is_let_through(part, code):
    assert not problems(wrong_way(ast.parse(code), part))


@pytest.mark.parametrize(
    ("stem", "code", "caught"),
    [
        ("sampling", "class Sampling: pass", False),
        ("conv2d_transpose", "class _Phase: pass\nclass Conv2DTranspose: pass", False),
        ("vaegan", "class VAEGAN: pass", False),
        ("losses", "def kl(): pass", False),
        ("blocks", "class EncoderBlock: pass", True),
        ("Sampling", "class Sampling: pass", True),
        ("encoder_block", "class EncoderBlock: pass\nclass DecoderBlock: pass", True),
    ],
)
def test_one_public_class_a_file(stem, code, caught):
    assert bool(problems(misnamed_classes(ast.parse(code), stem))) == caught
