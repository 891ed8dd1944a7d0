"""Batches made by loader processes: as many of these as shared memory has room for, and none that is lost in silence.

What a loader process hands over lies in shared memory, of which containers have little (64 MB). Where it is full, the
process would wait for ever or be killed by the system.
"""

import os
import shutil
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset, get_worker_info

from integralaction.clip import MAX_PERSONS, Batch
from integralaction.config import ModelConfig
from integralaction.console import say
from integralaction.skeleton import SKELETONS, skeleton_named

SHARED_MEMORY = Path("/dev/shm")  # where Linux keeps it; elsewhere it is not limited
AHEAD = 2  # batches that wait for each loader process
IN_USE = 2  # batches that are being used or copied
PAGES = 2**14  # bytes that a batch takes beside its own, as each of its tensors fills whole pages
QUEUES = 2**15  # bytes that a loader process takes beside its batches
_ADVICE = "Give loading.workers=0, or a container more of it (docker run --shm-size=2g)."
_say_once = cache(say)


def load_batches(clips: Dataset, workers: int, batch_bytes: int, **options: Any) -> DataLoader:
    """A loader of a data set whose items are whole batches.

    Args:
        workers: loader processes at most; 0: the batches are made in this one.
        batch_bytes: of a batch, see `bytes_of_clips`.
        options: as PyTorch's `DataLoader` has them.
    """
    usable = usable_workers(workers, batch_bytes)
    if usable:
        options |= {"prefetch_factor": AHEAD}
    with _quiet():
        return DataLoader(InSharedMemory(clips), batch_size=None, num_workers=usable, **options)


@contextmanager
def _quiet() -> Generator[None]:
    """Without PyTorch's advice on how many loader processes there should be, which the user chose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        yield


def bytes_of_clips(model: ModelConfig, clips: int) -> int:
    """Bytes of a batch of so many clips."""
    clip = model.clip
    pictures = 0 if model.appearance is None else clip.frames * clip.size * clip.size * 3
    skeletons = SKELETONS.values() if model.skeleton is None else [skeleton_named(model.skeleton)]
    joints = clip.pose_frames * MAX_PERSONS * max(len(skeleton.joints) for skeleton in skeletons) * 3 * 4
    return clips * (pictures + joints)


def usable_workers(workers: int, batch_bytes: int) -> int:
    """So many loader processes that their batches find room in shared memory; that it is fewer is said."""
    free = free_shared_memory()
    if workers == 0 or free is None:
        return workers
    free //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # other processes of the same training share it
    batch_bytes += PAGES
    usable = max(0, min(workers, (free - IN_USE * batch_bytes) // (AHEAD * batch_bytes + QUEUES)))
    if usable < workers:
        _say_once(
            f"{usable} of {workers} loader processes are used: {SHARED_MEMORY} has no room for the batches of more. "
            "Containers are given more by docker run --shm-size=2g."
        )
    return usable


def free_shared_memory() -> int | None:
    """Free bytes of shared memory; None where it is not limited."""
    return shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None


class InSharedMemory(Dataset):
    """A data set whose batches are put into shared memory where they are made: an error there reaches the training,
    which would wait for ever for a batch that was lost on its way."""

    def __init__(self, clips: Dataset) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)  # ty: ignore[invalid-argument-type]

    def __getitem__(self, index: Any) -> Any:
        item = self._clips[index]
        if get_worker_info() is None or not isinstance(item, Batch):
            return item
        try:
            return item.share_memory()
        except RuntimeError as error:
            raise ChildProcessError(
                f"Expected shared memory for the next batch; {SHARED_MEMORY} is full. {_ADVICE}"
            ) from error


@contextmanager
def watch_loaders() -> Generator[None]:
    """While batches are taken: a loader process that dies is one sentence.

    Raises:
        ChildProcessError: one died.
    """
    try:
        with _quiet():
            yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        why = " ".join(str(error).split())
        full = f"{SHARED_MEMORY} is full. {_ADVICE}"
        advice = full if "Bus error" in why or "shared memory" in why else "Give fewer workers: each needs memory."
        raise ChildProcessError(
            f"Expected loader processes to live; one died ({why.partition('.')[0]}). {advice}"
        ) from error
