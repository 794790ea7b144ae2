"""How Sphinx builds the site. What is said of the project comes from the package's metadata."""

import importlib.metadata
import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_extensions"), str(DOCS.parent / "examples")]
os.environ.setdefault("KERAS_BACKEND", "jax")  # what the gallery runs on

metadata = importlib.metadata.metadata("keras-medaug")
project = metadata["Name"]
author = metadata["Author"]
release = version = metadata["Version"]
project_copyright = author

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "reference",
    "drawn",
]
exclude_patterns = [
    "_build",
    "_drawn/*.md",
    "results/studies/*/report.md",
    # what sphinx-gallery leaves beside the pages it makes
    "gallery/*.ipynb",
    "gallery/*.py",
    "tutorials/*.ipynb",
    "tutorials/*.py",
]
templates_path = ["_templates"]
bibtex_bibfiles = ["references.bib"]
nitpicky = True
# What is linked where it can be: names in single backticks, and the types of other packages, whose
# inventories take a network.
elsewhere = (
    "ArrayLike Axes Figure NDArray Path PathLike collections concurrent keras matplotlib np numpy "
    "os"
)
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    ("py:.*", rf"({elsewhere.replace(' ', '|')}|pathlib|typing)(\..*)?"),
    # Types in signatures that users never make: checked images, and type variables.
    (
        "py:class",
        r"keras_medaug\.(checked_images\.CheckedImages|metrics\.samples\.Value|models\.registry\.Kind)",
    ),
]

# ---- the package's docstrings ---------------------------------------------------------------

default_role = "py:obj"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autosummary_ignore_module_all = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Input shape", "Output shape"]

# ---- pages ----------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .go"

# ---- gallery --------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/tutorials", "../examples/gallery"],
    "gallery_dirs": ["tutorials", "gallery"],
    "backreferences_dir": "reference/examples",
    "doc_module": ("keras_medaug",),
    "reference_url": {"keras_medaug": None},
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("figures.scrape",),
    "reset_modules": (),
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),
    "show_signature": False,
    "write_computation_times": False,  # a page that loads scripts from other hosts
    "remove_config_comments": True,
}

# ---- look -----------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}

# ---- what takes a network -------------------------------------------------------------------

# Other projects' inventories are fetched where the site is published, not where it is checked.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
    }
    if os.environ.get("READTHEDOCS")
    else {}
)
linkcheck_anchors = False
