"""The epochs of one stage: a plain loop that continues exactly where it was stopped, on one device or on several."""

import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from integralaction.checkpoints.model_file import save
from integralaction.console import progress, say
from integralaction.data.dataset import TrainClips
from integralaction.data.loading import bytes_of_clips, heeded_loaders, load_batches, usable_workers
from integralaction.data.sampling import MicroBatches
from integralaction.files import write_whole
from integralaction.format1 import tensor_name
from integralaction.model.network import IntegralAction, channels_last
from integralaction.recipe import Stage
from integralaction.training.features import FeatureClips
from integralaction.training.log import StageLog
from integralaction.training.processes import is_first, rank_and_count, wait_for_all
from integralaction.training.run import Run
from integralaction.training.stage import StageTraining


def run_stage(
    run: Run, model: IntegralAction, stage: Stage, clips: TrainClips | FeatureClips, device: torch.device
) -> None:
    """Train one model and write it into the run folder; continue from its last checkpoint where there is one."""
    folder = run.stage_path(model.config.method)
    folder.mkdir(parents=True, exist_ok=True)
    sgd, (process, processes) = run.recipe.optimizer, rank_and_count()
    order = MicroBatches(len(clips), sgd.batch_size, sgd.accumulate, process, processes, run.recipe.seed)
    log = StageLog(folder, stage.epochs, len(clips), run.recipe.loading.max_failed)
    loop = _Loop(StageTraining(channels_last(model).to(device), run.recipe), stage, order.mini_batches, log, device)
    loop.resume(folder / "last.ckpt")
    if len(log.rows) < stage.epochs:
        loader = _loader(run, model, clips, order, device)
        for epoch in range(len(log.rows), stage.epochs):
            order.set_epoch(epoch)
            loop.train_epoch(loader)
            loop.write_checkpoint(folder / "last.ckpt")
    log.close()
    model.cpu()
    if is_first():
        save(model, run.model_path(model.config.method))
    wait_for_all()


class _Loop:
    """A stage between its epochs: everything that a checkpoint keeps."""

    def __init__(
        self, training: StageTraining, stage: Stage, mini_batches: int, log: StageLog, device: torch.device
    ) -> None:
        sgd = training.recipe.optimizer
        self._training, self._accumulate, self._log, self._device = training, sgd.accumulate, log, device
        self._optimizer, self._schedule = training.optimizer(stage, mini_batches)
        self._half = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}.get(sgd.precision)
        self._scaler = torch.amp.GradScaler(device.type, enabled=sgd.precision == "16-mixed")
        self._network: torch.nn.Module = training

    def train_epoch(self, loader: DataLoader) -> None:
        """Every mini-batch once; gradients are summed over `accumulate` batches and averaged over processes."""
        if torch.distributed.is_initialized() and self._network is self._training:
            devices = [self._device] if self._device.type == "cuda" else None
            self._network = DistributedDataParallel(self._training, device_ids=devices)
        self._log.start_epoch(self._optimizer.param_groups[0]["lr"])
        title = f"{self._training.model.config.method}: batches of epoch {len(self._log.rows) + 1}"
        show_progress = progress(title, len(loader)) if is_first() else nullcontext(lambda count: None)
        with heeded_loaders(), show_progress as advance:
            for number, batch in enumerate(loader, start=1):
                is_last = number % self._accumulate == 0
                batch = batch.to(self._device, non_blocking=True)
                measures = self._backward(batch, is_last)
                if is_last:
                    self._scaler.step(self._optimizer)
                    self._scaler.update()
                    self._optimizer.zero_grad()
                    self._schedule.step()
                self._log.add(measures, getattr(batch, "replaced", ()))
                advance(1)
        self._log.end_epoch()

    def _backward(self, batch: Any, is_last: bool) -> dict[str, torch.Tensor]:
        # processes exchange their gradients once a mini-batch
        alone = self._network.no_sync() if isinstance(self._network, DistributedDataParallel) else nullcontext()
        with nullcontext() if is_last else alone:
            # a cache of cast weights would keep those of before the step
            with torch.autocast(self._device.type, self._half, enabled=self._half is not None, cache_enabled=False):
                loss, measures = self._network(batch)
            self._scaler.scale(loss / self._accumulate).backward()
        return measures

    def write_checkpoint(self, path: Path) -> None:
        """Everything that the next epoch depends on; complete or not there at all."""
        if is_first():
            parts = {name: part.state_dict() for name, part in self._parts().items()}
            with write_whole(path) as aside:
                torch.save({"format": 2, **parts}, aside)

    def resume(self, path: Path) -> None:
        """Take up a checkpoint, where there is one that is whole and of this model."""
        state = _read_checkpoint(path) if path.is_file() else None
        weights = self._training.model.state_dict()
        if state is not None and {n: t.shape for n, t in state["model"].items()} == {
            n: t.shape for n, t in weights.items()
        }:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
        elif path.is_file() and is_first():
            say(f"{path} is empty or damaged: the stage begins anew")
            path.unlink()
        wait_for_all()

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self._training.model,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "scaler": self._scaler,
            "log": self._log,
        }


def _read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The parts in a checkpoint, also of format 1, which Lightning wrote; None: it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:  # whose sums PyTorch does not check
            if archive.testzip() is not None:
                return None
        state = torch.load(path, map_location="cpu", weights_only=True)
        if "format" in state:
            return state
        return {
            "model": {tensor_name(name.removeprefix("model.")): t for name, t in state["state_dict"].items()},
            "optimizer": state["optimizer_states"][0],
            "schedule": state["lr_schedulers"][0],
            "scaler": state.get("MixedPrecision", {}),
            "log": state["callbacks"]["EpochEnd"],
        }
    except Exception:  # of a damaged file the unpickler fails in whatever way it comes to
        return None


def _loader(
    run: Run, model: IntegralAction, clips: TrainClips | FeatureClips, order: MicroBatches, device: torch.device
) -> DataLoader:
    """The batches of one process, in that order."""
    sgd, loading = run.recipe.optimizer, run.recipe.loading
    # memory holds decoded frames and features already; workers would only copy them
    workers = 0 if loading.preload or isinstance(clips, FeatureClips) else loading.workers
    micro_batch = bytes_of_clips(model.config, sgd.batch_size // sgd.accumulate // rank_and_count()[1])
    workers = usable_workers(workers, micro_batch)
    return load_batches(
        clips,
        workers,
        micro_batch,
        sampler=order,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
