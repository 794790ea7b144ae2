"""How much of a job is done and how long the rest takes, from the speed of each kind of work."""

import heapq
import math
from collections.abc import Hashable
from dataclasses import dataclass, field

FEWEST_REPORTS = 4  # of a part, before its speed is taken for known
SHORTEST = 0.5  # seconds of a kind of work, below which its speed is noise
ENOUGH = 4.0  # measured seconds that are enough for any job, however long
PART_OF_JOB = 200  # a job is measured by this fraction of it, where that is less
UNKNOWN_AT_MOST = 0.5  # of the time left, in kinds of work of which nothing has been measured
SMOOTHED_OVER = 8  # the estimate follows what is new within this fraction of the time so far
QUICKEST, SLOWEST = 2.0, 30.0  # seconds within which it does, at least and at most
NEARLY = 0.99  # the largest fraction that is shown before the job has ended
OVERTIME = 1.0  # seconds that a part still takes, for each that it has taken longer than expected
TAIL = 0.05  # of its expected time, which a part without reports still takes when that is nearly up
UNKNOWN = 1e-9  # seconds that stand for a part of which nothing is expected
TRUSTED = 0.02  # of a part, after which its own speed counts as much as what was expected


@dataclass(eq=False)
class _Part:
    planned: float
    kind: Hashable
    fraction: float = 0.0
    began: float | None = None
    first: tuple[float, float] | None = None  # time and fraction of the first report
    last: tuple[float, float] = (0.0, 0.0)
    longest: tuple[float, float] = (0.0, 0.0)  # of all intervals between two reports
    reports: int = 0

    def report(self, now: float, fraction: float) -> None:
        if self.first is None:
            self.first = self.last = now, fraction
        interval = now - self.last[0], fraction - self.last[1]
        if interval[0] >= self.longest[0]:
            self.longest = interval
        self.last = now, fraction
        self.fraction = fraction
        self.reports += 1

    def whole(self) -> float | None:
        """Return the seconds that the whole part takes, warm-up apart, by its own speed.

        One slow step, such as a second compilation, says nothing of the others: it is left out.
        """
        if self.first is None or self.reports < FEWEST_REPORTS:
            return None
        seconds = self.last[0] - self.first[0] - self.longest[0]
        done = self.last[1] - self.first[1] - self.longest[1]
        return seconds / done if seconds >= SHORTEST and done > 0 else None


@dataclass
class _Kind:
    """What the finished parts of a kind took."""

    count: int = 0
    planned: float = 0.0
    seconds: float = 0.0  # without warm-up
    warm_ups: list[float] = field(default_factory=list)

    def add(self, planned: float, seconds: float, warm_up: float) -> None:
        self.count += 1
        kept = 1 - max(1 / self.count, 0.2)  # a mean of all at first, later of the latest
        self.planned = self.planned * kept + planned
        self.seconds = self.seconds * kept + seconds
        self.warm_ups.append(warm_up)

    @property
    def warm_up(self) -> float:
        # What is compiled once may serve all: after one part that is not known.
        later = self.warm_ups[1:]
        return sum(later) / len(later) if later else self.warm_ups[0] / 2


class TimeLeft:
    """Estimates the time that is left of a job, and the fraction that is done.

    A job consists of parts, each with the seconds that it is expected to take and a kind. Parts of
    one kind go at one speed, which is measured: between the first report of a part and its latest,
    so that compilation before the first is left out, and without the longest interval. The speed
    of kinds of which nothing is known is guessed from the others: it is off by as much as theirs,
    but by less where only one has been measured.

    What is shown is smoothed. `left` falls with the clock, and moves to a new estimate gradually,
    in proportion to the time so far. `fraction` never falls. If a tenth of `left` passes, a tenth
    of the rest of the job is added to `fraction`.

    There is no estimate until enough has been measured. That is 1/200 of the job or 4 seconds,
    whichever is less. In addition, the speed must be known for kinds of work that make up half of
    the time left or more. Before that, `left` is `None`, and `fraction` is the fraction of the
    planned seconds whose work is done.

    Args:
        now: The time at which the job begins, in seconds.

    Attributes:
        fraction: What is done, in [0, 1].
        left: Seconds, or `None` as long as too little is known.

    Example:

    >>> from keras_medaug.time_left import TimeLeft
    >>> work = TimeLeft(now=0.0)
    >>> for seed in range(4):
    ...     work.plan(seed, seconds=5.0, kind="classifier")
    >>> work.begin(0, now=0.0)
    True
    >>> work.finish(0, now=20.0)  # four times what was expected
    >>> work.advance(now=20.0)
    >>> work.left
    60.0
    """

    def __init__(self, now: float) -> None:
        self.fraction = 0.0
        self.left: float | None = None
        self._parts: dict[Hashable, _Part] = {}
        self._finished: dict[Hashable, _Kind] = {}
        self._busy = self._done = 0.0  # seconds that finished parts took, and were planned for
        self._began = self._then = now

    def plan(self, key: Hashable, seconds: float, kind: Hashable) -> None:
        """Add a part: what it is called, the seconds it may take (0: unknown), and its kind."""
        self._parts[key] = _Part(max(float(seconds), UNKNOWN), kind)

    @property
    def planned(self) -> float:
        """The seconds that all parts that are not done were expected to take."""
        return sum(part.planned for part in self._parts.values())

    def begin(self, key: Hashable, now: float) -> bool:
        """Note that a part begins; return whether that is new."""
        part = self._parts[key]
        if part.began is not None:
            return False
        part.began = now
        return True

    def report(self, key: Hashable, fraction: float, now: float) -> None:
        """Note how much of a part is done, in [0, 1]; less than before counts as that."""
        part = self._parts[key]
        part.report(now, min(max(fraction, part.fraction), 1.0))

    def finish(self, key: Hashable, now: float, seconds: float | None = None) -> None:
        """Note that a part is done, and its seconds where these were measured elsewhere."""
        part = self._parts.pop(key)
        if seconds is None:
            seconds = 0.0 if part.began is None else now - part.began
        warm_up = 0.0
        if part.began is not None and part.first is not None and part.reports >= FEWEST_REPORTS:
            warm_up = min(part.first[0] - part.began, seconds)
        self._busy += seconds
        self._done += part.planned
        kind = self._finished.setdefault(part.kind, _Kind())
        kind.add(part.planned, seconds - warm_up, warm_up)

    def drop(self, key: Hashable) -> None:
        """Forget a part that needs no doing."""
        self._parts.pop(key, None)

    def advance(self, now: float) -> None:
        """Bring `fraction` and `left` up to date.

        Args:
            now: The time, not before that of the last call.
        """
        passed = now - self._then
        self._then = now
        estimate = self._estimate(now)
        if estimate is not None:
            if self.left is None:
                self.left = estimate
            else:
                self.left = self._smoothed(self.left, estimate, passed, now - self._began)
            if passed > 0:
                self.fraction += (1 - self.fraction) * passed / (self.left + passed)
        else:
            self.fraction = max(self.fraction, self._planned_fraction())
        self.fraction = min(self.fraction, NEARLY)

    def _planned_fraction(self) -> float:
        done = self._done + sum(part.planned * part.fraction for part in self._parts.values())
        return done / (self._done + self.planned) if done else 0.0

    def _smoothed(self, left: float, estimate: float, passed: float, elapsed: float) -> float:
        within = min(max(elapsed / SMOOTHED_OVER, QUICKEST), SLOWEST)
        weight = 1 - math.exp(-min(passed, within) / within)
        expected = max(left - passed, left / 2, 1e-3)
        if estimate > expected:
            return expected + weight * (estimate - expected)
        # Of a wild estimate little is left after the same time, whatever it was.
        return expected ** (1 - weight) * max(estimate, 1e-3) ** weight

    def _estimate(self, now: float) -> float | None:
        """Return the seconds left by all that is known now, if that is enough."""
        speeds = self._speeds()
        running = [part for part in self._parts.values() if part.began is not None]
        measured = self._busy + sum(
            part.last[0] - part.first[0]
            for part in running
            if part.first is not None and part.whole() is not None
        )
        # Those that run come first: they have their places.
        order = sorted(self._parts.values(), key=lambda part: part.began is None)
        parts = [self._part_left(part, speeds, now) for part in order]
        elapsed = max(now - self._began, 1e-9)
        of_unknown = [
            seconds for part, seconds in zip(order, parts, strict=True) if part.kind not in speeds
        ]
        busy = self._busy + sum(now - part.began for part in running if part.began is not None)
        at_once = max(len(running), round(busy / elapsed), 1)
        estimate = _shared_out(parts, at_once)
        known = measured >= min(max(estimate / PART_OF_JOB, 1.0), ENOUGH)
        known = known and sum(of_unknown) <= max(UNKNOWN_AT_MOST * sum(parts), measured)
        return estimate if known or self.left is not None else None

    def _part_left(self, part: _Part, speeds: dict[Hashable, float], now: float) -> float:
        expected = self._expected(part, speeds)
        if part.began is None:
            return expected
        own = part.whole()
        if own is not None:
            trusted = TRUSTED if part.planned > UNKNOWN else 0.0
            trust = part.fraction / (part.fraction + trusted)
            return (1 - part.fraction) * own**trust * expected ** (1 - trust)
        taken = now - part.began
        if taken <= expected:
            return max(expected - taken, TAIL * expected)
        return TAIL * expected + OVERTIME * (taken - expected)

    def _expected(self, part: _Part, speeds: dict[Hashable, float]) -> float:
        """Return the seconds that a part should take, by what is known of its kind or of others."""
        warm_up = self._finished[part.kind].warm_up if part.kind in self._finished else 0.0
        if part.kind in speeds:
            return part.planned * speeds[part.kind] + warm_up
        return part.planned * speeds[None] + warm_up

    def _speeds(self) -> dict[Hashable, float]:
        """Return seconds for each that was planned, by kind, and under `None` for all others."""
        speeds, weights = {}, {}
        for part in self._parts.values():
            if (whole := part.whole()) is not None and part.first is not None:
                speeds[part.kind] = whole / part.planned
                weights[part.kind] = part.last[0] - part.first[0]
        for name, kind in self._finished.items():
            if kind.seconds >= SHORTEST:
                speeds[name] = kind.seconds / kind.planned
                weights[name] = kind.seconds
        speeds[None] = _guessed(speeds, weights)
        return speeds


def _shared_out(seconds: list[float], at_once: int) -> float:
    """Return how long parts take of which so many run at once, each next one where it can."""
    ends = [0.0] * at_once
    for lasts in seconds:
        heapq.heapreplace(ends, ends[0] + lasts)
    return max(ends)


def _guessed(speeds: dict[Hashable, float], weights: dict[Hashable, float]) -> float:
    """Return the speed of kinds of which nothing is known.

    Whether the machine is slow or one plan was wrong cannot be told from one kind: half of its
    logarithm is the least wrong. The more kinds agree, the more it is the machine.
    """
    if not weights:
        return 1.0
    total = sum(weights.values())
    kinds = total / max(weights.values())
    mean = sum(weights[kind] * math.log(speeds[kind]) for kind in weights) / total
    return math.exp(mean * kinds / (kinds + 1))
