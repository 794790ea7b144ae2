"""Which cells are done, in which order, and how long the rest will take."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from keras_medaug.study import scheduling
from keras_medaug.study.cell import Cell

pytestmark = pytest.mark.backend_free


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    found = Clock()
    monkeypatch.setattr(scheduling, "time", found)
    return found


def cell(folder, kind, seed, needs=None, **config):
    shape = {"data": {"image_shape": [28, 28, 1]}, "seed": seed, "training": {"steps": 100}}
    return Cell(kind, {**shape, **config}, folder, needs=needs)


def finish(each, images=False):
    each.folder.mkdir(parents=True, exist_ok=True)
    (each.folder / "result.json").write_text("{}")
    if images:
        (each.folder / "images.npz").touch()


def left(*cells):
    return [each.kind for each in scheduling._left(cells).values()]


def test_what_is_needed_comes_first_and_nothing_twice(tmp_path):
    model = cell(tmp_path, "generator", 0, method="cvae")
    first, second = (cell(tmp_path, "classifier", 0, model, arm=arm) for arm in "ab")
    assert left(first, second, first) == ["generator", "classifier", "classifier"]
    finish(model, images=True)
    assert left(first, second) == ["classifier", "classifier"]
    finish(first)
    assert left(first, second) == ["classifier"]


def test_images_are_made_again_for_what_needs_them_alone(tmp_path):
    model = cell(tmp_path, "generator", 0, method="cvae")
    arm = cell(tmp_path, "classifier", 0, model, arm="a")
    finish(model)  # a store that was passed on without images
    assert left(arm) == ["generator", "classifier"]
    finish(arm)
    assert left(arm) == []
    (model.folder / "result.json").unlink()  # of which the results tell
    assert left(arm) == ["generator"]


def test_what_needs_another_cell_is_submitted_when_that_is_done(tmp_path, monkeypatch):
    model = cell(tmp_path, "generator", 0, method="cvae")
    alone = cell(tmp_path, "classifier", 0, arm="none")
    needing = cell(tmp_path, "classifier", 0, model, arm="cvae")
    submitted = []

    class Pool:
        def submit(self, _, each, *__):
            submitted.append((each, each.needs is None or each.needs.done))
            future = Future()
            future.cell = each
            return future

    def wait(running, **_):
        for future in running:
            finish(future.cell, images=True)
            future.set_result(1.0)
        return set(running), set()

    monkeypatch.setattr(scheduling, "wait", wait)
    scheduling.execute([needing, alone], None, Pool(), verbose=False)
    assert submitted == [(model, True), (alone, True), (needing, True)]


def test_the_time_left_follows_what_was_measured(tmp_path, clock, capsys):
    cells = [cell(tmp_path, "classifier", seed, arm="a") for seed in range(4)]
    progress = scheduling._Progress(cells, verbose=True)
    assert "[0 of 4, about" in capsys.readouterr().out
    clock.now = 30.0
    progress.done(cells[0], 30.0)
    assert progress.seconds_left() == pytest.approx(90.0)
    assert "[1 of 4, about 2 min left]" in capsys.readouterr().out
    clock.now = 60.0
    progress.done(cells[1], 60.0)  # beside others, in a slower process
    progress.done(cells[2], 60.0)
    # 150 seconds of work in 60 seconds: one cell of 50 takes 20.
    assert progress.seconds_left() == pytest.approx(20.0)
    progress.done(cells[3], 50.0)
    assert progress.seconds_left() == 0
    assert progress.seconds == {"classifier": 200.0}


def test_kinds_that_were_not_measured_are_guessed_in_proportion(tmp_path, clock):
    classifier = cell(tmp_path, "classifier", 0, arm="a")
    model = cell(tmp_path, "generator", 0, method="vaegan")
    progress = scheduling._Progress([classifier, model], verbose=False)
    clock.now = 10.0
    progress.done(classifier, 10.0)
    guessed = scheduling.SECONDS_PER_STEP
    expected = 10.0 * guessed["vaegan"] / guessed["classifier"]
    assert progress.seconds_left() == pytest.approx(expected)


def test_silence_is_kept(tmp_path, capsys):
    progress = scheduling._Progress([cell(tmp_path, "classifier", 0, arm="a")], verbose=False)
    progress.tick()
    assert capsys.readouterr().out == ""


def test_what_was_submitted_is_dropped_where_one_fails(tmp_path):
    @dataclass
    class Failing:
        """Fails at once; what else was submitted would wait for ever."""

        futures: list

        def submit(self, *_):
            future = Future()
            if not self.futures:
                future.set_exception(ZeroDivisionError("on purpose"))
            self.futures.append(future)
            return future

    pool = Failing([])
    cells = [cell(tmp_path, "classifier", seed, arm="a") for seed in range(3)]
    with pytest.raises(ZeroDivisionError):
        scheduling.execute(cells, None, pool, verbose=False)
    assert [future.cancelled() for future in pool.futures] == [False, True, True]
