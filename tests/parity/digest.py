"""Says with which state of the package, and of these tests, a file was made. Needs no backend."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("keras_medaug", "tests/parity", "tests/oracle/gradient_oracle")


def package_digest():
    """Return a digest of the source of the package and of what trains it here."""
    digest = hashlib.sha256()
    paths = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    # By name: paths are written, and sorted, otherwise on Windows.
    for name, path in sorted((path.relative_to(ROOT).as_posix(), path) for path in paths):
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
