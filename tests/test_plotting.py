"""Figures: what is on them, that they are the same every time, and clear errors."""

import builtins
import itertools
import sys

import numpy as np
import pytest

import keras_medaug as kma
from helpers.needs import needs
from keras_medaug import plotting

pytestmark = pytest.mark.backend_free

FigureCanvasAgg = needs("matplotlib.backends.backend_agg").FigureCanvasAgg


def picture(figure):
    """Return the image that the first axes show."""
    return np.asarray(figure.axes[0].images[0].get_array())


@pytest.mark.parametrize("channels", [1, 3], ids=lambda n: f"channels={n}")
def test_a_grid_shows_every_image_in_its_place(channels):
    levels = np.arange(7) / 10
    images = np.ones((7, 8, 12, channels)) * levels[:, None, None, None]
    shown = picture(plotting.image_grid(images, columns=3))
    assert shown.dtype == np.uint8
    height, width = shown.shape[:2]
    for index, level in enumerate(levels):
        row = int((index // 3 + 0.5) * height / 3)
        column = int((index % 3 + 0.5) * width / 3)
        assert (shown[row, column] == round(255 * level)).all()
    assert (shown[-1, -1] == 255).all()  # no image there: white, not black
    assert width / height == pytest.approx(12 / 8, rel=0.05)


def test_gray_is_drawn_on_a_fixed_scale():
    image = plotting.image_grid(np.full((1, 8, 8, 1), 0.5)).axes[0].images[0]
    assert image.get_clim() == (0, 255)


def test_before_and_after_are_two_rows(images):
    figure = plotting.before_after(images[:4], images[:4] * 0, ("real", "black"), "Title")
    assert [axes.get_ylabel() for axes in figure.axes] == ["real", "black"]
    shown = np.asarray(figure.axes[1].images[0].get_array())
    assert shown.min() == 0
    assert figure.get_suptitle() == "Title"


@pytest.mark.parametrize("label", ["a", "test image", "reconstruction of it"])
def test_labels_of_the_rows_are_not_cut_off(label):
    row = np.zeros((10, 16, 16, 1))
    figure = plotting.before_after(row, row, ("before", label))
    FigureCanvasAgg(figure).draw()
    assert min(axes.yaxis.label.get_window_extent().x0 for axes in figure.axes) > 0


def test_curves_begin_at_epoch_one_and_show_each_name():
    figure = plotting.loss_curves(
        {"loss": [3, 2, 1], "kl": [1, 1, 2]}, panels=[["loss", "absent"], ["kl"], ["absent"]]
    )
    assert len(figure.axes) == 2
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(line.get_ydata(), [3, 2, 1])


def test_each_panel_has_its_unit():
    panels = [["loss"], ["absent"], ["accuracy"]]
    history = {"loss": [1.0], "accuracy": [0.5]}
    figure = plotting.loss_curves(history, panels=panels, ylabel=["nats", "", "share"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["nats", "share"]


def test_bars_carry_values_and_intervals():
    figure = plotting.bars_with_intervals(
        ["a", "b"],
        {"paper": [50.0, None], "here": [40.0, 60.0]},
        {"here": [(30.0, 50.0), None], "paper": None},
        lines={"floor": 25.0},
    )
    (axes,) = figure.axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [50.0, 40.0, 60.0]
    assert [text.get_text() for text in axes.texts] == ["50.0", "40.0", "60.0"]
    assert len(axes.containers) == 4  # three bars and one interval
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["paper", "here", "floor"]
    alone = axes.patches[2]
    assert alone.get_x() + alone.get_width() / 2 == pytest.approx(1.0)


def test_a_value_outside_its_interval_is_drawn_all_the_same():
    plotting.bars_with_intervals(["a"], {"x": [1.0]}, {"x": [(0.2, 0.9)]})


def parts(axes):
    """Return the three pictures of a pair, gray, in [0, 1]: image, training image, difference."""
    shown = np.asarray(axes.images[0].get_array())[..., 0] / 255
    width = (shown.shape[1] - 2 * (gap := round(0.04 * shown.shape[0]))) // 3
    return [shown[:, k * (width + gap) : k * (width + gap) + width] for k in range(3)]


@pytest.fixture
def audited():
    """Twelve images, of which 3 is a mirrored, darker copy and 7 a copy; training; the audit."""
    data = kma.datasets.load("phantom", size=24)
    made, training = data.val[0][:12].copy(), data.train[0]
    made[3], made[7] = 0.7 * np.rot90(training[20])[:, ::-1], training[9]
    return made, training, kma.metrics.copy_audit(made, training, data.test[0])


def test_pairs_stand_side_by_side_with_their_difference(audited):
    made, training, audit = audited
    figure = plotting.nearest_pairs(made, training, audit, "Pairs")
    assert len(figure.axes) == 8
    assert figure.get_suptitle() == "Pairs"
    copy, mirrored, other = figure.axes[:3]
    assert copy.get_xlabel() == (
        "image 7, training 9, difference\npixels: distance 0.000, relative 0.00"
    )
    assert mirrored.get_xlabel().startswith("image 3, training 20, difference\naligned: ")
    image, nearest, difference = parts(mirrored)
    factor = image.shape[0] // 24
    np.testing.assert_allclose(image[::factor, ::factor], made[3][..., 0], atol=0.003)
    np.testing.assert_allclose(nearest[::factor, ::factor], training[20][..., 0], atol=0.003)
    np.testing.assert_allclose(difference, 0.5, atol=0.003)  # compared as in the audit
    np.testing.assert_allclose(parts(copy)[2], 0.5, atol=0.003)
    assert np.abs(parts(other)[2] - 0.5).max() > 0.05


def test_a_difference_of_pixels_is_brighter_where_the_image_is(audited):
    made, training, audit = audited
    made[7] = np.clip(training[9] + np.linspace(-0.1, 0.3, 24)[:, None, None], 0, 1)
    (axes, *_) = plotting.nearest_pairs(made, training, audit).axes
    image, nearest, difference = parts(axes)
    np.testing.assert_allclose(difference, 0.5 + (image - nearest) / 2, atol=0.005)
    assert difference[-1].mean() > difference[0].mean() + 0.1


@pytest.mark.parametrize(("count", "axes"), [(11, 11), (1, 1), (30, 20)])
def test_all_listed_suspects_are_drawn(audited, count, axes):
    _, training, _ = audited
    audit = kma.metrics.copy_audit(training[:count], training)
    figure = plotting.nearest_pairs(training[:count], training, audit)
    assert len(figure.axes) == axes
    FigureCanvasAgg(figure).draw()
    boxes = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1


def test_pairs_of_oblong_colour_images():
    data = kma.datasets.load("phantom", size=(16, 24), channels=3)
    made = data.stored("train")[0][:3, ::-1]
    audit = kma.metrics.copy_audit(made, data.train[0])
    figure = plotting.nearest_pairs(made, data.train[0], audit)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown.shape[1] > 4 * shown.shape[0]


def test_an_audit_of_other_images_is_refused(audited):
    made, training, audit = audited
    without = {**audit, "pairs": [{"image": 0}] * 30}
    for bad in (None, {}, {**audit, "count": 3}, {**audit, "training_count": 2}, without):
        with pytest.raises(
            ValueError, match=r"`audit`: got .*; expected what `metrics\.copy_audit`"
        ):
            plotting.nearest_pairs(made, training, bad)
    with pytest.raises(ValueError, match="`audit`: got count 12 with 11 images"):
        plotting.nearest_pairs(made[1:], training, audit)
    with pytest.raises(ValueError, match="`training`: got images of shape"):
        plotting.nearest_pairs(made, training[:, 1:], audit)


def test_the_same_figure_gives_the_same_file(tmp_path, images):
    for name in ("a.png", "b.png"):
        plotting.save(plotting.image_grid(images[:6], 3, "Six"), tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in content.lower()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("name", ["a.svg", "a.pdf"])
def test_other_formats_are_written_too(tmp_path, name):
    plotting.save(plotting.loss_curves({"loss": [1.0]}), tmp_path / name)
    assert (tmp_path / name).stat().st_size > 0


def test_no_window_system_and_no_global_state_is_touched(images):
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = None if pyplot is None else pyplot.get_fignums()
    plotting.image_grid(images[:2])
    if before is None:
        assert "matplotlib.pyplot" not in sys.modules
    else:
        assert pyplot.get_fignums() == before


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, images):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "keras-medaug\[plot\]"'):
        plotting.image_grid(images)


BAD = {
    "images": lambda x: plotting.image_grid(x[0]),
    "columns": lambda x: plotting.image_grid(x, columns=0),
    "before": lambda x: plotting.before_after(x * 2, x),
    "after": lambda x: plotting.before_after(x, x[:3]),
    "history": lambda x: plotting.loss_curves({}),
    "ylabel": lambda x: plotting.loss_curves({"loss": [1.0]}, ylabel=["nats", "share"]),
    "series": lambda x: plotting.bars_with_intervals(["a", "b"], {"here": [1.0]}),
}


@pytest.mark.parametrize("argument", BAD)
def test_bad_input_is_named(argument, images):
    with pytest.raises(ValueError, match=rf"`{argument}`: got .*; expected "):
        BAD[argument](images)
