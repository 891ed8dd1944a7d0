"""Predictions at rest: what each method says of the videos of a split, in the run folder, and what they depend on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from integralaction.config import Method
from integralaction.data.fingerprint import poses_digest
from integralaction.data.index import AS_RELEASED, Index, Video
from integralaction.errors import MissingFile, Refused
from integralaction.escapes import escape_csv
from integralaction.files import write_rows, write_whole
from integralaction.training.run import Run

RELEASED = " (as released)"  # after a split's name: only the videos that the released code's protocol keeps
_KEY = "integralaction.videos"  # the name of what predictions depend on, of which older ones say the videos alone


@dataclass(frozen=True)
class Predictions:
    """What one method says of the videos of a data set.

    Attributes:
        method: its name.
        classes: class names, in the order of the probabilities.
        videos: V rows of the index.
        labels: (V,) the true classes.
        probabilities: (V, classes) float32, averaged over the clips.
        gate: (V,) float32, mean over clips, frames and channels; NaN for methods without a gate.
    """

    method: str
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    gate: np.ndarray

    def rank(self) -> np.ndarray:
        """(V,) how many classes are more probable than the true one; equals, and NaN, count against it."""
        truth = np.take_along_axis(self.probabilities, self.labels[:, None], axis=1)
        return (~(self.probabilities < truth)).sum(axis=1) - 1

    def of_split(self, split: str) -> "Predictions":
        """Those on the videos of one split, or on those that the released protocol keeps of it (see `protocols`)."""
        name, released = split.removesuffix(RELEASED), split.endswith(RELEASED)
        mask = np.array([v.split == name and (not released or v.note == AS_RELEASED) for v in self.videos])
        videos = tuple(video for video, is_of_split in zip(self.videos, mask, strict=True) if is_of_split)
        return Predictions(
            self.method, self.classes, videos, self.labels[mask], self.probabilities[mask], self.gate[mask]
        )


def protocols(videos: Sequence[Video]) -> list[str]:
    """The splits, and beside a split of which the released code leaves videos out its own protocol."""
    names = []
    for split in dict.fromkeys(video.split for video in videos):
        marked = {video.note == AS_RELEASED for video in videos if video.split == split}
        names += [split, *([split + RELEASED] if len(marked) == 2 else [])]
    return names


def results_name(run: Run, index: Index) -> str:
    """How results on a data set are called: by its name, and by its folder too where the run was trained on another."""
    if index.root.resolve() == run.data.resolve():
        return index.name
    return f"{index.name}-in-{index.root.resolve().name}"


def predictions_folder(run: Run, index: Index, split: str) -> Path:
    return run.root / "predictions" / results_name(run, index) / split


def digest(index: Index, *others: str) -> str:
    """A digest of the rows of an index and of more, by which predictions for other rows are recognised."""
    sha256 = hashlib.sha256()
    for part in (*index.videos, *others):
        sha256.update(repr(part).encode())
    return sha256.hexdigest()[:16]


def weights_digest(run: Run) -> str:
    """A digest of all weights of a run.

    Raises:
        FileNotFoundError, ValueError: see `Run.check_trained`.
    """
    run.check_trained()
    sha256 = hashlib.sha256()
    for method in run.trained_methods:
        sha256.update(run.model_path(method).read_bytes())
    return sha256.hexdigest()


def streams_digest(run: Run) -> str:
    """A digest of the streams with which a run answers; of one that changes them in stage 3, of all its weights."""
    if run.recipe.stages.strategy != "fixed":
        return weights_digest(run)
    sha256 = hashlib.sha256()
    for method in run.recipe.streams:
        sha256.update(run.model_path(method).read_bytes())
    return sha256.hexdigest()


def is_whole(path: Path) -> bool:
    """Whether a file of tensors is there, and not empty or cut off."""
    try:
        with safe_open(path, "numpy"):
            return True
    except (SafetensorError, OSError):
        return False


def write_tensors(tensors: dict[str, np.ndarray], path: Path, of: str) -> None:
    with write_whole(path) as aside:
        save_file(tensors, aside, metadata={_KEY: of})


def _dependencies(run: Run, index: Index, method: Method) -> tuple[str, str, str]:
    """Digests of what predictions depend on: the videos of a split, their poses, the weights, these where all are
    there."""
    streams: tuple[Method, ...] = ("appearance-only", "pose-only")
    paths = [run.model_path(name) for name in (streams if method == "score-average" else (method,))]
    weights = [_file_digest(path, path.stat().st_mtime_ns) for path in paths if path.is_file()]
    poses = "none" if method == "appearance-only" else poses_digest(index)
    return digest(index), poses, "+".join(weights) if len(weights) == len(paths) else ""


@lru_cache(maxsize=256)
def _file_digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def write_predictions(run: Run, index: Index, split: str, method: Method, tensors: dict[str, np.ndarray]) -> None:
    probabilities = tensors["probabilities"]
    if not np.isfinite(probabilities).all():
        raise Refused(f"Expected finite probabilities of {method} of {run.root}; found NaN. Train it again.")
    gate = tensors.get("gate", np.full(len(probabilities), np.nan, np.float32))
    path = predictions_folder(run, index, split) / f"{method}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors({"probabilities": probabilities, "gate": gate}, path, " ".join(_dependencies(run, index, method)))
    predictions = read_predictions(run, index, method, (split,))
    rank, best = predictions.rank(), probabilities.argmax(axis=1)
    rows: list[tuple] = [("video", "start", "end", "label", "predicted", "probability", "rank_of_label", "gate")]
    for i, video in enumerate(predictions.videos):
        answer = (predictions.classes[best[i]], f"{probabilities[i, best[i]]:.6f}", rank[i])
        gate_text = "" if np.isnan(gate[i]) else f"{gate[i]:.6f}"
        rows.append((video.video, video.start, video.end, video.label, *answer, gate_text))
    write_rows(path.with_suffix(".csv"), (tuple(map(escape_csv, row)) for row in rows))


def read_predictions(run: Run, index: Index, method: Method, splits: tuple[str, ...]) -> Predictions:
    """The predictions on these splits that `evaluate` left in a run folder.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they were made of other videos or poses than the data set has now, by other weights than the run
            has, or are damaged.
    """
    probabilities, gate, videos = [], [], []
    for split in splits:
        path = predictions_folder(run, index, split) / f"{method}.safetensors"
        if not path.is_file():
            raise MissingFile(f"Expected predictions in {path}; make them with `integralaction evaluate {run.root}`.")
        part = index.split(split)
        again = f"Make them again: integralaction evaluate {run.root}."
        try:
            with safe_open(path, "numpy") as handle:
                then = (handle.metadata() or {}).get(_KEY, "").split(" ")
                probabilities.append(handle.get_tensor("probabilities"))
                gate.append(handle.get_tensor("gate"))
        except SafetensorError as error:
            raise Refused(f"Expected predictions in {path}; it is empty or damaged. {again}") from error
        now = _dependencies(run, part, method)
        parts = (f"the videos of {index.root}", f"the poses of {index.root}", f"the model {method} of {run.root}")
        changed = [what for what, a, b in zip(parts, then, now, strict=False) if b and a != b]
        if changed:
            raise Refused(
                f"Expected predictions of {changed[0]} as now in {path}; found those of an earlier state. {again}"
            )
        videos += part.videos
    classes = run.recipe.model.classes
    check_classes(run, index, videos)
    labels = np.array([classes.index(video.label) for video in videos])
    return Predictions(method, classes, tuple(videos), labels, np.concatenate(probabilities), np.concatenate(gate))


def is_tested(run: Run, index: Index, split: str) -> bool:
    """Whether predictions of all methods on the split as it is now are there."""
    try:
        for method in run.methods:
            read_predictions(run, index, method, (split,))
    except (FileNotFoundError, ValueError):
        return False
    return True


def check_classes(run: Run, index: Index, videos: Sequence[Video]) -> None:
    if unknown := sorted({video.label for video in videos} - set(run.recipe.model.classes)):
        raise Refused(
            f"Expected classes that the model of {run.root} knows; found {', '.join(map(repr, unknown))} in "
            f"{index.root}. Test on a data set of the model's classes."
        )
