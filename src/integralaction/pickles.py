"""Pickles from other projects, read as plain data: containers, numbers, text and NumPy arrays.

A pickle is a program that calls functions by name. Here it can call only functions of this module, which check their
arguments; instructions that could do more are refused, and the result takes no more memory than a file of that size
can hold.
"""

import io
import math
import pickle
import re
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.errors import MissingFile, Refused

# the dtypes of plain numbers and text, without their byte order; all others hold addresses, times or parts
_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
_TEXT = re.compile(r"[US][1-9][0-9]{0,4}")
_LARGEST = 256  # bits of a number: the state of a random generator has 128
_MARKS = 1_000  # containers that are open at once
_WIDEST = 2**20  # side of an array of nothing
_FEW = 10_000  # containers that a file of any size may have


_InPython: Any = vars(pickle)["_Unpickler"]  # the one in C makes a table as long as the largest number of its memo


class ForbiddenName(Exception):
    """A pickle names something that is not plain data; its message is the name."""


class Call:
    """A function that a pickle may call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


class _Dtype:
    """A NumPy dtype whose byte order is still to come in the pickle."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype


class Ignored:
    """Stands for an object whose content is not read."""


class _BoundedFile:
    """A file that refuses to be read beyond its end before memory is taken: lengths in a pickle may lie."""

    def __init__(self, file: io.BufferedIOBase, size: int) -> None:
        self._file, self.remaining = file, size

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self.remaining:
            raise EOFError
        self.remaining -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline()
        self.remaining -= len(line)
        return line


class PlainUnpickler(_InPython):
    """Reads one pickle.

    Args:
        file: at the pickle's beginning.
        size: bytes from there to the file's end.
        encoding: of the text that Python 2 wrote.

    Raises (by `load`):
        ForbiddenName: it names something that is not plain data.
        Exception: it is damaged, in whatever way that comes to.
    """

    def __init__(self, file: io.BufferedIOBase, size: int, encoding: str = "latin1") -> None:
        super().__init__(_BoundedFile(file, size), encoding=encoding)
        self._budget = 3 * size + 1024  # protocol 2 writes bytes as text, of which bytes and then arrays are made
        self._containers = size // 4 + _FEW
        self.names = self.allowed_names()

    def allowed_names(self) -> Mapping[str, object]:
        """What each name of a pickle stands for here."""
        return {
            **{f"numpy.{core}.multiarray._reconstruct": Call(_empty_array) for core in ("core", "_core")},
            **{f"numpy.{core}.multiarray.scalar": Call(self._scalar) for core in ("core", "_core")},
            **{f"numpy.{core}.numeric._frombuffer": Call(self._array) for core in ("core", "_core")},
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": Call(_make_dtype),
            "collections.OrderedDict": Call(self._ordered_dict),
            "collections.defaultdict": Call(_empty_dict),
            "_codecs.encode": Call(self._encode),  # how protocol 2 writes bytes
            "builtins.bytes": Call(_empty_bytes),
            "builtins.bytearray": Call(self._bytearray),
            "builtins.list": Call(self._list),
            "builtins.dict": Call(_empty_dict),
            "builtins.set": Call(self._set),
            "builtins.frozenset": Call(lambda items=(): frozenset(self._set(items))),
        }

    def find_class(self, module: str, name: str) -> object:
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full not in self.names:
            raise ForbiddenName(full[:100])
        return self.names[full]

    def spend(self, size: int) -> None:
        """Count bytes or items that are made from others: all of them together may be about as many as the file has."""
        self._budget -= size
        if self._budget < 0:
            raise pickle.UnpicklingError("more data than the file can hold")

    # ---- what a pickle may call

    def _array(self, content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
        if not isinstance(content, bytes | bytearray) or order not in ("C", "F"):
            raise pickle.UnpicklingError("an array of something else than bytes")
        dtype, sides = _check_array(content, kind, shape)
        self.spend(len(content))
        return np.frombuffer(content, dtype).reshape(sides, order=order)

    def _scalar(self, kind: Any, content: Any) -> np.generic:
        if isinstance(content, str):  # by Python 2
            content = content.encode("latin1")
        if not isinstance(content, bytes):
            raise pickle.UnpicklingError("a number of something else than bytes")
        dtype, _ = _check_array(content, kind, (1,))
        self.spend(len(content))
        return np.frombuffer(content, dtype)[0]

    def _encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError("bytes that are no text of bytes")
        self.spend(len(text))
        return text.encode("latin1")

    def _bytearray(self, content: Any = b"", encoding: Any = "latin1") -> bytearray:
        if not isinstance(content, bytes):
            content = self._encode(content, encoding)
        self.spend(len(content))
        return bytearray(content)

    def _list(self, items: Any = ()) -> list:
        return list(self._items(items))

    def _set(self, items: Any = ()) -> set:
        return {_check_key(item) for item in self._items(items)}

    def _ordered_dict(self, items: Any = ()) -> OrderedDict:
        return OrderedDict((_check_key(key), value) for key, value in map(_check_pair, self._items(items)))

    def _items(self, items: Any) -> list | tuple:
        if not isinstance(items, list | tuple):
            raise pickle.UnpicklingError("a container of something else than a list")
        self.spend(len(items))
        return items

    # ---- the instructions that are followed otherwise than Python does

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack[-1]
        if type(function) is not Call or type(arguments) is not tuple:
            raise pickle.UnpicklingError("a call of something that is no function")
        self._count()
        self.stack[-1] = function.function(*arguments)

    def load_newobj(self) -> None:
        _, kind = self.stack.pop(), self.stack[-1]
        if kind is not Ignored:
            raise pickle.UnpicklingError("an object of a class")
        self.stack[-1] = Ignored()

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is _Dtype:
            _set_order(target, state)
        elif type(target) is np.ndarray:
            self._set_array(target, state)
        elif not isinstance(target, OrderedDict | Ignored):  # whose attributes hold nothing of use
            raise pickle.UnpicklingError("attributes of something that has none")

    def _set_array(self, array: np.ndarray, state: Any) -> None:
        if array.base is not None or array.size or type(state) is not tuple or len(state) != 5:
            raise pickle.UnpicklingError("an array in another form")
        _, shape, kind, by_columns, content = state
        if isinstance(content, str):  # by Python 2
            content = content.encode("latin1")
        if not isinstance(content, bytes) or type(by_columns) not in (bool, int):
            raise pickle.UnpicklingError("an array of something else than bytes")
        dtype, sides = _check_array(content, kind, shape)
        self.spend(len(content))
        array.__setstate__((1, sides, dtype, bool(by_columns), content))  # ty: ignore[invalid-argument-type]

    def load_bytearray8(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _check_kind(dict, self.stack[-1])[_check_key(key)] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        target = _check_kind(dict, self.stack[-1])
        for i in range(0, len(items), 2):
            target[_check_key(items[i])] = items[i + 1]

    def load_dict(self) -> None:
        self._count()
        items = self.pop_mark()  # before `append`, which is then another list's
        self.append({_check_key(items[i]): items[i + 1] for i in range(0, len(items), 2)})

    def load_append(self) -> None:
        value = self.stack.pop()
        _check_kind(list, self.stack[-1]).append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()
        _check_kind(list, self.stack[-1]).extend(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        _check_kind(set, self.stack[-1]).update(map(_check_key, items))

    def load_frozenset(self) -> None:
        self._count()
        items = self.pop_mark()
        self.append(frozenset(map(_check_key, items)))

    def load_mark(self) -> None:
        if len(self.metastack) >= _MARKS:
            raise pickle.UnpicklingError("containers within containers without end")
        super().load_mark()

    def _count(self) -> None:
        self._containers -= 1
        if self._containers < 0:
            raise pickle.UnpicklingError("more containers than a file of that size has")


def _instructions() -> dict[int, Callable]:
    """Python's own instructions for plain values, and those above; calls by any other way are not among them."""
    base, plain_reader = _InPython, PlainUnpickler

    def count_container(instruction: Callable) -> Callable:
        def follow(self: PlainUnpickler) -> None:
            self._count()
            instruction(self)

        return follow

    def limit_number(instruction: Callable) -> Callable:
        def follow(self: PlainUnpickler) -> None:
            instruction(self)
            if int(self.stack[-1]).bit_length() > _LARGEST:
                raise pickle.UnpicklingError("a number of thousands of digits")

        return follow

    plain = (
        *("PROTO", "FRAME", "STOP", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "GLOBAL", "STACK_GLOBAL"),
        *("BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINPERSID", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    )
    containers = ("TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET")
    numbers = ("INT", "LONG", "LONG1", "LONG4")
    others = ("REDUCE", "NEWOBJ", "BUILD", "BYTEARRAY8", "SETITEM", "SETITEMS", "DICT", "APPEND", "APPENDS")
    others += ("ADDITEMS", "FROZENSET", "MARK")
    code = {name: getattr(pickle, name)[0] for name in (*plain, *containers, *numbers, *others)}
    return {
        **{code[name]: base.dispatch[code[name]] for name in plain},
        **{code[name]: count_container(base.dispatch[code[name]]) for name in containers},
        **{code[name]: limit_number(base.dispatch[code[name]]) for name in numbers},
        **{code[name]: getattr(plain_reader, f"load_{name.lower()}") for name in others},
    }


PlainUnpickler.dispatch = _instructions()


def _check_array(content: bytes | bytearray, kind: Any, shape: Any) -> tuple[np.dtype, tuple[int, ...]]:
    """The dtype and shape of an array whose bytes these are."""
    if type(kind) is not _Dtype or type(shape) is not tuple or len(shape) > 32:
        raise pickle.UnpicklingError("an array without a shape or dtype")
    sides = all(type(side) is int and 0 <= side <= max(len(content), _WIDEST) for side in shape)
    if not sides or math.prod(shape) * kind.dtype.itemsize != len(content):
        raise pickle.UnpicklingError("an array whose shape its bytes do not fill")
    if kind.dtype.kind == "U":
        characters = np.frombuffer(content, np.dtype("u4").newbyteorder(kind.dtype.byteorder))
        if characters.max(initial=0) > sys.maxunicode:
            raise pickle.UnpicklingError("a text of characters that are none")
    return kind.dtype, shape


def _make_dtype(name: Any, *_: object) -> _Dtype:
    """What NumPy's dtypes are pickled as: a name, then their byte order and flags."""
    if not isinstance(name, str) or not (name.lstrip("<>=|") in _NUMBERS or _TEXT.fullmatch(name)):
        raise pickle.UnpicklingError("an array of something else than numbers and text")
    return _Dtype(np.dtype(name))


def _set_order(kind: _Dtype, state: Any) -> None:
    if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "=", "|"):
        raise pickle.UnpicklingError("a dtype in another form")
    if any(part is not None for part in state[2:5]) or (len(state) > 8 and state[8]):
        raise pickle.UnpicklingError("a dtype of parts")
    if state[1] in "<>":
        kind.dtype = kind.dtype.newbyteorder(state[1])


def _empty_array(kind: Any, *_: object) -> np.ndarray:
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("an array of another class")
    return np.zeros(0, np.int8)


def _empty_dict(*_: object) -> dict:
    return {}


def _empty_bytes() -> bytes:
    return b""


def _check_pair(item: Any) -> tuple[Any, Any]:
    if not isinstance(item, list | tuple) or len(item) != 2:
        raise pickle.UnpicklingError("a dict of something else than keys and values")
    return item[0], item[1]


def _check_kind(kind: type, value: Any) -> Any:
    """The value, if it is a container of that kind."""
    if not isinstance(value, kind):
        raise pickle.UnpicklingError(f"something else than a {kind.__name__} that is filled as one")
    return value


_PLAIN_KEYS = (str, bytes, int, float, bool, type(None), np.number, np.bool_)


def _check_key(key: Any) -> Any:
    """The key, if it is plain: hashing tuples within tuples without end would end the process."""
    parts = key if type(key) is tuple else (key,)
    for part in parts:
        if not isinstance(part, _PLAIN_KEYS) or (isinstance(part, int) and part.bit_length() > 64):
            raise pickle.UnpicklingError("a key that is no text and no number")
    return key


def read_pickle(path: Path) -> Any:
    """What a pickle of plain data holds.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no pickle, or holds something that is not plain data and could run code.
    """
    if not path.is_file():
        raise MissingFile(f"Expected a pickle; {path} is not there.")
    with path.open("rb") as file:
        try:
            return PlainUnpickler(file, path.stat().st_size).load()
        except ForbiddenName as error:
            raise Refused(
                f"Expected plain data and NumPy arrays in {path}; found {error}, which could run code. Nothing "
                "was read."
            ) from error
        except pickle.UnpicklingError as error:
            raise Refused(f"Expected a pickle of plain data in {path}; it cannot be read ({error}).") from error
        except Exception as error:  # on a file of another kind the unpickler fails in whatever way it comes to
            raise Refused(f"Expected a pickle in {path}; it is another file, or damaged.") from error
