"""Numbers and words in Matlab's files of version 5. Cells, structures and objects, of which hostile ones have no end,
are not read."""

import math
import struct
import zlib
from collections.abc import Collection, Iterator

import numpy as np

from integralaction.errors import Refused

LARGEST = 2**24  # bytes of a file, compressed and not: Penn Action's largest has a tenth of a megabyte
_HEAD = 128  # bytes before the first variable
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_WORDS = {1: "latin1", 2: "latin1", 16: "utf-8", 4: "utf-16", 17: "utf-16"}  # the codes of the text's numbers
_TEXT, _NUMERIC = 4, range(6, 16)  # classes of variables


def read_mat(content: bytes, names: Collection[str]) -> dict[str, np.ndarray]:
    """The variables of these names: numbers in the shape that they have there, a text as an array of one string.

    Raises:
        ValueError: it is another file, or damaged, or too large, or one of them is neither numbers nor text.
    """
    if len(content) > LARGEST:
        raise Refused(f"Expected at most {LARGEST} bytes; found {len(content)}.")
    order = {b"IM": "<", b"MI": ">"}.get(content[_HEAD - 2 : _HEAD], "")
    if not order:
        raise Refused("Expected a Matlab file of version 5; found another one.")
    variables, room = {}, LARGEST
    try:
        for kind, data in _elements(content[_HEAD:], order):
            if kind == _COMPRESSED:
                stream = zlib.decompressobj()
                whole = stream.decompress(data, room)
                room -= len(whole)
                if stream.unconsumed_tail or room <= 0:
                    raise Refused(f"Expected at most {LARGEST} bytes in all; found more.")
                kind, data = next(_elements(whole, order), (0, b""))
            if kind == _MATRIX:
                variables |= _variable(data, order, names)
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise Refused(f"Expected a Matlab file; it is damaged ({error}).") from error
    return variables


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each of a row of elements."""
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, place)
        if kind >> 16:  # four bytes at most, in the place of their own size
            kind, size = kind & 0xFFFF, kind >> 16
            first, after = place + 4, place + 8
        else:
            first = place + 8
            after = first + size + (0 if kind == _COMPRESSED else -size % 8)
        if first + size > len(content):
            raise Refused("Expected whole elements; found one that is cut short.")
        yield kind, content[first : first + size]
        place = after


def _variable(content: bytes, order: str, names: Collection[str]) -> dict[str, np.ndarray]:
    """One variable by its name; nothing where the name is not among `names`."""
    parts = _elements(content, order)
    head = [data for _, data in (next(parts, (0, b"")) for _ in range(3))]
    name = head[2].decode("latin1")
    if name not in names:
        return {}
    kind = head[0][0 if order == "<" else 3]
    sides = np.frombuffer(head[1], f"{order}i4").tolist()
    code, data = next(parts, (0, b""))
    if kind == _TEXT and code in _WORDS:
        ends = {"<": "-le", ">": "-be"}[order] if _WORDS[code] == "utf-16" else ""
        return {name: np.array([data.decode(_WORDS[code] + ends)])}
    if kind not in _NUMERIC or code not in _NUMBERS:
        raise Refused(f"Expected numbers or text as {name}; found something else.")
    values = np.frombuffer(data, f"{order}{_NUMBERS[code]}")
    if min(sides, default=0) < 0 or math.prod(sides) != len(values):
        raise Refused(f"Expected {sides} numbers as {name}; found {len(values)}.")
    return {name: values.reshape(sides, order="F")}
