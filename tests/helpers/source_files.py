"""The files of the checkout that somebody wrote."""

import os
from pathlib import Path

# Folders, after those they lie in, that building the site makes, perhaps at this very moment.
MADE = {
    *(("docs", name) for name in ("_build", "_drawn", "gallery", "tutorials")),
    *(("reference", name) for name in ("examples", "generated")),
}


def source_files(folder, suffixes):
    """Return the files below a folder with these suffixes, in order; not those that are made."""
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if (Path(place).name, name) not in MADE]
        found += [Path(place, name) for name in names if Path(name).suffix in suffixes]
    return sorted(found)
