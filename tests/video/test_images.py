"""Folders of images: every kind is the same picture, in the order a person would count, or a sentence says why not."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from integralaction.data.video import VideoError, probe, read_frames
from integralaction.importers.folder import Folder
from integralaction.video.images import image_series, is_animation


def picture(shade: int) -> Image.Image:
    """A grey picture, 12 x 20, with a brighter upper left quarter."""
    pixels = np.full((12, 20, 3), shade, np.uint8)
    pixels[:6, :10] = shade + 100
    return Image.fromarray(pixels)


def shades(folder: Path) -> list[int]:
    """The numbers that pictures of a folder carry, in the order of its frames; upright pictures have no others."""
    frames = read_frames(folder, range(probe(folder).frames)).astype(int)
    assert frames.shape[1:] == (12, 20, 3)
    corners = frames[:, [1, 10, 10, 1], [1, 1, 18, 18]].mean(axis=2)
    np.testing.assert_allclose(corners - corners[:, 1:2], np.array([100, 0, 0, 0]) * np.ones((len(frames), 1)), atol=6)
    return (np.round(corners[:, 1] / 10) * 10).astype(int).tolist()


@pytest.mark.parametrize(
    "ending", ["JPG", "jfif", "png", "webp", "bmp", "gif", "tif", "ppm", "jp2", "avif", "tga", "sgi", "pcx", "qoi"]
)
def test_every_kind_is_read(tmp_path: Path, ending: str) -> None:
    for i in range(3):
        picture(40 * i).save(tmp_path / f"{i}.{ending}", **({"lossless": True} if ending == "webp" else {}))
    assert shades(tmp_path) == [0, 40, 80]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize(("orientation", "turn"), [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)])
def test_every_kind_is_turned_as_its_exif_says(tmp_path: Path, ending: str, orientation: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(60).transpose(turn).save(tmp_path / f"1.{ending}", exif=exif)
    assert (probe(tmp_path).height, probe(tmp_path).width) == (12, 20)
    assert shades(tmp_path) == [60]


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled(tmp_path: Path, ending: str) -> None:
    values = np.arange(0, 65536, 13, np.uint16)[: 5040 // 20 * 20].reshape(-1, 20)
    Image.fromarray(values).save(tmp_path / f"1.{ending}")
    np.testing.assert_array_equal(read_frames(tmp_path, [0])[0, ..., 1], np.round(values / 257))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_other_modes_are_shown_in_their_colours(tmp_path: Path, mode: str) -> None:
    image = picture(40).convert(mode)
    image.save(tmp_path / "1.png", **({"transparency": bytes(range(200))} if mode == "P" else {}))
    expected = np.asarray(image.convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(read_frames(tmp_path, [0])[0], expected)


def name_frames(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        picture(10 * i).save(folder / name)


@pytest.mark.parametrize(
    "names",
    [
        ("walk_in1.png", "walk_in10.png", "walk_out1.png", "walk_out2.png"),
        ("a2_9.png", "a2_10.png", "a10_1.png"),
        ("frame.png", "frame (1).png", "frame (2).png", "frame (10).png"),
        ("Frame1.PNG", "frame2.png", "Frame3.png"),
        ("x\u0661.png", "x\u0662.png", "x\u0661\u0660.png"),  # Arabic digits
    ],
)
def test_names_in_natural_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    name_frames(tmp_path, *names)
    (tmp_path / ".frame0.png").write_text("hidden")
    (tmp_path / "Thumbs.db").write_text("not a frame")
    assert shades(tmp_path) == [10 * i for i in range(len(names))]


def test_series_are_told() -> None:
    assert image_series([Path("in1.png"), Path("In2.png"), Path("out1.png")]) == ["in#", "out#"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("000001.jpg", "000001.png"), "one image a frame .* 000001.jpg and 000001.png"),
        (("f1.png", "f01.png"), "one image a frame"),
        (("1.png", "1_mask.png", "2.png", "2_mask.png"), "# and #_mask beside each other"),
        (("f1.png", "f1 copy.png", "f2.png"), "f# and f# copy beside each other"),
        (("img_1.png", "img_2.png", "flow_x_1.png", "flow_x_2.png"), "flow_x_# and img_# beside"),
        (("0.0.png", "0.04.png", "0.2.png"), "decimals of different lengths"),
    ],
)
def test_images_of_more_than_one_video_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    name_frames(tmp_path, *names)
    with pytest.raises(VideoError, match=message):
        probe(tmp_path)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "2.jpg")


def _link(folder: Path) -> None:
    (folder / "2.jpg").symlink_to(folder / "nothing")


def _folder(folder: Path) -> None:
    (folder / "2.jpg").mkdir()


def _postscript(folder: Path) -> None:
    (folder / "2.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 12\n%%EndComments\nshowpage\n")


def _too_large(folder: Path) -> None:
    (folder / "2.pbm").write_bytes(b"P4 20000 9000 ")  # the head is enough


def _animation(folder: Path) -> None:
    picture(0).save(folder / "2.gif", save_all=True, append_images=[picture(90)])


def _floats(folder: Path) -> None:
    Image.fromarray(np.ones((12, 20), np.float32)).save(folder / "2.tif")


def _phone(folder: Path) -> None:
    (folder / "2.heic").write_bytes(b"a kind that is not read")


def _cut_off(folder: Path) -> None:
    whole = (folder / "1.png").read_bytes()
    (folder / "2.png").write_bytes(whole[:-30])


def _closed_early(folder: Path) -> None:
    """As a program leaves them that was stopped: half of the data, then the mark of the end; Pillow shows grey."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 20, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "2.jpg", quality=95)
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) // 2 + 100] + b"\xff\xd9")


@pytest.mark.parametrize(
    "spoil", [_pipe, _link, _folder, _postscript, _too_large, _animation, _floats, _phone, _cut_off, _closed_early]
)
def test_what_is_no_frame_is_named(tmp_path: Path, spoil, capfd: pytest.CaptureFixture) -> None:
    picture(0).save(tmp_path / "1.png")
    spoil(tmp_path)
    with pytest.raises(VideoError, match=r"^Expected .*found .*2\.(jpg|png|pbm|gif|tif|heic)"):
        read_frames(tmp_path, range(probe(tmp_path).frames))
    assert capfd.readouterr() == ("", "")  # no lines of libraries


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as the module sets it
def test_a_large_picture_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.pbm").write_bytes(b"P4 10000 9000 ")
    assert probe(tmp_path).width == 10_000


def test_pictures_are_no_videos_but_animations_are(tmp_path: Path) -> None:
    """One video a folder of frames; a picture beside a video is none, and an animation is one."""
    for label in ("run", "jump"):
        for clip in range(2):
            folder = tmp_path / label / f"{label}{clip}"
            folder.mkdir(parents=True)
            name_frames(folder, *(("1.jpg", "2.jpg") if label == "run" else ("in1.jpg", "in2.jpg", "out1.jpg")))
            (folder / "Thumbs.db").write_text("of the system")
    picture(0).save(tmp_path / "run" / "photo.bmp")
    (tmp_path / "run" / "phone.heic").write_bytes(b"a kind that is not read")
    picture(0).save(tmp_path / "run" / "move.gif", save_all=True, append_images=[picture(90)])
    picture(0).save(tmp_path / "run" / "move.png", save_all=True, append_images=[picture(90)])
    assert is_animation(tmp_path / "run" / "move.png") and not is_animation(tmp_path / "run" / "photo.bmp")
    plan = Folder(tmp_path, test=0.5).find()
    assert sorted(entry.video for entry in plan.entries) == [
        *("jump/jump0", "jump/jump1", "run/move.gif", "run/move.png", "run/run0", "run/run1"),
    ]
    others = sorted(issue.item for issue in plan.issues if not issue.is_imported)
    assert others == ["run/phone.heic", "run/photo.bmp"]
    doubtful = {issue.item: issue.detail for issue in plan.issues if issue.is_imported}
    assert doubtful == {f"jump/jump{i}": "one after another: in#, out#" for i in range(2)}


@pytest.mark.parametrize("ending", ["bmp", "webp", "ppm", "tif", "gif"])
def test_frames_of_other_kinds_become_no_videos_of_a_data_set(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "run" / "run0"
    folder.mkdir(parents=True)
    name_frames(folder, f"1.{ending}", f"2.{ending}")
    with pytest.raises(ValueError, match=rf"Expected folders of frames as JPEG or PNG .* run/run0/1\.{ending}"):
        Folder(tmp_path, test=0.5).find()
