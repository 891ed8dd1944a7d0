"""Frames are found by what is in them: each test video carries its frame numbers as blocks of black and white."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from numbered import HEIGHT, WIDTH, decode_all, encode, number, numbered, numbers
from PIL import Image

from integralaction.data.video import (
    VideoError,
    VideoInfo,
    probe,
    read_frames,
    read_in_parts,
    scale_size,
    write_video,
)
from integralaction.video import decoding
from integralaction.video.info import UNKNOWN_FPS

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "videos"
B = {"bf": "3", "preset": "veryfast", "x264-params": "b-adapt=0"}
ALT = {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16", "b": "1M", "cpu-used": "8"}
IRREGULAR = np.cumsum([1 + (i * i) % 7 for i in range(80)]).tolist()
KINDS: dict[str, tuple[str, int, dict]] = {
    "B-frames": ("mp4", 60, {"g": "12", **B}),
    "one group of pictures": ("mp4", 120, {"g": "250", "sc_threshold": "0", **B}),
    "many far groups": ("mp4", 300, {"g": "30", **B}),
    "key frames only": ("mp4", 60, {"g": "1"}),
    "open groups": ("mp4", 90, {"x264-params": "open-gop=1:keyint=20:bframes=3:b-adapt=0:scenecut=0"}),
    "short open groups": ("mp4", 60, {"x264-params": "open-gop=1:keyint=4:min-keyint=1:bframes=3:b-adapt=0"}),
    "b-pyramid": ("mp4", 90, {"x264-params": "b-pyramid=normal:bframes=7:b-adapt=0:keyint=24"}),
    "intra refresh": ("mp4", 90, {"x264-params": "intra-refresh=1:keyint=20:bframes=0"}),
    "variable rate mkv": ("mkv", 80, {"times": IRREGULAR, "g": "12", **B}),
    "variable rate mp4": ("mp4", 80, {"times": IRREGULAR, "g": "12", **B}),
    "negative times": ("mkv", 60, {"times": [4 * i - 40 for i in range(60)], "g": "12", **B}),
    "late start": ("mp4", 60, {"times": [4 * i + 400 for i in range(60)], "g": "12", **B}),
    "fragmented mp4": ("mp4", 60, {"container": {"movflags": "frag_keyframe+empty_moov"}, "g": "12", **B}),
    "faststart mp4": ("mp4", 60, {"container": {"movflags": "faststart"}, "g": "12", **B}),
    "h264 in mpeg-ts": ("ts", 60, {"g": "12", **B}),
    "h264 in avi": ("avi", 60, {"g": "12", **B}),
    "bare h264": ("h264", 40, {"g": "12", **B}),
    "mpeg4 in avi": ("avi", 60, {"codec": "mpeg4", "g": "12", "b": "2M"}),
    "mpeg4 in avi, B-frames": ("avi", 60, {"codec": "mpeg4", "g": "12", "bf": "2", "b": "2M"}),
    "mpeg4 in mp4, B-frames": ("mp4", 60, {"codec": "mpeg4", "g": "12", "bf": "2", "b": "2M"}),
    "mpeg2 in mpeg-ts": ("ts", 60, {"codec": "mpeg2video", "g": "12", "bf": "2", "b": "2M"}),
    "interlaced": ("mp4", 60, {"g": "12", "x264-params": "interlaced=1:bframes=3"}),
    "10 bit h264": ("mp4", 40, {"pix_fmt": "yuv420p10le", "g": "12", **B}),
    "hevc, open groups": ("mp4", 60, {"codec": "libx265", "x265-params": "keyint=15:open-gop=1"}),
    "hevc, 10 bit": ("mkv", 30, {"codec": "libx265", "pix_fmt": "yuv420p10le", "x265-params": "keyint=10"}),
    "vp8, alternate references": ("webm", 60, {"codec": "libvpx", **ALT}),
    "vp9, alternate references": ("webm", 60, {"codec": "libvpx-vp9", **ALT}),
    "av1": ("mp4", 40, {"codec": "libsvtav1", "g": "16", "preset": "12", "svtav1-params": "lp=1"}),
    "odd size, ffv1": ("mkv", 30, {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (51, 67)}),
    "odd size, mjpeg": ("avi", 30, {"codec": "mjpeg", "pix_fmt": "yuvj420p", "size": (49, 65)}),
    "one frame": ("mp4", 1, {}),
    "two frames": ("mp4", 2, B),
    "gif": ("gif", 30, {"codec": "gif", "pix_fmt": "rgb8"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_by_content(kind, tmp_path):
    suffix, count, how = KINDS[kind]
    path = encode(tmp_path / f"v.{suffix}", count, **how)
    slow = decode_all(path)
    assert numbers(slow) == list(range(count))

    info = probe(path)
    assert (info.frames, info.height, info.width) == (count, *how.get("size", (HEIGHT, WIDTH)))
    assert numbers(read_frames(path, range(count))) == list(range(count))
    order = [*np.random.default_rng(0).integers(0, count, 12).tolist(), count - 1, 0, count - 1]
    assert numbers(read_frames(path, order)) == order
    for i in {0, 1, count // 3, count // 2, count - 2, count - 1} & set(range(count)):
        assert numbers(read_frames(path, [i])) == [i]
    for bad in ([count], [-1], [0, count + 5]):
        with pytest.raises(ValueError, match=f"Expected frame numbers from 0 to {count - 1}"):
            read_frames(path, bad)


def test_far_frames_are_sought_and_damage_elsewhere_is_no_matter(tmp_path, monkeypatch):
    path = encode(tmp_path / "v.mp4", 300, g="30", **B)
    sure_ways = []
    monkeypatch.setattr(decoding, "_decode_carefully", lambda *a: sure_ways.append(a))
    packets = []
    decode = decoding.decode_packet
    monkeypatch.setattr(decoding, "decode_packet", lambda p: packets.append(p) or decode(p))
    assert numbers(read_frames(path, [5, 7, 200, 203, 299])) == [5, 7, 200, 203, 299]
    assert len(packets) < 100
    assert not sure_ways


@pytest.mark.parametrize("turn", [(0, True), (90, False), (180, False), (270, False), (90, True), (180, True)])
def test_frames_are_as_displayed(turn, tmp_path):
    path = encode(tmp_path / "v.mp4", 20, size=(HEIGHT, 96), turn=turn)
    angle, mirrored = turn
    expected = [np.rot90(frame, angle // 90) for frame in decode_all(path)]
    if mirrored:
        expected = [frame[:, ::-1] for frame in expected]
    frames = read_frames(path, range(20))
    assert np.array_equal(frames, expected)
    assert (probe(path).height, probe(path).width) == frames.shape[1:3]
    small = read_frames(path, [3], short_side=24)[0]
    assert small.shape[:2] == ((48, 24) if angle % 180 else (24, 48))
    back = np.rot90(small[:, ::-1] if mirrored else small, -angle // 90)
    assert number(back.repeat(2, 0).repeat(2, 1)) == 3


def test_what_an_edit_list_cuts_off_is_not_counted(tmp_path):
    path = encode(tmp_path / "v.mp4", 60, g="12", **B)
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 16  # version, flags, number of entries, duration, then the time to begin at
    begin = struct.unpack(">i", data[place : place + 4])[0]
    data[place : place + 4] = struct.pack(">i", begin + 17 * 512)  # in the track's clock, 512 a frame
    path.write_bytes(data)
    slow = numbers(decode_all(path))
    assert slow == list(range(17, 60))
    assert probe(path).frames == len(slow)
    for places in (range(len(slow)), [0], [30, 2, 2], [len(slow) - 1]):
        assert numbers(read_frames(path, places)) == [slow[i] for i in places]


@pytest.mark.parametrize(("colorspace", "color_range"), [(1, 1), (5, 1), (6, 2), (9, 1), (2, 0)])
def test_colours_are_those_of_ffmpeg(colorspace, color_range, tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
        blocks = np.random.default_rng(0).integers(60, 190, (6, 4)).astype(np.uint8)  # chroma: two rows in one
        frame = av.VideoFrame.from_ndarray(blocks.repeat(16, 0).repeat(16, 1), format="yuv420p")
        frame.colorspace, frame.color_range, frame.pts = colorspace, color_range, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        assert frame.colorspace == colorspace
        graph = av.filter.Graph()
        source, scale = graph.add_buffer(template=file.streams.video[0]), graph.add("scale", "flags=bilinear")
        form, sink = graph.add("format", "rgb24"), graph.add("buffersink")
        source.link_to(scale)
        scale.link_to(form)
        form.link_to(sink)
        graph.configure()
        graph.push(frame)
        expected = graph.pull().to_ndarray().astype(int)
    assert np.abs(read_frames(path, [0])[0].astype(int) - expected).max() <= 2


def test_resizing():
    assert scale_size(256, 340, None) == (256, 340)
    assert scale_size(256, 340, 128) == (128, 170)
    assert scale_size(340, 256, 128) == (170, 128)
    assert scale_size(1080, 1920, 256) == (256, 455)
    assert scale_size(3, 5, 2) == (2, 3)  # 3.33
    assert scale_size(2, 5, 1) == (1, 3)  # 2.5 goes up
    with pytest.raises(ValueError, match="Expected a short side of at least one pixel, found 0"):
        scale_size(10, 10, 0)


def test_short_side_is_a_smooth_resize_at_the_right_place(tmp_path):
    y, x = np.mgrid[0:256, 0:340]
    picture = np.stack([x * 0.7, y * 0.9, 120 + 100 * np.sin(x / 30) * np.cos(y / 25)], -1).round().astype(np.uint8)
    path = tmp_path / "v.mp4"
    write_video(path, [picture] * 3, 25)
    Image.fromarray(read_frames(path, [1])[0]).save(tmp_path / "1.png")
    for side in (64, 112, 224, 300):
        ours = read_frames(path, [1], short_side=side)[0]
        height, width = scale_size(256, 340, side)
        assert ours.shape == (height, width, 3)
        still = tmp_path / "1.png"
        pillow = np.asarray(Image.open(still).resize((width, height), Image.Resampling.BILINEAR))
        assert np.abs(ours.astype(int) - pillow).mean() < 2
    assert read_frames(tmp_path, [0], short_side=112).shape == (1, 112, 149, 3)


def test_nothing_asked_nothing_given(tmp_path):
    path = encode(tmp_path / "v.mp4", 5)
    assert read_frames(path, []).shape == (0, HEIGHT, WIDTH, 3)
    assert read_frames(path, np.array([], int), short_side=24).shape == (0, 24, 32, 3)
    with pytest.raises(ValueError, match="Expected a list of frame numbers, found float64"):
        read_frames(path, np.array([0.5]))


def test_a_changed_file_is_read_anew(tmp_path):
    path = encode(tmp_path / "v.mp4", 5)
    assert probe(path).frames == 5
    encode(path, 9)
    assert probe(path).frames == 9
    assert numbers(read_frames(path, [8])) == [8]


# --- folders of images


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_folder_of_images(suffix, tmp_path):
    for i in range(12):  # without leading zeros: sorted by number
        Image.fromarray(numbered(i)).save(tmp_path / f"img_{i}.{suffix}")
    (tmp_path / "notes.txt").write_text("not a frame")
    assert probe(tmp_path) == VideoInfo(12, UNKNOWN_FPS, HEIGHT, WIDTH, has_times=False)
    assert numbers(read_frames(tmp_path, [11, 2, 2, 10, 0])) == [11, 2, 2, 10, 0]
    assert read_frames(tmp_path, [1], short_side=24).shape == (1, 24, 32, 3)
    assert read_frames(tmp_path, []).shape == (0, HEIGHT, WIDTH, 3)
    with pytest.raises(ValueError, match="Expected frame numbers from 0 to 11"):
        read_frames(tmp_path, [12])


def test_a_folder_with_exif_turned_images(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(np.rot90(numbered(9))).save(tmp_path / "1.jpg", exif=exif, quality=95)
    assert (probe(tmp_path).height, probe(tmp_path).width) == (HEIGHT, WIDTH)
    assert numbers(read_frames(tmp_path, [0])) == [9]


def test_folders_that_are_no_video(tmp_path):
    with pytest.raises(VideoError, match=r"Expected images .* found none"):
        probe(tmp_path)
    Image.fromarray(numbered(0)).save(tmp_path / "0.png")
    Image.fromarray(numbered(1, HEIGHT, WIDTH + 2)).save(tmp_path / "1.png")
    for call in (lambda: probe(tmp_path), lambda: read_frames(tmp_path, [1])):
        with pytest.raises(VideoError, match=r"one size in a folder, 48 x 64 as the first, found 48 x 66 at .*1\.png"):
            call()
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:90])
    with pytest.raises(VideoError, match=r"Expected an image, .* at .*1\.png"):
        read_frames(tmp_path, [0, 1])


# --- files that are no video, or not the whole of it


def _text(folder):
    path = folder / "v.txt"
    path.write_text("A line of text.\n" * 200)
    return path, "Expected a video, found (text|data)"


def _text_named_mp4(folder):
    path = folder / "v.mp4"
    path.write_text("A line of text.\n" * 200)
    return path, "Expected a video, found data that cannot be read as one"


def _playlist(folder):
    encode(folder / "a.mp4", 5)
    path = folder / "v.mp4"
    path.write_text("ffconcat version 1.0\nfile http://127.0.0.1/a.mp4\n")
    return path, "Expected a video, found"


def _empty(folder):
    path = folder / "v.mp4"
    path.touch()
    return path, "found an empty file"


def _without_index(folder):
    path = encode(folder / "v.mp4", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path, "Expected a video, found data that cannot be read as one"


def _cut_short(folder):
    path = encode(folder / "v.mp4", 60, container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    return path, "the file is cut short"


def _cut_in_the_last_frame(folder):
    path = encode(folder / "v.mp4", 60, container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-10])
    return path, "the file is cut short"


def _sound(folder):
    path = folder / "v.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path, "Expected a video, found audio"


BROKEN = [
    _text,
    _text_named_mp4,
    _playlist,
    _empty,
    _without_index,
    _cut_short,
    _cut_in_the_last_frame,
    _sound,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_files_are_named_in_one_sentence(broken, tmp_path, capfd):
    path, message = broken(tmp_path)
    for call in (lambda: probe(path), lambda: read_frames(path, [0])):
        with pytest.raises(VideoError, match=message) as error:
            call()
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_file(tmp_path):
    for call in (probe, lambda path: read_frames(path, [0])):
        with pytest.raises(FileNotFoundError, match=r"Expected a video .* found nothing; check the path"):
            call(tmp_path / "v.mp4")


def _packet_places(path):
    """Place in the file and length of each packet, in decode order."""
    with av.open(str(path)) as file:
        return [(p.pos, p.size) for p in file.demux(video=0) if p.size]


@pytest.mark.parametrize("damage", ["zeros", "noise", "late noise"])
@pytest.mark.parametrize("suffix", ["mp4", "ts", "avi"])
def test_a_damaged_middle_never_gives_another_frame(suffix, damage, tmp_path, capfd):
    path = encode(tmp_path / f"v.{suffix}", 60, g="20", **B)
    pos, size = _packet_places(path)[24]
    data = bytearray(path.read_bytes())
    if suffix == "ts":
        begin, end = pos + 400, pos + 1200
    elif damage == "late noise":  # the head of the frame is whole, so the decoder patches the rest
        begin, end = pos + size - 12, pos + size
    else:
        begin, end = pos + 4, pos + size
    noise = np.random.default_rng(1).integers(0, 256, end - begin, np.uint8).tobytes()
    data[begin:end] = noise if damage != "zeros" else bytes(end - begin)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="damaged") as error:
        read_frames(path, range(60))
    assert str(path) in str(error.value)
    for i in range(60):
        try:
            frame_numbers = numbers(read_frames(path, [i]))
        except VideoError:
            # Only where the packets are known can the groups of pictures before and after it be trusted.
            assert suffix == "ts" or i >= 16
            assert suffix != "mp4" or i < 40
        else:
            assert frame_numbers == [i]
    assert capfd.readouterr() == ("", "")


# --- writing


def moving(count: int, height: int = 64, width: int = 64) -> list[np.ndarray]:
    y, x = np.mgrid[0:height, 0:width]
    grey = [128 + 60 * np.sin(x / 9 + i / 5) + 50 * np.cos(y / 7 - i / 9) for i in range(count)]
    return [np.repeat(g[..., None], 3, 2).round().astype(np.uint8) for g in grey]


def test_written_frames_come_back_close(tmp_path):
    frames = moving(30)
    path = tmp_path / "new" / "v.mp4"
    assert write_video(path, iter(frames), 29.97) == 30
    info = probe(path)
    assert (info.frames, info.height, info.width) == (30, 64, 64)
    assert info.fps == pytest.approx(29.97, abs=1e-3)
    back = read_frames(path, range(30))
    assert np.abs(back.astype(int) - np.stack(frames)).mean() < 2
    assert [p.name for p in path.parent.iterdir()] == ["v.mp4"]


def test_the_same_frames_give_the_same_bytes(tmp_path):
    contents = set()
    for _ in range(40):  # x264 left to itself differs once in a while, not at the first try
        write_video(tmp_path / "v.mp4", moving(20), 25)
        contents.add((tmp_path / "v.mp4").read_bytes())
    assert len(contents) == 1


def test_what_cannot_be_written_leaves_no_file(tmp_path):
    path = tmp_path / "v.mp4"
    good = moving(1)[0]
    for frames, message in (
        ([], "Expected at least one frame"),
        ([good[:63]], "Expected an even height and width"),
        ([good.astype(float)], "Expected frames of shape"),
        ([good[..., 0]], "Expected frames of shape"),
        ([good, good[:32]], "Expected frame 1 to be uint8 of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            write_video(path, frames, 25)
    for fps in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="Expected a positive number of frames a second"):
            write_video(path, [good], fps)
    assert not list(tmp_path.iterdir())


# --- real files


@pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not there")
@pytest.mark.parametrize("name", sorted(p.name for p in REAL.glob("*")) if REAL.is_dir() else [])
def test_real_videos(name):
    path = REAL / name
    slow = decode_all(path)
    info = probe(path)
    assert (info.frames, info.height, info.width) == (len(slow), *slow[0].shape[:2])
    order = [*np.random.default_rng(0).integers(0, info.frames, 6).tolist(), info.frames - 1, 0]
    frames = read_frames(path, order)
    assert all(np.array_equal(frame, slow[i]) for frame, i in zip(frames, order, strict=True))


def test_parts_are_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, np.random.default_rng(0).integers(0, 255, (20, 32, 48, 3), dtype=np.uint8), 10)
    frame_numbers = [19, 2, 12, 2, 0, 7]
    parts = list(read_in_parts(path, frame_numbers, at_once=2 * 32 * 48 * 3))
    assert [numbers for numbers, _ in parts] == [[0, 2], [7, 12], [19]]
    np.testing.assert_array_equal(np.concatenate([frames for _, frames in parts]), read_frames(path, [0, 2, 7, 12, 19]))
    assert [numbers for numbers, _ in read_in_parts(path, frame_numbers, at_once=1)] == [[0], [2], [7], [12], [19]]
