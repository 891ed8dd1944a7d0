"""What a stage says of each epoch: a line to read, a row in log.csv, TensorBoard's events, unreadable videos."""

import math
import time
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from integralaction.console import say
from integralaction.errors import Diverged, Refused
from integralaction.escapes import escape_csv
from integralaction.files import write_rows
from integralaction.training.processes import is_first, mean_over_processes, merge_over_processes


class StageLog:
    """The epochs of a stage so far. It travels in the checkpoint, so that after a kill the log has each epoch once."""

    def __init__(self, folder: Path, epochs: int, videos: int, max_failed: float) -> None:
        """
        Args:
            folder: of the stage, whose name is its method.
            epochs: how many there will be.
            videos: that are trained on; the share of them that may turn out unreadable is `max_failed`.
        """
        self._folder, self._epochs, self._videos, self._max_failed = folder, epochs, videos, max_failed
        self.rows: list[dict[str, float]] = []
        self.unreadable: dict[str, str] = {}  # by video, its fault
        self._events: SummaryWriter | None = None  # begun with the first epoch: a stage without one has no events

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "failed": self.unreadable}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.unreadable = state["rows"], dict(state.get("failed", {}))

    def start_epoch(self, rate: float) -> None:
        """Begin to add up what is measured; `rate` is the learning rate."""
        self._sums: dict[str, Tensor] = {}
        self._steps, self._start, self._rate = 0, time.monotonic(), rate

    def add(self, measures: dict[str, Tensor], replaced: tuple[tuple[str, str], ...]) -> None:
        """What was measured on one batch, and its videos that could not be read."""
        for name, value in measures.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._steps += 1
        self.unreadable.update(replaced)

    def end_epoch(self) -> None:
        """Write and say the epoch's means, over all processes.

        Raises:
            ArithmeticError: the loss is no longer finite.
            ValueError: too many videos could not be read.
        """
        epoch, seconds = len(self.rows) + 1, time.monotonic() - self._start
        self.unreadable = merge_over_processes(self.unreadable)
        check_unreadable(self.unreadable, self._videos, self._max_failed, self._folder)
        means = {name: mean_over_processes(total) / self._steps for name, total in self._sums.items()}
        if not math.isfinite(means["total"]):
            raise Diverged(
                f"Expected a finite loss; found {means['total']} in epoch {epoch} of {self._folder.name}. "
                f"Lower its lr: {self._folder} keeps the epoch before."
            )
        self.rows.append({"epoch": epoch, "lr": self._rate, **means, "seconds": round(seconds, 2)})
        if is_first():
            self._events = self._events or SummaryWriter(str(self._folder))
            for name, value in {"lr": self._rate, **means}.items():
                self._events.add_scalar(name, value, epoch)
            self._events.flush()
            names = list(self.rows[-1])
            write_rows(self._folder / "log.csv", [names, *([row.get(name, "") for name in names] for row in self.rows)])
            self._say(means, seconds)

    def _say(self, means: dict[str, float], seconds: float) -> None:
        epoch = len(self.rows)
        gate = f"  gate {means['gate']:.2f}" if "gate" in means else ""
        say(
            f"{self._folder.name:<16}  epoch {epoch:>2}/{self._epochs}  loss {means['classification']:.3f}  "
            f"top-1 {100 * means['top1']:5.1f}%{gate}  {seconds:.1f} s, {seconds * (self._epochs - epoch):.0f} s left"
        )

    def close(self) -> None:
        """Name the videos that could not be read."""
        if self._events is not None:
            self._events.close()
        if self.unreadable and is_first():
            say(
                f"{self._folder.name}: {len(self.unreadable)} of {self._videos} videos could not be read and were "
                f"replaced; each by name: {self._folder / 'failed.csv'}"
            )


def check_unreadable(faults: dict[str, str], videos: int, most: float, folder: Path) -> None:
    """Write the list of videos that could not be read, by name and fault.

    Raises:
        ValueError: there are more than the share that may fail.
    """
    if not faults:
        return
    if is_first():
        rows = (tuple(map(escape_csv, row)) for row in sorted(faults.items()))
        write_rows(folder / "failed.csv", [("video", "fault"), *rows])
    if len(faults) > most * videos:
        name, fault = next(iter(sorted(faults.items())))
        raise Refused(
            f"Expected at most {100 * most:g} % of the {videos} training videos to be unreadable; found {len(faults)} "
            f"({name}: {fault}), each in {folder / 'failed.csv'}. Mend or remove them, or set loading.max_failed."
        )
