"""Runs the three stages (paper, sections 3.4 and 3.5), each handing its weights to the next.

    stage 1  appearance   the appearance stream and a classifier           -> appearance-only
    stage 2  pose         the pose stream and a classifier                 -> pose-only
    stage 3  integration  integration and a new classifier, streams fixed  -> integral, gate-free, ...

or, to compare (Table 8), stage 3 with the streams free, after the others or alone.

Every stage leaves a checkpoint at the end of each epoch; a run that was killed continues there and comes to the
same weights, because order and augmentation depend on seed and epoch alone.
"""

import hashlib
import logging
import os
import sys
import warnings
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from integralaction.clip import Batch
from integralaction.config import SINGLE_STREAMS, EncoderConfig, Method, ModelConfig, ResNetConfig
from integralaction.console import say, track
from integralaction.data.dataset import ClipReader, ReadableClips, TestClips, TrainClips
from integralaction.data.index import Index, read_index, say_untrained_classes
from integralaction.data.loading import bytes_of_clips, heeded_loaders, load_batches, usable_workers
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import TEST_CLIPS, MicroBatches
from integralaction.epoch_end import EpochEnd, check_failed, rank_and_count
from integralaction.epoch_progress import EpochProgress
from integralaction.errors import Refused
from integralaction.evaluate import digest
from integralaction.files import write_whole
from integralaction.format1 import leaves
from integralaction.model.checkpoint import is_ours, save, start_from_imagenet
from integralaction.model.hub import ON_HUB, is_hub_id, pinned
from integralaction.model.loss import (
    classification_loss,
    gate_loss,
    logit_loss,
    outcome_prior,
    pose_trust,
    trust_weights,
)
from integralaction.model.network import Features, IntegralAction, channels_last
from integralaction.readiness import check_data, check_places, list_without_poses, slow_bf16
from integralaction.recipe import Recipe, Stage
from integralaction.run import (
    EMBEDDED,
    Run,
    adopt_streams,
    choose_device,
    fingerprint,
    load_model,
    looks_at_poses,
    model_of,
    open_run,
)
from integralaction.run_start import check_free, start_run
from integralaction.settings import changed, to_dict
from integralaction.shared_stages import SharedStages


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str = "auto",
    asked: tuple[str, ...] = (),
    shared: Path | None = None,
) -> Run:
    """Train what the recipe says on the `train` split of a data set; continue where an earlier call was stopped.

    Under torchrun each process is one device of a data-parallel training.

    Args:
        recipe: the experiment.
        data: the data set folder.
        out: the run folder.
        device: `auto`, `cpu`, `cuda` or `mps`.
        asked: settings of the model that must stay as they are where `recipe.start.init` has others.
        shared: a folder of finished stages: what another run trained with the same settings is taken from there, and
            what this one trains is put there.

    Raises:
        ValueError: data and recipe do not fit, the weights of `recipe.start.init` need what was not asked, or `out`
            holds a run of other settings.
        ArithmeticError: the loss is no longer finite.
    """
    whole = read_index(data)
    index = whole.split("train")
    say_untrained_classes(index)
    store = PoseStore.of(data)
    recipe = replace(recipe, model=model_of(recipe, index.classes))
    check_data(recipe, index, store)
    init = _load_init(recipe, out)
    if init is not None:
        start = replace(recipe.start, init=_lasting(recipe.start.init, out))
        recipe = replace(recipe, model=made_like(recipe, init.config, asked), start=start)
    target = choose_device(device)
    if recipe.optimizer.precision == "16-mixed" and target.type == "cpu":
        raise Refused("Expected precision 32-true or bf16-mixed on a CPU; found 16-mixed.")
    run = Run(out, recipe, data, fingerprint(recipe, whole))
    check_free(out)
    for method in _missing(run):
        new_model(recipe, method, recipe.seed, init)  # what it starts from is there, and fits
    with _processes(target) as target:
        _begin(run, index, store, init, target, shared)
        # the weights that it started from are not known by their name alone
        started = [] if init is None else [hashlib.sha256(run.init_path.read_bytes()).hexdigest()]
        stages = None if shared is None else SharedStages(shared, digest(index, store.state, *started))
        _run_stages(run, index, store, target, init, stages)
    return run


def _begin(
    run: Run, index: Index, store: PoseStore, init: IntegralAction | None, device: torch.device, shared: Path | None
) -> None:
    """The first process begins the run, and says what there is to say; the others wait."""
    if rank_and_count()[0] == 0:
        start_run(run)
        if init is not None and not run.init_path.is_file():
            save(init, run.init_path)
        check_places(run, shared)
        torn = [run.model_path(method) for method in _missing(run) if run.model_path(method).exists()]
        remarks = [f"{path} is empty or damaged: it is made again" for path in torn]
        remarks += [list_without_poses(run, index, store)] if looks_at_poses(run.recipe) else []
        if run.recipe.optimizer.precision == "bf16-mixed" and device.type == "cpu":
            remarks.append(slow_bf16())
        for remark in filter(None, remarks):
            say(remark)
    _wait_for_all()


def _missing(run: Run) -> list[Method]:
    """The methods to train: those without a model, or with a damaged one."""
    return [method for method in run.trained if not is_ours(run.model_path(method))]


def _load_init(recipe: Recipe, out: Path) -> IntegralAction | None:
    """The model to start from: the run's own copy, where there is one."""
    if not recipe.start.init:
        return None
    copy = out / "init.safetensors"
    if not copy.is_file() or not (out / "settings.yaml").is_file():
        return load_model(recipe.start.init)
    if not is_ours(copy):
        raise Refused(
            f"Expected the model that the training of {out} started from in {copy}; it is empty or damaged. Remove it: "
            f"the same command then copies {recipe.start.init} again."
        )
    return load_model(copy)


def _lasting(source: str, out: Path) -> str:
    """What means the same from every folder and for good: an embedded name, a hub id with its revision, a path."""
    if source in EMBEDDED:
        return source
    if not is_hub_id(source):
        return str(Path(source).resolve())
    hub_id = source.removeprefix(ON_HUB)
    # a run that goes on has its own copy, and asks nobody for the revision
    begun = open_run(out).recipe.start.init if (out / "settings.yaml").is_file() else ""
    return begun if begun.removeprefix(ON_HUB).partition("@")[0] == hub_id else ON_HUB + pinned(hub_id)


def _run_stages(
    run: Run,
    index: Index,
    store: PoseStore,
    device: torch.device,
    init: IntegralAction | None,
    shared: SharedStages | None,
) -> None:
    recipe = run.recipe
    if shared is not None and rank_and_count()[0] == 0:
        for method in recipe.streams:
            if is_ours(run.model_path(method)):
                shared.keep(run, method)  # an earlier call may have been stopped before it did
            elif shared.take(run, method):
                say(f"{method}: trained before with these settings")
    _wait_for_all()
    # decided once and by all: a process that is late must not take a model just made for one to be left out
    todo = _missing(run)
    _wait_for_all()
    for number, method in enumerate(SINGLE_STREAMS):
        if method in todo:
            model = new_model(recipe, method, recipe.seed + number, init)
            stage = recipe.stages.of(method)
            if stage.epochs == 0 and not _has_classifier(recipe, method, init) and rank_and_count()[0] == 0:
                say(f"{method}: 0 epochs, and its classifier is new: it answers by chance")
            run_stage(run, model, stage, _training_clips(run, index, store, method, recipe.loading.augment), device)
            if shared is not None and rank_and_count()[0] == 0:
                shared.keep(run, method)
    clips = None
    for method in recipe.integrations:
        if method not in todo:
            continue
        model = new_model(recipe, method, recipe.seed + 2, init)
        if recipe.stages.strategy != "joint":
            adopt_streams(model, run.load("appearance-only"), run.load("pose-only"))
        if clips is None and (recipe.loading.augment_integration or recipe.stages.strategy != "fixed"):
            # free streams see what stages 1 and 2 show them
            loading, is_fixed = recipe.loading, recipe.stages.strategy == "fixed"
            augment = loading.augment_integration if is_fixed else loading.augment
            clips = _training_clips(run, index, store, method, augment)
        elif clips is None:
            path = None if shared is None else shared.features_path(run)
            clips = FeatureClips(_features_once(model, index, store, run, device, path), seed=recipe.seed)
        run_stage(run, model, recipe.stages.integration, clips, device)


def _has_classifier(recipe: Recipe, method: Method, init: IntegralAction | None) -> bool:
    """Whether a single stream's classifier comes with the weights that it starts from."""
    name = f"{method.removesuffix('-only')}_classifier"
    return init is not None and recipe.start.head == "keep" and getattr(init, name) is not None


@contextmanager
def _processes(device: torch.device) -> Generator[torch.device]:
    """Make the processes that torchrun started one group; give each its own device. Alone: nothing but determinism."""
    _, processes = rank_and_count()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what a deterministic matrix product asks for
    deterministic = torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # ty: ignore[missing-attribute]
    torch.use_deterministic_algorithms(True)
    # filling each new tensor with NaN only finds operations that read what they did not write, and takes its time
    torch.utils.deterministic.fill_uninitialized_memory = False  # ty: ignore[missing-attribute] (made at import)
    if processes > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # ty: ignore[missing-attribute]
        if processes > 1:
            torch.distributed.destroy_process_group()


def _wait_for_all() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def made_like(recipe: Recipe, init: ModelConfig, asked: tuple[str, ...] = ()) -> ModelConfig:
    """The recipe's model with the settings that the weights of `recipe.start.init` need, and with their clip.

    Each setting that changes is said on standard error. Weights without a shift are of single frames, and start any
    clip.

    Args:
        asked: settings that must stay the recipe's.

    Raises:
        ValueError: its classifiers are to be kept and are of other classes, or its weights need what was not asked.
    """
    ours = recipe.model
    if recipe.start.head == "keep" and init.classes != ours.classes:
        same = sorted(init.classes) == sorted(ours.classes)
        found = "the same in another order" if same else f"{len(init.classes)} ({', '.join(init.classes[:3])}, ...)"
        raise Refused(
            f"Expected the {len(ours.classes)} classes of the data set ({', '.join(ours.classes[:3])}, ...) in "
            f"{recipe.start.init}, whose classifiers are kept; found {found}. Give --head new to start new "
            "classifiers, or name its classes as the data set does (integralaction convert --classes)."
        )
    theirs, before = _settings_by_name(init, ours), _settings_by_name(ours, init)
    is_temporal = any(part.backbone.is_temporal for part in (init.appearance, init.pose) if part is not None)
    of_clip = ["vote", *(name for name in theirs if name.startswith("clip."))] if is_temporal else []
    needed = [name for name in theirs if name.startswith(("appearance.", "pose."))]
    if init.pose is None:
        of_clip = [name for name in of_clip if not name.startswith("clip.pose_")]
    if not is_temporal:
        needed = [name for name in needed if not name.endswith((".shift", ".shift_first"))]
    if init.method == ours.method and init.integration is not None:
        needed += [name for name in theirs if name.startswith(("integration.", "clip.pose_"))]
    changes = {name: theirs[name] for name in (*of_clip, *needed) if theirs[name] != before.get(name)}
    of_whole = {name for name in asked if name.startswith("appearance.backbone.") and name not in theirs}
    asked = (*asked, *(["appearance.backbone"] if of_whole else []))
    if refused := sorted(set(asked) & set(needed) & changes.keys()):
        wanted = ", ".join(f"model.{name}={changes[name]}" for name in refused)
        raise Refused(f"Expected what the weights of {recipe.start.init} need, {wanted}; found others. Leave it out.")
    changes = {name: value for name, value in changes.items() if name not in asked}
    if changes and rank_and_count()[0] == 0:
        told = ", ".join(f"model.{name}={value}" for name, value in changes.items())
        say(f"from {recipe.start.init}: {told}")
    if ours.integration is not None:
        changes["integration.stream_answers"] = True
    return changed(ours, changes, recipe.start.init)


def _settings_by_name(config: ModelConfig, other: ModelConfig) -> dict[str, Any]:
    """Each setting by its dotted name. A backbone is one setting where that of either model is an encoder, whose
    settings belong together."""
    values = to_dict(config)
    whole = {}
    parts = [model.appearance for model in (config, other)]
    if any(part is not None and isinstance(part.backbone, EncoderConfig) for part in parts) and values["appearance"]:
        whole["appearance.backbone"] = values["appearance"].pop("backbone")
    return {**dict(leaves(values)), **whole}


def new_model(recipe: Recipe, method: Method, seed: int, init: IntegralAction | None = None) -> IntegralAction:
    """A model at its start: the weights of `init` in what that has; else ImageNet or random weights in the ResNets, the
    paper's Gaussian in what is new."""
    alone = method in SINGLE_STREAMS
    config = recipe.model.of_method(method)
    if config.integration is not None and recipe.stages.strategy != "fixed":
        # streams that change in stage 3 leave the classifiers of stages 1 and 2 behind
        config = replace(config, integration=replace(config.integration, stream_answers=False))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = IntegralAction(config)
    if recipe.start.weights != "random" and (alone or recipe.stages.strategy == "joint"):
        for name, part in (("appearance", config.appearance), ("pose", config.pose)):
            if part is not None and (init is None or getattr(init, name) is None):
                if not isinstance(part.backbone, ResNetConfig):
                    raise Refused(
                        "Expected start.weights=random, or start.init with a model of this backbone, where the "
                        f"appearance stream has an encoder; found start.weights={recipe.start.weights}, which are "
                        "weights of ResNets."
                    )
                start_from_imagenet(getattr(model, name).backbone, part.backbone.depth, recipe.start.weights)
    if init is not None:
        _adopt(model, init, recipe.start.head == "keep")
    return model


def _adopt(model: IntegralAction, init: IntegralAction, heads: bool) -> None:
    """Copy each part of another model that this one has too; an integration only of the same method."""
    parts = ["appearance", "pose"]
    parts += ["appearance_classifier", "pose_classifier"] if heads else []
    if init.config.method == model.config.method:
        parts += ["pose_pooling", "integration", *(["classifier"] if heads else [])]
    for part in parts:
        ours, theirs = getattr(model, part), getattr(init, part)
        if ours is not None and theirs is not None:
            ours.load_state_dict(theirs.state_dict())


FEATURES = {"appearance", "pose", "trust", "labels", "first"}  # see `FeatureClips`


class FeatureBatch(NamedTuple):
    """What stage 3 trains on where there is no augmentation: the frozen streams' features."""

    appearance: Tensor  # (B, T, C_A)
    pose: Tensor  # (B, T', C_P)
    trust: Tensor  # (B, T'), of the poses
    labels: Tensor  # (B,)


class FeatureClips(Dataset[FeatureBatch]):
    """One of the test clips' features of each video asked for, which one depending on seed, epoch and video."""

    def __init__(self, features: dict[str, Tensor], seed: int) -> None:
        """
        Args:
            features: of all clips, video after video: `appearance` (N, T, C_A), `pose` (N, T', C_P), `trust` (N, T');
                of the V videos `labels` (V,) and `first` (V + 1,), where the clips of each begin.
        """
        self._features, self._seed = features, seed
        self._first = features["first"].tolist()

    def __len__(self) -> int:
        return len(self._first) - 1

    def __getitem__(self, index: list[tuple[int, int]]) -> FeatureBatch:
        clips = []
        for epoch, video in index:
            first, end = self._first[video], self._first[video + 1]
            random = np.random.default_rng([self._seed, epoch, video])
            clips.append(first + int(random.integers(end - first)))
        parts = (self._features[name][clips] for name in ("appearance", "pose", "trust"))
        return FeatureBatch(*parts, labels=self._features["labels"][[video for _, video in index]])


class StageTraining(lightning.LightningModule):
    """One stage as the training library sees it: what is free, the loss, the optimiser.

    A model with an integration is in stage 3: unless the recipe frees them, its streams stay in eval mode and outside
    the graph. The released code leaves them in train mode, where their batch statistics drift.
    """

    def __init__(self, model: IntegralAction, recipe: Recipe, stage: Stage, steps: int) -> None:
        """
        Args:
            steps: optimiser steps in an epoch.
        """
        super().__init__()
        self.model, self.recipe, self.stage, self.steps = model, recipe, stage, steps
        self.frozen = model.integration is not None and recipe.stages.strategy == "fixed"
        if self.frozen:
            model.requires_grad_(False)
            for part in (model.pose_pooling, model.integration, model.classifier):
                if part is not None:
                    part.requires_grad_(True)
        self.train()  # the trainer leaves modes as it finds them

    def train(self, mode: bool = True) -> "StageTraining":
        super().train(mode)
        if self.frozen:
            self.model.get_submodule("appearance").eval()
            self.model.get_submodule("pose").eval()
        return self

    def training_step(self, batch: Batch | FeatureBatch, _: int) -> dict[str, Tensor]:
        if isinstance(batch, FeatureBatch):
            features, trust = Features(batch.appearance, batch.pose), batch.trust
        else:
            with torch.set_grad_enabled(not self.frozen):
                features = self.model.features(batch.frames, batch.joints)
            trust = _trust(batch, self.model.config)
        output = self.model.integrate(features)
        assert output.logits is not None  # score-average alone has none, and is not trained
        loss_of_votes = logit_loss if self.model.config.vote == "logits" else classification_loss
        loss = loss_of_votes(output.logits, batch.labels)
        measured = {"classification": loss.detach()}
        if output.gate_logits is not None and output.gate is not None:
            regulariser = gate_loss(output.gate_logits, *self.gate_prior(features, trust, batch.labels))
            measured |= {"gate_loss": regulariser.detach(), "gate": output.gate.detach().mean()}
            loss = loss + self.recipe.stages.gate_lambda * regulariser
        measured["total"] = loss.detach()
        measured["top1"] = (output.probabilities.detach().argmax(1) == batch.labels).float().mean()
        return {"loss": loss, **measured}  # "loss" is the trainer's, which divides it by the accumulation steps

    @torch.no_grad()
    def gate_prior(self, features: Features, trust: Tensor, labels: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Weight and target of the gate regulariser in each frame, (B, T), as the recipe's prior has them."""
        model = self.model
        if self.recipe.stages.gate_prior == "trust":
            return trust_weights(_over_time(trust, model.config)), None
        if self.recipe.stages.gate_prior == "outcome":
            assert model.appearance_classifier is not None and model.pose_classifier is not None
            pose = model.pose_classifier(features.pose)
            logits = _over_time(pose.mT, model.config).mT
            return outcome_prior(model.appearance_classifier(features.appearance), logits, labels)
        return None, None

    def configure_optimizers(self) -> dict[str, Any]:
        sgd, stage = self.recipe.optimizer, self.stage
        free = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(free, stage.lr, sgd.momentum, weight_decay=sgd.weight_decay)

        def factor(step: int) -> float:
            passed = sum(step // self.steps >= milestone for milestone in stage.milestones)
            return 0.1**passed * min(1.0, (step + 1) / max(1, stage.warmup))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def run_stage(
    run: Run, model: IntegralAction, stage: Stage, clips: TrainClips | FeatureClips, device: torch.device
) -> None:
    """Train one model and write it into the run folder; continue from its last checkpoint where there is one."""
    recipe, method, sgd = run.recipe, model.config.method, run.recipe.optimizer
    folder = run.stage_path(method)
    folder.mkdir(parents=True, exist_ok=True)
    process, processes = rank_and_count()
    order = MicroBatches(len(clips), sgd.batch_size, sgd.accumulate, process, processes, recipe.seed)
    # memory holds decoded frames and features already; workers would only copy them
    workers = 0 if recipe.loading.preload or isinstance(clips, FeatureClips) else recipe.loading.workers
    micro_batch = bytes_of_clips(model.config, sgd.batch_size // sgd.accumulate // processes)
    workers = usable_workers(workers, micro_batch)
    loader = load_batches(
        clips,
        workers,
        micro_batch,
        sampler=order,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    training = StageTraining(channels_last(model), recipe, stage, order.mini_batches)
    with _quiet():
        epoch_end = EpochEnd(folder, f"{method:<16}", stage.epochs, len(clips), recipe.loading.max_failed)
        trainer = _trainer(recipe, stage, device, folder, processes, epoch_end)
    checkpoint = _whole_checkpoint(folder / "last.ckpt", training)
    if stage.epochs > 0:
        with _quiet(), heeded_loaders():
            try:
                trainer.fit(training, loader, ckpt_path=checkpoint, weights_only=True)
            except SystemExit as error:  # the training library's answer to Ctrl-C
                raise KeyboardInterrupt from error
    if trainer.is_global_zero:
        epoch_end.report()
        save(model, run.model_path(method))
    _wait_for_all()


def _whole_checkpoint(path: Path, training: StageTraining) -> Path | None:
    """The checkpoint to continue from, where there is one that can be read and is of this model."""
    if rank_and_count()[0] == 0 and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:  # whose sums PyTorch does not check
                flipped = archive.testzip()
            held = torch.load(path, map_location="cpu", weights_only=True)
            fits = {n: t.shape for n, t in held["state_dict"].items()} == {
                n: t.shape for n, t in training.state_dict().items()
            }
            whole = (
                flipped is None
                and fits
                and {"epoch", "loops", "callbacks", "optimizer_states", "lr_schedulers"} <= held.keys()
            )
        except Exception:  # of a damaged file the unpickler fails in whatever way it comes to
            whole = False
        if not whole:
            say(f"{path} is empty or damaged: the stage begins anew")
            path.unlink()
    _wait_for_all()
    return path if path.is_file() else None


def _trainer(
    recipe: Recipe, stage: Stage, device: torch.device, folder: Path, processes: int, epoch_end: EpochEnd
) -> lightning.Trainer:
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=here if processes > 1 else 1,
        num_nodes=processes // here if processes > 1 else 1,
        strategy="ddp" if processes > 1 else "auto",
        max_epochs=stage.epochs,
        accumulate_grad_batches=recipe.optimizer.accumulate,
        precision=recipe.optimizer.precision,
        deterministic=True,
        use_distributed_sampler=False,  # MicroBatches knows the processes
        callbacks=[epoch_end] if sys.stderr.isatty() else [epoch_end, EpochProgress(folder.name)],
        logger=TensorBoardLogger(folder, name="", version="") if stage.epochs else False,
        enable_checkpointing=False,  # EpochEnd writes them
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


@contextmanager
def _quiet() -> Generator[None]:
    """Without the training library's hints, which concern choices that this module makes on purpose."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for hint in ("does not have many workers", "LeafSpec", "in eval mode at the start of training"):
            warnings.filterwarnings("ignore", message=f".*{hint}.*")
        try:
            yield
        finally:
            log.setLevel(level)


def _training_clips(run: Run, index: Index, store: PoseStore, method: Method, augment: bool) -> TrainClips:
    reader = ClipReader.for_model(index, store, run.recipe.model.of_method(method))
    clips = TrainClips(reader, augment, run.recipe.seed)
    return clips.preload() if run.recipe.loading.preload else clips


def _trust(batch: Batch, model: ModelConfig) -> Tensor:
    """How far the poses of a batch can be trusted, (B, T')."""
    height, width = (model.clip.size,) * 2 if batch.frames is None else batch.frames.shape[-2:]
    return pose_trust(batch.joints, height, width)


def _over_time(values: Tensor, model: ModelConfig) -> Tensor:
    """Values of T' pose frames (..., T') as those of the T RGB frames: means, or those at the same time."""
    if model.clip.pose_pooling == "convolution":
        return values[..., :: model.clip.pose_frame_factor]
    return values.unflatten(-1, (model.clip.frames, -1)).mean(dim=-1)


def _features_once(
    model: IntegralAction, index: Index, store: PoseStore, run: Run, device: torch.device, path: Path | None
) -> dict[str, Tensor]:
    """The streams' features of the training videos, from a file where another run left them."""
    if path is not None and path.is_file():
        try:
            features = load_file(path)
        except SafetensorError:
            features = {}
        if features.keys() == FEATURES:
            return features
        say(f"{path} is empty or damaged: it is made again")
    features = stream_features(model, index, store, run.recipe, device, run.root / "stages")
    if path is not None and rank_and_count()[0] == 0:
        with write_whole(path) as aside:
            save_file(features, aside)
    return features


@torch.no_grad()
def stream_features(
    model: IntegralAction, index: Index, store: PoseStore, recipe: Recipe, device: torch.device, folder: Path
) -> dict[str, Tensor]:
    """The streams' features of the test clips of every video, as `FeatureClips` takes them."""
    reader = ClipReader.for_model(index, store, model.config)
    clips = ReadableClips(TestClips(reader), reader)
    loader = load_batches(clips, recipe.loading.workers, bytes_of_clips(model.config, TEST_CLIPS))
    failed: dict[str, str] = {}
    model = channels_last(model).to(device).eval()
    appearance, pose, trust, labels, first = [], [], [], [], [0]
    with heeded_loaders():
        for batch in track(loader, "computing features", len(clips)):
            if not isinstance(batch, Batch):
                failed.update([batch])
                continue
            features = model.features(batch.to(device).frames, batch.joints.to(device))
            assert features.appearance is not None and features.pose is not None  # stage 3 has both streams
            appearance.append(features.appearance.cpu())
            pose.append(features.pose.cpu())
            trust.append(_trust(batch, model.config))
            labels.append(int(batch.labels[0]))
            first.append(first[-1] + len(batch.labels))
    check_failed(failed, len(clips), recipe.loading.max_failed, folder)
    if failed and rank_and_count()[0] == 0:
        say(
            f"{len(failed)} of {len(clips)} videos could not be read and are left out of stage 3: "
            f"{folder / 'failed.csv'}"
        )
    return {
        "appearance": torch.cat(appearance),
        "pose": torch.cat(pose),
        "trust": torch.cat(trust),
        "labels": torch.tensor(labels),
        "first": torch.tensor(first),
    }
