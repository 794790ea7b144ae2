"""The job's progress: shares, estimates, and what is printed where."""

import types

import pytest
from reproduction import progress

pytestmark = pytest.mark.backend_free


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that only the test moves."""
    now = types.SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


def walk(work, clock, steps, seconds, first=0):
    for step in range(first, steps):
        work.at(step)
        clock.seconds += seconds


def test_the_time_left_comes_from_the_steps_measured(clock, capsys):
    work = progress.Progress([("a", "cvae", 100), ("b", "cvae", 100)])
    assert work.share() == 0.0
    work.start("a", "first")
    walk(work, clock, 50, 2.0)
    assert work.seconds_left() == pytest.approx(2.0 * (200 - 49), rel=0.05)  # one step under way
    assert work.share() == pytest.approx(0.25, abs=0.01)
    walk(work, clock, 100, 2.0, first=50)
    work.finish()
    assert work.seconds_left() == pytest.approx(200.0, rel=0.05)
    assert work.share() == pytest.approx(0.5)
    work.found("b")
    assert (work.seconds_left(), work.share()) == (0.0, 1.0)
    assert "first: done" in capsys.readouterr().out


def test_the_compilers_time_is_not_taken_for_a_steps(clock):
    work = progress.Progress([("a", "dcgan", 1000)])
    work.start("a", "first")
    work.at(0)
    clock.seconds += 60.0
    walk(work, clock, 100, 0.1)
    assert work.seconds_left() == pytest.approx(0.1 * 900, rel=0.05)


def test_a_kind_not_yet_seen_is_estimated_from_the_others(clock):
    work = progress.Progress([("a", "cvae", 100), ("b", "vaegan", 100)])
    work.start("a", "first")
    walk(work, clock, 100, 1.0)
    work.finish()
    ratio = progress.SECONDS_PER_STEP["vaegan"] / progress.SECONDS_PER_STEP["cvae"]
    assert work.seconds_left() == pytest.approx(100 * ratio, rel=0.05)


def test_what_is_dropped_counts_no_more():
    work = progress.Progress([("a", "cvae", 10), ("b", "dcgan", 10)])
    work.start("a", "first")
    work.drop("a")
    work.drop("b")
    assert work.seconds_left() == 0.0


def test_a_log_gets_plain_lines_now_and_then(clock, capsys):
    work = progress.Progress([("a", "cvae", 1000)])
    work.start("a", "first")
    walk(work, clock, 100, 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert 4 <= len(lines) <= 7
    assert all(line.startswith("[") and "\r" not in line for line in lines)
    assert "first: step 20 of 1000" in lines[1]


def test_a_terminal_gets_one_bar(clock, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True, raising=False)
    work = progress.Progress([("a", "cvae", 10)])
    work.start("a", "first")
    walk(work, clock, 10, 1.0)
    work.finish()
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert text.count("\r") > 3


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (125, "2 min"), (3600 * 5 + 125, "5 h 02 min")]
)
def test_durations(seconds, text):
    assert progress.duration(seconds) == text
