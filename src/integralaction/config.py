"""The settings of a model as small frozen dataclasses, one for each of its parts.

    ModelConfig
      clip         which frames and poses a clip has           ClipConfig
      appearance   the appearance stream (section 3.1)         AppearanceConfig, with a ResNetConfig or EncoderConfig
      pose         the pose stream (section 3.2)               PoseConfig, with a ResNetConfig
      integration  how the two become one answer (section 3.3) IntegrationConfig

The defaults are the paper's values; contradictions are refused in a sentence.
"""

from dataclasses import fields, replace
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, Discriminator, Tag
from pydantic.dataclasses import dataclass

from integralaction.errors import Refused
from integralaction.format1 import MODEL_NAMES
from integralaction.skeleton import skeleton_named

Integration = Literal["integral", "gate-free", "appearance-gate", "both-gate", "feature-fuse", "score-average"]
Method = Literal[Integration, "appearance-only", "pose-only"]
METHODS: tuple[Method, ...] = get_args(Method)
TRAINED_INTEGRATIONS: tuple[Method, ...] = tuple(name for name in get_args(Integration) if name != "score-average")
SINGLE_STREAMS: tuple[Method, ...] = ("appearance-only", "pose-only")  # stages 1 and 2

Depth = Literal[18, 34, 50, 101]
ImageEncoder = Literal["dinov2", "dinov3_vit", "vit"]  # look at one frame at a time
VideoEncoder = Literal["videomae", "vjepa2"]  # look at a clip
ENCODERS: tuple[str, ...] = (*get_args(ImageEncoder), *get_args(VideoEncoder))
Colour = tuple[float, float, float]  # of red, green and blue, 0..1
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PoseInput = Literal["heatmaps", "pafs", "both"]

# far beyond what anybody trains; a file that says more would take memory and minutes before anything is noticed
_MOST = {"channels": 2**14, "frames": 2**10, "stride": 2**16, "pose_frame_factor": 2**10, "size": 2**12, "shift": 2**12}
_MOST_IN_ENCODER = 2**14  # any number among an encoder's settings
_MOST_LAYERS = 2**8  # of an encoder
_MOST_CLASSES = 100_000
_MOST_PIXELS = 2**25  # of a clip: its frames times height and width
_MOST_PLACES = 2**22  # of a clip's pose maps: their frames times height and width

STRICT = ConfigDict(extra="forbid")


def _check_range(name: str, value: int, least: int) -> None:
    if value < least:
        raise Refused(f"Expected {name} of at least {least}; found {value}.")
    if value > _MOST[name]:
        raise Refused(f"Expected {name} of at most {_MOST[name]}; found {value}.")


@dataclass(frozen=True, config=STRICT)
class ClipConfig:
    """What a clip is: T frames of a video, and the poses of T' frames from the same time on.

    Attributes:
        frames: T, RGB frames in a clip.
        stride: τ, video frames from one RGB frame to the next.
        size: height and width of the RGB input in pixels, a multiple of 32; the pose maps have a quarter of it.
        pose_frame_factor: T'/T; 4 gives the paper's T' = 32 with a stride of 2, average-pooled by 4 (section 4.2).
        pose_pooling: how F_P comes from T' frames to T: their `mean`, or the released code's strided `convolution` in
            time over T' = (T-1) * pose_frame_factor + 1 frames.
    """

    frames: int = 8
    stride: int = 8
    size: int = 224
    pose_frame_factor: int = 1
    pose_pooling: Literal["mean", "convolution"] = "mean"

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "pose_frame_factor"):
            _check_range(name, getattr(self, name), least=1)
        _check_range("size", self.size, least=32)
        if self.frames * self.size**2 > _MOST_PIXELS or self.pose_frames * self.map_size**2 > _MOST_PLACES:
            raise Refused(
                f"Expected clips of at most {_MOST_PIXELS} pixels and pose maps of at most {_MOST_PLACES} places; "
                f"found {self.frames} frames and {self.pose_frames} pose frames at a size of {self.size}."
            )
        if self.size % 32:
            raise Refused(f"Expected a size that is a multiple of 32 pixels; found {self.size}.")
        if self.stride % self.pose_frame_factor:
            raise Refused(
                f"Expected a stride that pose_frame_factor divides, so that pose frames fall on video frames; "
                f"found stride {self.stride} and pose_frame_factor {self.pose_frame_factor}."
            )
        if self.pose_pooling == "convolution" and self.pose_frame_factor == 1:
            raise Refused("Expected pose_pooling=mean where pose_frame_factor is 1; found convolution.")

    @property
    def pose_frames(self) -> int:
        """T', pose frames in a clip: as many times T as `pose_frame_factor` says, or what the convolution needs."""
        if self.pose_pooling == "convolution":
            return (self.frames - 1) * self.pose_frame_factor + 1
        return self.frames * self.pose_frame_factor

    @property
    def pose_stride(self) -> int:
        """Video frames from one pose frame to the next."""
        return self.stride // self.pose_frame_factor

    @property
    def span(self) -> int:
        """Video frames from the first to the last RGB frame of a clip: 57 for T = 8, τ = 8."""
        return (self.frames - 1) * self.stride + 1

    @property
    def map_size(self) -> int:
        """Height and width of the pose maps: a quarter of the RGB input's (section 3.2)."""
        return self.size // 4


@dataclass(frozen=True, config=STRICT)
class ResNetConfig:
    """A TSM-ResNet.

    Attributes:
        depth: of the ResNet (paper: 50 for appearance and 18 for pose in section 4.2, 18 and 18 elsewhere).
        width: factor on its channels, a multiple of 1/8; 1.0 is the paper's.
        shift: one part in so many of a block's channels comes from the next frame, another from the one before; 0:
            none.
        shift_first: where the first of the two parts comes from; the released code has it from the `previous` frame.
    """

    depth: Depth = 18
    width: float = 1.0
    shift: int = 8
    shift_first: Literal["next", "previous"] = "next"

    def __post_init__(self) -> None:
        if not 0 < self.width <= 4 or (self.width * 8) % 1:
            raise Refused(f"Expected a width that is a multiple of 1/8, at most 4; found {self.width}.")
        _check_range("shift", self.shift, least=0)
        if self.shift == 1:
            raise Refused(f"Expected a shift of one part in 2 or more of the channels, or 0; found {self.shift}.")

    @property
    def is_temporal(self) -> bool:
        """Whether a frame's maps depend on the frames around it."""
        return self.shift > 0


@dataclass(frozen=True, config=STRICT)
class EncoderConfig:
    """A transformer of Hugging Face's library, as that library's `AutoConfig.for_model` builds it.

    Attributes:
        settings: `model_type`, which is one of `ENCODERS`, and whatever of its sizes is not the library's default.
    """

    settings: dict[str, Any]

    def __post_init__(self) -> None:
        model_type = self.settings.get("model_type")
        if model_type not in ENCODERS:
            raise Refused(f"Expected an encoder with model_type one of {', '.join(ENCODERS)}; found {model_type!r}.")
        for name, value in self.settings.items():
            most = _MOST_LAYERS if name == "num_hidden_layers" else _MOST_IN_ENCODER
            if isinstance(value, int | float) and not abs(value) <= most:
                raise Refused(f"Expected the encoder's {name} to be at most {most}; found {value}.")
        # one order, whichever file they come from: a stage is known by its settings
        object.__setattr__(self, "settings", dict(sorted(self.settings.items())))

    @property
    def is_temporal(self) -> bool:
        """Whether a frame's maps depend on the frames around it."""
        return self.settings["model_type"] in get_args(VideoEncoder)


_BACKBONES = {"(ResNet)": ResNetConfig, "(encoder)": EncoderConfig}


def _backbone_kind(value: Any) -> str | None:
    """Which of them a backbone is, as settings or as plain values; None where it is none, or several."""
    if not isinstance(value, dict):
        return next((tag for tag, kind in _BACKBONES.items() if isinstance(value, kind)), None)
    tags = [tag for tag, kind in _BACKBONES.items() if value.keys() & {field.name for field in fields(kind)}]
    return None if len(tags) > 1 else next(iter(tags), "(ResNet)")


Backbone = Annotated[
    Annotated[ResNetConfig, Tag("(ResNet)")] | Annotated[EncoderConfig, Tag("(encoder)")],
    Discriminator(
        _backbone_kind,
        custom_error_type="backbone",
        custom_error_message=(
            "Expected either a ResNet (depth, width, shift, shift_first) or an encoder (settings, as in "
            "'settings: {model_type: vit}'), whole"
        ),
    ),
]


@dataclass(frozen=True, config=STRICT)
class AppearanceConfig:
    """The appearance stream (section 3.1).

    Attributes:
        backbone: what looks at the frames.
        mean, deviation: by which frames are normalised, ImageNet's; the released code has 0 and 1.
    """

    backbone: Backbone = ResNetConfig()
    mean: Colour = IMAGENET_MEAN
    deviation: Colour = IMAGENET_DEVIATION

    def __post_init__(self) -> None:
        if not all(map(isfinite, self.mean)) or not all(isfinite(value) and value > 0 for value in self.deviation):
            raise Refused(
                f"Expected a finite mean and a positive deviation of each colour; found {self.mean} and "
                f"{self.deviation}."
            )


@dataclass(frozen=True, config=STRICT)
class PoseConfig:
    """The pose stream (section 3.2).

    Attributes:
        backbone: what looks at the pose maps.
        skeleton: joint set of the poses.
        input: what the stream sees (Table 9).
    """

    backbone: ResNetConfig = ResNetConfig()
    skeleton: str = "openpose18"
    input: PoseInput = "both"

    def __post_init__(self) -> None:
        skeleton_named(self.skeleton)


@dataclass(frozen=True, config=STRICT)
class IntegrationConfig:
    """How two streams become one answer (section 3.3).

    Attributes:
        method: the paper's is `integral`.
        channels: C, the channels after feature alignment.
        alignment: `layer`: 1x1 convolution, LayerNorm, ReLU, as in the paper; the released code has `batch`: 1x1
            convolution, BatchNorm, ReLU, or `batch-layer`: likewise, then LayerNorm.
        gate_norm: batch normalisation in the gate, which the released code leaves out.
        score_weight: share of the appearance stream in `score-average`.
        stream_answers: the model keeps the streams' own classifiers, and tells what each stream alone says; released
            snapshots do not have them.
    """

    method: Integration = "integral"
    channels: int = 512
    alignment: Literal["layer", "batch", "batch-layer"] = "layer"
    gate_norm: bool = True
    score_weight: float = 0.5
    stream_answers: bool = True

    def __post_init__(self) -> None:
        _check_range("channels", self.channels, least=1)
        if not 0 <= self.score_weight <= 1:
            raise Refused(f"Expected a score_weight from 0 to 1; found {self.score_weight}.")
        if not self.stream_answers and self.method == "score-average":
            raise Refused(f"Expected stream_answers, of which {self.method} consists; found false.")


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """One model. A single stream has the other part and the integration None.

    Attributes:
        classes: class names, in the order of the probabilities.
        clip: what a clip is.
        appearance, pose: the streams.
        integration: how they become one answer.
        vote: what is averaged over the frames: their `probabilities` (section 3.4), or their `logits` before the
            softmax, as in the released code.
    """

    FORMER_NAMES: ClassVar[dict[str, str]] = MODEL_NAMES

    classes: tuple[str, ...] = ()
    clip: ClipConfig = ClipConfig()
    appearance: AppearanceConfig | None = AppearanceConfig()
    pose: PoseConfig | None = PoseConfig()
    integration: IntegrationConfig | None = IntegrationConfig()
    vote: Literal["probabilities", "logits"] = "probabilities"

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise Refused(f"Expected class names without repeats; found {list(self.classes)}.")
        if len(self.classes) > _MOST_CLASSES:
            raise Refused(f"Expected at most {_MOST_CLASSES} classes; found {len(self.classes)}.")
        if self.appearance is None and self.pose is None:
            raise Refused("Expected an appearance or a pose stream, or both; found neither.")
        if (self.integration is None) != (self.appearance is None or self.pose is None):
            raise Refused(
                "Expected an integration where there are two streams, and none where there is one; found "
                f"{'none' if self.integration is None else self.integration.method} for "
                f"{'one stream' if self.appearance is None or self.pose is None else 'two streams'}."
            )

    @property
    def method(self) -> Method:
        """How the model answers: its integration, or its only stream."""
        if self.integration is not None:
            return self.integration.method
        return "appearance-only" if self.pose is None else "pose-only"

    @property
    def skeleton(self) -> str | None:
        """The joint set of the poses that the model looks at; None: it looks at none."""
        return None if self.pose is None else self.pose.skeleton

    def of_method(self, method: Method) -> "ModelConfig":
        """The same streams and clip with another method.

        Raises:
            ValueError: it needs a stream that is not here.
        """
        if (self.appearance is None and method != "pose-only") or (self.pose is None and method != "appearance-only"):
            raise Refused(f"Expected {'an appearance' if self.appearance is None else 'a pose'} stream for {method}.")
        if method == "appearance-only":
            return replace(self, pose=None, integration=None)
        if method == "pose-only":
            return replace(self, appearance=None, integration=None)
        return replace(self, integration=replace(self.integration or IntegrationConfig(), method=method))
