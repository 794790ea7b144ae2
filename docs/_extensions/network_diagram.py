"""Diagrams and tables of networks, read off the built models: figures 6 to 9 of the paper."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

FACE, SIDE, TOP = "#CFE3F1", "#8FB9D8", "#E6F0F8"
VECTOR = "#F6D7A7"
LINE = "#30343A"
TALLEST = 2.2  # units of the largest tensor's side
GAP = 1.75  # between tensors, where the operation is written
Part = tuple[keras.layers.Layer, tuple[int, ...], str]  # a layer, its output's shape, a name
BLOCK_PARTS = ("convolution", "normalization", "activation", "dropout")


@dataclass
class Step:
    """What is done to a tensor, and the tensor that results."""

    operations: list[str]
    shape: tuple[int, ...]
    weights: int = 0
    names: list[str] = field(default_factory=list)


# ---- reading a network ----------------------------------------------------------------------


def read_steps(network: keras.Model) -> list[Step]:
    """Return the steps of a network without labels, from its input on.

    Layers that leave the shape as it is, such as an activation, belong to the step before them.
    Dense heads that start from the same tensor are one step.
    """
    steps: list[Step] = []
    for layer, shape, name in _flat(network):
        operation, weights = _describe(layer), layer.count_params()
        if _is_input(layer):
            steps.append(Step([], shape, 0, [name]))
        elif _is_second_head(layer, network):
            steps[-1].operations.append(operation)
            steps[-1].weights += weights
            steps[-1].names.append(name)
        elif len(steps) > 1 and shape == steps[-1].shape and not _is_large(layer):
            steps[-1].operations.append(operation)
            steps[-1].weights += weights
        else:
            steps.append(Step([operation], shape, weights, [name]))
    return steps


def _flat(network: keras.Model) -> Iterator[Part]:
    """Yield what a network is made of, blocks and networks inside it taken apart."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from (node for node in _flat(layer) if not _is_input(node[0]))
        elif hasattr(layer, "convolution"):
            yield from _parts(layer)
        else:
            yield layer, tuple(layer.output.shape[1:]), layer.name


def _parts(block: keras.layers.Layer) -> Iterator[Part]:
    """Yield the layers of one of the package's blocks; the first alone changes the shape."""
    shape = tuple(block.convolution.compute_output_shape(block.input.shape)[1:])
    for name in BLOCK_PARTS:
        part = getattr(block, name, None)
        if part is not None and not (name == "dropout" and part.rate == 0):
            yield part, shape, block.name


def _is_input(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


def _is_second_head(layer: keras.layers.Layer, network: keras.Model) -> bool:
    heads = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    others = heads[: heads.index(layer)] if layer in heads else []
    return any(other.input is layer.input for other in others)


def _is_large(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer is a step of its own even where the shape stays."""
    return isinstance(layer, keras.layers.Dense | keras.layers.Conv2D | keras.layers.Flatten)


def _describe(layer: keras.layers.Layer) -> str:
    """Return what a layer does in a few words."""
    kind = type(layer).__name__
    if kind in ("Conv2D", "Conv2DTranspose"):
        name = "convolution" if kind == "Conv2D" else "transposed convolution"
        side, stride = layer.kernel_size[0], layer.strides[0]
        return f"{name} {side}\N{MULTIPLICATION SIGN}{side}" + (
            f", stride {stride}" if stride > 1 else ""
        )
    if kind == "Dense":
        return f"dense, {layer.name}" if layer.name.startswith("z_") else "dense"
    if kind == "LeakyReLU":
        return f"LeakyReLU {layer.negative_slope:g}"
    if kind == "Dropout":
        return f"dropout {layer.rate:g}"
    if kind == "Activation":
        return layer.activation.__name__
    if kind == "Rescaling":
        return "centre to ±1"
    known = {"BatchNormalization": "batch normalisation", "ReLU": "ReLU", "InputLayer": "input"}
    return known.get(kind, kind.lower())


# ---- a table --------------------------------------------------------------------------------


def layer_table(network: keras.Model) -> str:
    """Return the steps of a network as a Markdown table."""
    lines = ["| what is done | output | weights |", "|---|---:|---:|"]
    for step in read_steps(network):
        operations = ", ".join(step.operations) or "input"
        lines.append(f"| {operations} | {_size(step)} | {step.weights:,} |")
    total = sum(step.weights for step in read_steps(network))
    return "\n".join([*lines, f"| **all** | | **{total:,}** |", ""])


def _size(step: Step) -> str:
    size = "\N{MULTIPLICATION SIGN}".join(map(str, step.shape))
    heads = sum(name.startswith("z_") for name in step.names)
    return f"{heads} \N{MULTIPLICATION SIGN} {size}" if heads > 1 else size


# ---- a diagram ------------------------------------------------------------------------------


def draw_network(network: keras.Model, title: str, marked: Sequence[str] = ()) -> Figure:
    """Draw the tensors of a network from left to right, and between them what is done.

    Args:
        network: A built functional model without labels.
        title: What it is.
        marked: Names of layers whose raw output is marked as the paper's layer l.
    """
    steps = read_steps(network)
    largest = max(side for step in steps if len(step.shape) == 3 for side in step.shape[:2])
    places, right = [], 0.0
    for step in steps:
        places.append(right)
        right += _width(step, largest) + GAP
    figure = Figure(figsize=(max(5.4, 0.68 * right), 2.9), layout="constrained")
    axes = figure.add_subplot()
    for step, left in zip(steps, places, strict=True):
        _draw_tensor(axes, step, left, largest, any(name in marked for name in step.names))
    for before, step, left in zip(steps[:-1], steps[1:], places[:-1], strict=True):
        _draw_operation(axes, step, left + _width(before, largest))
    axes.set_xlim(-0.4, right - GAP + 0.5)
    axes.set_ylim(-2.1, 2.1)
    axes.set_aspect("equal")
    axes.set_axis_off()
    figure.suptitle(title, fontsize=12)
    return figure


def _width(step: Step, largest: int) -> float:
    if len(step.shape) != 3:
        return 0.24
    return TALLEST * step.shape[1] / largest * 0.55 + _depth(step)


def _depth(step: Step) -> float:
    return 0.1 * math.log2(1 + step.shape[2])


def _draw_tensor(axes: Axes, step: Step, left: float, largest: int, marked: bool) -> None:
    edge: dict[str, Any] = {
        "edgecolor": "#B8412B" if marked else LINE,
        "linewidth": 1.8 if marked else 0.9,
    }
    if len(step.shape) == 3:
        height = TALLEST * step.shape[0] / largest
        width, depth = TALLEST * step.shape[1] / largest * 0.55, _depth(step)
        low = -height / 2
        front = [(left, low), (left + width, low), (left + width, -low), (left, -low)]
        far = left + width + depth
        top = [front[3], front[2], (far, -low + depth), (left + depth, -low + depth)]
        side = [front[1], front[2], top[2], (far, low + depth)]
        for corners, colour in ((front, FACE), (top, TOP), (side, SIDE)):
            axes.add_patch(Polygon(corners, facecolor=colour, joinstyle="round", **edge))
        middle = left + width / 2
    else:
        height = max(0.5, min(2.6, 0.2 * math.log2(1 + step.shape[0]) ** 1.1))
        corners = [(left, -height / 2), (left + 0.24, -height / 2)]
        corners += [(x, -y) for x, y in reversed(corners)]
        axes.add_patch(Polygon(corners, facecolor=VECTOR, **edge))
        middle = left + 0.12
    text = _size(step) + ("\nlayer l" if marked else "")
    axes.text(middle, -1.45, text, ha="center", va="top", fontsize=9, color=LINE)


def _draw_operation(axes: Axes, step: Step, left: float) -> None:
    arrow = {"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (left + GAP - 0.12, 0), (left + 0.12, 0), arrowprops=arrow)
    words = "\n".join(step.operations).replace(", ", "\n")
    words = words.replace("transposed convolution", "transposed\nconvolution")
    words = words.replace("batch normalisation", "batch\nnormalisation")
    axes.text(
        left + GAP / 2, 0.12, words, ha="center", va="bottom", fontsize=7.5, linespacing=1.15,
        color=LINE,
    )  # fmt: skip
