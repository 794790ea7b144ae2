"""Figures: what is on them, that they are the same every time, and clear errors."""

import builtins
import sys

import numpy as np
import pytest

from keras_medaug import plotting

FigureCanvasAgg = pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg


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
