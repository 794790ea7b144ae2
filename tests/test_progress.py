"""What is shown of a long job: the estimate, the fraction, and the line on each kind of stream."""

import io
import os
import re
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from keras_medaug.progress import Progress, duration, portion, portions, reporting
from keras_medaug.status_line import COLUMNS, LINE_EVERY

pytestmark = pytest.mark.backend_free

LOOK = 0.5  # seconds between two looks at the clock


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@dataclass
class Work:
    """A part of a simulated job: what was planned, and how it goes."""

    kind: str
    planned: float
    seconds: float  # without warm-up and stall
    steps: int = 0  # that are reported; 0: none
    warm_up: float = 0.0
    stalls: dict[int, float] = field(default_factory=dict)  # seconds by step
    done_before: bool = False

    @property
    def lasts(self):
        return self.warm_up + self.seconds + sum(self.stalls.values())

    def reports(self):
        """Return when each step is reported, from the part's begin."""
        if not self.steps:
            return []
        stalls = np.array([self.stalls.get(step, 0.0) for step in range(self.steps)])
        walked = np.arange(self.steps) * self.seconds / self.steps
        return (self.warm_up + walked + np.cumsum(stalls) - stalls).tolist()


def schedule(works, workers):
    """Return `(time, what, number, step)` of all that happens, and how long it takes."""
    free = [0.0] * workers
    events = []
    for number, work in enumerate(works):
        if work.done_before:
            events.append((0.0, "drop", number, 0))
            continue
        slot = int(np.argmin(free))
        begin = free[slot]
        free[slot] = begin + work.lasts
        events.append((begin, "begin", number, 0))
        events += [(begin + at, "step", number, step) for step, at in enumerate(work.reports())]
        events.append((free[slot], "finish", number, 0))
    order = {"drop": 0, "finish": 1, "begin": 2, "step": 3}
    return sorted(events, key=lambda e: (e[0], order[e[1]])), max(free)


@dataclass
class Course:
    """What was shown over a simulated job."""

    seconds: float
    times: list[float]
    fractions: list[float]
    left: list[float | None]

    def factors(self, since):
        """Return how far off the estimates are, as factors, but for the last seconds."""
        known = [
            (max(left, 2.0), max(self.seconds - at, 2.0))
            for at, left in zip(self.times, self.left, strict=True)
            if at >= since and left is not None and self.seconds - at > 0.03 * self.seconds
        ]
        return [max(left / true, true / left) for left, true in known]


def simulate(works, workers=1):
    clock = Clock()
    progress = Progress("job", verbose=False, clock=clock)
    for number, work in enumerate(works):
        progress.plan(number, work.planned, work.kind)
    events, total = schedule(works, workers)
    elsewhere = workers > 1
    course = Course(total, [], [], [])
    looks = [(at, "look", 0, 0) for at in np.arange(0.0, total, LOOK)]
    for at, what, number, step in sorted(events + looks, key=lambda event: event[0]):
        clock.now = at
        if what == "begin":
            progress.begin(number)
        elif what == "step" and not elsewhere:
            progress.update(number, step, works[number].steps)
        elif what == "finish":
            progress.finish(number, works[number].lasts if elsewhere else None)
        elif what == "drop":
            progress.drop(number)
        elif what == "look":
            progress.tick()
            course.times.append(at)
            course.fractions.append(progress.fraction)
            course.left.append(progress.seconds_left)
    progress.tick()
    assert progress.fraction == 1.0
    return course


def rounds(count, kinds, **options):
    """Return the parts of `count` seeds, one of each `(kind, planned, seconds, steps)` for each."""
    return [
        Work(kind, planned, seconds, steps, **options)
        for _ in range(count)
        for kind, planned, seconds, steps in kinds
    ]


STUDY = [("audit", 1, 1, 0), ("cvae", 20, 20, 200), ("vaegan", 60, 60, 200), ("net", 10, 10, 200)]
JOBS = {
    "as planned": rounds(4, STUDY),
    "ten times as slow as planned": rounds(3, [(k, p / 10, s, n) for k, p, s, n in STUDY]),
    "ten times as fast as planned": rounds(3, [(k, p * 10, s, n) for k, p, s, n in STUDY]),
    "one kind ten times as slow": rounds(
        6, [(k, p / 10 if k == "vaegan" else p, s, n) for k, p, s, n in STUDY]
    ),
    "one kind ten times as fast": rounds(
        6, [(k, p * 10 if k == "vaegan" else p, s, n) for k, p, s, n in STUDY]
    ),
    "a compilation before each part": rounds(4, STUDY, warm_up=6.0),
    "two compilations in the first part": [
        Work("net", 10, 40, 400, warm_up=10, stalls={3: 8.0}),
        *rounds(4, [("net", 10, 40, 400)]),
    ],
    "one long part": [Work("training", 100, 240, 2000, warm_up=10)],
    "a stalled part": [
        *rounds(2, STUDY),
        Work("vaegan", 60, 60, 200, stalls={100: 30.0}),
        *rounds(1, STUDY),
    ],
    "most was done before": [
        *rounds(6, STUDY, done_before=True),
        *rounds(2, STUDY),
    ],
    "two at a time, elsewhere": rounds(12, [("a", 10, 12, 0), ("b", 25, 20, 0)]),
    "three at a time, ten times as slow": rounds(12, [("a", 1, 12, 0), ("b", 2.5, 20, 0)]),
    "without any report": rounds(12, [("a", 5, 12, 0), ("b", 5, 8, 0)]),
}
WORKERS = {"two at a time, elsewhere": 2, "three at a time, ten times as slow": 3}


@pytest.fixture(scope="module", params=JOBS)
def course(request):
    return simulate(JOBS[request.param], WORKERS.get(request.param, 1))


def test_the_fraction_never_falls(course):
    assert np.all(np.diff(course.fractions) >= 0)
    assert course.fractions[0] == 0.0


def test_the_estimate_is_within_a_factor_of_two_after_a_fifth(course):
    factors = course.factors(since=course.seconds / 5)
    assert len(factors) > 20
    assert max(factors) <= 2.0


def test_the_estimate_is_never_beyond_four_times_after_ten_seconds(course):
    factors = course.factors(since=10.0)
    assert max(factors) <= 4.0


def test_most_jobs_have_an_estimate_after_a_fifth():
    def known(name):
        shown = simulate(JOBS[name], WORKERS.get(name, 1))
        return all(
            left is not None
            for at, left in zip(shown.times, shown.left, strict=True)
            if at >= shown.seconds / 5
        )

    assert all(known(name) for name in JOBS)


# ---- the three jobs that gave rise to this --------------------------------------------------

COMPILED_TWICE = {6: 8.0}  # the ninth step, of which the first two are not reported
FOUR_MINUTES = [
    Work("classifier", 5, 5, 180, warm_up=6.0, stalls=COMPILED_TWICE),
    Work("cvae", 20, 12, 405, warm_up=8.0, stalls=COMPILED_TWICE),
    Work("dcgan", 75, 55, 504, warm_up=12.0, stalls=COMPILED_TWICE),
    Work("vaegan", 107, 61, 306, warm_up=20.0, stalls=COMPILED_TWICE),
]


def test_a_job_of_four_minutes_is_never_one_of_hours():
    """It once said "3 h 26 min left": the second compilation was taken for the speed of a step."""
    shown = simulate(FOUR_MINUTES)
    assert 180 < shown.seconds < 260
    assert max(left for left in shown.left if left is not None) < 8 * 60


def test_a_slow_network_that_comes_last_takes_nothing_back():
    """The fraction fell from 49% to 13%."""
    job = [
        Work("classifier", 60, 60, 2000, warm_up=6.0),
        Work("cvae", 100, 100, 2000, warm_up=8.0),
        Work("dcgan", 225, 225, 1500, warm_up=12.0),
        Work("vaegan", 280, 1120, 800, warm_up=20.0),
    ]
    shown = simulate(job)
    assert np.all(np.diff(shown.fractions) >= 0)
    # By what its plan was wrong, four times, and by its compilation.
    assert max(shown.factors(since=10.0)) <= 4.5
    # And it does not stand still, nor near the end, until the network is done.
    at = [int(part * len(shown.fractions)) for part in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
    assert np.all(np.diff([shown.fractions[i] for i in at]) > 0.01)


def test_the_estimate_of_a_card_does_not_jump():
    """It went from 4 min to 11 min to 2 s, stage by stage."""
    stages = [
        Work("images", 1.2, 0.2),
        Work("duplicates", 0.9, 0.9, 40),
        Work("features", 25, 30, 500, warm_up=3.0),
        Work("quality", 5, 4.4, 6),
        Work("copies", 8.8, 25, 400),
        Work("labels", 0.7, 1.3),
        Work("drawing", 1.5, 1.0),
    ]
    shown = simulate(stages)
    known = [left for left in shown.left if left is not None]
    rises = np.diff(known)
    assert rises.max() < 0.15 * shown.seconds
    assert max(shown.factors(since=10.0)) < 2.5


def test_a_part_that_goes_on_after_its_time_is_not_said_to_end_at_once():
    shown = simulate([Work("a", 10, 10), Work("a", 10, 10), Work("a", 10, 60)])
    late = [left for at, left in zip(shown.times, shown.left, strict=True) if 45 < at < 75]
    assert min(left for left in late if left is not None) > 3


def test_a_part_that_reports_less_than_before_keeps_what_it_had():
    clock = Clock()
    progress = Progress("download", verbose=False, clock=clock)
    progress.plan("file", 0.0)
    progress.begin("file")
    progress.update("file", 60, 100)
    clock.now = 5.0
    progress.update("file", 10, 100)
    assert progress.fraction == 0.6


def test_as_long_as_there_is_no_estimate_the_plan_counts():
    clock = Clock()
    progress = Progress("job", verbose=False, clock=clock)
    progress.plan("a", 10.0)
    progress.plan("b", 90.0)
    progress.begin("a")
    progress.update("a", 1, 2)
    clock.now = 2.0
    progress.tick()
    assert (progress.seconds_left, progress.fraction) == (None, 0.05)
    progress.finish("a")
    assert (progress.seconds_left, progress.fraction) == (None, 0.1)


def test_what_is_dropped_counts_no_more():
    progress = Progress("job", verbose=False, clock=Clock())
    for key in "ab":
        progress.plan(key, 10.0)
    progress.begin("a")
    progress.drop("a")
    progress.drop("a")
    assert (progress.planned, progress.fraction) == (10.0, 0.0)
    progress.drop("b")
    assert progress.planned == 0


# ---- the line -------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


Notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})


def screen(text):
    """Return what a terminal shows of a text, line by line."""
    lines, column = [""], 0
    for character in text:
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


LONG = "classifier geometric-safe+vaegan of a set with a very long name indeed, seed 123"


def walk(stream, seconds=120, label=LONG):
    clock = Clock()
    with Progress("job " * 30, stream=stream, clock=clock, tick=None) as progress:
        for key in range(200):
            progress.plan(key, 100.0 / 200, "kind", label)
        progress.announce()
        for key in range(100):
            with progress.part(key) as report:
                for step in range(24):
                    clock.now += seconds / 2400
                    report(step * 1_000_000, 24_000_000)
                    progress.tick()
        seen = stream.getvalue()
        for key in range(100, 200):
            progress.drop(key)
    return seen, stream.getvalue()[len(seen) :]


@pytest.mark.parametrize("kind", [Terminal, Notebook])
def test_a_terminal_and_a_notebook_have_one_line_that_is_drawn_anew(kind):
    seen, end = walk(kind())
    announcement, drawn = screen(seen)
    assert announcement.endswith("about 2 min expected")
    assert re.match(r"\[#+ *\] +\d+%, 2 min gone, about 2 min left \| 99/200: \S", drawn)
    assert seen.count("\r") > 100
    assert max(map(len, re.split(r"[\r\n]", seen + end))) <= COLUMNS
    # In the end the line is gone, and one that stays says how long it took.
    assert screen(seen + end)[1].startswith("job job")
    assert screen(seen + end)[1].endswith("done in 2 min")
    assert screen(seen + end)[2:] == [""]


def test_a_log_has_whole_lines_about_every_ten_seconds():
    stream = io.StringIO()
    seen, end = walk(stream)
    assert "\r" not in seen + end
    lines = seen.splitlines()[1:]
    assert len(lines) == 1 + int(120 / LINE_EVERY)
    assert all(re.match(r"\[ *\d+%, .* gone, .*\] \d+/200: \S", line) for line in lines)
    assert max(map(len, (seen + end).splitlines())) <= COLUMNS
    assert len(end.splitlines()) == 1


def test_short_labels_are_shown_whole():
    seen, _ = walk(io.StringIO(), label="training")
    assert "] 0/200: training\n" in seen
    assert re.search(r": training: \d+ of 24000000\n", seen)


def test_silence_is_kept(capfd):
    before = threading.active_count()
    with Progress("job", verbose=False) as progress:
        progress.plan("a", 100.0)
        progress.announce()
        progress.say("nothing")
        with progress.part("a"):
            assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")


def test_what_is_said_takes_the_place_of_the_line():
    stream = Terminal()
    with Progress("job", stream=stream, clock=Clock(), tick=None) as progress:
        progress.plan("a", 1.0)
        progress.begin("a")
        progress.say("a set failed")
        assert screen(stream.getvalue()) == ["a set failed", ""]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_ends_the_thread_and_clears_the_line(error):
    def fail():
        with Progress("job", stream=stream, tick=0.001) as progress:
            progress.plan("a", 1.0)
            with progress.part("a"):
                time.sleep(0.02)
                raise error

    stream, before = Terminal(), threading.active_count()
    with pytest.raises(error):
        fail()
    assert threading.active_count() == before
    assert screen(stream.getvalue()) == [""]
    assert not [thread for thread in threading.enumerate() if thread.name == "keras_medaug"]


def test_a_call_that_reports_nothing_is_no_silence():
    """A thread draws while NumPy works."""
    stream = Terminal()
    values = np.random.default_rng(0).random(200_000)
    with Progress("job", stream=stream, tick=0.002) as progress:
        progress.plan("sorting", 1.0)
        progress._line.every = 0.0
        with progress.part("sorting"):
            before = stream.getvalue().count("\r")
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                np.sort(values)
            assert stream.getvalue().count("\r") - before >= 5


@pytest.mark.parametrize("reason", [ValueError("closed"), BrokenPipeError()])
def test_a_stream_that_breaks_does_not_break_the_job(reason):
    class Broken(Terminal):
        def write(self, text):
            raise reason

    with Progress("job", stream=Broken(), tick=0.001) as progress:
        progress.plan("a", 1.0)
        with progress.part("a"):
            time.sleep(0.01)
    assert progress.fraction == 1.0


def test_a_stream_without_our_letters_gets_them_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with Progress("Röntgen", stream=stream, tick=None) as progress:
        progress.plan("a", 30.0)
        progress.announce()
    stream.seek(0)
    assert stream.read() == "R\\xf6ntgen: about 30 s expected\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_shows_nothing_and_waits_for_nobody():
    stream = Terminal()
    with Progress("job", stream=stream, tick=None) as progress:
        progress.plan("a", 1.0)
        progress.begin("a")
        with progress._lock:  # as the thread may hold it at that moment
            child = os.fork()
            if not child:
                drawn = len(stream.getvalue())
                holder = threading.Thread(target=use, args=(progress,), daemon=True)
                holder.start()
                holder.join(5.0)
                os._exit(holder.is_alive() or len(stream.getvalue()) != drawn)
        _, status = os.waitpid(child, 0)
    assert status == 0


def use(progress):
    progress.begin("a")
    progress.update("a", 1, 2)
    progress.tick()
    progress.finish("a")
    progress.say("text")


# ---- reports --------------------------------------------------------------------------------


def test_verbose_is_a_flag_or_a_function(capfd):
    told = []
    with reporting(lambda *pair: told.append(pair), "counting") as report:
        report(1, 2)
    assert told == [(1, 2)]
    with reporting(True, "counting") as report:
        report(1, 2)
    assert capfd.readouterr().err.splitlines() == [
        "[  0%, 0 s gone, estimating] counting",
        "counting: done in 0 s",
    ]
    with reporting(False, "counting") as report:
        report(1, 2)
    assert capfd.readouterr().err == ""
    for wrong in (None, 1, "auto"):
        expected = "`verbose`: got .*expected True, False, or a function"
        with pytest.raises(ValueError, match=expected), reporting(wrong, "counting"):
            pass


def test_portions_lie_one_after_the_other():
    told = []
    first, second = portions(lambda done, total: told.append(done / total), 1, 3)
    first(1, 2)
    first(2, 2)
    second(1, 2)
    portion(second, 0.5, 1.0)(1, 1)
    assert told == pytest.approx([0.125, 0.25, 0.625, 1.0])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.4, "3 s"), (99.4, "99 s"), (125, "2 min"), (3599, "1 h 00 min"), (18125, "5 h 02 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
