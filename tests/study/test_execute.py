"""Which tasks are done, in which order, and how long the rest will take."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from keras_medaug.progress import Progress, portions
from keras_medaug.study import execute as engine
from keras_medaug.study.task import Task
from keras_medaug.study.workers import Workers

pytestmark = pytest.mark.backend_free


def silent(tasks=()):
    progress = Progress("study", verbose=False)
    engine.plan_tasks(progress, tasks)
    return progress


def nothing(*_):
    """Do no work."""
    return {}


def task(folder, kind, number=0, needs=None, seconds=1.0):
    needs = {} if needs is None else {"images": needs}
    return Task(
        kind, {"number": number, "needs": list(needs)}, folder, nothing, needs,
        files=("images.npz",) * (kind == "generator"), name=f"{kind}-{number}",
        label=f"{kind}, seed {number}", seconds=seconds,
    )  # fmt: skip


def finish(done, images=False):
    done.folder.mkdir(parents=True, exist_ok=True)
    (done.folder / "result.json").write_text("{}")
    if images:
        (done.folder / "images.npz").touch()


def left(*tasks):
    return [task.kind for task, done in engine.with_needed(tasks).values() if not done]


def test_what_is_needed_comes_first_and_nothing_twice(tmp_path):
    model = task(tmp_path, "generator")
    first, second = (task(tmp_path, "classifier", number, model) for number in range(2))
    assert left(first, second, first) == ["generator", "classifier", "classifier"]
    finish(model, images=True)
    assert left(first, second) == ["classifier", "classifier"]
    finish(first)
    assert left(first, second) == ["classifier"]


class Interrupted(Workers):
    """Workers that get Ctrl-C, and that the caller does not close."""

    def __init__(self):
        self.stopped = 0

    def submit(self, *_, **__):
        raise KeyboardInterrupt

    def stop_tasks(self):
        self.stopped += 1


def test_ctrl_c_ends_the_tasks_of_workers_that_stay_open(tmp_path):
    workers, tasks = Interrupted(), [task(tmp_path, "classifier")]
    with pytest.raises(KeyboardInterrupt):
        engine.execute(tasks, None, workers, silent(tasks))
    assert workers.stopped == 1


def test_images_are_made_again_for_what_needs_them_alone(tmp_path):
    model = task(tmp_path, "generator")
    arm = task(tmp_path, "classifier", 0, model)
    finish(model)  # a store that was passed on without images
    assert left(arm) == ["generator", "classifier"]
    finish(arm)
    assert left(arm) == []
    (model.folder / "result.json").unlink()  # of which the results tell
    assert left(arm) == ["generator"]


def test_what_needs_another_task_is_submitted_when_that_is_done(tmp_path, monkeypatch):
    model = task(tmp_path, "generator")
    alone = task(tmp_path, "classifier", 0)
    needing = task(tmp_path, "classifier", 1, model)
    submitted = []

    class Pool:
        def submit(self, _, task, *__):
            submitted.append((task, all(needed.done for needed in task.needs.values())))
            future = Future()
            future.task = task
            return future

    def wait(running, **_):
        for future in running:
            finish(future.task, images=True)
            future.set_result(1.0)
        return set(running), set()

    monkeypatch.setattr(engine, "wait", wait)
    with silent([needing, alone]) as progress:
        spent = engine.execute([needing, alone], None, Pool(), progress)
    assert progress.fraction == 1.0
    assert spent == dict.fromkeys([model.key, alone.key, needing.key], 1.0)
    assert submitted == [(model, True), (alone, True), (needing, True)]


def test_tasks_that_need_several_and_those_that_need_them(tmp_path):
    first, second = (task(tmp_path, "generator", number) for number in range(2))
    middle = Task("sum", {}, tmp_path, nothing, {"a": first, "b": second}, files=("weights.h5",))
    last = task(tmp_path, "classifier", 0, middle)
    assert left(last, first) == ["generator", "generator", "sum", "classifier"]
    for done in (first, second):
        finish(done, images=True)
    finish(middle)
    assert left(last) == ["sum", "classifier"]  # whose file is missing
    (second.folder / "images.npz").unlink()
    assert left(last) == ["generator", "sum", "classifier"]
    finish(last)
    assert left(last) == []


def test_what_is_done_is_not_planned_and_what_takes_longer_counts_more(tmp_path):
    short, done, long = (task(tmp_path, "a", number, seconds=1 + number) for number in range(3))
    finish(done)
    assert silent([done]).planned == 0
    planned = [silent([given]).planned for given in (short, long)]
    assert planned == [1.0, 3.0]
    assert silent([short, long, done]).planned == pytest.approx(sum(planned))


def test_checkpoints_that_a_kill_left_are_removed(tmp_path):
    done = task(tmp_path, "classifier")
    finish(done)
    (done.folder / "training").mkdir()
    (done.folder / "training" / "epoch-1.weights.h5").touch()
    assert engine.execute([done], None, None, silent([done])) == {}
    assert [path.name for path in done.folder.iterdir()] == ["result.json"]


def test_a_task_in_this_process_reports_its_steps(tmp_path, monkeypatch):
    shown = []

    def run(*_, report):
        report(30, 100)
        shown.append(progress._text())
        return 1.5

    monkeypatch.setattr(engine, "run_task", run)
    tasks = [task(tmp_path, "classifier", seed) for seed in range(2)]
    progress = silent(tasks)
    spent = engine.execute(tasks, None, None, progress)
    assert list(spent.values()) == [1.5, 1.5]
    assert shown[0].endswith("0/2: classifier, seed 0: 30 of 100")
    assert shown[1].endswith("1/2: classifier, seed 1: 30 of 100")


def test_a_task_of_several_stages_shows_how_far_it_is(tmp_path, monkeypatch):
    shown = []

    def run(*_, report):
        _, fitting, _ = portions(report, 1, 2, 1)
        fitting(30, 100)
        shown.append(progress._text())
        return 1.5

    monkeypatch.setattr(engine, "run_task", run)
    tasks = [task(tmp_path, "generator", seed) for seed in range(2)]
    progress = silent(tasks)
    engine.execute(tasks, None, None, progress)
    assert shown[0].endswith("0/2: generator, seed 0: 40%")


def test_what_is_done_counts_and_takes_no_time(tmp_path):
    tasks = [task(tmp_path, "classifier", seed) for seed in range(3)]
    finish(tasks[0])
    progress = silent(tasks)
    progress.begin(tasks[1].key)
    assert progress._text().endswith("1/3: classifier, seed 1")
    assert progress.planned == silent(tasks[1:]).planned


def test_those_that_run_elsewhere_have_begun(tmp_path, monkeypatch):
    tasks = [task(tmp_path, "classifier", seed) for seed in range(3)]
    begun = []

    class Pool:
        def submit(self, _, task, *__):
            future = Future()
            future.task = task
            if task is not tasks[2]:
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
    monkeypatch.setattr(engine, "wait", wait)
    engine.execute(tasks, None, Pool(), progress)
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
    tasks = [task(tmp_path, "classifier", seed) for seed in range(3)]
    with pytest.raises(ZeroDivisionError):
        engine.execute(tasks, None, pool, silent(tasks))
    assert [future.cancelled() for future in pool.futures] == [False, True, True]
