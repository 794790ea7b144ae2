"""A pool of processes of which one may die without the others."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from keras_medaug.checks import check_positive, fail

LIVES = 3  # times that a task may lose its process


@dataclass(frozen=True)
class _Task:
    future: Future
    function: Callable
    arguments: tuple
    options: dict[str, Any]


class Workers(Executor):
    """Spawned processes, each with the same number of threads, for `keras_medaug.study.run`.

    In Python's own `ProcessPoolExecutor` a process that is killed, by the system for want of
    memory, say, brings down the pool and what the other processes were at. Here its task alone
    begins again, in a new process; after three losses the task fails.

    Where the system has processor affinity, as Linux has, each process is bound to processors of
    its own, so many as it may have threads: every backend then starts as many. Elsewhere each has
    as many threads as the machine has processors.

    Ctrl-C is left to the process that has the workers. Where a `with` block of them ends by it, the
    processes end at once.

    Processes are spawned: a script that uses them has to guard its main part by
    `if __name__ == "__main__":`.

    Args:
        count: Number of processes.
        threads: Threads of each; `None` divides the processors among the processes.

    Raises:
        ValueError: If `count` or `threads` is not a whole number of 1 or more.

    Example:

    >>> import keras_medaug as kma
    >>> with kma.study.Workers(1) as workers:
    ...     workers.submit(pow, 2, 5).result()
    32
    """

    def __init__(self, count: int, threads: int | None = None) -> None:
        self.count = check_positive(count, "count", integer=True)
        processors = _processors()
        if threads is None:
            threads = max(len(processors) // self.count, 1)
        self.threads = check_positive(threads, "threads", integer=True)
        if processors and self.threads > len(processors):
            raise fail("threads", threads, f"at most {len(processors)}, one per processor")
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._pools: set[_Pool] = set()
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # its start would lift the mask that `_serve` sets
        # Nothing but a thread has an affinity, which the processes that it starts inherit.
        self._slots = [
            threading.Thread(
                target=self._serve, args=(_processors_of(processors, slot, self.threads),)
            )
            for slot in range(self.count)
        ]
        for thread in self._slots:
            thread.daemon = True
            thread.start()

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Queue a call, as any executor does.

        Args:
            fn: A function that a spawned process can import.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The future of its result.

        Raises:
            RuntimeError: After `shutdown`.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the workers have been shut down")
            future: Future = Future()
            self._tasks.put(_Task(future, fn, args, kwargs))
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, once what was submitted is done.

        Args:
            wait: Whether to wait for that.
            cancel_futures: Whether to drop what has not begun.
        """
        with self._lock:
            self._closed = True
            if cancel_futures:
                self._drop_waiting()
            self._end_slots()
        if wait:
            for thread in self._slots:
                thread.join()

    def stop_tasks(self) -> None:
        """End the processes at once, and with them their tasks; drop the tasks that wait.

        Tasks that are submitted later run in new processes.
        """
        with self._lock:
            self._drop_waiting()
            if self._closed:
                self._end_slots()
            for pool in self._pools:
                pool.end()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Shut down; after Ctrl-C without waiting for what runs."""
        if kind is not None and not issubclass(kind, Exception):
            self.stop_tasks()
        super().__exit__(kind, error, traceback)

    def _end_slots(self) -> None:
        for _ in self._slots:  # one more than is needed does no harm
            self._tasks.put(None)

    def _drop_waiting(self) -> None:
        with suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    task.future.cancel()

    def _serve(self, processors: set[int]) -> None:
        """Do tasks one by one, each in the process of this slot."""
        if processors:
            os.sched_setaffinity(0, processors)
        if hasattr(signal, "pthread_sigmask"):  # inherited as well, by a process that just starts
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pool = self._new_pool()
        while (task := self._tasks.get()) is not None:
            if not task.future.set_running_or_notify_cancel():
                continue
            if pool.ended:
                pool = self._renewed(pool)
            for life in range(1, LIVES + 1):
                try:
                    task.future.set_result(
                        pool.submit(task.function, *task.arguments, **task.options).result()
                    )
                    break
                except BrokenExecutor as error:
                    stopped = pool.ended
                    pool = self._renewed(pool)
                    if stopped or life == LIVES:
                        task.future.set_exception(error)
                        break
                except BaseException as error:  # noqa: BLE001 -- it belongs to who submitted it
                    task.future.set_exception(error)
                    break
        pool.shutdown()

    def _new_pool(self) -> _Pool:
        pool = _Pool()
        with self._lock:
            self._pools.add(pool)
        return pool

    def _renewed(self, pool: _Pool) -> _Pool:
        pool.shutdown()
        with self._lock:
            self._pools.discard(pool)
        return self._new_pool()


class _Pool(ProcessPoolExecutor):
    """One process, which ends when the other end of its pipe is closed: by us, or by our end."""

    def __init__(self) -> None:
        context = get_context("spawn")
        reader, self._lifeline = context.Pipe(duplex=False)
        super().__init__(1, mp_context=context, initializer=_end_with, initargs=(reader,))
        self.ended = False

    def end(self) -> None:
        """End the process, whatever it does."""
        self.ended = True
        self._lifeline.close()


def _end_with(lifeline: Connection) -> None:
    """End this process with its parent, whose end would leave it, and its memory, behind."""

    def watch() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def _processors() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _processors_of(processors: list[int], slot: int, threads: int) -> set[int]:
    """Return the processors of a slot; slots go around where there are too few."""
    return (
        {processors[(slot * threads + i) % len(processors)] for i in range(threads)}
        if (processors)
        else set()
    )
