"""No modules of the package import each other in a circle when they are loaded.

Imports inside functions run later, and imports for type checkers never run: neither counts.
"""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]


def dotted_name(path):
    """Return the dotted name of a file relative to the root; a package has its folder's name."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_sources(root=ROOT):
    """Return the source of each module of the package by its dotted name."""
    paths = sorted((root / "keras_medaug").rglob("*.py"))
    return {dotted_name(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}


def imports_at_load(nodes):
    """Yield the import statements that run when a module is loaded."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from imports_at_load(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports_at_load(ast.iter_child_nodes(node))


def packages_above(module):
    """Return the packages that hold a module, outermost first."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def targets(statement, modules):
    """Yield the modules that an import statement names."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            yield alias.name
        else:
            name = f"{statement.module}.{alias.name}"
            yield name if name in modules else statement.module


def import_graph(sources):
    """Return what each module loads: the modules that it names and the packages around those.

    The packages around the importing module are already being loaded, so they count only where
    the module imports a name from them.
    """
    graph = {}
    for module, source in sources.items():
        loaded = set()
        for statement in imports_at_load(ast.parse(source).body):
            for target in targets(statement, sources):
                loaded.add(target)
                loaded.update(set(packages_above(target)) - set(packages_above(module)))
        graph[module] = sorted((loaded & set(sources)) - {module})
    return graph


def circles(graph):
    """Return the strongly connected components of more than one module (Tarjan, 1972)."""
    index, lowest, stack, components = {}, {}, [], []

    def visit(module):
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for target in graph[module]:
            if target not in index:
                visit(target)
            if target in stack:
                lowest[module] = min(lowest[module], lowest[target])
        if lowest[module] == index[module]:
            start = stack.index(module)
            components.append(sorted(stack[start:]))
            del stack[start:]

    for module in graph:
        if module not in index:
            visit(module)
    return [component for component in components if len(component) > 1]


def test_the_package_has_no_import_circle():
    graph = import_graph(package_sources())
    assert "keras_medaug.models" in graph["keras_medaug"]
    assert not circles(graph)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"p": "", "p.a": "import p.b", "p.b": "from p.a import x"}, [["p.a", "p.b"]]),
        (
            {"p": "", "p.a": "from p import b", "p.b": "import p.c", "p.c": "import p.a"},
            [["p.a", "p.b", "p.c"]],
        ),
        # loading `p.q.b` loads the package `p.q` first, which imports `p.q.c`
        (
            {
                "p": "", "p.q": "import p.q.c", "p.q.b": "", "p.q.c": "import p.a",
                "p.a": "import p.q.b",
            },
            [["p.a", "p.q", "p.q.c"]],
        ),
        ({"p": "from p.a import x", "p.a": "from p import y"}, [["p", "p.a"]]),
        (
            {"p": "", "p.a": "class A:\n    from p.b import x", "p.b": "if True:\n    import p.a"},
            [["p.a", "p.b"]],
        ),
    ],
)  # fmt: skip
def test_a_planted_circle_is_caught(sources, expected):
    assert circles(import_graph(sources)) == expected


@pytest.mark.parametrize(
    "sources",
    [
        {"p": "from p.a import x", "p.a": "import p.b", "p.b": ""},
        {"p": "from p.a import x", "p.a": "from p import b", "p.b": ""},
        {"p": "", "p.a": "import p.b", "p.b": "def f():\n    import p.a"},
        {"p": "", "p.a": "import p.b", "p.b": "if TYPE_CHECKING:\n    import p.a"},
        {"p": "", "p.a": "import p.b", "p.b": "if typing.TYPE_CHECKING:\n    from p.a import x"},
        {"p": "", "p.a": "import numpy", "p.b": "import numpy"},
    ],
)
def test_what_is_no_circle_is_let_through(sources):
    assert not circles(import_graph(sources))
