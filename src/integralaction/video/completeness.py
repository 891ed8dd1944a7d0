"""Whether a video file holds all that its own headers promise, container by container.

Each function takes an open file, its size in bytes and whether fewer frames were read than the header promises. It
returns True where the file ends too early, None where it ends like that of a recorder that was stopped, False where
nothing speaks against it. Data that make no sense are no sign of a lost end.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from integralaction.video.info import VideoError

# At most so many bytes before the end of a file lies the start of a pack or page.
TAIL = 2**20


def check_whole(path: str, size: int, format_name: str, has_fewer: bool) -> bool:
    """Whether nothing speaks against the file being whole; see `VideoInfo.is_whole`.

    Args:
        format_name: FFmpeg's name of the container.
        has_fewer: fewer frames were read than the header promises.

    Raises:
        VideoError: it promises more than it holds.
    """
    check = _CHECKS.get(format_name)
    if check is None:
        return True
    with Path(path).open("rb") as file:
        is_cut_short = check(file, size, has_fewer)
    if is_cut_short:
        raise VideoError(
            f"Expected a whole video, found one cut short at {path}: it promises more than its {size} bytes; "
            "fetch it again or leave it out."
        )
    return is_cut_short is not None


def _big_endian(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little_endian(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _read_at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _mov(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """The boxes of a file in parts; of any other the index tells."""
    place, in_parts = 0, False
    while place + 8 <= size:
        header = _read_at(file, place, 16)
        length = _big_endian(header[:4])
        if length == 1:
            length = _big_endian(header[8:])
        in_parts |= header[4:8] == b"moof"
        if length < 8:
            return False
        place += length
        if place > size:
            return in_parts and header[4:8] in (b"moof", b"mdat")
    return in_parts and 0 < size - place < 8


def _matroska(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """The segment's size; a recorder leaves it open, then each element's."""
    place = 0
    while place < size:
        header = _read_at(file, place, 12)
        name = 9 - header[0].bit_length()  # bytes of the element's name, then of its size
        length = 9 - header[name].bit_length() if name < len(header) and header[name] else 0
        if name > 4 or not length or name + length > len(header):
            return None
        value = _big_endian(header[name : name + length]) & (1 << 7 * length) - 1
        place += name + length
        if value == (1 << 7 * length) - 1:  # open: go on with what is in it
            continue
        place += value
        if header[:4] == b"\x18\x53\x80\x67":
            return place > size
    return None if place > size else False


def _avi(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """The list of frames; without its index a file is whole enough."""
    place = 12
    while has_fewer and place + 12 <= size:
        header = _read_at(file, place, 12)
        place += 8 + _little_endian(header[4:8])
        if header[:4] == b"LIST" and header[8:] == b"movi":
            return place > size
        place += place % 2
    return False


def _flv(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """The size that the metadata tell; else the last tag, whose length stands behind it too."""
    start = _read_at(file, 0, 4096)
    place = start.find(b"\0\x08filesize\0")
    if place >= 0 and len(start) >= place + 19:
        (promised,) = struct.unpack(">d", start[place + 11 : place + 19])
        if promised > size:
            return True
    length = _big_endian(_read_at(file, size - 4, 4))
    tag = _read_at(file, size - 4 - length, 4) if 11 <= length <= size - 17 else b""
    return False if len(tag) == 4 and _big_endian(tag[1:]) + 11 == length else None


def _mpegts(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """A part of a packet at the end."""
    start = _read_at(file, 0, 4096)
    for packet in (188, 192, 204):
        for first in range(packet):
            marks = start[first::packet]
            if len(marks) > 2 and marks.count(0x47) == len(marks):
                before = 4 if packet == 192 else 0  # a time that stands before the mark
                behind = (size - first + before) % packet
                return 0 < behind <= before or (behind > 0 and _read_at(file, size - behind + before, 1) == b"\x47")
    return False


def _mpeg(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """A part of a packet at the end, from the last pack on."""
    start = max(0, size - TAIL)
    data = _read_at(file, start, TAIL)
    place = data.rfind(b"\0\0\1\xba")
    while 0 <= place < len(data):
        header = data[place : place + 14]
        if not header.startswith(b"\0\0\1"):
            return len(header) < 4 and b"\0\0\1".startswith(header)
        if len(header) < 6:
            return header != b"\0\0\1\xb9"
        if header[3] == 0xB9:
            place += 4
        elif header[3] == 0xBA:
            place += 14 + (header[13] & 7) if header[4] >> 6 == 1 and len(header) == 14 else 12
        else:
            place += 6 + _big_endian(header[4:6])
    return place > len(data)


def _ogg(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """A part of a page at the end; a last page that is not marked as the last."""
    data = _read_at(file, max(0, size - TAIL), TAIL)
    place = data.find(b"OggS")
    last = 0
    while 0 <= place < len(data):
        header = data[place : place + 27]
        lengths = data[place + 27 : place + 27 + header[26]] if len(header) == 27 else b""
        if len(header) < 27 or len(lengths) < header[26]:
            return True
        if not header.startswith(b"OggS"):
            return False
        last = header[5]
        place += 27 + len(lengths) + sum(lengths)
    return True if place > len(data) else (False if last & 4 else None)


def _asf(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """The size that the file's properties tell, if it is not a broadcast."""
    start = _read_at(file, 0, 65536)
    place = start.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    if place < 0 or len(start) < place + 92 or start[place + 88] & 1:
        return False
    return _little_endian(start[place + 40 : place + 48]) > size


def _gif(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """Its blocks, up to the one that ends it."""

    def skip_colours(flags: int) -> None:
        file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, os.SEEK_CUR)

    skip_colours(_read_at(file, 0, 13)[10])
    while kind := file.read(1):
        if kind not in (b",", b"!"):
            return False if kind == b";" else None
        head = file.read(9 if kind == b"," else 1)
        if kind == b"," and len(head) == 9:
            skip_colours(head[8])
            file.seek(1, os.SEEK_CUR)
        while (length := file.read(1)) not in (b"", b"\0"):
            file.seek(length[0], os.SEEK_CUR)
        if not length:
            return True
    return None


def _apng(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """Its chunks, up to the one that ends it."""
    place = 8
    while place + 12 <= size:
        header = _read_at(file, place, 8)
        if header[4:] == b"IEND":
            return False
        place += 12 + _big_endian(header[:4])
    return True


def _ivf(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """Its frames."""
    place = _little_endian(_read_at(file, 6, 2))
    while place + 12 <= size:
        place += 12 + _little_endian(_read_at(file, place, 4))
    return place != size


def _mxf(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    """Where the first partition says that the footer lies."""
    start = _read_at(file, 0, 65536)
    place = start.find(bytes.fromhex("060e2b34020501010d01020101"))
    if place < 0 or len(start) < place + 64:
        return False
    value = place + 17 + (start[place + 16] & 0x7F if start[place + 16] & 0x80 else 0)
    return _big_endian(start[value + 24 : value + 32]) >= size


def _mjpeg(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    return None if not _read_at(file, max(0, size - 4096), 4096).rstrip(b"\0\r\n").endswith(b"\xff\xd9") else False


def _dv(file: BinaryIO, size: int, has_fewer: bool) -> bool | None:
    return size % 12000 != 0  # bytes of a sequence


_CHECKS: dict[str, Callable[[BinaryIO, int, bool], bool | None]] = {
    "mov,mp4,m4a,3gp,3g2,mj2": _mov,
    "matroska,webm": _matroska,
    "avi": _avi,
    "flv": _flv,
    "live_flv": _flv,
    "mpegts": _mpegts,
    "mpeg": _mpeg,
    "ogg": _ogg,
    "asf": _asf,
    "gif": _gif,
    "apng": _apng,
    "ivf": _ivf,
    "mxf": _mxf,
    "mjpeg": _mjpeg,
    "dv": _dv,
}
