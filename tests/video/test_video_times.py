"""The order of frames where presentation times are broken, and their rate and seconds: known by painted numbers."""

import io
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numbered import decode_all, encode, encode_packets, mux, number, numbered, numbers
from PIL import Image

from integralaction.data.video import frame_times, probe, read_frames
from integralaction.video import decoding, layout
from integralaction.video.containers import identity
from integralaction.video.info import UNKNOWN_FPS

B = {"bf": "2", "g": "12", "x264-params": "b-adapt=0"}
HEVC = {"x265-params": "keyint=12:bframes=2:log-level=none:pools=none:frame-threads=1"}
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", B),
    "h264, pyramid": ("libx264", {"x264-params": "b-pyramid=normal:bframes=7:b-adapt=0:keyint=24"}),
    "hevc": ("libx265", HEVC),
    "mpeg4": ("mpeg4", {"bf": "2", "g": "12", "b": "2M"}),
    "mpeg2": ("mpeg2video", {"bf": "2", "g": "12", "b": "2M"}),
    "mpeg1": ("mpeg1video", {"bf": "2", "g": "12", "b": "2M"}),
}


def check_order(path: Path, count: int) -> None:
    """All frames in the decoder's order, together and alone; as many times as frames."""
    assert numbers(decode_all(path)) == list(range(count))
    assert probe(path).frames == count
    assert numbers(read_frames(path, range(count))) == list(range(count))
    for i in {0, 1, 2, 3, count // 2, count // 2 + 1, count - 2, count - 1}:
        assert numbers(read_frames(path, [i])) == [i]
    times = frame_times(path)
    assert times.shape == (count,)
    assert times[0] == 0
    assert all(time < later for time, later in pairwise(times))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv", "asf"])
def test_presentation_times_that_are_those_of_decoding(codec, suffix, tmp_path):
    name, options = CODECS[codec]
    if suffix == "flv" and name not in ("libx264", "libx265"):
        pytest.skip("flv holds no such video")
    if suffix == "asf" and name == "libx265":
        pytest.skip("asf holds no such video")
    packets, encoder = encode_packets(40, name, **options)
    path = mux(tmp_path / f"v.{suffix}", packets, encoder, lambda n, p: (n, n))
    check_order(path, 40)
    assert probe(path).fps == pytest.approx(25, rel=0.01)


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2"])
def test_the_same_packets_with_their_own_times_are_sought(codec, tmp_path):
    """What tells broken files must not slow the sound ones: nothing is counted."""
    name, options = CODECS[codec]
    packets, encoder = encode_packets(40, name, **options)
    for suffix in ("mp4", "mkv", "ts"):
        path = mux(tmp_path / f"v.{suffix}", packets, encoder)
        assert not layout.layout_of(*identity(path)).is_counted
        assert probe(path).has_times
        check_order(path, 40)


def test_b_frames_that_begin_late_are_noticed(tmp_path):
    packets, encoder = encode_packets(80, without_b=40, **B)
    order = [packet.pts for packet in packets]
    assert order[:30] == sorted(order[:30])
    assert order != sorted(order)
    path = mux(tmp_path / "v.mp4", packets, encoder, lambda n, p: (n, n))
    assert not probe(path).has_times
    check_order(path, 80)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
@pytest.mark.parametrize("step", [-20, 2000])
def test_a_clock_that_jumps_within_a_group_of_pictures(suffix, step, tmp_path):
    packets, encoder = encode_packets(60, **B)
    jump = [0 if n < 36 else step for n in range(60)]
    try:
        path = mux(tmp_path / f"v.{suffix}", packets, encoder, lambda n, p: (p.pts + jump[n] + 5, p.dts + jump[n] + 5))
    except av.FFmpegError:
        assert step < 0  # these containers cannot be written so
        return
    check_order(path, 60)
    if suffix == "ts" or step < 0:  # elsewhere a pause of a minute is a pause
        assert not probe(path).has_times
        assert probe(path).fps == pytest.approx(25, rel=0.1)


def test_a_live_stream_whose_clock_began_anew(tmp_path):
    parts = [encode_packets(40, first=first, **B) for first in (0, 40)]
    files = [
        mux(tmp_path / f"{i}.flv", packets, encoder, lambda n, p, late=late: (p.pts + late, p.dts + late))
        for i, ((packets, encoder), late) in enumerate(zip(parts, (500, 2), strict=True))
    ]
    path = tmp_path / "v.flv"
    path.write_bytes(files[0].read_bytes() + files[1].read_bytes()[13:])  # without the second header
    check_order(path, 80)
    info = probe(path)
    assert not info.has_times
    assert info.fps == pytest.approx(25, rel=0.05)


@pytest.mark.parametrize("codec", ["h264", "mpeg2"])
@pytest.mark.parametrize("counters", ["go on", "begin anew"])
def test_recordings_that_overlap(codec, counters, tmp_path):
    name, options = CODECS[codec]
    data, counts = b"", {}
    for first, late in ((0, 2000), (40, 2021)):
        packets, encoder = encode_packets(40, name, first, **options)
        part = bytearray(
            mux(
                tmp_path / "part.ts", packets, encoder, lambda n, p, late=late: (p.pts + late, p.dts + late)
            ).read_bytes()
        )
        for at in range(0, len(part) if counters == "go on" else 0, 188):
            pid = (part[at + 1] & 0x1F) << 8 | part[at + 2]
            payload = part[at + 3] >> 4 & 1
            counts[pid] = counts.get(pid, part[at + 3] % 16 - payload) + payload
            part[at + 3] = part[at + 3] & 0xF0 | counts[pid] % 16
        data += part
    path = tmp_path / "v.ts"
    path.write_bytes(data)
    check_order(path, 80)
    assert not probe(path).has_times


def test_times_too_coarse_for_the_rate(tmp_path):
    packets, encoder = encode_packets(60, bf="0", g="12")
    path = mux(tmp_path / "v.mkv", packets, encoder, lambda n, p: (n * 10 // 25, n * 10 // 25), base=1000)
    check_order(path, 60)
    fast = encode(tmp_path / "fast.mkv", 60, times=[i // 12 for i in range(60)], bf="0")
    assert probe(fast).fps == pytest.approx(1200, rel=0.25)  # by five ticks of the clock


def test_a_packed_stream_copied_from_avi(shared, tmp_path):
    source = shared / "data" / "videos" / "v_ApplyEyeMakeup_g01_c01.avi"
    expected = decode_all(source)
    for suffix in ("mp4", "mkv"):
        path = tmp_path / f"v.{suffix}"
        with av.open(str(source)) as old, av.open(str(path), "w") as new:
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(video=0):
                if packet.size:
                    packet.pts, packet.stream = packet.dts, stream
                    new.mux(packet)
        info = probe(path)
        assert (info.frames, info.has_times) == (len(expected), False)
        assert info.fps == pytest.approx(25, rel=0.01)
        places = [0, 1, 2, 3, 60, 100, len(expected) - 1]
        assert np.array_equal(read_frames(path, places), [expected[i] for i in places])
        assert np.array_equal(read_frames(path, [2])[0], expected[2])


def test_times_out_of_order_are_found_without_decoding(tmp_path, monkeypatch):
    packets, encoder = encode_packets(120, **B)
    path = mux(tmp_path / "v.mp4", packets, encoder, lambda n, p: (n, n))
    packets_decoded = []
    monkeypatch.setattr(layout, "decode_packet", lambda p: packets_decoded.append(p) or decoding.decode_packet(p))
    assert layout.layout_of(*identity(path)).is_counted
    assert len(packets_decoded) < 20


# --- rates and seconds


def _default_duration(path: Path, nanoseconds: int | None) -> Path:
    """Change what a Matroska file says of its frames' duration; None: take it out, as browsers leave it."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x23\xe3\x83")
    size = data[at + 3] & 0x7F
    if nanoseconds is None:
        data[at : at + 4 + size] = bytes([0xEC, 0x80 | 2 + size]) + bytes(2 + size)  # an element of nothing
    else:
        data[at + 4 : at + 4 + size] = nanoseconds.to_bytes(size, "big")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("claimed", [1000, 60_000, 90_000, 240, 1, None])
@pytest.mark.parametrize("broken", [False, True])
def test_a_header_that_lies_of_its_rate(claimed, broken, tmp_path):
    packets, encoder = encode_packets(60, **B)
    path = mux(tmp_path / "v.mkv", packets, encoder, (lambda n, p: (n, n)) if broken else None)
    _default_duration(path, None if claimed is None else 10**9 // claimed)
    info = probe(path)
    assert info.has_times is not broken
    assert info.fps == pytest.approx(25, rel=0.05 if broken else 0.01)


def test_seconds_are_those_of_the_frames(tmp_path):
    times = np.cumsum([1 + (i * i) % 7 for i in range(50)]) + 300
    for suffix in ("mkv", "mp4", "ts"):
        path = encode(tmp_path / f"v.{suffix}", 50, times=times.tolist(), **B)
        np.testing.assert_allclose(frame_times(path), (times - times[0]) / 100, atol=1e-3)
        assert probe(path).fps == pytest.approx(49 / ((times[-1] - times[0]) / 100), rel=1e-3)
        assert probe(path).has_times


def test_one_frame_and_a_clock_of_another_kind(tmp_path):
    one = encode(tmp_path / "one.mp4", 1)
    assert frame_times(one).tolist() == [0]
    assert probe(one).fps == pytest.approx(25)
    path = encode(tmp_path / "v.mp4", 20, **B)
    data = bytearray(path.read_bytes())
    at = data.index(b"mdhd") + 16  # ticks a second, 512 of them a frame
    data[at : at + 4] = (512 * 90_000).to_bytes(4, "big")
    path.write_bytes(data)
    assert (probe(path).fps, probe(path).has_times) == (UNKNOWN_FPS, False)
    np.testing.assert_allclose(frame_times(path), np.arange(20) / UNKNOWN_FPS)


def test_files_without_times(tmp_path):
    bare = encode(tmp_path / "v.h264", 20, **B)
    assert not probe(bare).has_times
    np.testing.assert_allclose(frame_times(bare), np.arange(20) / probe(bare).fps)
    avi = encode(tmp_path / "v.avi", 20, **B)  # frames at a steady rate by its definition
    assert probe(avi).has_times
    np.testing.assert_allclose(frame_times(avi), np.arange(20) / 25)
    Image.fromarray(numbered(0)).save(tmp_path / "0.png")
    Image.fromarray(numbered(1)).save(tmp_path / "1.png")
    assert not probe(tmp_path).has_times
    assert frame_times(tmp_path).tolist() == [0, 1 / UNKNOWN_FPS]


@pytest.mark.parametrize("orientation", [None, 3, 6, 8])
def test_photographs_with_exif_as_a_video(orientation, tmp_path):
    content = b""
    for i in range(6):
        exif, photo = Image.Exif(), io.BytesIO()
        exif[0x010F] = "Maker"
        if orientation:
            exif[0x0112] = orientation
        turned = np.rot90(numbered(i), {None: 0, 3: 2, 6: 1, 8: 3}[orientation])
        Image.fromarray(turned).save(photo, "JPEG", quality=95, subsampling=0, exif=exif)
        content += photo.getvalue()
    path = tmp_path / "v.mjpeg"
    path.write_bytes(content)
    assert probe(path).frames == 6
    assert numbers(read_frames(path, range(6))) == list(range(6))
    assert number(read_frames(path, [4])[0]) == 4
