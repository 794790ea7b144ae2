"""Which cells are done, in which order, and how long the rest will take."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from keras_medaug.progress import Progress, portions
from keras_medaug.study import scheduling
from keras_medaug.study.cell import Cell

pytestmark = pytest.mark.backend_free


def silent(cells=()):
    progress = Progress("study", verbose=False)
    scheduling.plan_cells(progress, cells)
    return progress


def cell(folder, kind, seed, needs=None, **config):
    data = {"image_shape": [28, 28, 1], "counts": {"train": 60, "val": 20, "test": 20}}
    shape = {"data": data, "seed": seed, "training": {"steps": 100}}
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
    with silent([needing, alone]) as progress:
        spent = scheduling.execute([needing, alone], None, Pool(), progress)
    assert progress.fraction == 1.0
    assert spent == {"cvae": 1.0, "classifier": 2.0}
    assert submitted == [(model, True), (alone, True), (needing, True)]


def test_what_is_done_is_not_planned_and_a_generator_takes_longer(tmp_path):
    classifier, done = (cell(tmp_path, "classifier", seed, arm="a") for seed in range(2))
    finish(done)
    model = cell(tmp_path, "generator", 0, method="vaegan")
    audit = cell(tmp_path, "audit", None)
    assert silent([done]).planned == 0
    planned = [silent([each]).planned for each in (audit, classifier, model)]
    assert planned == sorted(planned)
    assert silent([audit, classifier, model, done]).planned == pytest.approx(sum(planned))


def test_a_cell_in_this_process_reports_its_steps(tmp_path, monkeypatch):
    shown = []

    def run(*_, report):
        report(30, 100)
        shown.append(progress._text())
        return 1.5

    monkeypatch.setattr(scheduling, "run_cell", run)
    cells = [cell(tmp_path, "classifier", seed, arm="none") for seed in range(2)]
    progress = silent(cells)
    assert scheduling.execute(cells, None, None, progress) == {"classifier": 3.0}
    assert shown[0].endswith("0/2: classifier none, seed 0: 30 of 100")
    assert shown[1].endswith("1/2: classifier none, seed 1: 30 of 100")


def test_a_task_of_several_stages_shows_how_far_it_is(tmp_path, monkeypatch):
    shown = []

    def run(*_, report):
        _, fitting, _ = portions(report, 1, 2, 1)
        fitting(30, 100)
        shown.append(progress._text())
        return 1.5

    monkeypatch.setattr(scheduling, "run_cell", run)
    cells = [cell(tmp_path, "generator", seed, method="cvae") for seed in range(2)]
    progress = silent(cells)
    scheduling.execute(cells, None, None, progress)
    assert shown[0].endswith("0/2: generator cvae, seed 0: 40%")


def test_what_is_done_counts_and_takes_no_time(tmp_path):
    cells = [cell(tmp_path, "classifier", seed, arm="none") for seed in range(3)]
    finish(cells[0])
    progress = silent(cells)
    progress.begin(cells[1].key)
    assert progress._text().endswith("1/3: classifier none, seed 1")
    assert progress.planned == silent(cells[1:]).planned


def test_those_that_run_elsewhere_have_begun(tmp_path, monkeypatch):
    cells = [cell(tmp_path, "classifier", seed, arm="a") for seed in range(3)]
    begun = []

    class Pool:
        def submit(self, _, each, *__):
            future = Future()
            future.cell = each
            if each is not cells[2]:
                future.set_running_or_notify_cancel()
            return future

    def wait(running, **_):
        if not begun:  # the first time nothing has come to an end
            return set(), set(running)
        for future in running:
            finish(future.cell)
            future.set_result(1.0)
        return set(running), set()

    progress = silent(cells)
    monkeypatch.setattr(progress, "begin", begun.append)
    monkeypatch.setattr(scheduling, "wait", wait)
    scheduling.execute(cells, None, Pool(), progress)
    assert begun == [cells[0].key, cells[1].key]


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
        scheduling.execute(cells, None, pool, silent(cells))
    assert [future.cancelled() for future in pool.futures] == [False, True, True]
