"""A long epoch says how far it is where nobody sees the training library's bar."""

import time

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from integralaction import console
from integralaction.epoch_progress import EpochProgress


class Slow(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        time.sleep(0.05)
        return self.layer(batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_a_long_epoch_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(console, "EVERY", 0.06)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[EpochProgress("integral")],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader(torch.ones(6, 1), batch_size=1)
    trainer.fit(Slow(), loader)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("integral: batches of epoch")]
    assert any(" of epoch 1: " in line for line in told) and any(" of epoch 2: " in line for line in told)
    assert all(" of 6 after " in line for line in told)
