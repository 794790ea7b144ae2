"""What is measured of synthetic images beside real ones, for `augment` and `model_card`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.cards.once import Once
from keras_medaug.cards.readings import read_quality
from keras_medaug.cards.remembered_classifier import RememberedClassifier
from keras_medaug.cards.sentences import summarize_two_sample
from keras_medaug.checked_images import CheckedImages, takes_checked_images
from keras_medaug.features import ClassifierFeatures, PixelFeatures
from keras_medaug.images import to_uint8
from keras_medaug.metrics import (
    collapsed_classifier,
    copy_audit,
    diversity,
    label_fidelity,
    mean_confidence,
    sample_quality,
    spectral_distance,
    two_sample_auc,
)
from keras_medaug.metrics.quality import FEWEST
from keras_medaug.metrics.spectral import FEWEST as FEWEST_SPECTRA
from keras_medaug.metrics.spectral import SPECTRAL
from keras_medaug.metrics.two_sample import FEWEST as FEWEST_TOLD_APART
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed

Extractor = Callable[[NDArray], ArrayLike]


class Evaluation:
    """Compare synthetic images with training and held-out images.

    All images were checked before. Each is converted once to 8 bits, as images are once saved, and
    each extractor and classifier sees it once: quality, two-sample test, memorization check and
    labels share what was computed.

    Args:
        images: Synthetic images, checked, `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What the generator was trained on.
        held_out: Real images that it was not trained on; possibly none.
        labels: Classes of the synthetic images, `(n,)`, or `None`.
        training_labels: Classes of the training images, or `None`.
        held_out_labels: Classes of the held-out images, or `None`.
        seed: Integer seed of all that is drawn.
        class_names: Names of the classes, or `None` for their numbers.
        classifier: A classifier of the training images, whose features make a space as well; or
            `None`.
        features: Further extractors by name.

    Attributes:
        counts: How many images there are of each kind.
        feature_cards: What each extractor is, by its name.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.evaluation import Evaluation
    >>> data = kma.datasets.load("phantom", size=8)
    >>> train, val, test = (data.stored(name)[0] for name in ("train", "val", "test"))
    >>> measured = Evaluation(test, train, val).measure()
    >>> abs(measured["two_sample"]["auc"] - 0.5) < 0.15, sorted(measured["quality"]["spaces"])
    (True, ['pixels'])
    """

    def __init__(
        self,
        images: NDArray,
        training: NDArray,
        held_out: NDArray,
        labels: NDArray[np.integer] | None = None,
        training_labels: NDArray[np.integer] | None = None,
        held_out_labels: NDArray[np.integer] | None = None,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
        classifier: ClassifierFeatures | None = None,
        features: Mapping[str, Extractor] | None = None,
    ) -> None:
        self._given = CheckedImages(images), CheckedImages(training)
        sets = (images, training, held_out)
        self.images, self.training, self.held_out = (CheckedImages(to_uint8(x)) for x in sets)
        self.labels, self.training_labels = labels, training_labels
        self.held_out_labels = held_out_labels
        self.seed, self.class_names = seed, class_names
        self.counts = {
            "synthetic": len(images), "training": len(training), "held-out": len(held_out),
        }  # fmt: skip
        self._classifier = None if classifier is None else RememberedClassifier(classifier)
        extractors: dict[str, Any] = {} if classifier is None else {"classifier": classifier}
        extractors["pixels"] = PixelFeatures(self.training, seed=derive_seed(seed, "pixels"))
        extractors |= features or {}
        self.feature_cards = {name: _card_of(extractor) for name, extractor in extractors.items()}
        self._spaces: dict[str, Any] = {
            name: Once(extractor, takes_checked_images(extractor, "__call__"))
            for name, extractor in extractors.items()
        }
        if self._classifier is not None:
            self._spaces["classifier"] = self._classifier.features

    def measure(self, report: Report = ignore) -> dict[str, Any]:
        """Return all that compares the images with real ones.

        Args:
            report: Called with how far the comparison is.

        Returns:
            `summary`, `two_sample`, `quality`, `readings`, `sharpness` and `diversity`.
        """
        two_sample = self.two_sample()
        quality = self.quality(report)
        return {
            "summary": summarize_two_sample(two_sample),
            "two_sample": two_sample,
            "quality": quality,
            "readings": read_quality(quality),
            "sharpness": self.sharpness(quality),
            "diversity": self.diversity(),
        }

    # ---- beside real images -----------------------------------------------------------------

    def two_sample(self) -> dict[str, Any] | None:
        """Return how well a simple classifier tells synthetic images from training images.

        Returns:
            What `metrics.two_sample_auc` returns; its reference, held-out images against training
            images, is `None` where these are too few. `None` where others are.
        """
        if min(len(self.images), len(self.training)) < FEWEST_TOLD_APART:
            return None
        enough = len(self.held_out) >= FEWEST_TOLD_APART
        return two_sample_auc(
            self.images,
            self.training,
            self._spaces["pixels"],
            seed=derive_seed(self.seed, "two-sample"),
            held_out=self.held_out if enough else None,
        )

    def quality(self, report: Report = ignore) -> dict[str, Any] | None:
        """Return how far the images are from training images, beside held-out ones.

        Args:
            report: Called with how far the comparison is.

        Returns:
            What `metrics.sample_quality` returns, by class as well where the labels of all three
            kinds are known; or `None` where images of a kind are too few.
        """
        if min(self.counts.values()) < FEWEST:
            return None
        labels = self.labels, self.training_labels, self.held_out_labels
        known = all(part is not None for part in labels)
        of_images, of_training, of_held_out = labels if known else (None, None, None)
        return sample_quality(
            self.images,
            self.training,
            self.held_out,
            self._spaces,
            of_images,
            of_training,
            of_held_out,
            seed=derive_seed(self.seed, "quality"),
            verbose=report,
        )

    def sharpness(self, quality: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return how much power the images have at high frequencies, beside training images.

        Args:
            quality: What `quality` returned, which holds these numbers. Without it they are
                measured.

        Returns:
            `high_frequency_ratio` (below 1 is blur, above 1 noise), `value` and `ci95` of
            `metrics.spectral_distance`, and `reference`, the same of held-out images or `None`.
            `None` where images are too few.
        """
        if quality is not None:
            spectral = quality["spectral"]
            return {**{key: spectral[key] for key in SPECTRAL}, "reference": {**spectral["floor"]}}
        if min(len(self.images), len(self.training)) < FEWEST_SPECTRA:
            return None
        reference = None
        if len(self.held_out) >= FEWEST_SPECTRA:
            reference = self._spectral(self.held_out)
        return {**self._spectral(self.images), "reference": reference}

    def _spectral(self, images: CheckedImages) -> dict[str, Any]:
        distance = spectral_distance(self.training, images)
        return {key: distance[key] for key in SPECTRAL}

    def diversity(self) -> dict[str, Any]:
        """Return how far apart the images are, beside training images.

        Returns:
            What `metrics.diversity` returns.
        """
        known = None if self.labels is None else self.training_labels
        seed = derive_seed(self.seed, "diversity")
        return diversity(self.images, self.training, self.labels, known, seed, self.class_names)

    def memorization(self, held_out: NDArray | None, report: Report = ignore) -> dict[str, Any]:
        """Return which images may be copies of training images.

        The images are compared as they were given, and by the features of the classifier, too.

        Args:
            held_out: Real images for reference, checked, or `None`.
            report: Called with how far the comparison is.

        Returns:
            What `metrics.copy_audit` returns.
        """
        unseen = None if held_out is None else CheckedImages(held_out)
        return copy_audit(*self._given, unseen, self._spaces.get("classifier"), verbose=report)

    # ---- what the classifier sees -----------------------------------------------------------

    def classified(self) -> dict[str, Any] | None:
        """Return what the classifier of the training images sees in the images.

        Returns:
            `seen` (of how many images each class is the likeliest), `confidence` and
            `held_out_confidence` (`metrics.mean_confidence`; `None` without held-out images), and
            `fidelity` (`metrics.label_fidelity`, or `None` where it cannot be measured). `None`
            without a classifier.
        """
        classifier = self._classifier
        if classifier is None:
            return None
        probabilities = classifier.predict(self.images)
        seen = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])
        unseen = self.held_out if len(self.held_out) else None
        return {
            "seen": seen.tolist(),
            "confidence": mean_confidence(classifier, self.images),
            "held_out_confidence": None if unseen is None else mean_confidence(classifier, unseen),
            "fidelity": self._label_fidelity(classifier),
        }

    def _label_fidelity(self, classifier: RememberedClassifier) -> dict[str, Any] | None:
        """Return whether the images show their classes; that takes two classes of real images."""
        if self.labels is None or self.held_out_labels is None:
            return None
        real_classes = set(self.held_out_labels.tolist())
        if len(real_classes) < 2 or not real_classes & set(self.labels.tolist()):
            return None
        return label_fidelity(
            classifier,
            self.images,
            self.labels,
            self.held_out,
            self.held_out_labels,
            self.class_names,
        )

    def collapsed(self) -> dict[str, Any] | None:
        """Return whether the classifier never gives some class, or ranks by chance.

        Returns:
            What `metrics.collapsed_classifier` returns of the held-out images; or `None`.
        """
        if self._classifier is None or self.held_out_labels is None or not len(self.held_out):
            return None
        scores = self._classifier.logits(self.held_out)
        return collapsed_classifier(self.held_out_labels, scores, self.class_names)


def _card_of(extractor: Any) -> dict[str, Any]:
    """Return what an extractor is: its kind, and what its `card` says."""
    card = getattr(extractor, "card", None)
    kind = getattr(extractor, "__name__", type(extractor).__name__)
    return {"kind": kind} | (card if isinstance(card, dict) else {})
