"""Figures of a study."""

import numpy as np
import pytest

from keras_medaug.plotting import save
from keras_medaug.study.figures import learning_curves, paired_differences

pytestmark = pytest.mark.backend_free


def study(fraction, means):
    arms = {}
    for name, mean in means.items():
        values = [mean - 0.02, mean, mean + 0.02]
        scores = {"mean": mean, "sd": float(np.std(values, ddof=1)), "values": values}
        arms[name] = {"test": {"auc": scores}}
    return {
        "dataset": {"name": "phantom", "counts": {"train": [50, 50]}},
        "config": {"train_fraction": fraction},
        "arms": arms,
    }


def test_learning_curves_show_each_arm_at_its_number_of_images(tmp_path):
    means = {"none": 0.7, "cvae": 0.75}
    figure = learning_curves([study(1.0, means), study(0.1, {"none": 0.6, "cvae": 0.6})])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["10", "100"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["none", "cvae"]
    none = axes.containers[0].lines[0]  # the line, the caps, the bars
    np.testing.assert_allclose(np.array(none.get_ydata(), float), [0.6, 0.7])
    # t of 0.975 and 2 degrees of freedom, 4.303, times 0.02 over the root of 3.
    (bars,) = axes.containers[0].lines[2]
    low, high = np.array(bars.get_segments()[0], float)[:, 1]
    np.testing.assert_allclose(high - low, 2 * 4.303 * 0.02 / 3**0.5, rtol=1e-3)
    save(figure, tmp_path / "curves.png")


def test_differences_are_drawn_seed_by_seed():
    results = study(1.0, {"none": 0.7, "cvae": 0.75}) | {
        "comparisons": [
            {"arm": "cvae", "against": "none", "mean_difference": 0.05, "ci95": [0.0, 0.1],
             "ci95_images": [-0.1, 0.2], "verdict": "HELPS", "margin": 0.01},
        ],
    }  # fmt: skip
    (axes,) = paired_differences(results).axes
    seeds, thin, thick, mean = axes.lines[:4]
    np.testing.assert_allclose(seeds.get_xdata(), [0.05] * 3)
    np.testing.assert_allclose(thin.get_xdata(), [-0.1, 0.2])
    np.testing.assert_allclose(thick.get_xdata(), [0.0, 0.1])
    np.testing.assert_allclose(mean.get_xdata(), [0.05])
