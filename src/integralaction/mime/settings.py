"""What to render. Apart from the rest, so that the command line knows its options without loading what renders."""

from dataclasses import dataclass

from integralaction.errors import Refused

SPLITS = ("train", "val", "in-context", "out-of-context", "no-pose", "ambiguous")
COUNTS = {split: split.replace("-", "_") for split in SPLITS}  # the setting that says how many videos a split has


@dataclass(frozen=True)
class MimeSettings:
    """What to render: the options of `integralaction mime` and the keys of `mime.yaml`, so one flat list.

    Attributes:
        size: Height and width of a frame in pixels.
        fps: Frames a second.
        seconds: The shortest and the longest video, in seconds.
        train: Training videos of each class.
        val: Videos of each class, of every kind, to choose settings by.
        in_context: Test videos of each class whose scene mostly agrees with the action.
        no_pose: Test videos of each class without usable pose, in context.
        out_of_context: Mimes of each class that is recognised by its motion.
        ambiguous: Test videos of each class that has a twin, in context.
        scene_agreement: Probability that the scene of a train or in-context video follows the action.
        no_pose_share: Share of each class's training videos without usable pose.
        seed: Seed of all that is random: acts, bodies, scenes, estimates of poses.

    Raises:
        ValueError: a value that cannot be.
    """

    size: int = 64
    fps: float = 15.0
    seconds: tuple[float, float] = (3.0, 4.0)
    train: int = 70
    val: int = 10
    in_context: int = 16
    out_of_context: int = 30
    no_pose: int = 12
    ambiguous: int = 15
    scene_agreement: float = 0.9
    no_pose_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "seconds", tuple(float(s) for s in self.seconds))
        if self.size < 32 or self.size % 2:
            raise Refused(f"Expected an even size of at least 32 pixels; found {self.size}. Take 64 or 256.")
        if not 5 <= self.fps <= 120:
            raise Refused(f"Expected 5 to 120 frames a second; found {self.fps}. Take 15 or 30.")
        if len(self.seconds) != 2 or not 1 <= self.seconds[0] <= self.seconds[1]:
            raise Refused(
                f"Expected seconds as the shortest and the longest, from 1 on; found {self.seconds}. Take (3, 4)."
            )
        counts = [name for name in (*COUNTS.values(), "seed") if getattr(self, name) < 0]
        if counts:
            raise Refused(
                f"Expected no negative numbers; found {counts[0]} {getattr(self, counts[0])}. Take 0 or more."
            )
        if not any(getattr(self, name) for name in COUNTS.values()):
            raise Refused("Expected at least one video; found 0 in every split. Ask for some, as train=80.")
        for name in ("scene_agreement", "no_pose_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise Refused(
                    f"Expected {name} between 0 and 1; found {getattr(self, name)}. Give it as a share, as 0.9."
                )
