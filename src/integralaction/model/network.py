"""The whole network: streams -> integration -> classifier. `forward` names every intermediate.

frames (B, T, 3, H, W) --> appearance stream --> F_A (B, T, C_A) --+
                                                                  +--> integration --> F --> classifier
joints (B, T', P, K, 3) -> maps -> pose stream -> F_P (B, T', C_P) +
                                                  pooled to T

B clips, T RGB frames, T' pose frames (T times pose_frame_factor), P persons, K joints, C channels
"""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from integralaction.config import ModelConfig
from integralaction.errors import Refused
from integralaction.model.backbones import build_backbone
from integralaction.model.inputs import check_frames, check_joints, check_tensor
from integralaction.model.integration import FeatureIntegration, PosePooling, build_integration, new_linear
from integralaction.model.layers import Layer
from integralaction.model.streams import AppearanceStream, PoseStream


@dataclass(frozen=True)
class Output:
    """What a forward pass computed; None where the method has no such thing.

    Attributes:
        probabilities: (B, classes), the mean over the frames' softmax (section 3.4), or the softmax of the frames'
            mean logits where `config.vote` says so.
        logits: (B, T, classes); of `pose-only` (B, T', classes); None for `score-average`.
        gate: (B, T, C) in 0..1; multiplies appearance, 1-gate multiplies pose (equation 1).
        gate_logits: (B, T, C), the gate before its sigmoid.
        feature: (B, T, C), the integrated feature F.
        appearance: (B, T, C_A), F_A.
        pose: (B, T', C_P), F_P before it is pooled to T frames.
        heatmaps: (B, T', K, S, S), S a quarter of the frame size; pafs: (B, T', 2L, S, S), bone by bone, x then y.
        appearance_probabilities, pose_probabilities: (B, classes), what each stream alone says.
    """

    probabilities: Tensor
    logits: Tensor | None = None
    gate: Tensor | None = None
    gate_logits: Tensor | None = None
    feature: Tensor | None = None
    appearance: Tensor | None = None
    pose: Tensor | None = None
    heatmaps: Tensor | None = None
    pafs: Tensor | None = None
    appearance_probabilities: Tensor | None = None
    pose_probabilities: Tensor | None = None


@dataclass(frozen=True)
class Features:
    """What the streams computed: see `Output`."""

    appearance: Tensor | None
    pose: Tensor | None
    heatmaps: Tensor | None = None
    pafs: Tensor | None = None


class IntegralAction(nn.Module):
    """The model of the paper, or one of the methods it is compared with, as `config.method` says.

    Both streams keep the classifiers of their own trainings, so that one model also tells what each stream alone
    says; released snapshots do not have them (`config.integration.stream_answers`).
    """

    def __init__(self, config: ModelConfig) -> None:
        """
        Raises:
            ModuleNotFoundError: an encoder without the extra `transformers`.
            ValueError: fewer than two classes, or a backbone that cannot be built or does not fit the clip.
        """
        super().__init__()
        if len(config.classes) < 2:
            raise Refused(f"Expected a model of at least two classes; found {list(config.classes)}.")
        self.config = config
        self.source: str = config.method  # what it was loaded from; a model that was made anew is called by its method
        classes = len(config.classes)
        self.appearance: AppearanceStream | None = None
        self.appearance_classifier: nn.Linear | None = None
        self.pose: PoseStream | None = None
        self.pose_classifier: nn.Linear | None = None
        has_stream_answers = config.integration is None or config.integration.stream_answers
        if config.appearance is not None:
            part = config.appearance
            backbone = build_backbone(part.backbone, config.clip)
            self.appearance = AppearanceStream(backbone, config.clip.frames, part.mean, part.deviation)
            if has_stream_answers:
                self.appearance_classifier = new_linear(self.appearance.channels, classes)
        if config.pose is not None:
            self.pose = PoseStream(config.pose, config.clip)
            if has_stream_answers:
                self.pose_classifier = new_linear(self.pose.channels, classes)
        self.pose_pooling: PosePooling | None = None
        self.integration: FeatureIntegration | None = None
        self.classifier: nn.Linear | None = None
        if config.integration is not None and self.appearance is not None and self.pose is not None:
            integration = build_integration(config.integration, self.appearance.channels, self.pose.channels)
            if integration is not None:
                self.integration = integration
                if config.clip.pose_pooling == "convolution":
                    self.pose_pooling = PosePooling(self.pose.channels, config.clip.pose_frame_factor)
                self.classifier = new_linear(integration.channels, classes)

    if TYPE_CHECKING:  # torch leaves open what a module gives

        def __call__(self, frames: Tensor | None, joints: Tensor | None) -> Output: ...

    def forward(
        self,
        frames: UInt8[Tensor, "b t 3 h w"] | Float[Tensor, "b t 3 h w"] | None,
        joints: Float[Tensor, "b u p k 3"] | None,
    ) -> Output:
        """Classify clips.

        Args:
            frames: RGB, uint8 in 0..255 or float in 0..1 (whose range is checked on the CPU alone); None for
                `pose-only`.
            joints: x, y in pixels of those frames (of `config.clip.size` without frames) and score; absent persons have
                score 0, and a joint that is not finite counts as not found; None for `appearance-only`.

        Raises:
            ValueError: an input that the method needs is missing, is no tensor, or its shape, type or range is another.
        """
        return self.integrate(self.features(frames, joints))

    def features(self, frames: Tensor | None, joints: Tensor | None) -> Features:
        """The streams alone: see `forward`."""
        self._check(frames, joints)
        dtype = next(self.parameters()).dtype  # NumPy's floats have 64 bits, those of a model mostly 32
        if frames is not None and frames.is_floating_point():
            frames = frames.to(dtype)
        if joints is not None:
            joints = joints.to(torch.promote_types(dtype, torch.float32))  # places need more than half precision
        appearance = pose = heatmaps = pafs = None
        if self.appearance is not None:
            appearance = self.appearance(frames)
        if self.pose is not None and joints is not None:
            height, width = (self.config.clip.size,) * 2 if frames is None else frames.shape[-2:]
            heatmaps, pafs = self.pose.draw(joints, height, width)
            pose = self.pose(heatmaps, pafs)
        return Features(appearance, pose, heatmaps, pafs)

    def integrate(self, features: Features) -> Output:
        """Everything after the streams: from their features to the answer."""
        appearance, pose = features.appearance, features.pose
        appearance_logits = pose_logits = gate = gate_logits = feature = logits = None
        if self.appearance_classifier is not None and appearance is not None:
            appearance_logits = self.appearance_classifier(appearance)
        if self.pose_classifier is not None and pose is not None:
            pose_logits = self.pose_classifier(pose)
        of_appearance = None if appearance_logits is None else self.vote(appearance_logits)
        of_pose = None if pose_logits is None else self.vote(pose_logits)
        if self.integration is not None and self.classifier is not None and pose is not None:
            feature, gate_logits = self.integration(appearance, self.pool_pose(pose))
            gate = None if gate_logits is None else torch.sigmoid(gate_logits)
            logits = self.classifier(feature)
            probabilities = self.vote(logits)
        elif self.config.integration is not None and of_appearance is not None and of_pose is not None:
            weight = self.config.integration.score_weight  # of score-average
            probabilities = weight * of_appearance + (1 - weight) * of_pose
        else:
            logits = appearance_logits if pose_logits is None else pose_logits
            probabilities = of_appearance if of_pose is None else of_pose
        assert probabilities is not None  # `features` refuses to leave out what the method needs
        return Output(
            probabilities=probabilities,
            logits=logits,
            gate=gate,
            gate_logits=gate_logits,
            feature=feature,
            appearance=features.appearance,
            pose=features.pose,
            heatmaps=features.heatmaps,
            pafs=features.pafs,
            appearance_probabilities=of_appearance,
            pose_probabilities=of_pose,
        )

    def vote(self, logits: Float[Tensor, "b t n"]) -> Float[Tensor, "b n"]:
        """The frames' probabilities, averaged (section 3.4); the released code and TSM average the logits."""
        if self.config.vote == "logits":
            return torch.softmax(logits.float().mean(dim=1), dim=1)
        return torch.softmax(logits.float(), dim=2).mean(dim=1)

    def select_features(self, features: Features) -> Features:
        """The part of another model's features that this method looks at."""
        return Features(
            features.appearance if self.appearance is not None else None,
            features.pose if self.pose is not None else None,
            features.heatmaps,
            features.pafs,
        )

    def pool_pose(self, pose: Float[Tensor, "b u c"]) -> Float[Tensor, "b t c"]:
        """F_P averaged along time to the T frames of the appearance stream (section 4.2), or convolved."""
        if self.pose_pooling is not None:
            return self.pose_pooling(pose)
        return pose.unflatten(1, (self.config.clip.frames, -1)).mean(dim=2)

    def pooling_layers(self) -> tuple[Layer, ...]:
        """How F_P comes from T' to T frames; nothing where they are equal."""
        if self.pose_pooling is not None:
            return self.pose_pooling.layers()
        factor = self.config.clip.pose_frame_factor
        if factor == 1:
            return ()
        return (Layer(f"average\nof {factor}", f"{factor}×1² avg pool,\nstride {factor}×1²"),)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def _check(self, frames: Tensor | None, joints: Tensor | None) -> None:
        config = self.config
        if self.appearance is not None:
            if frames is None:
                raise Refused(f"Expected frames for a model of the method {config.method}; found None.")
            check_tensor(frames, "frames", self.device)
            check_frames(frames, config.clip.frames)
        if self.pose is not None:
            if joints is None:
                raise Refused(f"Expected joints for a model of the method {config.method}; found None.")
            check_tensor(joints, "joints", self.device)
            check_joints(joints, self.pose.frames, self.pose.skeleton)
            if self.appearance is not None and frames is not None and len(frames) != len(joints):
                raise Refused(f"Expected as many frames as joints; found {len(frames)} and {len(joints)} clips.")


def channels_last(model: IntegralAction) -> IntegralAction:
    """The model with its weights laid out as the streams lay out their maps: faster convolutions, same numbers."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):  # the layout is one of four dimensions
            module.to(memory_format=torch.channels_last)  # ty: ignore[no-matching-overload] (torch omits it)
    return model
