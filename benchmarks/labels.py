"""How labels enter a conditional model, and what each way is worth to a classifier.

    export KERAS_BACKEND=jax
    python benchmarks/labels.py --out FILE --root DIR --mednist DIR [--seeds 3] [--steps 2000]

Each model is trained on a set's training images, and makes as many of its own, with the same
labels. From these alone a classifier learns, and is tested on real images. A row holds:

- `auc_val`, `auc_test`: macro one-vs-rest area under the curve of that classifier;
- `agreement`: the fraction of images that a classifier of real images takes for what was asked for;
- `diversity`: the mean distance between two images of one class, over that of training images;
- `nearer`: the fraction of images that are nearer to a training image than the quantile 0.05 of the
  validation and test images (`kma.metrics.nearest_images`): 0.05 where images are as new as those;
- `copies`: how many equal a training image.

Rows of method "real" are what real images give: the areas those of a classifier of training images,
the others those of validation and test images. The seed there is the classifier's.

`phantom` is drawn; the file of `breastmnist` is in `--root`, by default `$MEDMNIST_ROOT`, else
`~/.medmnist`. `mednist` and `mednist_64` are `mednist.npz` and `mednist_64.npz` in `--mednist`:
subsets of MedNIST, six kinds of image, in the layout of MedMNIST. Rows that are in the output, or
in files given with `--merge`, are kept as they are.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.files import write_json_atomic
from keras_medaug.images import pair_distances
from keras_medaug.layers import BatchNormalization, Conv2DTranspose, LabelEmbedding
from keras_medaug.networks import builders
from keras_medaug.seeds import derive_seed, resolve_seed
from keras_medaug.study.scores import area

BATCH = 64
REAL = "real"
SETS = ("breastmnist", "mednist", "mednist_64", "phantom")
METHODS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "cvae": (kma.models.CVAE, ("encoder_filters", "decoder_filters")),
    "dcgan": (kma.models.DCGAN, ("generator_filters", "discriminator_filters")),
    "vaegan": (
        kma.models.VAEGAN,
        ("encoder_filters", "decoder_filters", "discriminator_filters"),
    ),
}
IDENTITY = ("set", "method", "variant", "seed")
MEASURES = ("auc_val", "auc_test", "agreement", "diversity", "nearer", "copies")

Row = dict[str, Any]
Identity = tuple[Any, ...]


@keras.saving.register_keras_serializable(package="keras_medaug_benchmarks")
class ClassScaleAndShift(layers.Layer):
    """Scales and shifts each channel by what the image's class has learned; at first by nothing.

    Args:
        num_classes: Number of classes.
        **kwargs: Passed to `keras.layers.Layer`.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape: Sequence[tuple[int, ...]]) -> None:
        """Create the weights."""
        images, labels = input_shape
        for name in ("excess", "shift"):  # of the scale over 1
            table = LabelEmbedding(
                self.num_classes,
                images[-1],
                embeddings_initializer="zeros",
                dtype=self.dtype_policy,
                name=name,
            )
            table.build(labels)
            setattr(self, name, table)
        self.built = True

    def call(self, inputs):
        """Return the features, scaled and shifted."""
        features, labels = inputs
        shape = (-1, 1, 1, features.shape[-1])
        scale = 1.0 + keras.ops.reshape(self.excess(labels), shape)
        return features * scale + keras.ops.reshape(self.shift(labels), shape)

    def compute_output_shape(self, input_shape):
        """Return the shape of the features."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "num_classes": self.num_classes}


def build_conditional_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    num_classes: int,
    filters: int = 64,
    kernel_size: int = 4,
    batch_normalization: bool = True,
    seed: int | None = None,
    name: str = "decoder",
) -> keras.Model:
    """Build a decoder whose normalised layers have a scale and a shift for each class.

    Args:
        image_shape: `(height, width, channels)`, sides that all the doublings hit.
        latent_dim: Size of the latent vector, all that goes into the dense layer.
        num_classes: Number of classes.
        filters: As in `builders.build_decoder`.
        kernel_size: As there.
        batch_normalization: As there; must be true.
        seed: Integer seed of the initial weights, or `None`.
        name: Name of the model.

    Returns:
        A model with the inputs, the output and the layer `"logits"` of `builders.build_decoder`.

    Raises:
        ValueError: If there is no normalisation, or the image would have to be cropped.
    """
    height, width, channels = image_shape
    steps = builders.depth(image_shape)
    if not batch_normalization or height % 2**steps or width % 2**steps:
        raise ValueError("a benchmark's decoder: normalised, and for images it need not crop")
    seed = resolve_seed(seed)
    base_channels, *hidden = builders.widths(filters, steps)[::-1]
    base = (height // 2**steps, width // 2**steps, base_channels)

    def glorot(part: str) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(derive_seed(seed, part))

    def activated(x, step: int):
        x = BatchNormalization(momentum=0.9, scale=False, center=False, name=f"norm_{step}")(x)
        x = ClassScaleAndShift(num_classes, name=f"class_{step}")([x, labels])
        return layers.LeakyReLU(0.2, name=f"activation_{step}")(x)

    def upsampling(width: int, part: str, **settings: Any) -> layers.Layer:
        return Conv2DTranspose(
            width,
            kernel_size,
            strides=2,
            padding="same",
            kernel_initializer=glorot(part),
            name=part,
            **settings,
        )

    latent = keras.Input(shape=(latent_dim,), name="latent")
    labels = keras.Input(shape=(), dtype="int32", name="labels")
    x = layers.Dense(
        int(np.prod(base)), use_bias=False, kernel_initializer=glorot("dense"), name="dense"
    )(latent)
    x = activated(layers.Reshape(base, name="reshape")(x), 0)
    for step, width in enumerate(hidden, start=1):
        x = activated(upsampling(width, f"convolution_{step}", use_bias=False)(x), step)
    logits = keras.Model([latent, labels], upsampling(channels, "output")(x), name="logits")
    outer = [keras.Input(batch_shape=t.shape, dtype=t.dtype, name=t.name) for t in logits.inputs]
    images = layers.Activation("sigmoid", dtype="float32", name="images")(logits(outer))
    return keras.Model(outer, images, name=name)


def with_label_match(
    build: Callable[..., keras.Model], pooled: bool, deviation: float | None
) -> Callable[..., keras.Model]:
    """Return a builder of projection discriminators, from that of unconditional ones.

    Args:
        build: `builders.build_discriminator`.
        pooled: Whether labels meet the means of the last features over the image, or all of them.
        deviation: Initial standard deviation of the labels' embedding; `None` for a norm of 1.

    Returns:
        A function of the same arguments.
    """

    def build_discriminator(
        image_shape: Sequence[int],
        num_classes: int,
        seed: int | None = None,
        **settings: Any,
    ) -> keras.Model:
        seed = resolve_seed(seed)
        plain = build(image_shape, None, seed=seed, **settings)
        flatten = plain.get_layer("flatten")
        features = flatten.output
        if pooled:
            features = layers.GlobalAveragePooling2D(dtype="float32", name="pooled")(flatten.input)
        labels = keras.Input(shape=(), dtype="int32", name="labels")
        embedded = embedding(num_classes, features.shape[-1], deviation, seed)(labels)
        match = layers.Dot(axes=1, dtype="float32", name="label_match")([features, embedded])
        logit = layers.Add(dtype="float32", name="logit")([plain.output["logit"], match])
        outputs = {"logit": logit, "features": plain.output["features"]}
        return keras.Model([plain.input, labels], outputs, name="discriminator")

    return build_discriminator


def embedding(num_classes: int, size: int, deviation: float | None, seed: int) -> LabelEmbedding:
    """Return an embedding that begins with normal values.

    Args:
        num_classes: Number of classes.
        size: Length of the vectors.
        deviation: Standard deviation of the values; `None` for vectors of about norm 1.
        seed: Integer seed.

    Returns:
        The layer.
    """
    initializer = keras.initializers.RandomNormal(
        stddev=size**-0.5 if deviation is None else deviation,
        seed=derive_seed(seed, "label_embedding"),
    )
    return LabelEmbedding(
        num_classes, size, embeddings_initializer=initializer, name="label_embedding"
    )


@contextmanager
def mechanism(
    joined: float | None,
    projected: float | None,
    pooled: bool,
    decoder: Callable[..., keras.Model] = builders.build_decoder,
) -> Iterator[None]:
    """Build the networks of conditional models in another way.

    Args:
        joined: Initial standard deviation of the embeddings that join latent vectors and the
            encoder's features; `None` for a norm of 1.
        projected: That of the embedding whose product with the discriminator's features is added
            to its logit.
        pooled: Whether it meets the means of the features over the image, or all of them.
        decoder: Builds the decoder.

    Yields:
        Nothing.
    """

    def joined_embedding(num_classes: int, size: int, seed: int, *_: Any) -> LabelEmbedding:
        return embedding(num_classes, size, joined, seed)

    discriminator = with_label_match(builders.build_discriminator, pooled, projected)
    with (
        mock.patch.object(builders, "_embedding", joined_embedding),
        mock.patch.object(builders, "build_discriminator", discriminator),
        mock.patch.object(builders, "build_decoder", decoder),
    ):
        yield


# Under what the networks of each are built.
VARIANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "embedding": nullcontext,  # as shipped
    "unit-variance": partial(mechanism, joined=1.0, projected=1.0, pooled=True),
    "unit-norm-joined": partial(mechanism, joined=None, projected=1.0, pooled=True),
    "unit-norm-pooled": partial(mechanism, joined=None, projected=None, pooled=True),
    "unit-norm-all-features": partial(mechanism, joined=None, projected=None, pooled=False),
    "conditional-normalization": partial(
        mechanism, joined=None, projected=None, pooled=False, decoder=build_conditional_decoder
    ),
}


def load(name: str, options: argparse.Namespace) -> kma.datasets.Dataset:
    """Return a set by its name here.

    Args:
        name: One of `SETS`.
        options: `root` and `mednist`, the folders of the files.

    Returns:
        The set.
    """
    if name.startswith("mednist"):
        return kma.datasets.from_npz(options.mednist / f"{name}.npz")
    return kma.datasets.load(name, root=options.root if name == "breastmnist" else None)


def epochs_for(steps: int, count: int) -> int:
    """Return the epochs of at least so many steps on `count` images."""
    return -(-steps // -(-count // BATCH))


def mean_distance(images: NDArray, labels: NDArray) -> float:
    """Return the mean distance between two images of a class, averaged over classes.

    Args:
        images: Shape `(n, h, w, c)`.
        labels: Class of each, shape `(n,)`.

    Returns:
        The root mean square over pixels of the differences, averaged over pairs.
    """
    return float(
        np.mean([pair_distances(images[labels == label]).mean() for label in np.unique(labels)])
    )


class Evaluator:
    """A set, and the classifiers that say what images of it are worth.

    Args:
        data: The set, with all three splits.
        steps: Steps, at least, of each classifier.
    """

    def __init__(self, data: kma.datasets.Dataset, steps: int) -> None:
        self.train, self.val, self.test = data.train, data.val, data.test
        self.unseen = tuple(
            np.concatenate(arrays) for arrays in zip(self.val, self.test, strict=True)
        )
        self.shape, self.num_classes = data.image_shape, data.num_classes
        self.epochs = epochs_for(steps, len(self.train[0]))
        self.reference = mean_distance(*self.train)
        self.real, self.synthetic = self._classifier(), self._classifier()
        self._fit(self.real, *self.train)

    def _classifier(self) -> kma.models.Classifier:
        classifier = kma.models.Classifier(self.shape, self.num_classes, seed=0)
        classifier.compile()
        return classifier

    def _fit(self, classifier: kma.models.Classifier, images: NDArray, labels: NDArray) -> None:
        classifier.fit(images, labels, batch_size=BATCH, epochs=self.epochs, verbose=0)

    def of_real(self, seed: int) -> dict[str, float]:
        """Return the measures of real images."""
        return {**self._areas(*self.train, seed), **self._compared(*self.unseen)}

    def of(self, images: NDArray, labels: NDArray, seed: int) -> dict[str, float]:
        """Return the measures of images made for these labels."""
        return {**self._areas(images, labels, seed), **self._compared(images, labels)}

    def _areas(self, images: NDArray, labels: NDArray, seed: int) -> dict[str, float]:
        """Return the areas of a classifier of these images."""
        self.synthetic.reinitialize(seed)
        self._fit(self.synthetic, images, labels)
        return {
            f"auc_{split}": area(y, self.synthetic.logits(x))
            for split, (x, y) in (("val", self.val), ("test", self.test))
        }

    def _compared(self, images: NDArray, labels: NDArray) -> dict[str, float]:
        taken_for = self.real.predict(images, verbose=0).argmax(axis=1)
        nearest, expected = (
            kma.metrics.nearest_images(x, self.train[0])[0] for x in (images, self.unseen[0])
        )
        return {
            "agreement": float(np.mean(taken_for == labels)),
            "diversity": mean_distance(images, labels) / self.reference,
            "nearer": float(np.mean(nearest < np.quantile(expected, 0.05))),
            "copies": kma.metrics.copy_audit(images, self.train[0])["exact_copies"],
        }


def trained(
    method: str,
    variant: str,
    evaluator: Evaluator,
    seeds: Sequence[int],
    options: argparse.Namespace,
) -> Iterator[tuple[int, NDArray]]:
    """Train one model with each seed, compiled once.

    Args:
        method: One of `METHODS`.
        variant: One of `VARIANTS`.
        evaluator: Has the training images.
        seeds: Seeds of the model.
        options: `steps` and `filters`.

    Yields:
        Seed, and as many images as there are training images, made for their labels.
    """
    x, y = evaluator.train
    kind, sizes = METHODS[method]
    arguments = {} if options.filters is None else dict.fromkeys(sizes, options.filters)
    model = None
    for seed in seeds:
        with VARIANTS[variant]():
            if model is None:
                model = kind(
                    evaluator.shape, num_classes=evaluator.num_classes, seed=seed, **arguments
                )
                model.compile()
            else:
                model.reinitialize(seed)
        epochs = epochs_for(options.steps, len(x))
        model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
        yield seed, model.generate(len(y), labels=y, seed=seed)


def stored_rows(path: Path, config: Mapping[str, Any]) -> list[Row]:
    """Return the rows of an earlier call, which must have been of the same configuration.

    Args:
        path: Its output, which need not exist.
        config: This call's configuration.

    Returns:
        The rows.

    Raises:
        SystemExit: If the configurations differ.
    """
    if not path.exists():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["config"] != config:
        raise SystemExit(f"{path} holds rows of another configuration: move it away")
    rows: list[Row] = stored["rows"]
    return rows


def identity(row: Row) -> Identity:
    """Return what tells a row from all others."""
    return tuple(row[name] for name in IDENTITY)


def table(rows: Sequence[Row]) -> str:
    """Return the means over seeds as a table in Markdown.

    Args:
        rows: The rows.

    Returns:
        A line for each set, method and variant, the standard deviation over seeds beside the mean.
    """
    lines = ["| set | method | variant | seeds | " + " | ".join(MEASURES) + " |"]
    lines.append("|---|---|---|---:|" + "---:|" * len(MEASURES))
    for key in sorted({identity(row)[:-1] for row in rows}):
        runs = [row for row in rows if identity(row)[:-1] == key]
        cells = []
        for measure in MEASURES:
            values = [row[measure] for row in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append("| " + " | ".join([*key, str(len(runs)), *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Make the rows that are not in the output; print the table."""
    options = parsed()
    config = {
        "steps": options.steps,
        "classifier_steps": options.classifier_steps,
        "filters": options.filters,
        "batch_size": BATCH,
        "backend": keras.config.backend(),
        "keras": keras.__version__,
    }
    rows: list[Row] = []
    for path in (options.out, *options.merge):
        known = {identity(row) for row in rows}
        rows += [row for row in stored_rows(path, config) if identity(row) not in known]
    known = {identity(row) for row in rows}

    def keep(which: Identity, measures: dict[str, float], began: float) -> None:
        seconds = round(time.monotonic() - began, 1)
        rounded = {name: round(value, 4) for name, value in measures.items()}
        rows.append({**dict(zip(IDENTITY, which, strict=True)), **rounded, "seconds": seconds})
        write_json_atomic(options.out, {"config": config, "rows": rows})
        print(rows[-1], flush=True)

    for name in options.sets:
        chosen = [(REAL, "-"), *((m, v) for m in options.methods for v in options.variants)]
        missing = {
            (method, variant): [
                seed for seed in range(options.seeds) if (name, method, variant, seed) not in known
            ]
            for method, variant in chosen
        }
        if not any(missing.values()):
            continue
        keras.utils.clear_session()
        evaluator = Evaluator(load(name, options), options.classifier_steps)
        for seed in missing.pop((REAL, "-")):
            began = time.monotonic()
            keep((name, REAL, "-", seed), evaluator.of_real(seed), began)
        for (method, variant), seeds in missing.items():
            began = time.monotonic()
            for seed, images in trained(method, variant, evaluator, seeds, options):
                measures = evaluator.of(images, evaluator.train[1], seed)
                keep((name, method, variant, seed), measures, began)
                began = time.monotonic()
    if rows:
        write_json_atomic(options.out, {"config": config, "rows": rows})
        print(table(rows))


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--sets",
        nargs="*",
        choices=SETS,
        default=["breastmnist", "mednist", "phantom"],
        metavar="NAME",
        help=f"of {', '.join(SETS)} (default: all but mednist_64)",
    )
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="NAME"
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=f"of {', '.join(VARIANTS)} (default: all)",
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    for name, default in (("--steps", 2000), ("--classifier-steps", 1000)):
        parser.add_argument(
            name, type=int, default=default, metavar="N", help="at least (default: %(default)s)"
        )
    parser.add_argument(
        "--filters", type=int, metavar="N", help="of all generative networks (default: as shipped)"
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="of MedMNIST's files")
    parser.add_argument("--mednist", type=Path, metavar="DIR", help="of mednist.npz")
    parser.add_argument(
        "--merge",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="outputs to take in",
    )
    options = parser.parse_args()
    if options.mednist is None and any(name.startswith("mednist") for name in options.sets):
        parser.error("--mednist is needed for sets of MedNIST")
    return options


if __name__ == "__main__":
    main()
