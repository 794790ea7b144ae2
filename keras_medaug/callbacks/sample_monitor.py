"""What a generative model's images look like, and are worth, as training goes on."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import are_names, as_array, check_labels, check_positive, fail, flat
from keras_medaug.files import replacing, write_text_atomic
from keras_medaug.images import check_images, to_float
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import metrics as registered
from keras_medaug.metrics.samples import Samples, as_argument_of, check_features
from keras_medaug.seeds import resolve_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = 64  # images in a grid
COLUMNS = 8
FEWEST = 20
TABLE = "samples.csv"


class SampleMonitor(keras.callbacks.Callback):
    """Draws and measures images of a generative model during `fit`, and keeps the best weights.

    Every few epochs the model makes images from the same noise or latent vectors, so that grids can
    be compared place by place. They are measured against held-out real images: it is these that
    tell a model that has begun to copy from one that still gets better. Training itself is not
    touched: with the callback and without, the weights are the same, but for `best`.

    In `folder` there will be `samples-0005.png` for each look, `samples.csv` and `samples.png` with
    the numbers, the weights such as `samples-best-0005.weights.h5`, and, where TensorBoard is
    installed, its files in `tensorboard`. A training that goes on by `ResumeTraining`, which has to
    come first in `callbacks`, goes on with these files; another one begins them anew.

    Args:
        folder: Where they go; made where it is missing.
        held_out: Real images that the model is not trained on, such as the validation split, 20
            or more, or `None` to draw only.
        features: Extractors by name, as in `keras_medaug.metrics.sample_quality`.
        metrics: Names of registered metrics: `"kernel"`, `"frechet"`, `"precision"`, `"recall"`,
            `"density"`, `"coverage"`, `"spectral"`, which sees blur, and any that
            `keras_medaug.metrics.registry.register_metric` got.
        every: Epochs between looks; the last epoch of a training is looked at, too. A look makes as
            many images as there are `labels`, else `held_out` images, else 64.
        labels: Classes of the images to make, integers `(n,)` or the model's `class_names`, for a
            conditional model; those of `held_out`, for a fair comparison. By default the
            model's classes in turn.
        best: Name of a column, such as `"pixels_kernel"`, whose best value chooses the weights that
            the model has after training; or `None` to leave it as it is.
        seed: Integer seed of the noise or latent vectors.

    Attributes:
        history: One dictionary for each look: `epoch`, counted from 1, and each
            `<features>_<metric>`; `<metric>` alone where it needs no features, as `spectral`.
        best_epoch: The epoch with the best value so far, or `None`.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> import tempfile
    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=8)
    >>> pixels = kma.features.PixelFeatures(data.train[0], components=8)
    >>> small = {"encoder_filters": 4, "decoder_filters": 4}
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4, seed=0, **small)
    >>> model.compile()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     monitor = kma.callbacks.SampleMonitor(
    ...         folder, data.val[0], {"pixels": pixels}, every=2, best="pixels_kernel"
    ...     )
    ...     history = model.fit(data.train[0], epochs=4, verbose=0, callbacks=[monitor])
    >>> [row["epoch"] for row in monitor.history], monitor.best_epoch in (2, 4)
    ([2, 4], True)
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        held_out: ArrayLike | None = None,
        features: Mapping[str, Callable[[NDArray], ArrayLike]] | None = None,
        metrics: Sequence[str] = ("kernel", "precision", "coverage"),
        every: int = 5,
        labels: ArrayLike | None = None,
        best: str | None = None,
        seed: int = 0,
    ) -> None:
        from keras_medaug.plotting import new_figure

        super().__init__()
        new_figure((1, 1))  # without Matplotlib, an error now and not after some epochs
        self.folder = Path(folder)
        self.every = int(check_positive(every, "every", integer=True))
        self.seed = resolve_seed(seed)
        self._metrics = _check_metrics(metrics)
        self.metrics = tuple(metric.name for metric in self._metrics)
        self.labels = None if labels is None else _known_later(labels)
        self._features = dict(features or {})
        real = _check_held_out(held_out, self._features)
        self._image_shape = None if real is None else real.shape[1:]
        self._count = DRAWN if real is None else len(real)
        if self.labels is not None:
            self._count = len(self.labels)
        if real is not None and self._count < FEWEST:
            raise fail("labels", f"{self._count} labels", f"{FEWEST} or more")
        self._real = {} if real is None else self._vectors(to_float(real))
        self._real_rows = {} if real is None else self._rows(real)
        # The metric of each column, and its space of features, empty for a metric of images.
        self._measured_in: dict[str, tuple[Metric, str]] = {
            metric.name: (metric, "") for metric in self._metrics if metric.name in self._real_rows
        } | {
            f"{name}_{metric.name}": (metric, name)
            for name in self._real
            for metric in self._metrics
            if metric.space == "features"
        }
        self.columns = list(self._measured_in)
        if best is not None and best not in self.columns:
            expected = f"one of {', '.join(self.columns)}" if self.columns else "`held_out` as well"
            raise fail("best", repr(best), expected)
        self.best = best
        self.history: list[dict[str, Any]] = []
        self.best_epoch: int | None = None
        self._epoch = 0
        self._looked = 0  # the last epoch that was looked at
        self._begun: int | None = None  # the epochs before this part of the training
        self._writer: Any = None

    def on_train_begin(self, logs=None) -> None:
        """Refuse a model that this does not fit, and read what the training before a kill left."""
        self._check_model()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.history = _read_table(self.folder / TABLE, self.columns)
        self._epoch = self._looked = 0
        self._writer = _tensorboard(self.folder / "tensorboard") if self.columns else None
        self._go_on_from(getattr(self.model, "_initial_epoch", None) or 0)

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Go on from the epoch where `fit` begins."""
        if self._epoch == 0 and self._begun != epoch:
            self._go_on_from(epoch)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Look, where it is time."""
        self._epoch = epoch + 1
        if self._epoch % self.every == 0:
            self._look(self._epoch)

    def on_train_end(self, logs=None) -> None:
        """Look at the last epoch, and give the model the best weights."""
        if self._epoch and self._looked != self._epoch:
            self._look(self._epoch)
        if self._writer is not None:
            self._writer.close()
        if self.best_epoch is not None:
            self.model.load_weights(self._weights(self.best_epoch))

    def _check_model(self) -> None:
        if not hasattr(self.model, "generate"):
            got = f"a {type(self.model).__name__}"
            raise fail("model", got, "one of keras_medaug.models that generates")
        shape = getattr(self.model, "image_shape", None)
        if (
            self._image_shape is not None
            and shape is not None
            and self._image_shape != tuple(shape)
        ):
            got = f"images of shape {self._image_shape}"
            raise fail("held_out", got, f"the model's {tuple(shape)}")
        classes = getattr(self.model, "num_classes", None)
        if self.labels is not None and classes is None:
            raise fail("labels", "labels", "none, for a model without `num_classes`")
        if self.labels is not None:
            names = getattr(self.model, "class_names", None)
            self.labels = check_labels(self.labels, "labels", None, classes, class_names=names)

    def _go_on_from(self, epoch: int) -> None:
        """Keep what belongs to the training so far, and look where a kill came before the look."""
        self._begun = epoch
        self.history = [row for row in self.history if row["epoch"] <= epoch]
        self._choose_best()
        is_due = epoch % self.every == 0 or epoch == (self.params or {}).get("epochs")
        if epoch and is_due and epoch not in [row["epoch"] for row in self.history]:
            self._look(epoch)

    def _look(self, epoch: int) -> None:
        images = self._images()
        self._looked = epoch
        self.history.append({"epoch": epoch, **self._measured(images)})
        if np.isfinite(images).all():
            self._draw(images, epoch)
        last = self.best_epoch
        self._choose_best(epoch)
        if self.best_epoch == epoch:  # before the table, which a kill may leave behind otherwise
            with replacing(self._weights(epoch)) as partial:
                self.model.save_weights(partial)
        if self.columns:
            self._write_table()
        if last is not None and last != self.best_epoch:
            self._weights(last).unlink(missing_ok=True)

    def _images(self) -> NDArray:
        made = self.model.generate(self._count, labels=self._wanted(), seed=self.seed)
        images, what = np.asarray(made), "model.generate"
        if len(images) != self._count:
            raise fail(what, f"{len(images)} images", f"the {self._count} that were wanted")
        if not np.isfinite(images).all():  # training diverged; the table will hold NaN
            return images
        return check_images(images, what, self._image_shape)

    def _wanted(self) -> NDArray | None:
        classes = getattr(self.model, "num_classes", None)
        if classes is None or self.labels is not None:
            return self.labels
        return np.arange(self._count) % classes

    def _measured(self, images: NDArray) -> dict[str, float]:
        if not np.isfinite(images).all():
            return dict.fromkeys(self.columns, math.nan)
        vectors, rows = self._vectors(images), self._rows(images)
        shape = images.shape[1:]
        of_features = {
            name: Samples(real, vectors[name], image_shape=shape)
            for name, real in self._real.items()
        }
        of_images = {
            name: Samples(real, rows[name], image_shape=shape)
            for name, real in self._real_rows.items()
        }
        return {
            column: metric.value(of_features[space] if space else of_images[metric.name])
            for column, (metric, space) in self._measured_in.items()
        }

    def _vectors(self, images: NDArray[np.float32]) -> dict[str, NDArray]:
        """Return the features of images by the name of the extractor."""
        return {
            name: check_features(extract(as_argument_of(extract, images)), f"features[{name!r}]")
            for name, extract in self._features.items()
        }

    def _rows(self, images: NDArray) -> dict[str, NDArray]:
        """Return what the metrics of images compare, by the name of the metric."""
        return {
            metric.name: metric.rows_of(images)
            for metric in self._metrics
            if metric.space == "images"
        }

    def _draw(self, images: NDArray, epoch: int) -> None:
        from keras_medaug.plotting import image_grid, save

        shown, wanted = images[:DRAWN], self._wanted()
        if wanted is not None:  # some of every class, one after the other
            places = np.linspace(0, len(images) - 1, min(DRAWN, len(images))).round().astype(int)
            shown = images[np.argsort(wanted, kind="stable")[places]]
        figure = image_grid(shown, COLUMNS, f"{self.model.name}, epoch {epoch}")
        save(figure, self.folder / f"samples-{epoch:04d}.png")

    def _write_table(self) -> None:
        from keras_medaug.plotting import save

        text = io.StringIO()
        table = csv.DictWriter(text, ["epoch", *self.columns], lineterminator="\n")
        table.writeheader()
        table.writerows(self.history)
        write_text_atomic(self.folder / TABLE, text.getvalue())
        figure = _curves(self.history, self._measured_in, self.model.name)
        save(figure, self.folder / "samples.png")
        if self._writer is not None:
            last = self.history[-1]
            for name in self.columns:
                self._writer.add_scalar(f"samples/{name}", last[name], int(last["epoch"]))
            self._writer.flush()

    def _weights(self, epoch: int) -> Path:
        return self.folder / f"samples-best-{epoch:04d}.weights.h5"

    def _choose_best(self, now: int | None = None) -> None:
        """Choose among the epochs whose weights there are: those kept, and those of now."""
        self.best_epoch = None
        if self.best is None:
            return
        sign = 1 if self._measured_in[self.best][0].direction == "less" else -1
        candidates = [
            (sign * row[self.best], row["epoch"])
            for row in self.history
            if math.isfinite(row[self.best])
            and (row["epoch"] == now or self._weights(row["epoch"]).is_file())
        ]
        self.best_epoch = min(candidates)[1] if candidates else None


def _known_later(labels: ArrayLike) -> NDArray:
    """Return labels that are checked; names, which the model alone knows, as they are."""
    array = flat(as_array(labels, "labels"))
    return array if are_names(array) else check_labels(array, "labels")


def _check_metrics(metrics: Sequence[str]) -> tuple[Metric, ...]:
    known = registered()
    if isinstance(metrics, str) or not metrics or not set(metrics) <= set(known):
        raise fail("metrics", repr(metrics), f"some of {', '.join(known)}, as a list")
    return tuple(known[name] for name in metrics)


def _check_held_out(held_out: ArrayLike | None, features: Mapping[str, Callable]) -> NDArray | None:
    if (held_out is None) != (not features):
        missing, given = ("held_out", "features") if held_out is None else ("features", "held_out")
        raise fail(missing, "nothing", f"both `held_out` and `features`, as `{given}` is given")
    if held_out is None:
        return None
    images = check_images(held_out, "held_out")
    if len(images) < FEWEST:
        raise fail("held_out", f"{len(images)} images", f"{FEWEST} or more")
    return images


def _read_table(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of an earlier part of the training."""
    if not columns or not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if table.fieldnames != ["epoch", *columns]:
            got = f"{path.parent}, whose {TABLE} has the columns {table.fieldnames}"
            raise fail("folder", got, f"a folder without, or with epoch, {', '.join(columns)}")
        return [
            {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
            for row in table
        ]


def _curves(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[Metric, str]], title: str
) -> Figure:
    """Draw each metric over epochs, a panel each, all spaces in it."""
    from keras_medaug.plotting import new_figure, set_title, tidy

    metrics = list(dict.fromkeys(metric.name for metric, _ in columns.values()))
    figure = new_figure((3.4 * len(metrics), 3.0))
    axes = np.atleast_1d(figure.subplots(1, len(metrics)))
    epochs = [row["epoch"] for row in rows]
    for panel, metric in zip(axes, metrics, strict=True):
        for name, (shown, space) in columns.items():
            if shown.name == metric:
                values = [row[name] for row in rows]
                panel.plot(epochs, values, marker="o", markersize=3, label=space or "images")
        panel.set_xlabel("epoch")
        panel.set_ylabel(metric)
        tidy(panel)
    axes[-1].legend(frameon=False)
    set_title(figure, title)
    return figure


def _tensorboard(folder: Path) -> Any:
    """Return a writer, or `None` where TensorBoard is not installed."""
    try:
        from tensorboard.summary import DirectoryOutput, Writer
    except ImportError:
        return None
    return Writer(DirectoryOutput(str(folder)))
