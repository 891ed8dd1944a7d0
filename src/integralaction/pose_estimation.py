"""Frames in, poses out: the estimators by name, and the poses of the frames of a video.

    rtmo       RTMO-s, all persons at once                              through rtmlib, downloaded or a local file
    rtmpose    YOLOX-m finds persons, RTMPose-m finds each one's joints through rtmlib, downloaded or two local files
    OpenPose   any OpenPose network of 18 joints (openpose.py)          a local file
    keypoint-rcnn  Keypoint R-CNN of torchvision, for the paper's Mask R-CNN on Mimetics, downloaded or a local file

The first three run on ONNX Runtime: pip install 'integralaction[pose]'. The last needs torchvision.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from integralaction.clip import Poses
from integralaction.downloads import download
from integralaction.errors import MissingExtra, MissingFile, Refused
from integralaction.files import write_whole
from integralaction.openpose import import_onnxruntime
from integralaction.video.frames import read_in_parts

Named = Literal["rtmo", "rtmpose", "keypoint-rcnn"]
NAMES: tuple[Named, ...] = ("rtmo", "rtmpose", "keypoint-rcnn")
AT_ONCE = 8  # frames between two steps of progress
LEAST_PERSON = 0.5  # of Keypoint R-CNN: score of a person
FREE = {"RTMO": (640, 640), "YOLOX": (640, 640), "RTMPose": (256, 192)}  # height, width where a network takes any

_MODELS = "https://download.openmmlab.com/mmpose/v1/projects/"
# where the networks of each estimator lie, and the SHA-256 of the ONNX files in those archives, as several other
# projects pin them
_FILES: dict[Named, tuple[tuple[str, str], ...]] = {
    "rtmo": (
        (
            "rtmo/onnx_sdk/rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.zip",
            "d0703d40d19f3921da51ae725402d5fdae4d2478c7442072d3101bd396f370d8",
        ),
    ),
    "rtmpose": (
        (
            "rtmposev1/onnx_sdk/yolox_m_8xb8-300e_humanart-c2c7a14a.zip",
            "3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
        ),
        (
            "rtmposev1/onnx_sdk/rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip",
            "5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c",
        ),
    ),
}


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds the persons in frames.

    Attributes:
        skeleton: name of the joint set that it finds.
    """

    skeleton: str

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[np.ndarray]:
        """The persons of each frame, (P, K, 3): x, y in its pixels, score 0..1; nobody is (0, K, 3)."""
        ...


def estimate_poses(
    estimator: PoseEstimator, video: Path, wanted: Sequence[int], advance: Callable[[int], object] = lambda count: None
) -> Poses:
    """The poses in these frames of a video; the others count as not looked at.

    Args:
        wanted: frame numbers.
        advance: called with how many frames more have been looked at.

    Raises:
        ValueError: a frame cannot be read, or the estimator fails on it.
    """
    found: dict[int, np.ndarray] = {}
    for numbers, frames in read_in_parts(video, wanted):
        for first in range(0, len(numbers), AT_ONCE):
            part = numbers[first : first + AT_ONCE]
            try:
                persons = list(estimator(frames[first : first + AT_ONCE]))
                if len(persons) != len(part):
                    raise Refused(f"of {len(part)} frames it gave the persons of {len(persons)}")
                found.update(zip(part, persons, strict=True))
            except Exception as error:  # whatever comes out of a foreign network and its library
                raise Refused(
                    f"Expected poses from {type(estimator).__name__} in frames {part[0]} to {part[-1]} of {video}; "
                    f"it failed ({_first_line(error)}). Try another estimator, or --poses none."
                ) from error
            advance(len(part))
    return Poses.from_frames(estimator.skeleton, found)


class RTMO:
    """RTMO (Lu et al., 2023) through rtmlib: all persons of a frame at once, 17 joints."""

    skeleton = "coco17"

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """
        Args:
            path: the ONNX network, with RTMO's outputs for boxes and for joints.

        Raises:
            ModuleNotFoundError: rtmlib is not installed.
            ValueError: it is another network.
        """
        # not rtmlib.Body, which takes a path with "rtmo" in it for the name of its own download
        self._tool = _tool("RTMO", path, device)
        boxes, joints = _blank(self._tool, path, "RTMO", (None, 5), (None, 17, 3))
        _check(boxes == joints, path, "RTMO", "as many boxes as persons")

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 17 3"]]:
        return [self._persons(np.ascontiguousarray(frame[..., ::-1])) for frame in frames]

    def _persons(self, image: np.ndarray) -> Float[np.ndarray, "_p 17 3"]:
        fitted, ratio = self._tool.preprocess(image)
        outputs = self._tool.inference(fitted)
        if not outputs[0].shape[1]:  # rtmlib counts on one box at least
            return np.zeros((0, 17, 3), np.float32)
        return _persons(*self._tool.postprocess(outputs, ratio, self._tool.nms_thr, self._tool.score_thr))


class RTMPose:
    """RTMPose (Jiang et al., 2023) through rtmlib: YOLOX finds persons, RTMPose the 17 joints of each."""

    skeleton = "coco17"

    def __init__(self, detector: Path, pose: Path, device: str = "cpu") -> None:
        """
        Args:
            detector, pose: the two ONNX networks; the detector knows persons alone.

        Raises:
            ModuleNotFoundError: rtmlib is not installed.
            ValueError: one is another network.
        """
        self._detector = _tool("YOLOX", detector, device)
        outputs = _outputs(self._detector, detector, "YOLOX")
        # boxes with a score, or rows of box, objectness and one class: of more classes rtmlib would take all
        persons_alone = outputs[0].ndim == 3 and outputs[0].shape[2] in (5, 6)
        _check(persons_alone, detector, "YOLOX for persons alone", f"5 or 6 numbers a box, not {outputs[0].shape}")
        self._pose = _tool("RTMPose", pose, device)
        _blank(self._pose, pose, "RTMPose", (17, None), (17, None))

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 17 3"]]:
        found = []
        for frame in frames:
            boxes = self._detector(np.ascontiguousarray(frame[..., ::-1]))
            # without boxes rtmlib would take the whole frame for a person. RTMPose was trained on red, green, blue
            # (bgr_to_rgb in its configuration), unlike the other two, and rtmlib does not turn colours
            places, scores = self._pose(frame, boxes) if len(boxes) else (np.zeros((0, 17, 2)), np.zeros((0, 17)))
            found.append(_persons(places, scores))
        return found


class KeypointRCNN:
    """Keypoint R-CNN (He et al., 2017; ResNet-50, FPN) of torchvision: 17 joints."""

    skeleton = "coco17"

    def __init__(self, path: Path | None, device: str = "cpu") -> None:
        """
        Args:
            path: its weights, as torchvision publishes them; None: downloaded once.

        Raises:
            ModuleNotFoundError: torchvision is not installed, or does not start beside this PyTorch.
            ConnectionError: the download failed.
            ValueError: the file holds other weights.
        """
        from integralaction.model.archive import read_archive

        try:
            from torchvision.models import detection  # ty: ignore[import-not-found]
        except (ImportError, RuntimeError, OSError) as error:
            raise MissingExtra(
                "Expected torchvision for keypoint-rcnn; it is not installed, or does not start "
                f"({_first_line(error)}). "
                "Install the torchvision of your PyTorch, or take rtmo."
            ) from error
        self._device = device
        try:
            if path is None:
                path = _torchvision_file(detection.KeypointRCNN_ResNet50_FPN_Weights.COCO_V1.url)
            self._network = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
            self._network.load_state_dict(read_archive(path))
        except OSError:
            raise
        except Exception as error:  # of the unpickler, or a list of wrong keys
            raise Refused(f"Expected torchvision's weights of Keypoint R-CNN in {path}; found others.") from error
        self._network.eval().to(device)

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 17 3"]]:
        import torch

        found = []
        for first in range(0, len(frames), AT_ONCE):
            part = torch.from_numpy(np.ascontiguousarray(frames[first : first + AT_ONCE])).to(self._device)
            with torch.no_grad():
                outputs = self._network(list(part.permute(0, 3, 1, 2).float() / 255))
            for output in outputs:
                kept = output["scores"] >= LEAST_PERSON
                places = output["keypoints"][kept][..., :2].cpu().numpy()
                # a joint's own score is a logit; a person that is hardly one has hardly joints
                scores = torch.sigmoid(output["keypoints_scores"][kept]) * output["scores"][kept][:, None]
                found.append(_persons(places, scores.cpu().numpy()))
        return found


def _tool(name: str, path: Path, device: str) -> Any:
    """One of rtmlib's networks, told the size of image that its file wants."""
    rtmlib = _rtmlib()
    if not path.is_file():
        raise MissingFile(f"Expected the file of a pose network; {path} is not there.")
    try:
        with redirect_stdout(io.StringIO()):  # it says on standard output what it loads
            tool = getattr(rtmlib, name)(str(path), device=device)
    except Exception as error:  # of ONNX Runtime, whose kinds are not documented
        raise Refused(f"Expected {name}'s network in ONNX format in {path}; it cannot be read.") from error
    shape = list(tool.session.get_inputs()[0].shape)
    _check(len(shape) == 4 and shape[1] == 3, path, name, f"images (1, 3, height, width), not {shape}")
    free = zip(shape[2:], FREE[name], strict=True)
    size = tuple(side if isinstance(side, int) and side > 0 else usual for side, usual in free)
    tool.model_input_size = size if name != "RTMPose" else size[::-1]  # which alone has width, height
    return tool


def _outputs(tool: Any, path: Path, name: str) -> list[np.ndarray]:
    """What a network says of a blank image."""
    size = tool.model_input_size if name != "RTMPose" else tool.model_input_size[::-1]
    try:
        return tool.inference(np.zeros((*size, 3), np.float32))
    except Exception as error:
        raise Refused(
            f"Expected {name}'s network in {path}, which takes one image of {size[0]} x {size[1]}; it failed "
            f"({_first_line(error)})."
        ) from error


def _blank(tool: Any, path: Path, name: str, *wanted: tuple[int | None, ...]) -> list[int]:
    """How many rows each output has for a blank image, after its shape was checked: (1, *wanted), None for any."""
    shapes = [output.shape for output in _outputs(tool, path, name)]
    fits = len(shapes) == len(wanted) and all(
        len(shape) == len(want) + 1 and all(w in (None, n) for w, n in zip(want, shape[1:], strict=True))
        for shape, want in zip(shapes, wanted, strict=True)
    )
    shown = " and ".join(str((1, *("any" if n is None else n for n in want))) for want in wanted)
    _check(fits, path, name, f"outputs of {shown}, not {' and '.join(map(str, shapes))}")
    return [shape[1] for shape in shapes]


def _check(fits: bool, path: Path, name: str, wanted: str) -> None:
    if not fits:
        raise Refused(f"Expected the network of {name} in {path}, with {wanted}. Give the file of that network.")


def _persons(places: np.ndarray, scores: np.ndarray) -> Float[np.ndarray, "_p 17 3"]:
    """rtmlib's joints and scores as poses; RTMO gives a person of zeros for nobody, scores may exceed 1."""
    persons = np.concatenate([places, np.clip(scores, 0, 1)[..., None]], axis=2).astype(np.float32)
    persons[~np.isfinite(persons).all(axis=2)] = 0
    return persons[(persons[..., 2] > 0).any(axis=1)]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def estimator_installed() -> bool:
    """Whether the extra is installed whose estimator is used where nothing else is asked for."""
    return find_spec("rtmlib") is not None and find_spec("onnxruntime") is not None


def estimator_named(name: Named, weights: Sequence[Path], device: str) -> PoseEstimator:
    """RTMO, RTMPose or Keypoint R-CNN.

    Args:
        weights: local files: RTMO's one, YOLOX's and RTMPose's, or Keypoint R-CNN's; empty: download them once.
        device: `cuda` uses the GPU where the installed ONNX Runtime can.

    Raises:
        ModuleNotFoundError: rtmlib is not installed.
        ConnectionError: a download failed.
        ValueError: another number of files, or files of another kind.
    """
    count = len(_FILES.get(name, (0,)))
    if weights and len(weights) != count:
        files = "two files, YOLOX's and RTMPose's" if name == "rtmpose" else "one file"
        raise Refused(f"Expected {files}, in --weights for {name}; found {len(weights)}.")
    if name == "keypoint-rcnn":
        return KeypointRCNN(weights[0] if weights else None, device)
    _rtmlib()
    paths = list(weights) or [_download(name, _MODELS + file, digest) for file, digest in _FILES[name]]
    provider = "cuda" if device == "cuda" and _runs_on_cuda() else "cpu"
    return RTMO(paths[0], provider) if name == "rtmo" else RTMPose(paths[0], paths[1], provider)


def _download(name: str, address: str, digest: str) -> Path:
    """The network in the archive at that address, from rtmlib's folder of downloads where it is there; its hash is
    checked each time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "rtmlib"
    archive = Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub/checkpoints" / address.rpartition("/")[2]
    path = archive.with_suffix(".onnx")
    if not path.is_file():
        _fetch(name, address, archive, "")
        try:
            with zipfile.ZipFile(archive) as opened, write_whole(path) as aside:
                member = next(one for one in opened.namelist() if one.endswith("end2end.onnx"))
                aside.write_bytes(opened.read(member))
        except (zipfile.BadZipFile, StopIteration) as error:
            raise Refused(f"Expected a zip archive with end2end.onnx at {address}; found another file.") from error
        finally:
            archive.unlink(missing_ok=True)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise Refused(
            f"Expected the file with SHA-256 {digest[:16]}... in {path}; found {found[:16]}... Remove it, and the "
            "same command downloads it again."
        )
    return path


def _torchvision_file(address: str) -> Path:
    """Published weights, from torch's folder of downloads where they are there; their name ends in their hash."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if not path.is_file():
        _fetch("keypoint-rcnn", address, path, path.stem.rpartition("-")[2])
    return path


def _fetch(name: str, address: str, path: Path, digest: str) -> None:
    try:
        download(address, path, digest)
    except ConnectionError as error:
        raise ConnectionError(
            f"Expected to download {address} for {name}; that failed ({error}). Give a local file with --weights, or "
            "an OpenPose network with --pose-model."
        ) from error


def _runs_on_cuda() -> bool:
    """Whether the installed ONNX Runtime can use a GPU of NVIDIA's."""
    return "CUDAExecutionProvider" in import_onnxruntime().get_available_providers()


def _rtmlib() -> Any:
    try:
        import_onnxruntime()
        import rtmlib
    except ImportError as error:
        raise MissingExtra(
            "Expected rtmlib to estimate poses; it is not installed, or does not start "
            f"({error}). Run pip install 'integralaction[pose]'."
        ) from error
    return rtmlib
