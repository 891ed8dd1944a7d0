"""Poses, labels and the gate drawn onto frames."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from integralaction.fonts import Font, fit_line
from integralaction.skeleton import Skeleton

LEAST_HEIGHT = 320  # pixels: smaller frames are enlarged before anything is drawn,
MOST_WIDTH = 4096  # but not beyond this
# told apart by the colour-blind, and light on dark in grey (Okabe and Ito)
_LEFT, _RIGHT, _MIDDLE = (240, 228, 66), (86, 180, 233), (255, 255, 255)
_OUTLINE, _STRIP, _INK, _TRACK = (0, 0, 0), (24, 24, 28), (240, 240, 240), (86, 86, 96)
_APPEARANCE = (230, 159, 0)


def draw_frame(
    frame: UInt8[np.ndarray, "h w 3"],
    joints: Float[np.ndarray, "p k 3"],
    skeleton: Skeleton,
    least_score: float,
    title: str,
    gate: float | None,
) -> Image.Image:
    """A frame with its poses, a line of text above it and the gate as a bar below it.

    Args:
        joints: x, y in pixels of the frame, score; joints below `least_score` are left out.
        title: what stands above the frame.
        gate: 0 (pose alone) to 1 (appearance alone); None: no bar.
    """
    scale = max(1.0, min(LEAST_HEIGHT / frame.shape[0], MOST_WIDTH / frame.shape[1]))
    picture = Image.fromarray(frame)
    if scale > 1:
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
        )
    draw_poses(picture, joints * np.array([scale, scale, 1.0], np.float32), skeleton, least_score)
    strip = max(24, picture.height // 16)
    below = strip if gate is not None else 0
    whole = Image.new("RGB", (picture.width, strip + picture.height + below), _STRIP)
    whole.paste(picture, (0, strip))
    brush = ImageDraw.Draw(whole)
    text = fit_line(title, strip * 0.6, whole.width - strip * 0.6)
    text.draw(brush, (strip * 0.3, strip * 0.5), _INK, anchor="lm")
    if gate is not None:
        _draw_gate(brush, gate, whole.height - strip, whole.width, strip, ImageFont.load_default(strip * 0.6))
    return whole


def draw_poses(
    picture: Image.Image, joints: Float[np.ndarray, "p k 3"], skeleton: Skeleton, least_score: float
) -> None:
    """Draw persons onto a picture: bones as lines, joints as dots; the person's left yellow, the right blue.

    Args:
        joints: x, y in pixels of the picture, score; those below `least_score` are left out.
    """
    brush = ImageDraw.Draw(picture)
    width = max(2, round(picture.height / 120))
    for person in joints:
        places = [tuple(map(float, joint[:2])) if joint[2] > least_score else None for joint in person]
        bones = [(places[a], places[b], _colour(skeleton, b)) for a, b in skeleton.bones]
        # all outlines first, so that no bone's outline cuts another bone
        for is_outline in (True, False):
            for start, end, colour in bones:
                if start is not None and end is not None:
                    ink, thickness = (_OUTLINE, width + 2) if is_outline else (colour, width)
                    brush.line([start, end], fill=ink, width=thickness)
        for joint, place in enumerate(places):
            if place is not None:
                brush.circle(place, width, fill=_colour(skeleton, joint), outline=_OUTLINE)


def _colour(skeleton: Skeleton, joint: int) -> tuple[int, int, int]:
    name = skeleton.joints[joint]
    return _LEFT if name.startswith("left_") else _RIGHT if name.startswith("right_") else _MIDDLE


def _draw_gate(brush: ImageDraw.ImageDraw, gate: float, top: int, width: int, height: int, font: Font) -> None:
    """The bar: empty at the left for pose alone, full for appearance alone, with the number before it."""
    gap, middle = height * 0.3, top + height / 2
    number = f"gate {gate:.2f}"
    first = gap + font.getlength("gate 0.00") + gap
    brush.text((gap, middle), number, _INK, font, anchor="lm")
    ends = [font.getlength(word) for word in ("pose", "appearance")]
    left, right = first, width - gap
    if right - left > 3 * sum(ends):  # room for words
        brush.text((left, middle), "pose", _INK, font, anchor="lm")
        brush.text((right, middle), "appearance", _INK, font, anchor="rm")
        left, right = left + ends[0] + gap, right - ends[1] - gap
    thick = height * 0.16
    brush.rectangle((left, middle - thick, right, middle + thick), fill=_TRACK)
    brush.rectangle((left, middle - thick, left + gate * (right - left), middle + thick), fill=_APPEARANCE)
