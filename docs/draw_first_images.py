"""Draw the picture of the front page: run the page's code, and keep what it draws.

    KERAS_BACKEND=jax python docs/draw_first_images.py

It takes about 5 min on 2 CPU cores.
"""

import re
import shutil
import tempfile
from contextlib import chdir
from pathlib import Path

DOCS = Path(__file__).parent
PICTURE = "first_images.png"


def main() -> None:
    """Run the code of the front page in a folder of its own."""
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        exec(compile(code, "docs/index.md", "exec"), {"__name__": "page"})
        shutil.copyfile(PICTURE, DOCS / "_static" / PICTURE)


if __name__ == "__main__":
    main()
