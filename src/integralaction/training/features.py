"""The frozen streams' features of all training videos, computed once: what stage 3 trains on without augmentation."""

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from integralaction.clip import Batch
from integralaction.console import say, track
from integralaction.data.dataset import ClipReader, ReadableClips, TestClips
from integralaction.data.index import Index
from integralaction.data.loading import bytes_of_clips, heeded_loaders, load_batches
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import TEST_CLIPS
from integralaction.files import write_whole
from integralaction.model.network import IntegralAction, channels_last
from integralaction.recipe import Recipe
from integralaction.training.log import check_unreadable
from integralaction.training.processes import is_first
from integralaction.training.run import Run
from integralaction.training.stage import FeatureBatch, trust_of

FEATURES = {"appearance", "pose", "trust", "labels", "first"}  # see `FeatureClips`


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


def shared_features(
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
    if path is not None and is_first():
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
    faults: dict[str, str] = {}
    model = channels_last(model).to(device).eval()
    appearance, pose, trust, labels, first = [], [], [], [], [0]
    with heeded_loaders():
        for batch in track(loader, "computing features", len(clips)):
            if not isinstance(batch, Batch):
                faults.update([batch])
                continue
            features = model.features(batch.to(device).frames, batch.joints.to(device))
            assert features.appearance is not None and features.pose is not None  # stage 3 has both streams
            appearance.append(features.appearance.cpu())
            pose.append(features.pose.cpu())
            trust.append(trust_of(batch, model.config))
            labels.append(int(batch.labels[0]))
            first.append(first[-1] + len(batch.labels))
    check_unreadable(faults, len(clips), recipe.loading.max_failed, folder)
    if faults and is_first():
        say(
            f"{len(faults)} of {len(clips)} videos could not be read and are left out of stage 3: "
            f"{folder / 'failed.csv'}"
        )
    return {
        "appearance": torch.cat(appearance),
        "pose": torch.cat(pose),
        "trust": torch.cat(trust),
        "labels": torch.tensor(labels),
        "first": torch.tensor(first),
    }
