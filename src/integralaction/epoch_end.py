"""What a stage leaves at the end of each epoch: log, a line to read, a checkpoint, videos that could not be read."""

import math
import os
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from integralaction.console import say
from integralaction.errors import Diverged, Refused
from integralaction.escapes import spreadsheet
from integralaction.files import write_rows, write_whole


def rank_and_count() -> tuple[int, int]:
    """Which process of how many this is, as torchrun tells."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


class EpochEnd(lightning.Callback):
    """At the end of each epoch: a line in log.csv and on the terminal, and a checkpoint to continue from.

    The log travels in the checkpoint, so that after a kill it has each epoch once.
    """

    def __init__(self, folder: Path, title: str, epochs: int, videos: int, max_failed: float) -> None:
        self._folder, self._title, self._epochs = folder, title, epochs
        self._videos, self._max_failed = videos, max_failed
        self._failed: dict[str, str] = {}
        self._rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._count, self._began, self._rate = 0, 0.0, 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self._rows, "failed": self._failed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._rows, self._failed = state_dict["rows"], dict(state_dict.get("failed", {}))

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._sums, self._count, self._began = {}, 0, time.monotonic()
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        for name, value in outputs.items():
            if name != "loss":
                self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1
        self._failed.update(getattr(batch, "replaced", ()))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        epoch, seconds = trainer.current_epoch + 1, time.monotonic() - self._began
        self._failed = _of_all_processes(self._failed)
        check_failed(self._failed, self._videos, self._max_failed, self._folder)
        sums = {name: trainer.strategy.reduce(total, reduce_op="mean") for name, total in self._sums.items()}
        means = {name: float(total) / self._count for name, total in sums.items()}
        if not math.isfinite(means["total"]):
            raise Diverged(
                f"Expected a finite loss; found {means['total']} in epoch {epoch} of {self._title.strip()}. "
                f"Lower its lr: {self._folder} keeps the epoch before."
            )
        self._rows.append({"epoch": epoch, "lr": self._rate, **means, "seconds": round(seconds, 2)})
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics({"lr": self._rate, **means}, step=epoch)
            self._write_log()
            self._say(means, seconds)
        save_aside(trainer, self._folder / "last.ckpt")

    def _write_log(self) -> None:
        names = list(self._rows[-1])
        write_rows(self._folder / "log.csv", [names, *([row.get(name, "") for name in names] for row in self._rows)])

    def _say(self, means: dict[str, float], seconds: float) -> None:
        done = len(self._rows)
        gate = f"  gate {means['gate']:.2f}" if "gate" in means else ""
        left = seconds * (self._epochs - done)
        say(
            f"{self._title}  epoch {done:>2}/{self._epochs}  loss {means['classification']:.3f}  "
            f"top-1 {100 * means['top1']:5.1f}%{gate}  {seconds:.1f} s, {left:.0f} s left"
        )

    def report(self) -> None:
        """Names the videos that could not be read, at the end."""
        if self._failed:
            say(
                f"{self._title.strip()}: {len(self._failed)} of {self._videos} videos could not be read and were "
                f"replaced; each by name: {self._folder / 'failed.csv'}"
            )


def _of_all_processes(failed: dict[str, str]) -> dict[str, str]:
    if not torch.distributed.is_initialized():
        return failed
    gathered: list[dict[str, str]] = [{} for _ in range(rank_and_count()[1])]
    torch.distributed.all_gather_object(gathered, failed)
    return {name: fault for part in gathered for name, fault in part.items()}


def check_failed(failed: dict[str, str], videos: int, most: float, folder: Path) -> None:
    """Write the list of videos that could not be read.

    Raises:
        ValueError: there are more than the share that may fail.
    """
    if not failed:
        return
    if rank_and_count()[0] == 0:
        rows = (tuple(map(spreadsheet, row)) for row in sorted(failed.items()))
        write_rows(folder / "failed.csv", [("video", "fault"), *rows])
    if len(failed) > most * videos:
        name, fault = next(iter(sorted(failed.items())))
        raise Refused(
            f"Expected at most {100 * most:g} % of the {videos} training videos to be unreadable; found {len(failed)} "
            f"({name}: {fault}), each in {folder / 'failed.csv'}. Mend or remove them, or set max_failed."
        )


def save_aside(trainer: lightning.Trainer, path: Path) -> None:
    """A checkpoint of the whole training, complete or not there at all."""
    if not trainer.is_global_zero:  # every process takes part in this call, the first alone writes
        trainer.save_checkpoint(path)
        return
    with write_whole(path) as aside:
        trainer.save_checkpoint(aside)
