"""Videos whose frames carry their own numbers, as blocks of black and white; written with the times one likes."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

HEIGHT, WIDTH, BLOCK = 48, 64, 16  # 12 blocks: 12 bits


def numbered(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture of a number: bit i is block i, in rows from the top left; what is beside the blocks is grey."""
    bits = np.array([number >> i & 1 for i in range(12)], np.uint8).reshape(3, 4) * 205 + 25
    picture = np.full((height, width, 3), 90, np.uint8)
    picture[:HEIGHT, :WIDTH] = bits.repeat(BLOCK, 0).repeat(BLOCK, 1)[..., None]
    return picture


def number(picture: np.ndarray) -> int:
    """The number in a picture; fails where a block is neither black nor white."""
    pixels = picture[:HEIGHT, :WIDTH].astype(float).mean(2).reshape(3, BLOCK, 4, BLOCK)
    blocks = pixels[:, 4:12, :, 4:12].mean((1, 3)).ravel()
    assert ((blocks < 70) | (blocks > 185)).all(), "a block is neither black nor white"
    return int(sum(1 << i for i, block in enumerate(blocks) if block > 128))


def numbers(pictures) -> list[int]:
    return [number(picture) for picture in pictures]


def encode(
    path: Path,
    count: int,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (HEIGHT, WIDTH),
    times: list[int] | None = None,
    turn: tuple[int, bool] | None = None,
    container: dict[str, str] | None = None,
    grain: int = 0,
    format: str | None = None,
    **options: str,
) -> Path:
    """Frames 0, 1, 2, ... at these times (in 1/100 s; None: 25 frames a second), with so much noise over them."""
    chance = np.random.default_rng(0)
    with av.open(str(path), "w", format=format, options=container or {}) as file:
        if codec == "libx265":
            options["x265-params"] += ":log-level=none:pools=none:frame-threads=1"
        stream = file.add_stream(codec, rate=25, options={"threads": "1", **options})
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        for i in range(count):
            noise = chance.integers(0, grain + 1, (*size, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(numbered(i, *size) + noise, format="rgb24")
            frame.pts = i if times is None else int(times[i])
            frame.time_base = Fraction(1, 25 if times is None else 100)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def decode_all(path: Path) -> list[np.ndarray]:
    """The slow way: everything from the start, in the order the decoder gives it."""
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def encode_packets(count: int, codec: str = "libx264", first: int = 0, without_b: int = 0, **options: str):
    """The packets of frames first, first + 1, ... at 25 a second, and the encoder that made them.

    The first frames, `without_b` of them, are no B-frames.
    """
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width, encoder.pix_fmt = HEIGHT, WIDTH, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"threads": "1", **options}
    packets = []
    for i in range(count):
        frame = av.VideoFrame.from_ndarray(numbered(first + i), format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, 25)
        if i < without_b:
            frame.pict_type = PictureType.P
        packets += encoder.encode(frame)
    return packets + encoder.encode(None), encoder


def mux(path: Path, packets, encoder, stamps: Callable | None = None, base: int = 25) -> Path:
    """A file of these packets; `stamps` gives presentation and decoding time of packet n, in units of 1 / base."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(encoder.codec.name, rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, encoder.pix_fmt
        if encoder.extradata:
            stream.codec_context.extradata = encoder.extradata
        for n, old in enumerate(packets):
            new = av.Packet(bytes(old))
            new.pts, new.dts = (old.pts, old.dts) if stamps is None else stamps(n, old)
            new.time_base, new.stream, new.is_keyframe = Fraction(1, base), stream, old.is_keyframe
            file.mux(new)
    return path
