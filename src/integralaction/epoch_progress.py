"""How far an epoch of training is, for those who read it later: the training library's bar is for a terminal alone."""

from contextlib import ExitStack
from typing import Any

import lightning

from integralaction.console import progress


class EpochProgress(lightning.Callback):
    """A line on standard error every half minute of an epoch; shorter epochs say nothing before they end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = ExitStack()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            title = f"{self._title}: batches of epoch {trainer.current_epoch + 1}"
            self._advance = self._shown.enter_context(progress(title, int(trainer.num_training_batches)))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.is_global_zero:
            self._advance(1)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._shown.close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self._shown.close()
