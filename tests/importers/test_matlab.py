"""Matlab's files: what SciPy reads of them, and nothing that has no end."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from integralaction.importers.matlab import LARGEST, read_mat
from integralaction.importers.penn_action import PennAction

io_of_scipy = pytest.importorskip("scipy.io")

LABELS = {
    "x": np.random.default_rng(0).uniform(1, 200, (7, 13)),
    "y": np.random.default_rng(1).integers(1, 200, (7, 13)).astype(float),
    "visibility": np.ones((7, 13), np.uint8),
    "dimensions": np.array([270, 480, 7]),
    "train": np.array([[-1]]),
    "action": "baseball_pitch",
    "pose": {"a": [1, 2]},
    "buffer": np.arange(157 * 13, dtype=float).reshape(157, 13),  # as many bytes as zlib gives at once, with its head
    "small": np.array([3], np.int16),
}


def mat_file(compressed: bool) -> bytes:
    file = io.BytesIO()
    io_of_scipy.savemat(file, LABELS, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_reads(compressed: bool) -> None:
    content = mat_file(compressed)
    theirs, ours = io_of_scipy.loadmat(io.BytesIO(content)), read_mat(content, set(LABELS) - {"pose"})
    assert ours.keys() == set(LABELS) - {"pose"}
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, name: bytes, sides: tuple[int, ...], rest: bytes) -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(sides)}i", *sides))
    return element(14, head + element(1, name) + rest)


HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
NUMBER = element(9, struct.pack("<d", 1))


def cells(depth: int) -> bytes:
    """A cell in a cell in a cell ..."""
    head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<2i", 1, 1))
    inner = matrix(6, b"", (1, 1), NUMBER)
    size, parts = len(inner), [inner]
    for level in range(depth):
        own = head + element(1, b"x" if level == depth - 1 else b"")
        parts.append(struct.pack("<II", 14, len(own) + size) + own)
        size += len(own) + 8
    return b"".join(reversed(parts))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        HEAD + cells(200_000),
        HEAD + element(15, zlib.compress(bytes(LARGEST + 1))),
        HEAD + element(15, zlib.compress(cells(100))[:-9]),
        HEAD + element(15, b"no stream"),
        HEAD + struct.pack("<II", 14, 2**32 - 1),
        HEAD + matrix(6, b"x", (2**31 - 1, 2**31 - 1), NUMBER),
        HEAD + matrix(6, b"x", (-1, -1), NUMBER),
        HEAD + matrix(17, b"x", (1, 1), NUMBER),
        HEAD + matrix(4, b"x", (1, 1), element(16, b"\xff")),
        HEAD + matrix(6, b"x", (1, 1), b""),
        HEAD + element(14, b""),
    ],
)
def test_what_has_no_end_or_makes_no_sense(tmp_path: Path, content: bytes) -> None:
    try:
        assert not read_mat(content, {"x"})
    except ValueError as error:
        assert str(error).startswith("Expected ")
    (tmp_path / "0001.mat").write_bytes(content)
    (tmp_path / "0002.mat").write_bytes(mat_file(True))
    plan = PennAction(tmp_path).find()
    assert [entry.video for entry in plan.entries] == ["0002"]
    assert [(issue.item, issue.reason) for issue in plan.issues] == [("0001.mat", "cannot be read as labels")]


def test_damage_is_a_sentence() -> None:
    random = np.random.default_rng(0)
    for compressed in (False, True):
        whole = mat_file(compressed)
        for _ in range(200):
            damaged = bytearray(whole)
            for place in random.integers(len(whole), size=3):
                damaged[place] ^= 1 << int(random.integers(8))
            try:
                read_mat(bytes(damaged), {"x", "y", "action"})
            except ValueError as error:
                assert str(error).startswith("Expected "), error
