"""Tensors in PyTorch's own files, read without running anything: a pickle of plain data, and the numbers beside it.

Both forms are read: the zip archive of today, and that of before PyTorch 1.6, a row of pickles and then the numbers.
Each storage is as long as its numbers in the file, each tensor lies within its storage.
"""

import errno
import io
import math
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from integralaction.errors import Refused
from integralaction.pickles import Call, ForbiddenName, Ignored, PlainUnpickler

_MAGIC = 0x1950A86A20F9469CFC6C  # of the older form
_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_DTYPES = {
    **{str(dtype): dtype for dtype in _STORAGES.values()},
    **{f"torch.{name}": getattr(torch, name) for name in ("uint16", "uint32", "uint64")},
}
# training checkpoints of MMEngine keep their log beside the weights
_IGNORED = ("mmengine.logging.history_buffer.HistoryBuffer",)


@dataclass(frozen=True)
class _Storage:
    """Numbers of one dtype, in memory."""

    numbers: Tensor


_Read = Callable[[str, torch.dtype, int], Tensor]  # a storage by its key, dtype and count of numbers


def read_archive(path: Path) -> Any:
    """What `torch.save` wrote: tensors, plain values and NumPy arrays in plain containers.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no such file, is damaged, or holds something that is not plain data and could run code.
    """
    try:
        with path.open("rb") as file:
            return _read_zip(file, path) if zipfile.is_zipfile(path) else _read_row(file, path.stat().st_size)
    except ForbiddenName as error:
        raise Refused(
            f"Expected a checkpoint of tensors and plain containers in {path}; found {error} in it, which could run "
            "code. Nothing was loaded. Save its state dict alone where it was made, and give that."
        ) from error
    except _OtherForm as error:
        raise Refused(str(error)) from error
    except Exception as error:  # on a file of another kind reading fails in whatever way it comes to
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that one: the file names a place before itself
            raise
        raise Refused(f"Expected a checkpoint in {path}; it is another file, or damaged.") from error


class _OtherForm(Exception):
    """The sentence for an archive of a form that is not read."""


def _read_zip(file: io.BufferedIOBase, path: Path) -> Any:
    with zipfile.ZipFile(file) as archive:
        records = {info.filename: info for info in archive.infolist()}
        if any(name.endswith("/constants.pkl") for name in records):
            raise _OtherForm(
                f"Expected a checkpoint of tensors in {path}; found a TorchScript archive, which holds code. Save its "
                "state dict alone where it was made, and give that."
            )
        (pickled,) = (name for name in records if name.endswith("/data.pkl"))
        if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
            raise _OtherForm(
                f"Expected a checkpoint as PyTorch writes it, not compressed, in {path}; found compressed parts. Save "
                "it again where it was made."
            )
        if sum(info.file_size for info in records.values()) > path.stat().st_size:
            raise pickle.UnpicklingError("more data than the file can hold")
        folder = pickled.removesuffix("data.pkl")
        order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in records else b"little"
        if order != sys.byteorder.encode():
            raise _OtherForm(f"Expected numbers in {sys.byteorder}-endian order in {path}; found {order[:10]!r}.")

        def read(key: str, dtype: torch.dtype, count: int) -> Tensor:
            content = bytearray(archive.read(f"{folder}data/{key}"))
            if len(content) != count * dtype.itemsize:
                raise pickle.UnpicklingError("a storage of another length than its numbers")
            return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)

        content = archive.read(pickled)
        return _TensorUnpickler(io.BytesIO(content), len(content), path.stat().st_size, read).load()


def _read_row(file: io.BufferedIOBase, size: int) -> Any:
    """The older form: pickles of a number, a version, the system, the content and the storages' keys; the numbers."""
    storages: dict[str, Tensor] = {}
    promised = 0

    def promise(key: str, dtype: torch.dtype, count: int) -> Tensor:
        """A storage whose numbers come behind the pickles."""
        nonlocal promised
        promised += count * dtype.itemsize
        if promised > size:
            raise pickle.UnpicklingError("more data than the file can hold")
        storages[key] = torch.zeros(count, dtype=dtype)
        return storages[key]

    def load(read: _Read = promise) -> Any:
        return _TensorUnpickler(file, size - file.tell(), size, read).load()

    if load() != _MAGIC:
        raise pickle.UnpicklingError("another file")
    load()
    if load().get("little_endian", True) != (sys.byteorder == "little"):
        raise pickle.UnpicklingError("numbers of another system")
    content, keys = load(), load()
    for key in keys:
        numbers = storages.pop(str(key))
        count = int.from_bytes(file.read(8), "little", signed=True)
        data = file.read(numbers.numel() * numbers.itemsize)
        if count != numbers.numel() or len(data) != numbers.numel() * numbers.itemsize:
            raise pickle.UnpicklingError("a storage of another length than its numbers")
        if data:
            numbers.copy_(torch.frombuffer(bytearray(data), dtype=numbers.dtype))
    if storages:
        raise pickle.UnpicklingError("a storage without its numbers")
    return content


class _TensorUnpickler(PlainUnpickler):
    """Reads a pickle of plain data and of tensors, whose numbers `read` gives.

    Args:
        size: of the pickle; whole: of the file. Bytes.
    """

    def __init__(self, file: io.BufferedIOBase, size: int, whole: int, read: _Read) -> None:
        super().__init__(file, size, encoding="utf-8")
        self._read, self._room = read, 4 * whole + 2**20
        self._storages: dict[str, _Storage] = {}

    def allowed_names(self) -> Mapping[str, object]:
        return {
            **super().allowed_names(),
            **{f"torch.{name}": dtype for name, dtype in _STORAGES.items()},
            **{f"torch.cuda.{name}": dtype for name, dtype in _STORAGES.items()},
            **_DTYPES,
            "torch.storage.UntypedStorage": torch.uint8,
            "torch.Size": Call(_same),
            "torch.device": Call(_same),
            "torch.Tensor": Tensor,
            "torch.nn.parameter.Parameter": Tensor,
            "torch._utils._rebuild_tensor": Call(self._tensor),
            "torch._utils._rebuild_tensor_v2": Call(self._tensor),
            "torch._utils._rebuild_tensor_v3": Call(self._tensor_of_kind),
            "torch._utils._rebuild_parameter": Call(_same),
            "torch._utils._rebuild_parameter_with_state": Call(_same),
            "torch._utils._rebuild_sparse_tensor": Call(_no_weight),
            "torch._utils._rebuild_qtensor": Call(_no_weight),
            "torch._utils._rebuild_meta_tensor_no_storage": Call(_no_weight),
            "torch.serialization._get_layout": Call(_same),
            **dict.fromkeys(("torch.per_tensor_affine", "torch.per_channel_affine")),
            **{f"torch.{name}": torch.int8 for name in ("QInt8Storage", "QInt32Storage", "QUInt8Storage")},
            "collections.Counter": Call(_nothing),
            **dict.fromkeys(_IGNORED, Ignored),
        }

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage: its dtype, key, place, count of numbers, and perhaps what part of it is meant."""
        word, dtype, key, _, count, *view = pid
        if word != "storage" or not isinstance(dtype, torch.dtype) or type(count) is not int or count < 0:
            raise pickle.UnpicklingError("an object that lies elsewhere")
        key = str(key)
        if key not in self._storages:
            self._storages[key] = _Storage(self._read(key, dtype, count))
        numbers = self._storages[key].numbers
        if view and view[0] is not None:
            _, first, length = view[0]
            numbers = _part(numbers, first, (length,), (1,))
        return _Storage(numbers)

    def _tensor(self, storage: object, first: object, size: object, stride: object, *_: object) -> Tensor:
        if type(storage) is not _Storage:
            raise pickle.UnpicklingError("a tensor without a storage")
        tensor = _part(storage.numbers, first, size, stride)
        self._room -= tensor.numel() * tensor.itemsize
        if self._room < 0:
            raise pickle.UnpicklingError("more data than the file can hold")
        return tensor

    def _tensor_of_kind(
        self, storage: object, first: object, size: object, stride: object, grad: object, hooks: object, dtype: Any
    ) -> Tensor:
        if type(storage) is not _Storage or dtype not in _DTYPES.values():
            raise pickle.UnpicklingError("a tensor without a storage")
        return self._tensor(_Storage(storage.numbers.view(dtype)), first, size, stride)


def _part(numbers: Tensor, first: Any, size: Any, stride: Any) -> Tensor:
    """A view of a storage, if it lies within."""
    counts = (first, *size, *stride)
    if len(size) != len(stride) or not all(type(number) is int and 0 <= number < 2**40 for number in counts):
        raise pickle.UnpicklingError("a tensor whose shape is none")
    last = first + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    count = math.prod(size)
    if first > numbers.numel() or (count and last >= numbers.numel()):
        raise pickle.UnpicklingError("a tensor beyond its storage")
    return numbers.as_strided(tuple(size), tuple(stride), first)


def _same(value: object = None, *_: object) -> object:
    return value


def _nothing(*_: object) -> dict:
    return {}


def _no_weight(*_: object) -> Tensor:
    """Stands for a tensor that is sparse, quantized or empty."""
    return torch.empty(0, device="meta")
