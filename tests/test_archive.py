"""PyTorch's own files: the same tensors as PyTorch reads, and nothing that lies beyond them."""

import collections
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from integralaction.archive import read_archive


def content() -> dict:
    """A training checkpoint with views, all dtypes and an optimizer."""
    x = torch.arange(12.0).reshape(3, 4)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(5, 3)).sum().backward()
    optimizer.step()
    kinds = (torch.half, torch.bfloat16, torch.double, torch.int64, torch.uint16, torch.bool, torch.complex64)
    return {
        "state_dict": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": [x, x.t(), x[1:, 2:], torch.ones(1).expand(4), torch.empty(0), torch.tensor(3.0)],
        "kinds": [x.to(kind) for kind in kinds],
        "parameter": torch.nn.Parameter(x),
        "numbers": [np.float64(2), np.arange(3), x.shape, torch.float16, {1, 2}, torch.get_rng_state()],
        "empty": collections.defaultdict(list),
    }


def same(one: object, other: object) -> bool:
    if isinstance(one, Tensor):
        alike = isinstance(other, Tensor) and one.dtype == other.dtype and one.stride() == other.stride()
        return alike and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_forms_give_what_was_saved(tmp_path: Path, zipped: bool) -> None:
    saved = content()
    torch.save(saved, tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    assert same(saved, read_archive(tmp_path / "c.pth"))


def packed(path: Path, pickled: bytes, storage: bytes = bytes(16), compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive of one storage, by hand."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in (("data.pkl", pickled), ("byteorder", b"little"), ("data/0", storage), ("version", b"3\n")):
            archive.writestr(f"a/{name}", data)
    return path


def tensor(
    count: int = 4, first: int = 0, size: tuple = (4,), stride: tuple = (1,), kind: str = "FloatStorage"
) -> bytes:
    """The pickle of {"w": a tensor}, as PyTorch writes it, with these numbers."""

    class Storage:
        pass

    class Tensors:
        def __reduce__(self) -> tuple:
            return torch._utils._rebuild_tensor_v2, (Storage(), first, size, stride, False, collections.OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> tuple | None:
            return ("storage", getattr(torch, kind), "0", "cpu", count) if isinstance(obj, Storage) else None

    written = io.BytesIO()
    Pickler(written, 2).dump({"w": Tensors()})
    return written.getvalue()


def test_a_tensor_by_hand_is_read(tmp_path: Path) -> None:
    made = packed(tmp_path / "a.pth", tensor(), struct.pack("<4f", 1, 2, 3, 4))
    assert read_archive(made)["w"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "lie",
    [
        {"count": 2**40},
        {"count": -1},
        {"count": 5},
        {"size": (2**40,)},
        {"size": (2**33, 2**33), "stride": (0, 0)},
        {"size": (10**6, 10**4), "stride": (0, 0)},
        {"size": (5,)},
        {"size": (4,), "stride": (-1,)},
        {"size": (-4,)},
        {"size": (4, 4)},
        {"size": ("4",)},
        {"first": 2},
        {"first": -2},
        {"kind": "LongStorage"},
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path: Path, lie: dict) -> None:
    with pytest.raises(ValueError, match="it is another file, or damaged"):
        read_archive(packed(tmp_path / "a.pth", tensor(**lie)))


def test_archives_that_grow_are_refused(tmp_path: Path) -> None:
    bomb = packed(tmp_path / "bomb.pth", tensor(2**24), bytes(2**26), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2**17
    with pytest.raises(ValueError, match="found compressed parts"):
        read_archive(bomb)


def test_many_tensors_of_one_storage_are_refused(tmp_path: Path) -> None:
    """A hundred thousand of a storage of a megabyte would be a hundred gigabytes as float32."""
    storage = torch.zeros(2**19, dtype=torch.half)
    torch.save({str(i): storage.view(2**19) for i in range(3000)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="it is another file, or damaged"):
        read_archive(tmp_path / "a.pth")


def test_numpy_dtypes_of_a_checkpoint_are_plain_too(tmp_path: Path) -> None:
    """A false dtype beside the weights: an address of the file's choice would be read."""
    false = (
        b"\x80\x02cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbc_codecs\nencode\n(X\x08\x00\x00\x00AAAAAAAAX\x06\x00\x00\x00latin1tRtR."
    )
    with pytest.raises(ValueError, match="it is another file, or damaged"):
        read_archive(packed(tmp_path / "a.pth", false))


@pytest.mark.parametrize("zipped", [True, False])
def test_damage_is_a_sentence(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "c.pth"
    torch.save(content(), path, _use_new_zipfile_serialization=zipped)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for place in random.integers(len(whole), size=4):
            damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged if random.random() < 0.8 else damaged[: int(random.integers(len(whole)))])
        try:
            read_archive(path)
        except ValueError as error:
            assert str(error).startswith("Expected "), error


def test_a_part_that_begins_before_the_file_is_a_sentence(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.pth", tensor())
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\5\6")
    start = struct.unpack_from("<I", content, directory + 16)[0]
    struct.pack_into("<I", content, directory + 16, start + 1_000)  # from which all places are counted
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it is another file, or damaged"):
        read_archive(path)
