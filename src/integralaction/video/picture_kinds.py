"""Which packets hold pictures that are shown out of the order of decoding, read from their first bytes.

A presentation time that contradicts them is wrong. So a file whose presentation times are really those of decoding is
noticed without decoding it.
"""

from collections.abc import Callable, Iterator

IsEarlier = Callable[[bytes], bool | None]


def earlier_pictures(codec: str, extradata: bytes | None) -> IsEarlier | None:
    """A function that says of a packet whether its picture is shown before one decoded earlier.

    It returns None of a packet that is no single whole picture: nothing is certain of such a stream.

    Args:
        codec: FFmpeg's name.
        extradata: the decoder's setup that the container holds.

    Returns:
        None where this is not known of the codec.
    """
    extradata = extradata or b""
    if codec == "h264":
        length = (extradata[4] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > 4 else 0
        return lambda data: _h264(data, length)
    if codec == "hevc":
        length = (extradata[21] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > 21 else 0
        return lambda data: _hevc(data, length)
    if codec in ("mpeg1video", "mpeg2video"):
        return _mpeg2
    if codec == "mpeg4":
        return _mpeg4
    return None


def _units(data: bytes, length: int) -> Iterator[int]:
    """Where the units of a packet begin: behind their lengths of so many bytes, or (0) behind start codes."""
    place = 0
    if length:
        while place + length < len(data):
            yield place + length
            place += length + int.from_bytes(data[place : place + length], "big")
        return
    while (place := data.find(b"\0\0\1", place)) >= 0:
        place += 3
        if place < len(data):
            yield place


def _h264(data: bytes, length: int) -> bool | None:
    for place in _units(data, length):
        if data[place] & 31 in (1, 2, 5):
            if place + 1 >= len(data) or not data[place + 1] & 0x80:  # not the picture's first slice
                return None
            return _unsigned(data[place + 1] << 1 & 0xFF) in (1, 6)  # a B slice
    return None


def _unsigned(byte: int) -> int:
    """The Exp-Golomb number at the start of a byte; 99 where it is longer."""
    bits = f"{byte:08b}"
    zeros = bits.find("1")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1 if 0 <= zeros < 4 else 99


def _hevc(data: bytes, length: int) -> bool | None:
    for place in _units(data, length):
        kind = data[place] >> 1 & 63
        if kind < 32:  # leading pictures of a key frame, and those that no other of their layer refers to
            return kind in (6, 7, 8, 9) or (kind < 16 and kind % 2 == 0)
    return None


def _mpeg2(data: bytes) -> bool | None:
    place = data.find(b"\0\0\1\0")
    if place < 0 or place + 5 >= len(data):
        return None
    return data[place + 5] >> 3 & 7 == 3


def _mpeg4(data: bytes) -> bool | None:
    place = data.find(b"\0\0\1\xb6")
    # Two pictures in one packet, or a packet that only holds the place of one: the packed streams of old avi files.
    if place < 0 or place + 4 >= len(data) or len(data) < 16 or data.find(b"\0\0\1\xb6", place + 4) >= 0:
        return None
    return data[place + 4] >> 6 == 2
