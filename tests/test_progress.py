"""What is shown of a long job: the line on each kind of stream, and who is told."""

import io
import os
import re
import threading
import time

import numpy as np
import pytest

from helpers.clock import Clock
from keras_medaug.progress import Progress, portion, portions, reporting
from keras_medaug.status_line import COLUMNS, LINE_EVERY, duration

pytestmark = pytest.mark.backend_free


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
    assert announcement.endswith(": about 4 min left")
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
    said, lines = seen.splitlines()[1], seen.splitlines()
    lines.remove(said)
    assert said.endswith(": about 4 min left")
    assert len(lines) == 1 + int(120 / LINE_EVERY)
    assert all(re.match(r"\[ *\d+%, .* gone, .*\] \d+/200: \S", line) for line in lines)
    assert max(map(len, (seen + end).splitlines())) <= COLUMNS
    assert len(end.splitlines()) == 1


def said(parts, seconds, announces=True):
    """Return what stays of a job: parts of 60 reports, planned and then done in so many seconds."""
    stream, clock = Terminal(), Clock()
    with Progress("job", stream=stream, clock=clock, tick=None) as progress:
        for key, planned in parts.items():
            progress.plan(key, planned)
        if announces:
            progress.announce()
        for key in parts:
            with progress.part(key) as report:
                for step in range(60):
                    report(step, 60)
                    clock.now += seconds[key] / 60
                    progress.tick()
    return screen(stream.getvalue())[:-1]


def test_the_time_is_said_once_it_is_measured_and_not_as_it_was_planned():
    for planned in (0.0, 1.0, 1e5):
        assert said({"a": planned}, {"a": 300.0}) == ["job: about 5 min left", "job: done in 5 min"]
    assert said({"a": 300.0}, {"a": 8.0}) == ["job: done in 8 s"]
    assert said({"a": 1.0}, {"a": 300.0}, announces=False) == ["job: done in 5 min"]


def test_the_time_is_not_said_as_long_as_half_of_it_is_a_guess():
    seconds = {"a": 60.0, "b": 300.0}
    assert said({"a": 10.0, "b": 50.0}, seconds)[0] == "job: about 5 min left"
    assert said({"a": 50.0, "b": 10.0}, seconds)[0] == "job: about 68 s left"


def test_a_training_has_its_time_four_steps_after_those_that_compile():
    clock = Clock()
    progress = Progress("job", verbose=False, clock=clock, tick=None)
    progress.plan("training", 1.0)
    progress.begin("training")
    clock.now = 60.0
    for step in range(2, 7):
        progress.tick()
        assert progress.seconds_left is None
        progress.update("training", step, 3600)
        clock.now += 1.0
    progress.tick()
    assert progress.seconds_left == pytest.approx(3600, rel=0.01)


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


def test_a_short_job_shows_nothing_where_it_is_told_to_wait():
    for seconds, lines in ((1.0, 0), (3.0, 2)):
        stream, clock = io.StringIO(), Clock()
        with Progress("job", stream=stream, clock=clock, tick=None, after=2.0) as progress:
            progress.plan("a", 1.0)
            with progress.part("a") as report:
                clock.now += seconds
                report(1, 2)
        assert len(stream.getvalue().splitlines()) == lines


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
        progress.say("Röntgen")
    stream.seek(0)
    assert stream.read() == "R\\xf6ntgen\n"


def test_a_terminal_without_our_letters_has_one_line_that_is_drawn_anew():
    class Ascii(io.TextIOWrapper):
        def isatty(self):
            return True

    stream = Ascii(io.BytesIO(), encoding="ascii", newline="")
    clock = Clock()
    with Progress("job", stream=stream, clock=clock, tick=None) as progress:
        progress.plan("a", 30.0, label="ö" * 60)
        progress.begin("a")
        for _ in range(3):
            clock.now += 1.0
            progress.tick()
        stream.seek(0)
        seen = stream.read()
        stream.seek(0, io.SEEK_END)
        progress.say("ü" * 79)
    stream.seek(0)
    whole = stream.read()
    assert seen.count("\r") >= 3
    assert "\\r" not in seen
    assert "\\xf6" in seen
    assert max(map(len, re.split(r"[\r\n]", whole))) <= COLUMNS


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
    assert told == [(1, 2), (2, 2)]
    with reporting(lambda *pair: told.append(pair), "counting") as report:
        report(3, 3)
    assert told[2:] == [(3, 3)]
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
