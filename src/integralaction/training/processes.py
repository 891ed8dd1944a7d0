"""The processes of one training: those that torchrun started, each with a device of its own, or this one alone."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor


def rank_and_count() -> tuple[int, int]:
    """Which process of how many this is, as torchrun tells."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank_and_count()[0] == 0


@contextmanager
def process_group(device: torch.device) -> Generator[torch.device]:
    """Make the processes that torchrun started one group; give each its own device. Alone: nothing but determinism."""
    _, processes = rank_and_count()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what a deterministic matrix product asks for
    deterministic = torch.are_deterministic_algorithms_enabled()
    fills_memory = torch.utils.deterministic.fill_uninitialized_memory  # ty: ignore[missing-attribute]
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
        torch.utils.deterministic.fill_uninitialized_memory = fills_memory  # ty: ignore[missing-attribute]
        if processes > 1:
            torch.distributed.destroy_process_group()


def wait_for_all() -> None:
    """Until every process has come here."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def mean_over_processes(value: Tensor) -> float:
    """The mean of a number that each process has."""
    if torch.distributed.is_initialized():
        value = value.clone()
        torch.distributed.all_reduce(value)
        value = value / rank_and_count()[1]
    return float(value)


def merge_over_processes(part: dict[str, str]) -> dict[str, str]:
    """What all processes together have."""
    if not torch.distributed.is_initialized():
        return part
    parts: list[dict[str, str]] = [{} for _ in range(rank_and_count()[1])]
    torch.distributed.all_gather_object(parts, part)
    return {name: value for one in parts for name, value in one.items()}
