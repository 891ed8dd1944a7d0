"""Files that lost their end, are damaged, or are no video at all: each named in a sentence, none read in silence."""

import os
import random
import re
import socket
from pathlib import Path

import av
import numpy as np
import pytest
from numbered import encode, numbered, numbers
from PIL import Image

from integralaction.data.video import VideoError, frame_times, probe, read_frames
from integralaction.video import containers

B = {"bf": "2", "g": "12"}
FAST = {"movflags": "faststart"}
PARTS = {"movflags": "frag_keyframe+empty_moov"}
LIVE = {"live": "1"}
# what promises its length: a part of it is refused
CLOSED: dict[str, tuple[str, dict]] = {
    "mp4": ("mp4", {"container": FAST, **B}),
    "mp4 in parts": ("mp4", {"container": PARTS, **B}),
    "mov": ("mov", {"container": FAST, **B}),
    "mkv": ("mkv", B),
    "webm": ("webm", {"codec": "libvpx", "b": "1M"}),
    "avi": ("avi", {"codec": "mpeg4", "b": "2M"}),
    "avi of pictures": ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "flv": ("flv", B),
    "ts": ("ts", B),
    "m2ts": ("m2ts", B),
    "mpg": ("mpg", {"codec": "mpeg1video", "b": "2M", **B}),
    "vob": ("vob", {"codec": "mpeg2video", "b": "2M", **B}),
    "ogg": ("ogg", {"codec": "libvpx", "b": "1M"}),
    "wmv": ("wmv", {"codec": "wmv2", "b": "2M"}),
    "gif": ("gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    "apng": ("apng", {"codec": "apng", "pix_fmt": "rgb24"}),
    "ivf": ("ivf", {"codec": "libvpx", "b": "1M"}),
    "mxf": ("mxf", {"codec": "mpeg2video", "b": "2M"}),
}
# what promises none: it is said that the end may be lost
OPEN: dict[str, tuple[str, dict]] = {
    "live mkv": ("mkv", {"container": LIVE, **B}),
    "live webm": ("webm", {"codec": "libvpx", "b": "1M", "container": LIVE}),
    "bare h264": ("h264", B),
    "bare mpeg2": ("m2v", {"codec": "mpeg2video", "b": "2M"}),
    "bare pictures": ("mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
}


def make(path: Path, count: int, **how) -> bytes:
    if path.suffix == ".ogg":
        how["format"] = "ogg"
    return encode(path, count, grain=20, **how).read_bytes()  # so that no frame is tiny


@pytest.mark.parametrize("kind", [*CLOSED, *OPEN])
def test_a_lost_end_is_noticed(kind, tmp_path):
    suffix, how = (CLOSED | OPEN)[kind]
    whole = tmp_path / f"v.{suffix}"
    data = make(whole, 60, **how)
    assert (probe(whole).frames, probe(whole).is_whole) == (60, True)
    path = tmp_path / f"cut.{suffix}"
    ends = []
    for share in (0.4, 0.5, 0.6, 0.8):
        path.write_bytes(data[: int(len(data) * share) | 1])
        if kind in CLOSED:
            for call in (probe, lambda path: read_frames(path, [0])):
                with pytest.raises(VideoError, match=re.escape(str(path))):
                    call(path)
        else:
            ends.append(probe(path).is_whole)
            assert numbers(read_frames(path, [0, 5])) == [0, 5]
    assert ends.count(True) <= 1  # one may lie between two frames


def test_a_stream_cut_between_two_packets_ends_in_a_damaged_frame(tmp_path):
    path = tmp_path / "v.ts"
    encode(path, 30, grain=20, crf="5")  # many packets a frame
    data = path.read_bytes()
    ends = []
    for count in range(len(data) // 376, len(data) // 376 + 6):
        path.write_bytes(data[: count * 188])
        ends.append(probe(path).is_whole)
    assert ends.count(False) >= 3


def test_what_stands_behind_a_whole_file_does_not_matter(tmp_path):
    for suffix in ("mp4", "mkv", "gif", "avi"):
        how = {"codec": "gif", "pix_fmt": "rgb8"} if suffix == "gif" else B
        path = encode(tmp_path / f"v.{suffix}", 12, **how)
        with path.open("ab") as file:
            file.write(bytes(1000))
        assert (probe(path).frames, probe(path).is_whole) == (12, True)


# --- no video


def _playlists(folder: Path) -> dict[str, str]:
    encode(folder / "a.mp4", 5)
    encode(folder / "a.ts", 5)
    (folder / "notes.txt").write_text("A line of text.\n" * 200)
    endless = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:0.2,\na.ts\n"
    return {
        "endless.m3u8": endless,
        "endless.mp4": endless,
        "itself.ffconcat": "ffconcat version 1.0\nfile itself.ffconcat\n",
        "another.mp4": "ffconcat version 1.0\nfile a.mp4\n",
        "text.avi": "ffconcat version 1.0\nfile notes.txt\n",
        "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>a.mp4</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "subtitles.mkv": "1\n00:00:00,000 --> 00:00:02,000\nhello\n\n" * 9,
        "art.ans": "\x1b[31mhello\n" * 200,
        "art.bin": "x" * 5000,
        "drawing.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "lyrics.lrc": "[00:01.00]hello\n" * 20,
    }


def test_nothing_that_opens_other_files_or_shows_text_is_opened(tmp_path):
    for name, text in _playlists(tmp_path).items():
        path = tmp_path / name
        path.write_text(text)
        for call in (probe, frame_times, lambda path: read_frames(path, [0])):
            with pytest.raises(VideoError, match=re.escape(str(path))):
                call(path)


def test_a_picture_is_no_video(tmp_path):
    for suffix in ("png", "jpg", "bmp", "webp", "tiff", "ppm"):
        for name in (f"v.{suffix}", f"{suffix}.mp4"):
            path = tmp_path / name
            Image.fromarray(numbered(1)).save(path, suffix.replace("jpg", "jpeg"))
            with pytest.raises(VideoError, match=re.escape(str(path))):
                probe(path)
    path = tmp_path / "v.avif"
    options = {"preset": "12", "svtav1-params": "lp=1"}
    encode(path, 1, "libsvtav1", size=(64, 64), **options)
    with pytest.raises(VideoError, match="still pictures"):
        probe(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_pipes_sockets_and_devices_are_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    (tmp_path / "round.mp4").symlink_to(tmp_path / "round.mp4")
    (tmp_path / "file").write_bytes(b"x")
    expected = {"pipe.mp4": "named pipe", "device.mp4": "a device", "round.mp4": "symbolic", "file/v.mp4": "reached"}
    expected |= {"x" * 300: "name too long", "a\0b": "null"}
    for name, message in expected.items():
        for call in (probe, frame_times, lambda path: read_frames(path, [0])):
            with pytest.raises(VideoError, match=message):
                call(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "s.mp4"))
        with pytest.raises(VideoError, match="a socket"):
            probe(tmp_path / "s.mp4")


@pytest.mark.parametrize(
    ("suffix", "codec", "name", "other"),
    [
        ("avi", "mpeg4", b"FMP4", b"QQQQ"),
        ("mkv", "mpeg2video", b"V_MPEG2", b"V_MPEGX"),
        ("mp4", "libx264", b"avc1", b"zzz1"),
    ],
)
def test_an_unknown_coding_is_that_file_s_fault(suffix, codec, name, other, tmp_path):
    path = encode(tmp_path / f"v.{suffix}", 5, codec)
    path.write_bytes(path.read_bytes().replace(name, other))
    for call in (probe, lambda path: read_frames(path, [0])):
        with pytest.raises(VideoError, match="no decoder") as error:
            call(path)
        assert str(path) in str(error.value)


def test_whatever_a_file_raises_names_it(tmp_path, monkeypatch):
    path = encode(tmp_path / "v.mp4", 5)

    def fail(*arguments, **options):
        raise AttributeError("thread_count of None")

    monkeypatch.setattr(av, "open", fail)
    for call in (probe, frame_times, lambda path: read_frames(path, [0])):
        with pytest.raises(VideoError, match=re.escape(str(path))):
            call(path)
    with pytest.raises(ValueError, match="at least one pixel") as error:
        monkeypatch.undo()
        read_frames(path, [0], short_side=0)
    assert not isinstance(error.value, VideoError)  # the caller's fault


# --- damage

MUTATED: dict[str, tuple[str, dict]] = {
    "mjpeg in avi": ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "mjpeg in mov": ("mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "wmv": ("wmv", {"codec": "wmv2", "b": "2M"}),
    "msmpeg4": ("avi", {"codec": "msmpeg4v2", "b": "2M"}),
    "ffv1": ("mkv", {"codec": "ffv1"}),
    "gif": ("gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    "apng": ("apng", {"codec": "apng", "pix_fmt": "rgb24"}),
    "ogg": ("ogg", {"codec": "libvpx", "b": "1M"}),
    "h264": ("mp4", B),
    "mpeg2": ("ts", {"codec": "mpeg2video", "b": "2M", **B}),
}


def _complaints(path: Path) -> list:
    """What FFmpeg says while it reads and decodes the whole file in one thread."""
    with containers.collect_errors() as errors, av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for packet in file.demux(stream):
            try:
                packet.decode()
            except av.FFmpegError:
                errors.append((0, "", "refused"))
    return [error for error in errors if error[1] != "h264"]  # which marks what it patched


@pytest.mark.parametrize("kind", MUTATED)
def test_damage_is_an_error_or_passes_without_a_complaint(kind, tmp_path, capfd):
    suffix, how = MUTATED[kind]
    data = make(tmp_path / f"v.{suffix}", 12, **how)
    sound = read_frames(tmp_path / f"v.{suffix}", range(12)).astype(int)
    chance, refused = random.Random(0), 0
    for trial in range(25):
        path = tmp_path / f"{trial}.{suffix}"
        begin, length = chance.randrange(len(data) // 3, len(data)), chance.choice([1, 4, 30])
        path.write_bytes(data[:begin] + chance.randbytes(length) + data[begin + length :])
        try:
            count = probe(path).frames
            frames = read_frames(path, range(count))
            assert len(frame_times(path)) == count
        except VideoError as error:
            assert str(path) in str(error)
            refused += 1
            continue
        if frames.shape != sound.shape or np.abs(frames - sound).mean((1, 2, 3)).max() > 3:
            assert not _complaints(path), (trial, begin, length)
    assert refused
    assert capfd.readouterr() == ("", "")


def test_a_damaged_first_frame_takes_no_others_away(tmp_path):
    path = encode(tmp_path / "v.mp4", 24, grain=20, g="8", bf="2")
    with av.open(str(path)) as file:
        first = next(packet for packet in file.demux(video=0) if packet.size)
        begin, end = first.pos, first.pos + first.size
    data = bytearray(path.read_bytes())
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="damaged"):
        read_frames(path, range(probe(path).frames))


def test_listening_leaves_ffmpeg_as_it_was(tmp_path):
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    path = encode(tmp_path / "v.gif", 5, "gif", pix_fmt="rgb8")
    with containers.collect_errors(), containers.collect_errors() as errors:
        read_frames(path, [1])
        av.logging.log(av.logging.ERROR, "test", "a complaint")
    assert [message for _, _, message in errors] == ["a complaint"]
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
