"""Loader processes: no more than shared memory has room for, and none that is lost in silence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from integralaction.clip import Batch
from integralaction.config import ModelConfig
from integralaction.data import loading
from integralaction.data.loading import bytes_of_clips, load_batches, usable_workers, watch_loaders

MEGABYTE = 2**20


def batch(clips: int, size: int = 224) -> Batch:
    frames = torch.zeros((clips, 8, 3, size, size), dtype=torch.uint8)
    return Batch(frames, torch.zeros((clips, 8, 5, 18, 3)), torch.zeros(clips).long(), torch.zeros(clips).long())


class Clips(Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Batch:
        return batch(2, 32)


class Dying(Clips):
    def __getitem__(self, index: int) -> Batch:
        os._exit(9)


def test_bytes_are_those_of_a_batch() -> None:
    ten_clips = batch(10)
    tensors = (ten_clips.frames, ten_clips.joints)
    assert bytes_of_clips(ModelConfig(), 10) == sum(t.numel() * t.element_size() for t in tensors)
    assert bytes_of_clips(ModelConfig().of_method("pose-only"), 10) == ten_clips.joints.numel() * 4


@pytest.mark.parametrize(
    ("free", "batch_bytes", "workers", "usable"),
    [
        (64 * MEGABYTE, 12 * MEGABYTE, 4, 1),  # a container's, at the paper's ten clips of a video
        (64 * MEGABYTE, 40 * MEGABYTE, 4, 0),
        (2**16, 12 * MEGABYTE, 4, 0),
        (2**40, 40 * MEGABYTE, 4, 4),
        (None, 40 * MEGABYTE, 4, 4),
        (0, 1, 0, 0),
    ],
)
def test_workers_are_as_many_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    free: int | None,
    batch_bytes: int,
    workers: int,
    usable: int,
) -> None:
    loading._say_once.cache_clear()
    monkeypatch.setattr(loading, "free_shared_memory", lambda: free)
    assert [usable_workers(workers, batch_bytes) for _ in range(2)] == [usable, usable]
    err = capsys.readouterr().err
    assert err.count(f"{usable} of {workers} loader processes are used") == (1 if usable < workers else 0)


def test_processes_of_one_machine_share_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "free_shared_memory", lambda: 10 * MEGABYTE)
    assert usable_workers(4, MEGABYTE) == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert usable_workers(4, MEGABYTE) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_all_batches_come_in_order(workers: int) -> None:
    assert [clips.frames.shape[0] for clips in load_batches(Clips(), workers, 1)] == [2] * 6


def test_a_process_that_dies_is_a_sentence() -> None:
    with pytest.raises(ChildProcessError, match="Expected loader processes to live; one died"), watch_loaders():
        list(load_batches(Dying(), 1, 1))


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="something else"), watch_loaders():
        raise RuntimeError("something else")


SCRIPT = """
import sys
import torch
from test_loading import Clips, batch
from integralaction.data import loading

class Large(Clips):
    def __getitem__(self, index):
        return batch(2)

loading.free_shared_memory = lambda: None  # as if what is free had been taken meanwhile
try:
    with loading.watch_loaders():
        print(len(list(loading.load_batches(Large(), 1, 1))))
except ChildProcessError as error:
    print(error)
"""


def test_a_full_shared_memory_is_a_sentence_and_no_wait(tmp_path: Path) -> None:
    """In a mount namespace of its own, whose /dev/shm holds 64 kB."""
    unshare = shutil.which("unshare")
    small = "mount -t tmpfs -o size=64k tmpfs /dev/shm"
    if (
        unshare is None
        or subprocess.run([unshare, "-m", "sh", "-c", small], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs to mount a file system of its own")
    (tmp_path / "work.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [unshare, "-m", "sh", "-c", f"{small} && exec {sys.executable} {tmp_path / 'work.py'}"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert "Expected" in process.stdout and "/dev/shm is full" in process.stdout, process.stderr
