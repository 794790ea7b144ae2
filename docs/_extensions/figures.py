"""Images of the gallery: the Matplotlib figures that a block of an example leaves in its names.

The package draws without `pyplot`, so that no list of open figures knows of what it draws, and
sphinx-gallery's own scraper finds nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

DPI = 130


def scrape(_block: object, variables: Mapping[str, Any], gallery: Mapping[str, Any]) -> str:
    """Save the figures that are new since the last block; return the lines that show them."""
    names = variables["example_globals"]
    shown = names.setdefault("__shown_figures__", [])
    paths = []
    for name, value in list(names.items()):
        if isinstance(value, Figure) and not any(value is other for other in shown):
            check_figure(name, value)
            shown.append(value)
            path = next(variables["image_path_iterator"])
            value.savefig(path, dpi=DPI)
            paths.append(path)
    return figure_rst([str(Path(path)) for path in paths], gallery["src_dir"])


def check_figure(name: str, figure: Figure) -> None:
    """Refuse a figure that shows nothing, or whose name does not say what it is."""
    if not any(axes.has_data() for axes in figure.axes):
        raise ValueError(f"`{name}`: got a figure without data; expected one that shows something.")
    if not name.endswith("figure"):
        raise ValueError(f"`{name}`: got a figure of this name; expected `..._figure`.")
