"""Say whether all backends came to the same weights. Needs NumPy, and no backend.

    PYTHONPATH=tests/oracle python tests/parity/compare.py .nox/left/parity

Small models are compared weight by weight. In those of full size some hundred thousand values a
step go through LeakyReLU; one or the other is zero but for rounding, whose sign decides on the
slope, and a single one changes a gradient by three thousandths. So their weights are compared
network by network, and a few such events are let pass: where the backends do not sum in the same
order, one of them has been seen to move a network by a hundred thousandth in twenty steps.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np

from digest import package_digest
from gradient_oracle.agreement import relative_error

BACKENDS = ("jax", "torch", "tensorflow")
# Largest error, and the largest as a share of the way that the weights have gone.
BOUNDS = 1e-5, 1 / 50
BOUNDS_AS_SHIPPED = 4e-5, 1 / 25


def load(path):
    """Return what a backend wrote; exit where it is missing or of another state of the package."""
    ask = f"run the session of the tests on {path.stem} first"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: {ask}")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if str(arrays["package"]) != package_digest():
        raise SystemExit(f"{path} was made with another state of the package: {ask}")
    return arrays


def cases(arrays):
    """Return the names of the cases that a file holds."""
    return [key.removesuffix("/rate") for key in arrays if key.endswith("/rate")]


def weights(arrays, case, when):
    """Return a case's weights, by network."""
    networks = {}
    for key in sorted(arrays):
        if key.startswith(f"{case}/") and key.endswith(f"/{when}"):
            networks.setdefault(key.split("/")[1], []).append(arrays[key].astype("float64"))
    return networks


def joined(arrays):
    """Return all weights of a network as one vector."""
    return np.concatenate([array.ravel() for array in arrays])


def difference(case, one, other):
    """Return the largest relative difference of a weight, or, of a large model, of a network."""
    errors = []
    for network, expected in one.items():
        pairs = [(joined(other[network]), joined(expected))]
        if not case.endswith("as shipped"):
            pairs = list(zip(other[network], expected, strict=True))
        errors += [relative_error([values], [wanted]) for values, wanted in pairs]
    return max(errors)


def moved(before, after):
    """Return how far the networks' weights have gone, relative to their norms: the least."""
    return min(
        relative_error([joined(after[network])], [joined(before[network])])
        for network in before
        if network not in {"averaged", "moving"}
    )


def allowed(case, gone):
    """Return how far two backends may be apart in a case whose weights have gone so far."""
    largest, share = BOUNDS_AS_SHIPPED if case.endswith("as shipped") else BOUNDS
    return min(largest, share * gone)


def main():
    """Print the largest differences; exit with a message where one is too large."""
    by_backend = {backend: load(Path(sys.argv[1]) / f"{backend}.npz") for backend in BACKENDS}
    failed = []
    for case in cases(by_backend["jax"]):
        after = {backend: weights(by_backend[backend], case, "after") for backend in BACKENDS}
        gone = moved(weights(by_backend["jax"], case, "before"), after["jax"])
        rate = float(by_backend["jax"][f"{case}/rate"])
        print(f"{case}: 20 steps of SGD at {rate:g}; the networks' weights move by {gone:.1e}")
        for pair in combinations(BACKENDS, 2):
            error = difference(case, *(after[backend] for backend in pair))
            print(f"    {' and '.join(pair):22} differ by {error:.1e} at most")
            if not error < allowed(case, gone):
                failed.append(f"{case}, {' and '.join(pair)}")
    if failed:
        raise SystemExit(f"Not within what is allowed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
