"""Guards: what makes the numbers of an experiment mean something else than they seem to.

Each returns a dictionary of plain numbers, whose `warning` is a sentence for a person, or `None`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_images, check_labels, check_positive, fail
from keras_medaug.metrics.copies import nearest_images
from keras_medaug.metrics.equality import equal_images, repeated_images
from keras_medaug.seeds import resolve_seed

SAMPLED = 200  # images of which all pairs are compared
FEW_APART = 0.5  # of the real images' distance, below which a generator has collapsed
NEAR = 0.02  # root mean square of the difference, below which two images are near-duplicates
SHIFT = 0.05  # difference in the share of a class between two sets
LEVEL = 0.05  # p value, from which on a classifier cannot be told from a constant answer
LOST = 0.25  # drop in balanced accuracy, as a share of what is above chance, under a transform
PREDICTED = 256  # images at a time
ROUNDING = 1e-3  # by how much transformed images may leave [0, 1]


# ---- collapse -------------------------------------------------------------------------------


def diversity(
    images: ArrayLike,
    real: ArrayLike,
    labels: ArrayLike | None = None,
    real_labels: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Tell how far apart images are, over how far apart real ones are: 0 where all are one image.

    Compared are the mean distances of two images, the root mean square of the difference over
    pixels and channels: of all images, and of those of each class where labels are given. Images
    are too much alike, and the generator has probably collapsed, where either ratio is below 0.5.
    Blur alone, as a CVAE's, also lowers it: look at the images. Images that differ from each other
    by noise alone have a high one.

    Args:
        images: Images in question, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        real: Real images, of the same image shape.
        labels: Class of each image, shape `(n,)`, or `None`.
        real_labels: Those of the real images; given where `labels` are.
        seed: Integer seed of the choice of 200 images, where there are more.

    Returns:
        A dictionary of plain numbers:

        - `overall`: the ratio of all images, whatever their class;
        - `by_class`: a list of the ratios within classes; or `None`, without labels;
        - `counts`: how many images and real images there are;
        - `warning`: a sentence where a ratio is below 0.5, or `None`.

        A ratio is `None` where either side has fewer than two images or all real ones are equal.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import diversity
    >>> real = np.random.default_rng(0).random((8, 8, 8, 1))
    >>> found = diversity(real[[0, 0, 0, 4, 5, 6]], real, [0, 0, 0, 1, 1, 1], np.arange(8) // 4)
    >>> found["by_class"], found["overall"]
    ([0.0, 1.01...], 0.8...)
    >>> print(found["warning"])
    Images of class 0 are only 0.00 times as far apart as real ones: they may be one image ...

    References:
        Odena, Olah and Shlens, Conditional image synthesis with auxiliary classifier GANs, ICML
        2017: pairs of images of one class, against real pairs, there by their structural
        similarity.
    """
    checked = check_images(images, "images")
    real = check_images(real, "real", checked.shape[1:])
    seed = resolve_seed(seed)
    by_class = None
    pair = _check_label_pair(labels, real_labels, "real_labels", len(checked), len(real))
    if pair is not None:
        ours, theirs = pair
        by_class = [
            _ratio(checked[ours == label], real[theirs == label], seed)
            for label in range(int(max(ours.max(), theirs.max())) + 1)
        ]
    overall = _ratio(checked, real, seed)
    return {
        "overall": overall,
        "by_class": by_class,
        "counts": [len(checked), len(real)],
        "warning": _collapse_message(overall, by_class or []),
    }


def _ratio(images: NDArray, real: NDArray, seed: int) -> float | None:
    ours, theirs = (_mean_distance(each, seed) for each in (images, real))
    return None if ours is None or not theirs else ours / theirs


def _mean_distance(images: NDArray, seed: int) -> float | None:
    if len(images) < 2:
        return None
    chosen = np.random.default_rng(seed).permutation(len(images))[:SAMPLED]
    return float(pair_distances(images[chosen]).mean())


def _collapse_message(overall: float | None, by_class: list[float | None]) -> str | None:
    few = [
        (label, ratio)
        for label, ratio in enumerate(by_class)
        if ratio is not None and ratio < FEW_APART
    ]
    ratios = [ratio for _, ratio in few]
    if few:
        labels = [label for label, _ in few]
        named = f"class {labels[0]}" if len(labels) == 1 else f"classes {listed(labels)}"
        what = f"Images of {named}"
    elif overall is not None and overall < FEW_APART:
        what, ratios = "Images", [overall]
    else:
        return None
    times = " to ".join(dict.fromkeys(f"{each:.2f}" for each in (min(ratios), max(ratios))))
    return (
        f"{what} are only {times} times as far apart as real ones: they may be one image over and "
        "over, or merely blurred. Look at them."
    )


def pair_distances(images: NDArray) -> NDArray[np.float64]:
    """Return the distances of all pairs of images: root mean squares over pixels and channels.

    Args:
        images: Two or more, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`; NaN gives NaN.

    Returns:
        Distances in [0, 1], shape `(n * (n - 1) / 2,)`: of the first image to all later ones, of
        the second, and so on.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import pair_distances
    >>> pair_distances(np.zeros((3, 8, 8, 1)) + np.reshape([0, 1, 1], (3, 1, 1, 1))).tolist()
    [1.0, 1.0, 0.0]
    """
    rows = images.reshape(len(images), -1).astype(np.float64)
    if images.dtype == np.uint8:
        rows /= 255
    # Differences, not the expanded square: the distance of two equal images must be 0.
    squares = [np.mean((rows[i + 1 :] - rows[i]) ** 2, axis=1) for i in range(len(rows) - 1)]
    return np.sqrt(np.concatenate(squares))


# ---- duplicates -----------------------------------------------------------------------------


def near_duplicates(
    images: ArrayLike,
    training: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    training_labels: ArrayLike | None = None,
    threshold: float = NEAR,
) -> dict[str, Any]:
    """Find images of one split that are in another, or nearly so; or twice in the same.

    The distance is the root mean square of the difference over pixels and channels, as in
    `nearest_images`. Images of the same patient that differ in more than noise are not found.

    Args:
        images: Images in question, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: Images to look among, of the same image shape; or `None` to look for each among
            the images before it.
        labels: Class of each image, shape `(n,)`, or `None`.
        training_labels: Those of the training images; given where both `labels` and `training`
            are.
        threshold: Distance below which two images are nearly equal; 0 finds only equal ones.

    Returns:
        A dictionary of plain numbers:

        - `count`, `training_count`: how many images there are;
        - `exact`: how many equal another one in every pixel and channel, once both are rounded to
          8 bits;
        - `near`: how many do so, or are nearer than `threshold` to another one;
        - `indices`: which ones, in order;
        - `partners`, `distances`: of each of these, its nearest image (the first of equally near
          ones), and how far that is;
        - `with_another_label`: how many have another label than their partner, or `None`;
        - `warning`: a sentence where there is any, or `None`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import near_duplicates
    >>> training = np.random.default_rng(0).random((9, 8, 8, 1))
    >>> images = np.stack([training[5], training[7] * 0.99, 1 - training[8]])
    >>> found = near_duplicates(images, training)
    >>> found["exact"], found["near"], found["indices"], found["partners"]
    (1, 2, [0, 1], [5, 7])

    References:
        Barz and Denzler, Do we train on test data? Purging CIFAR of near-duplicates, Journal of
        Imaging 6, 2020.
    """
    checked = check_images(images, "images")
    others = checked
    if training is not None:
        others = check_images(training, "training", checked.shape[1:])
    elif training_labels is not None:
        raise fail("training_labels", "labels without `training`", "None")
    elif labels is not None:
        training_labels = labels
    pair = _check_label_pair(labels, training_labels, "training_labels", len(checked), len(others))
    threshold = check_positive(threshold, "threshold", zero=True)
    if training is None:
        distances, nearest = _nearest_before(checked)
        exact = repeated_images(checked)
    else:
        distances, nearest = nearest_images(checked, others)
        exact = equal_images(checked, others)
    found = np.flatnonzero(exact | (distances < threshold))
    partners = nearest[found]
    other_label = None if pair is None else int((pair[0][found] != pair[1][partners]).sum())
    return {
        "count": len(checked),
        "training_count": len(others),
        "exact": int(exact.sum()),
        "near": len(found),
        "indices": found.tolist(),
        "partners": partners.tolist(),
        "distances": distances[found].tolist(),
        "with_another_label": other_label,
        "warning": _duplicates_message(
            len(checked), int(exact.sum()), len(found), other_label, training is None
        ),
    }


def _nearest_before(images: NDArray) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return how far the nearest image before each is, and which one; the first has none."""
    distances, nearest = np.full(len(images), np.inf), np.zeros(len(images), np.intp)
    parts = [(0, len(images))]
    while parts:
        low, high = parts.pop()
        middle = (low + high) // 2
        if low == middle:
            continue
        later = slice(middle, high)
        found, which = nearest_images(images[later], images[low:middle])
        better = found < distances[later]
        distances[later][better] = found[better]
        nearest[later][better] = low + which[better]
        parts += [(low, middle), (middle, high)]
    return distances, nearest


def _duplicates_message(
    count: int, exact: int, near: int, other_label: int | None, within: bool
) -> str | None:
    if not near:
        return None
    where = "come after an equal one" if within else "are in the training images"
    what = f"Of {count} images {exact} {where}, and {near} do so exactly or nearly"
    if other_label:
        what += f", {other_label} of them with another label"
    effect = "they count more than once" if within else "scores on them say little of new images"
    return f"{what}: {effect}."


# ---- prior shift ----------------------------------------------------------------------------


def prior_shift(
    labels: ArrayLike, other_labels: ArrayLike, num_classes: int | None = None
) -> dict[str, Any]:
    """Tell by how much the shares of the classes differ between two sets.

    Accuracy depends on the shares, the area under the ROC curve and balanced accuracy do not.

    Args:
        labels: Classes of one set, such as training, shape `(n,)`.
        other_labels: Classes of the other, such as test, shape `(m,)`.
        num_classes: Number of classes; by default as many as the labels tell.

    Returns:
        A dictionary of plain numbers:

        - `shares`, `other_shares`: of each class in the two sets;
        - `largest`: the largest difference of a share, and `class`, whose it is;
        - `p`: of the chi-squared test that both sets were drawn with the same shares. It is
          approximate where classes have fewer than about five images;
        - `warning`: a sentence where `largest` is above 0.05, whatever `p`, or `None`.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If SciPy is not installed.

    Example:

    >>> from keras_medaug.metrics import prior_shift
    >>> found = prior_shift([0] * 26 + [1] * 74, [0] * 38 + [1] * 62)
    >>> found["class"], round(found["largest"], 2), round(found["p"], 3)
    (0, 0.12, 0.069)

    References:
        Pearson's test of homogeneity. Lipton, Wang and Smola, Detecting and correcting for label
        shift with black box predictors, ICML 2018.
    """
    if num_classes is not None:
        num_classes = check_positive(num_classes, "num_classes", integer=True)
    ours = check_labels(labels, "labels", num_classes=num_classes)
    theirs = check_labels(other_labels, "other_labels", num_classes=num_classes)
    classes = num_classes or int(max(ours.max(), theirs.max())) + 1
    counts = [np.bincount(each, minlength=classes).astype(float) for each in (ours, theirs)]
    shares, other_shares = (each / each.sum() for each in counts)
    differences = np.abs(shares - other_shares)
    worst = int(differences.argmax())
    largest, p = float(differences[worst]), _homogeneity(np.stack(counts))
    warning = None
    if largest > SHIFT:
        warning = (
            f"Class {worst} is {shares[worst]:.1%} of one set and {other_shares[worst]:.1%} of the "
            f"other (p = {p:.2g} for equal shares): accuracies depend on that, areas under the "
            "curve do not."
        )
    return {
        "shares": shares.tolist(),
        "other_shares": other_shares.tolist(),
        "largest": largest,
        "class": worst,
        "p": p,
        "warning": warning,
    }


def _homogeneity(counts: NDArray) -> float:
    """Return the p value of equal shares in both rows."""
    counts = counts[:, counts.any(axis=0)]
    return float(statistics().chi2_contingency(counts, correction=False).pvalue)


def statistics() -> Any:
    """Return SciPy's statistics.

    Returns:
        The module.

    Raises:
        ImportError: If SciPy is not installed.

    Example:

    >>> from keras_medaug.metrics.guards import statistics
    >>> float(statistics().norm.cdf(0))
    0.5
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(
            'keras_medaug.metrics: this guard needs SciPy; pip install "keras-medaug[study]"'
        ) from error
    return stats


# ---- collapsed classifier -------------------------------------------------------------------


def collapsed_classifier(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, Any]:
    """Tell whether a classifier never gives some answer, or is no better than always giving one.

    Args:
        labels: Classes, shape `(n,)`.
        probabilities: Its class probabilities, shape `(n, num_classes)`.

    Returns:
        A dictionary of plain numbers:

        - `accuracy`, and `majority`, the share of the commonest class;
        - `p`: the probability of as many right answers, were each right with probability
          `majority` (an exact binomial test);
        - `never`: the classes, of those in `labels`, that are never its answer;
        - `warning`: a sentence where there are such classes, or `p` is 0.05 or more, be it for want
          of images or of classes; or `None`.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If SciPy is not installed.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import collapsed_classifier
    >>> always_one = np.tile([0.1, 0.9], (10, 1))
    >>> found = collapsed_classifier(np.arange(10) % 2, always_one)
    >>> found["never"], found["accuracy"], round(found["p"], 3)
    ([0], 0.5, 0.623)

    References:
        The test against the "no information rate" of Kuhn, Building predictive models in R using
        the caret package, Journal of Statistical Software 28, 2008.
    """
    truth = check_labels(labels, "labels")
    scores = _check_probabilities(probabilities, "probabilities", len(truth))
    truth = check_labels(truth, "labels", num_classes=scores.shape[1])
    answers = scores.argmax(axis=1)
    right = int((answers == truth).sum())
    counts = np.bincount(truth, minlength=scores.shape[1])
    given = np.bincount(answers, minlength=len(counts))
    accuracy, majority = right / len(truth), float(counts.max() / len(truth))
    never = np.flatnonzero((given == 0) & (counts > 0)).tolist()
    tested = statistics().binomtest(right, len(truth), majority, alternative="greater")
    p = float(tested.pvalue)
    numbers = f"its accuracy is {accuracy:.3f}, and the commonest class is {majority:.3f} of images"
    warning = None
    if never:
        named = f"Class {never[0]} is" if len(never) == 1 else f"Classes {listed(never)} are"
        warning = f"{named} never the classifier's answer: {numbers}."
    elif majority ** len(truth) >= LEVEL:
        what = "one class" if majority == 1 else f"{len(truth)} images"
        warning = f"With {what} nobody can tell whether the classifier always gives one answer."
    elif p >= LEVEL:
        warning = f"The classifier may as well always give one answer: {numbers} (p = {p:.2g})."
    return {
        "accuracy": accuracy, "majority": majority, "p": p, "never": never, "warning": warning,
    }  # fmt: skip


def listed(numbers: list[int]) -> str:
    """Return two numbers or more in words.

    Args:
        numbers: The numbers.

    Returns:
        Them, with commas, and "and" before the last.

    Example:

    >>> from keras_medaug.metrics.guards import listed
    >>> listed([0, 2, 3])
    '0, 2 and 3'
    """
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


# ---- label-unsafe geometry ------------------------------------------------------------------


def label_agreement(
    predict: Any,
    images: ArrayLike,
    labels: ArrayLike,
    transform: Callable[[NDArray], ArrayLike],
) -> dict[str, Any]:
    """Tell whether a classifier still sees the classes of images once these are transformed.

    A transform is suspect as augmentation where more than a quarter is lost of the balanced
    accuracy that is above chance. This is no proof: the images may no longer show their class, or
    are merely new to the classifier, which was not trained on such. Nor is a small loss one, of a
    classifier that was trained under that transform. Look at the images.

    Args:
        predict: A function from images, `float32` in [0, 1], to class probabilities
            `(n, num_classes)`; or a model whose `predict(images, batch_size=..., verbose=0)`
            returns them, such as `keras_medaug.models.Classifier`.
        images: Images that the classifier was not trained on, shape `(n, h, w, c)`, floats in
            [0, 1] or `uint8`.
        labels: Their classes, two or more, shape `(n,)`.
        transform: A function from images, `float32` in [0, 1], to as many of the same shape and
            range. Keras's layers transform only in training: `lambda x: layer(x, training=True)`.

    Returns:
        A dictionary of plain numbers:

        - `plain`, `transformed`: the balanced accuracy on images as they are, and transformed;
        - `chance`: that of any answer that does not depend on the image;
        - `lost`: by what share of what is above chance it falls, negative where it rises; `None`
          where it is not above chance;
        - `changed`: the share of images that the transform changes;
        - `warning`: a sentence where `lost` is above 0.25, or nothing can be told because it is
          `None` or no image is changed; or `None`.

    Raises:
        ValueError: If an argument is not as described, or a function returns something else.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import label_agreement
    >>> images, labels = np.zeros((20, 8, 8, 1)), np.arange(20) % 2
    >>> images[labels == 0, :4, :4], images[labels == 1, :4, 4:] = 1, 1  # left, right
    >>> def predict(x):
    ...     left = x[:, :, :4].mean(axis=(1, 2, 3)) > x[:, :, 4:].mean(axis=(1, 2, 3))
    ...     return np.stack([left, ~left], axis=1)
    >>> label_agreement(predict, images, labels, lambda x: x[:, ::-1])["lost"]
    0.0
    >>> label_agreement(predict, images, labels, lambda x: x[:, :, ::-1])["lost"]
    2.0

    References:
        Shorten and Khoshgoftaar, A survey on image data augmentation for deep learning, Journal of
        Big Data 6, 2019: safety, the likelihood that a transform preserves the label. Brodersen et
        al., The balanced accuracy and its posterior distribution, ICPR 2010.
    """
    checked = check_images(images, "images")
    truth = check_labels(labels, "labels", len(checked))
    classes = len(np.unique(truth))
    if classes < 2:
        raise fail("labels", "one class", "labels of two classes or more")
    if not (callable(predict) or hasattr(predict, "predict")):
        raise fail("predict", f"a {type(predict).__name__}", "a function, or a model")
    if not callable(transform):
        raise fail("transform", f"a {type(transform).__name__}", "a function")
    floats = as_floats(checked)
    turned = _check_transformed(transform(floats.copy()), floats.shape)
    plain, transformed = (
        balanced_accuracy(truth, predicted(predict, each)) for each in (floats, turned)
    )
    lost = lost_share(plain, transformed, classes)
    changed = float((turned != floats).any(axis=(1, 2, 3)).mean())
    return {
        "plain": plain,
        "transformed": transformed,
        "chance": 1 / classes,
        "lost": lost,
        "changed": changed,
        "warning": _agreement_message(plain, transformed, 1 / classes, lost, changed),
    }


def lost_share(plain: float, transformed: float, classes: int) -> float | None:
    """Return by what share of what is above chance a balanced accuracy falls.

    Args:
        plain: Balanced accuracy on images as they are.
        transformed: That on transformed ones.
        classes: Number of classes.

    Returns:
        The share, or `None` where there is nothing above chance to lose.

    Example:

    >>> from keras_medaug.metrics.guards import lost_share
    >>> round(lost_share(0.9, 0.7, 2), 6), lost_share(0.5, 0.5, 2)
    (0.5, None)
    """
    chance = 1 / classes
    return None if plain <= chance else (plain - transformed) / (plain - chance)


def as_floats(images: NDArray) -> NDArray[np.float32]:
    """Return images as floats.

    Args:
        images: `float32` in [0, 1], or `uint8`.

    Returns:
        `float32` in [0, 1].

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import as_floats
    >>> as_floats(np.uint8([255])).tolist()
    [1.0]
    """
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    return images


def _check_transformed(images: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what a transform made, as floats in [0, 1]."""
    array = as_array(images, "transform")
    if array.shape != shape:
        raise fail("transform", f"images of shape {array.shape}", f"shape {shape}, as they were")
    if np.issubdtype(array.dtype, np.floating):
        inside = np.clip(array, 0, 1)  # which interpolation may leave
        if np.abs(array - inside).max() <= ROUNDING:
            array = inside
    return as_floats(check_images(array, "transform"))


def predicted(predict: Any, images: NDArray) -> NDArray:
    """Return the class probabilities that a function or a model has for images.

    Args:
        predict: A function, or a model, as in `label_agreement`.
        images: Images, `float32` in [0, 1].

    Returns:
        Probabilities, shape `(n, num_classes)`.

    Raises:
        ValueError: If something else comes back.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import predicted
    >>> predicted(lambda x: np.full((len(x), 2), 0.5), np.zeros((1, 8, 8, 1))).tolist()
    [[0.5, 0.5]]
    """
    if hasattr(predict, "predict"):
        found = predict.predict(images, batch_size=min(PREDICTED, len(images)), verbose=0)
    else:
        found = predict(images)
    return _check_probabilities(found, "predict", len(images))


def recalls(labels: NDArray, probabilities: NDArray) -> list[float | None]:
    """Return, for each class, the share of its images of which it is the likeliest class.

    Args:
        labels: Classes, shape `(n,)`.
        probabilities: Class probabilities, shape `(n, num_classes)`.

    Returns:
        Shares; `None` of a class without images.

    Raises:
        ValueError: If there are labels that have no probability.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import recalls
    >>> recalls(np.int32([0, 0, 2]), np.tile([0.6, 0.3, 0.1], (3, 1)))
    [1.0, None, 0.0]
    """
    classes = probabilities.shape[1]
    check_labels(labels, "labels", num_classes=classes)
    counts = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[probabilities.argmax(axis=1) == labels], minlength=classes)
    return [
        float(hits / count) if count else None for hits, count in zip(right, counts, strict=True)
    ]


def balanced_accuracy(labels: NDArray, probabilities: NDArray) -> float:
    """Return the mean of `recalls` over the classes that have images.

    Args:
        labels: Classes, shape `(n,)`.
        probabilities: Class probabilities, shape `(n, num_classes)`.

    Returns:
        A share.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import balanced_accuracy
    >>> balanced_accuracy(np.int32([0, 0, 1]), np.tile([0.6, 0.4], (3, 1)))
    0.5
    """
    shares = [share for share in recalls(labels, probabilities) if share is not None]
    return float(np.mean(shares))


def _agreement_message(
    plain: float, transformed: float, chance: float, lost: float | None, changed: float
) -> str | None:
    if lost is None:
        return (
            f"The balanced accuracy on images as they are is {plain:.3f}, no better than chance "
            f"({chance:.3f}): this classifier cannot tell what the transform does to classes."
        )
    if not changed:
        return (
            "The transform changed 0 images, so nothing was tested. Layers of Keras transform only "
            "if they are called with `training=True`."
        )
    if lost <= LOST:
        return None
    return (
        f"The balanced accuracy falls from {plain:.3f} to {transformed:.3f} where chance is "
        f"{chance:.3f}: the transformed images may no longer show their class, or are merely new "
        "to the classifier. Look at them."
    )


# ---- checks ---------------------------------------------------------------------------------


def _check_label_pair(
    labels: ArrayLike | None,
    others: ArrayLike | None,
    argument: str,
    count: int,
    other_count: int,
) -> tuple[NDArray, NDArray] | None:
    """Return the labels of both sets, or `None` if there are none."""
    if labels is None and others is None:
        return None
    if labels is None:
        raise fail("labels", "None", f"labels, as there are `{argument}`")
    if others is None:
        raise fail(argument, "None", "labels, as there are `labels`")
    return check_labels(labels, "labels", count), check_labels(others, argument, other_count)


def _check_probabilities(values: ArrayLike, argument: str, count: int) -> NDArray:
    """Return class probabilities as an array."""
    array = as_array(values, argument)
    if array.ndim != 2 or len(array) != count or array.shape[1] < 2:
        expected = f"class probabilities of shape ({count}, num_classes)"
        raise fail(argument, f"shape {array.shape}", expected)
    sums_to_1 = array.dtype.kind in "fiub" and np.allclose(
        array.sum(axis=1, dtype=np.float64), 1, atol=1e-3
    )
    if not sums_to_1 or (array < 0).any():
        got = "numbers that are negative or do not sum to 1"
        raise fail(argument, got, "class probabilities (end the network with a softmax)")
    return array
