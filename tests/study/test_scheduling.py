"""Which tasks are done, in which order, and how long the rest will take."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from keras_medaug.progress import Progress, portions
from keras_medaug.study import scheduling
from keras_medaug.study.task import Task

pytestmark = pytest.mark.backend_free


def silent(tasks=()):
    progress = Progress("study", verbose=False)
    scheduling.plan_tasks(progress, tasks)
    return progress


def task(folder, kind, seed, needs=None, **config):
    data = {"image_shape": [28, 28, 1], "counts": {"train": 60, "val": 20, "test": 20}}
    shape = {"data": data, "seed": seed, "training": {"steps": 100}}
    return Task(kind, {**shape, **config}, folder, needs=needs)


def finish(each, images=False):
    each.folder.mkdir(parents=True, exist_ok=True)
    (each.folder / "result.json").write_text("{}")
    if images:
        (each.folder / "images.npz").touch()


def left(*tasks):
    return [each.kind for each in scheduling._left(tasks).values()]


def test_what_is_needed_comes_first_and_nothing_twice(tmp_path):
    model = task(tmp_path, "generator", 0, method="cvae")
    first, second = (task(tmp_path, "classifier", 0, model, arm=arm) for arm in "ab")
    assert left(first, second, first) == ["generator", "classifier", "classifier"]
    finish(model, images=True)
    assert left(first, second) == ["classifier", "classifier"]
    finish(first)
    assert left(first, second) == ["classifier"]


def test_images_are_made_again_for_what_needs_them_alone(tmp_path):
    model = task(tmp_path, "generator", 0, method="cvae")
    arm = task(tmp_path, "classifier", 0, model, arm="a")
    finish(model)  # a store that was passed on without images
    assert left(arm) == ["generator", "classifier"]
    finish(arm)
    assert left(arm) == []
    (model.folder / "result.json").unlink()  # of which the results tell
    assert left(arm) == ["generator"]


def test_what_needs_another_task_is_submitted_when_that_is_done(tmp_path, monkeypatch):
    model = task(tmp_path, "generator", 0, method="cvae")
    alone = task(tmp_path, "classifier", 0, arm="none")
    needing = task(tmp_path, "classifier", 0, model, arm="cvae")
    submitted = []

    class Pool:
        def submit(self, _, each, *__):
            submitted.append((each, each.needs is None or each.needs.done))
            future = Future()
            future.task = each
            return future

    def wait(running, **_):
        for future in running:
            finish(future.task, images=True)
            future.set_result(1.0)
        return set(running), set()

    monkeypatch.setattr(scheduling, "wait", wait)
    with silent([needing, alone]) as progress:
        spent = scheduling.execute([needing, alone], None, Pool(), progress)
    assert progress.fraction == 1.0
    assert spent == {"cvae": 1.0, "classifier": 2.0}
    assert submitted == [(model, True), (alone, True), (needing, True)]


def test_what_is_done_is_not_planned_and_a_generator_takes_longer(tmp_path):
    classifier, done = (task(tmp_path, "classifier", seed, arm="a") for seed in range(2))
    finish(done)
    model = task(tmp_path, "generator", 0, method="vaegan")
    audit = task(tmp_path, "audit", None)
    assert silent([done]).planned == 0
    planned = [silent([each]).planned for each in (audit, classifier, model)]
    assert planned == sorted(planned)
    assert silent([audit, classifier, model, done]).planned == pytest.approx(sum(planned))


def test_a_task_in_this_process_reports_its_steps(tmp_path, monkeypatch):
    shown = []

    def run(*_, report):
        report(30, 100)
        shown.append(progress._text())
        return 1.5

    monkeypatch.setattr(scheduling, "run_task", run)
    tasks = [task(tmp_path, "classifier", seed, arm="none") for seed in range(2)]
    progress = silent(tasks)
    assert scheduling.execute(tasks, None, None, progress) == {"classifier": 3.0}
    assert shown[0].endswith("0/2: classifier none, seed 0: 30 of 100")
    assert shown[1].endswith("1/2: classifier none, seed 1: 30 of 100")


def test_a_task_of_several_stages_shows_how_far_it_is(tmp_path, monkeypatch):
    shown = []

    def run(*_, report):
        _, fitting, _ = portions(report, 1, 2, 1)
        fitting(30, 100)
        shown.append(progress._text())
        return 1.5

    monkeypatch.setattr(scheduling, "run_task", run)
    tasks = [task(tmp_path, "generator", seed, method="cvae") for seed in range(2)]
    progress = silent(tasks)
    scheduling.execute(tasks, None, None, progress)
    assert shown[0].endswith("0/2: generator cvae, seed 0: 40%")


def test_what_is_done_counts_and_takes_no_time(tmp_path):
    tasks = [task(tmp_path, "classifier", seed, arm="none") for seed in range(3)]
    finish(tasks[0])
    progress = silent(tasks)
    progress.begin(tasks[1].key)
    assert progress._text().endswith("1/3: classifier none, seed 1")
    assert progress.planned == silent(tasks[1:]).planned


def test_those_that_run_elsewhere_have_begun(tmp_path, monkeypatch):
    tasks = [task(tmp_path, "classifier", seed, arm="a") for seed in range(3)]
    begun = []

    class Pool:
        def submit(self, _, each, *__):
            future = Future()
            future.task = each
            if each is not tasks[2]:
                future.set_running_or_notify_cancel()
            return future

    def wait(running, **_):
        if not begun:  # the first time nothing has come to an end
            return set(), set(running)
        for future in running:
            finish(future.task)
            future.set_result(1.0)
        return set(running), set()

    progress = silent(tasks)
    monkeypatch.setattr(progress, "begin", begun.append)
    monkeypatch.setattr(scheduling, "wait", wait)
    scheduling.execute(tasks, None, Pool(), progress)
    assert begun == [tasks[0].key, tasks[1].key]


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
    tasks = [task(tmp_path, "classifier", seed, arm="a") for seed in range(3)]
    with pytest.raises(ZeroDivisionError):
        scheduling.execute(tasks, None, pool, silent(tasks))
    assert [future.cancelled() for future in pool.futures] == [False, True, True]
