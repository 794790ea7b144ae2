"""The first Ctrl-C ends work between two steps, a second one at once."""

import io
import signal
import threading

import pytest

from helpers.ctrl_c import press, pythons_handler, stopped
from keras_medaug.interrupts import between_steps, is_interrupted, stop_if_interrupted
from keras_medaug.progress import Progress, ignore, reporting

pytestmark = pytest.mark.backend_free


@pytest.fixture(autouse=True)
def _pythons_handler():
    with pythons_handler():
        yield


def test_the_first_waits_for_the_end_of_the_step_and_says_how_to_go_on(capsys):
    steps = []
    with stopped(), between_steps("Run it again."):
        stop_if_interrupted()
        press()
        steps.append("whole")
        assert is_interrupted()
        stop_if_interrupted()
        steps.append("too many")
    assert steps == ["whole"]
    (line,) = capsys.readouterr().err.split("\n")[1:-1]
    assert line == (
        "Interrupted: stopping when the steps that have begun are done. Run it again. "
        "Ctrl-C again stops at once."
    )


def test_a_second_one_stops_at_once():
    with stopped(), between_steps():
        press()
        press()
        pytest.fail("the second one had no effect")


def test_one_whose_exception_gets_lost_counts():
    with stopped(), between_steps():
        press()
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                press()
        stop_if_interrupted()


def test_without_steps_it_ends_with_the_body():
    done = []
    with stopped(), between_steps():
        press()
        done.append(True)
    assert done


def test_an_error_of_the_body_goes_first():
    with pytest.raises(ZeroDivisionError), between_steps():
        [press(), 1 / 0]


def test_of_nested_blocks_the_outermost_speaks(capsys):
    with stopped(), between_steps("Outer."):
        with between_steps("Inner."):
            press()
        stop_if_interrupted()
        pytest.fail("not stopped")
    assert "Outer." in (said := capsys.readouterr().err)
    assert "Inner." not in said


def test_who_catches_it_can_go_on():
    with between_steps():
        press()
        with pytest.raises(KeyboardInterrupt):
            stop_if_interrupted()
        stop_if_interrupted()
        assert not is_interrupted()


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_a_handler_of_the_programs_own_stays(handler, capsys):
    signal.signal(signal.SIGINT, handler)
    with between_steps():
        assert signal.getsignal(signal.SIGINT) is handler
        press()
        stop_if_interrupted()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert capsys.readouterr().err == ""


def test_other_threads_go_on_as_before():
    seen = []

    def work():
        with between_steps():
            stop_if_interrupted()
            seen.append(is_interrupted())

    with stopped(), between_steps():
        press()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_stream_that_cannot_be_written_to_is_no_reason_to_go_on(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    with stopped(), between_steps():
        press()


@pytest.mark.parametrize("verbose", [True, False, lambda *_: None])
def test_reports_of_progress_are_ends_of_steps(verbose):
    reported = []
    with stopped(), reporting(verbose, "counting") as report:
        for number in range(5):
            report(number, 5)
            reported.append(number)
            if number == 2:
                press()
    assert reported == [0, 1, 2]


def test_so_are_the_parts_of_a_job():
    begun = []
    with (
        stopped(),
        between_steps(),
        Progress("job", verbose=False) as progress,
    ):
        for key in "abc":
            progress.plan(key, 1.0)
        for key in "abc":
            with progress.part(key):
                begun.append(key)
                press()
    assert begun == ["a"]


def test_a_report_to_nobody_is_one():
    with between_steps():
        press()
        with pytest.raises(KeyboardInterrupt):
            ignore(1, 2)
