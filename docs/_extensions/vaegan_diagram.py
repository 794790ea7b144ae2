"""Figure 4 of the paper, redrawn: the three networks of the VAE/GAN, and what trains each."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ENCODER, DECODER, DISCRIMINATOR = "#0072B2", "#009E73", "#D55E00"
LINE, GRAY = "#30343A", "#6B7280"

Point = tuple[float, float]


def draw_vaegan() -> Figure:
    """Draw images from left to right through the networks, and below them the objectives."""
    figure = Figure(figsize=(9.6, 5.6), layout="constrained")
    axes = figure.add_subplot()
    _networks(axes)
    _flow(axes)
    _objectives(axes)
    axes.set_xlim(-0.2, 12.2)
    axes.set_ylim(-0.1, 7.0)
    axes.set_axis_off()
    return figure


def _networks(axes: Axes) -> None:
    _box(axes, (2.0, 4.6), (1.9, 1.0), "encoder", ENCODER)
    _box(axes, (6.0, 4.0), (1.9, 1.6), "decoder\n= generator", DECODER)
    _box(axes, (10.0, 3.4), (1.9, 2.8), "discriminator", DISCRIMINATOR)


def _flow(axes: Axes) -> None:
    _word(axes, (0.5, 5.1), "image\n$x$")
    _word(axes, (4.95, 5.28), "$z \\sim q(z|x)$", 9)
    _word(axes, (4.95, 4.38), "$z_p \\sim N(0, I)$", 9)
    _word(axes, (8.95, 5.28), "$\\tilde{x}$, reconstruction", 9)
    _word(axes, (8.95, 4.38), "$x_p$, from the prior", 9)
    _word(axes, (6.95, 6.38), "image $x$", 9)
    _arrow(axes, [(0.9, 5.1), (2.0, 5.1)])
    _arrow(axes, [(3.9, 5.1), (6.0, 5.1)])
    _arrow(axes, [(4.25, 4.2), (6.0, 4.2)])
    _arrow(axes, [(7.9, 5.1), (10.0, 5.1)])
    _arrow(axes, [(7.9, 4.2), (10.0, 4.2)])
    _arrow(axes, [(0.5, 5.5), (0.5, 6.2), (10.0, 6.2)])


def _objectives(axes: Axes) -> None:
    distance = "feature distance of $x$ and $\\tilde{x}$"
    lines = ["$\\beta$ · divergence of $q(z|x)$ from $N(0, I)$", f"+ {distance}"]
    _objective(axes, 1.0, "encoder", ENCODER, lines)
    lines = [f"$\\gamma$ · {distance}", "+ taking $\\tilde{x}$, $x_p$ for real"]
    _objective(axes, 4.9, "decoder", DECODER, lines)
    lines = ["cross-entropy of $x$ against 1,", "of $\\tilde{x}$ and $x_p$ against 0"]
    _objective(axes, 8.8, "discriminator", DISCRIMINATOR, lines)
    _arrow(axes, [(2.95, 1.75), (2.95, 4.6)], ENCODER, dashed=True)
    _arrow(axes, [(6.95, 1.75), (6.95, 4.0)], DECODER, dashed=True)
    _arrow(axes, [(10.95, 1.75), (10.95, 3.4)], DISCRIMINATOR, dashed=True)
    for x in (2.95, 6.95, 10.95):
        _word(axes, (x + 0.1, 2.6), "gradient,\nnowhere else", 8, GRAY, "left")


# ---- parts ----------------------------------------------------------------------------------

ROUND = "round,pad=0,rounding_size=0.12"


def _box(axes: Axes, corner: Point, size: Point, text: str, colour: str) -> None:
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=ROUND, fc=colour, ec="none"))
    middle = (corner[0] + size[0] / 2, corner[1] + size[1] / 2)
    _word(axes, middle, text, 11, "white", weight="bold")


def _objective(axes: Axes, left: float, name: str, colour: str, lines: Sequence[str]) -> None:
    box = FancyBboxPatch((left, 0.1), 3.3, 1.6, boxstyle=ROUND, fc="white", ec=colour, lw=1.5)
    axes.add_patch(box)
    _word(axes, (left + 1.65, 1.37), f"the {name} descends", 9, colour, weight="bold")
    _word(axes, (left + 1.65, 0.7), "\n".join(lines), 9)


def _word(
    axes: Axes,
    place: Point,
    text: str,
    size: float = 10,
    colour: str = LINE,
    align: str = "center",
    weight: str = "normal",
) -> None:
    font = {"fontsize": size, "color": colour, "weight": weight, "linespacing": 1.4}
    axes.text(*place, text, font, ha=align, va="center")


def _arrow(axes: Axes, points: Sequence[Point], colour: str = LINE, dashed: bool = False) -> None:
    if len(points) > 2:
        axes.plot(*zip(*points[:-1], strict=True), color=colour, lw=1.2, solid_capstyle="butt")
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    style["linestyle"] = "--" if dashed else "-"
    axes.annotate("", points[-1], points[-2], arrowprops=style)
