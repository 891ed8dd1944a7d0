"""When frames are shown, and how many a second: from timestamps where they can be trusted, else at a steady rate."""

from dataclasses import dataclass

import numpy as np

from integralaction.video.info import UNKNOWN_FPS

# The header's rate and that of the timestamps agree where they differ by a smaller share.
AGREED = 0.05
# Frames a second above which the header's rate, and above which that of the timestamps, is not believed.
FASTEST_HEADER, FASTEST = 999.0, 20_000.0
# Formats of broadcasts, in which a step of more than 10 s is a change of the clock (ffmpeg's own rule).
BROADCAST, CLOCK_STEP = ("mpegts", "mpeg"), 10.0
# Timestamps that step back more often than once in so many steps are not those of a clock.
BACK = 20


@dataclass(frozen=True, eq=False)
class Clock:
    """What a file says about time."""

    unit: float  # seconds of a timestamp's step
    decoding: np.ndarray  # float64 decoding timestamps of the packets in their order, not a number where missing
    header_rate: float  # frames a second that the header promises; 0 where it promises none
    has_frame_numbers: bool  # the format has no times but counts its frames at the header's rate (avi)
    is_without_times: bool  # the format has no times at all (bare streams)
    is_broadcast: bool

    def steady_rate(self, count: int, pts: np.ndarray) -> float:
        """Frames a second where presentation times cannot be trusted: the header's where they speak for it.

        Args:
            count: frames that the decoder gives, which may be fewer than packets.
            pts: (packets,) int64 presentation timestamps, or none.
        """
        measured = [] if self.is_without_times else [self._rate(self.decoding), self._rate(np.sort(pts))]
        rates = [rate * count / len(self.decoding) for rate in measured if rate is not None]
        if any(abs(rate - self.header_rate) < AGREED * rate for rate in rates):
            return self.header_rate
        return rates[0] if rates else self.promised_rate()

    def promised_rate(self) -> float:
        """Frames a second that the header promises, for files without any other sign of their rate."""
        return self.header_rate if 0 < self.header_rate <= FASTEST_HEADER else UNKNOWN_FPS

    def _rate(self, times: np.ndarray) -> float | None:
        """Packets a second, without the steps of a clock that jumps; None where that is senseless."""
        places = np.flatnonzero(np.isfinite(times))
        if len(places) < len(times) / 2:
            return None
        spans, counts = np.diff(times[places]) * self.unit, np.diff(places)
        gaps = spans / counts
        if not (gaps > 0).any() or (gaps < 0).mean() > 1 / BACK:
            return None
        usual = (gaps >= 0) & (gaps <= 10 * np.median(gaps[gaps > 0]))
        rate = float(counts[usual].sum() / spans[usual].sum())
        return rate if rate <= FASTEST else None


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of a file.

    Attributes:
        seconds: (frames,) float64, ascending from 0.
        fps: frames a second.
        has_times: see `VideoInfo`.
    """

    seconds: np.ndarray
    fps: float
    has_times: bool

    def __len__(self) -> int:
        return len(self.seconds)


def frames_at_times(times: np.ndarray, clock: Clock, pts: np.ndarray) -> Frames:
    """Frames at these timestamps (int64, ascending), if those can be those of a video; `pts` are the packets'."""
    seconds = (times - times[0]) * clock.unit if len(times) else np.zeros(0)
    if len(times) < 2:
        return Frames(seconds, clock.promised_rate(), not clock.is_without_times)
    rate = float((len(times) - 1) / seconds[-1])
    steps = clock.is_broadcast and bool((np.diff(seconds) > CLOCK_STEP).any())
    return (
        frames_at_rate(len(times), clock, pts)
        if clock.is_without_times or steps or rate > FASTEST
        else Frames(seconds, rate, True)
    )


def frames_at_rate(count: int, clock: Clock, pts: np.ndarray) -> Frames:
    """Frames at a steady rate, counted."""
    rate = clock.steady_rate(count, pts)
    return Frames(np.arange(count) / rate, rate, False)
