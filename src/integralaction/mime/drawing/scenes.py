"""The scenes: one drawn background a place, never twice the same; larger than the frame, so that a camera can move.

A background is a picture of the world around the frame at rest: its height and width are `MARGIN` frames. Places are
in frame units: x and y run from `LOW` to `HIGH`, the frame at rest is 0..1; the floor begins at `Paint.floor`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from integralaction.mime.drawing.colours import Colour, rgb, shade

MARGIN = 1.6
LOW, HIGH = 0.5 - MARGIN / 2, 0.5 + MARGIN / 2


@dataclass(frozen=True)
class Paint:
    """A brush in frame units, with a random hand."""

    draw: ImageDraw.ImageDraw
    scale: float
    rng: np.random.Generator
    floor: float

    def at(self, *points: float) -> list[float]:
        """Frame units to pixels of the background."""
        return [(p - LOW) * self.scale for p in points]

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle."""
        if x1 > x0 and y1 > y0:
            self.draw.rectangle(self.at(x0, y0, x1, y1), fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """A filled ellipse about its middle."""
        self.draw.ellipse(self.at(x - rx, y - ry, x + rx, y + ry), fill=colour)

    def line(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: Colour,
        width: float = 0.01,
    ) -> None:
        """A line, `width` in frame units."""
        self.draw.line(self.at(x0, y0, x1, y1), fill=colour, width=max(1, round(width * self.scale)))

    def poly(self, colour: Colour, *points: float) -> None:
        """A filled polygon x0, y0, x1, y1, ..."""
        self.draw.polygon(self.at(*points), fill=colour)

    def tint(self, r: int, g: int, b: int, spread: int = 18) -> Colour:
        """About that colour."""
        change = self.rng.integers(-spread, spread + 1, 3) + self.rng.integers(-spread, spread + 1)
        return rgb(np.array([r, g, b]) + change)

    def between(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def every(self, step: float) -> np.ndarray:
        """Places along the whole width, the first one random."""
        return np.arange(LOW - self.between(0, step), HIGH + step, step)

    def ground(self, wall: Colour, floor: Colour) -> None:
        """A wall or sky, and a floor."""
        self.box(LOW, LOW, HIGH, self.floor, wall)
        self.box(LOW, self.floor, HIGH, HIGH, floor)


def _weight_room(p: Paint) -> None:
    p.ground(p.tint(92, 96, 108), p.tint(58, 58, 64))
    for x in p.every(p.between(0.5, 0.7)):  # mirrors on the wall
        p.box(x, p.floor - 0.55, x + 0.38, p.floor - 0.18, p.tint(140, 155, 170))
    rack = p.tint(35, 35, 40)
    for row in range(2):  # racks of discs and dumbbells
        y = p.floor - 0.02 - 0.09 * row
        p.box(LOW, y, HIGH, y + 0.02, rack)
        for x in p.every(p.between(0.1, 0.15)):
            p.oval(x, y - 0.025, 0.035, 0.035, p.tint(*((200, 40, 40), (40, 70, 190), (230, 190, 40))[row], 25))
            p.oval(x, y - 0.025, 0.012, 0.012, rack)
    y = p.between(0.78, 0.82)
    p.poly(p.tint(165, 120, 70), -0.15, y, 1.15, y, 1.3, 1.1, -0.3, 1.1)  # platform


def _golf_green(p: Paint) -> None:
    p.ground(p.tint(135, 195, 240), p.tint(90, 175, 70))
    for _ in range(7):
        p.oval(p.between(LOW, HIGH), p.floor, p.between(0.1, 0.3), p.between(0.05, 0.14), p.tint(40, 110, 50))
    p.box(LOW, p.floor, HIGH, p.floor + 0.05, p.tint(70, 150, 60))
    for side in (p.between(-0.1, 0.2), p.between(0.8, 1.1)):
        p.oval(side, p.floor + p.between(0.1, 0.2), 0.18, 0.04, p.tint(235, 220, 160))  # bunkers
    x, y = (p.between(0.02, 0.2), p.between(0.8, 0.98))[p.rng.integers(2)], p.floor + 0.08
    p.oval(x, y, 0.16, 0.035, p.tint(130, 215, 100))
    p.line(x, y, x, y - 0.36, (245, 245, 245), 0.015)
    p.poly(p.tint(225, 40, 40), x, y - 0.36, x + 0.15, y - 0.31, x, y - 0.25)


def _boxing_ring(p: Paint) -> None:
    p.ground(p.tint(28, 24, 40), p.tint(175, 195, 215))
    for _ in range(90):  # the crowd
        x, y = p.between(LOW, HIGH), p.between(p.floor - 0.45, p.floor)
        p.oval(x, y, 0.025, 0.03, p.tint(90, 75, 80, 40))
    for x in p.every(0.5):
        p.oval(x, p.floor - 0.62, 0.1, 0.04, (255, 250, 215))  # lamps
    p.box(LOW, p.floor - 0.02, HIGH, p.floor + 0.03, p.tint(40, 60, 150))
    for i, colour in enumerate(((215, 35, 40), (240, 240, 240), (40, 70, 200))):
        y = p.floor - 0.1 - 0.12 * i
        p.line(LOW, y, HIGH, y + p.between(-0.01, 0.01), p.tint(*colour), 0.022)
    for x in (p.between(-0.05, 0.12), p.between(0.88, 1.05)):
        p.box(x - 0.035, p.floor - 0.42, x + 0.035, p.floor + 0.03, p.tint(200, 30, 35))


def _beach(p: Paint) -> None:
    p.ground(p.tint(120, 200, 250), p.tint(240, 215, 150))
    p.box(LOW, p.floor - 0.16, HIGH, p.floor, p.tint(30, 120, 195))
    for _ in range(14):
        x, y = p.between(LOW, HIGH), p.between(p.floor - 0.14, p.floor - 0.02)
        p.line(x, y, x + 0.12, y, (205, 235, 250), 0.008)
    p.line(LOW, p.floor, HIGH, p.floor, (250, 250, 245), 0.02)
    p.oval(p.between(0, 1), p.between(0.02, 0.15), 0.07, 0.07, (255, 240, 130))
    x, y, r = (p.between(0.0, 0.2), p.between(0.8, 1.0))[p.rng.integers(2)], p.floor + 0.12, 0.17
    p.line(x, y, x, y - 0.35, (240, 240, 240), 0.018)
    colours = ((225, 45, 55), (250, 250, 250))
    for i in range(6):  # parasol
        p.draw.pieslice(p.at(x - r, y - 0.35 - r, x + r, y - 0.35 + r), 180 + 30 * i, 210 + 30 * i, fill=colours[i % 2])
    x = p.between(0.2, 0.8)
    p.poly(
        p.tint(240, 120, 40, 40),
        x,
        p.floor + 0.1,
        x + 0.22,
        p.floor + 0.1,
        x + 0.25,
        p.floor + 0.15,
        x,
        p.floor + 0.15,
    )


def _theatre_stage(p: Paint) -> None:
    p.ground(p.tint(60, 18, 30), p.tint(150, 95, 50))
    red = p.tint(165, 20, 35)
    p.box(LOW, LOW, HIGH, p.floor, red)
    for i, x in enumerate(p.every(0.075)):
        p.box(x, LOW, x + 0.035, p.floor, shade(red, 0.65 + 0.1 * (i % 2)))
    gold = p.tint(225, 180, 60)
    for x in p.every(0.2):
        p.draw.pieslice(p.at(x, -0.2, x + 0.2, 0.12), 0, 180, fill=shade(red, 0.8), outline=gold)
    p.box(LOW, p.floor - 0.025, HIGH, p.floor, gold)
    for y in np.arange(p.floor + 0.05, HIGH, 0.07):
        p.line(LOW, y, HIGH, y, p.tint(115, 70, 35, 6), 0.006)
    p.oval(0.5 + p.between(-0.1, 0.1), 0.9, 0.42, 0.09, p.tint(220, 170, 110))  # spotlight


def _archery_range(p: Paint) -> None:
    p.ground(p.tint(205, 220, 230), p.tint(125, 150, 75))
    p.box(LOW, p.floor - 0.28, HIGH, p.floor, p.tint(150, 115, 75))  # plank fence
    for x in p.every(0.09):
        p.line(x, p.floor - 0.28, x, p.floor, p.tint(105, 78, 48, 8), 0.01)
    for x in p.every(p.between(0.38, 0.48)):
        y, r = p.floor - p.between(0.15, 0.22), p.between(0.12, 0.15)
        p.line(x - 0.08, p.floor + 0.04, x, y, (90, 60, 30), 0.02)
        p.line(x + 0.08, p.floor + 0.04, x, y, (90, 60, 30), 0.02)
        for i, colour in enumerate(((245, 245, 245), (30, 30, 35), (60, 150, 225), (225, 45, 45), (250, 220, 50))):
            p.oval(x, y, r * (1 - 0.2 * i), r * (1 - 0.2 * i), colour)
    for y in np.arange(p.floor + 0.12, HIGH, 0.16):
        p.line(LOW, y, HIGH, y, (240, 240, 235), 0.012)


def _basketball_court(p: Paint) -> None:
    p.ground(p.tint(185, 190, 200), p.tint(215, 145, 75))
    p.box(LOW, p.floor - 0.2, HIGH, p.floor, p.tint(50, 80, 150))
    for i, x in enumerate(p.every(0.055)):
        p.line(x, p.floor, 0.5 + (x - 0.5) * 2.2, HIGH, p.tint(185, 118, 55, 5), 0.006) if i % 2 else None
    p.draw.arc(
        p.at(0.0, p.floor + 0.05, 1.0, p.floor + 0.35),
        0,
        360,
        fill=(250, 250, 250),
        width=max(1, int(0.015 * p.scale)),
    )
    x, y = (p.between(0.08, 0.25), p.between(0.75, 0.92))[p.rng.integers(2)], p.floor - 0.42
    p.box(x - 0.02, y, x + 0.02, p.floor, p.tint(70, 70, 80))
    p.box(x - 0.17, y - 0.13, x + 0.17, y + 0.1, (245, 245, 250))
    p.box(x - 0.06, y - 0.02, x + 0.06, y + 0.07, (225, 50, 40))
    p.box(x - 0.045, y - 0.005, x + 0.045, y + 0.055, (245, 245, 250))
    for i in range(5):
        p.line(x - 0.07 + 0.035 * i, y + 0.1, x - 0.04 + 0.02 * i, y + 0.22, (250, 250, 250), 0.008)
    p.line(x - 0.08, y + 0.1, x + 0.08, y + 0.1, (235, 90, 30), 0.022)


def _football_pitch(p: Paint) -> None:
    p.ground(p.tint(150, 160, 185), p.tint(45, 140, 55))
    for _ in range(160):  # the stands
        p.oval(p.between(LOW, HIGH), p.between(LOW, p.floor - 0.1), 0.02, 0.02, p.tint(150, 120, 120, 60))
    p.box(LOW, p.floor - 0.09, HIGH, p.floor, p.tint(235, 235, 240))
    for x in p.every(0.3):
        p.box(x, p.floor - 0.07, x + 0.18, p.floor - 0.02, p.tint(60, 60, 190, 60))
    for i, y in enumerate(np.arange(p.floor, HIGH, 0.08)):
        if i % 2:
            p.box(LOW, y, HIGH, y + 0.08, p.tint(60, 165, 70, 6))
    x = p.between(0.1, 0.5)
    white = (250, 250, 250)
    for k in range(9):
        p.line(x + 0.05 * k, p.floor - 0.26, x + 0.05 * k, p.floor + 0.02, (215, 225, 225), 0.004)
    p.line(x, p.floor - 0.27, x, p.floor + 0.03, white, 0.02)
    p.line(x + 0.42, p.floor - 0.27, x + 0.42, p.floor + 0.03, white, 0.02)
    p.line(x, p.floor - 0.27, x + 0.42, p.floor - 0.27, white, 0.02)
    p.line(LOW, p.floor + 0.05, HIGH, p.floor + 0.05, white, 0.014)


def _street(p: Paint) -> None:
    p.ground(p.tint(175, 205, 230), p.tint(150, 148, 145))
    x = LOW
    while x < HIGH:  # houses
        wide, top = p.between(0.25, 0.42), p.between(-0.15, 0.15)
        p.box(
            x,
            top,
            x + wide,
            p.floor,
            p.tint(*((190, 95, 75), (215, 190, 140), (150, 150, 165))[p.rng.integers(3)]),
        )
        for wx in np.arange(x + 0.05, x + wide - 0.08, 0.11):
            for wy in np.arange(top + 0.06, p.floor - 0.22, 0.15):
                p.box(wx, wy, wx + 0.06, wy + 0.09, p.tint(70, 90, 115))
        p.box(x + 0.03, p.floor - 0.17, x + wide - 0.03, p.floor, p.tint(90, 70, 60, 40))
        x += wide
    p.box(LOW, p.floor + 0.16, HIGH, p.floor + 0.19, p.tint(205, 205, 200))
    p.box(LOW, p.floor + 0.19, HIGH, HIGH, p.tint(78, 78, 84))
    for x in p.every(0.3):
        p.box(x, 1.0, x + 0.14, 1.03, (235, 235, 230))


def _kitchen(p: Paint) -> None:
    p.ground(p.tint(235, 225, 195), p.tint(200, 200, 200))
    cabinet = p.tint(*((120, 160, 150), (170, 125, 85), (225, 225, 230))[p.rng.integers(3)])
    p.box(LOW, LOW, HIGH, p.floor - 0.5, cabinet)
    p.box(LOW, p.floor - 0.26, HIGH, p.floor, cabinet)
    p.box(LOW, p.floor - 0.28, HIGH, p.floor - 0.24, p.tint(75, 70, 70))
    dark = shade(cabinet, 0.75)
    for x in p.every(0.2):
        p.line(x, p.floor - 0.24, x, p.floor, dark, 0.01)
        p.line(x, LOW, x, p.floor - 0.5, dark, 0.01)
        p.line(x + 0.03, p.floor - 0.2, x + 0.1, p.floor - 0.2, (60, 60, 60), 0.01)
    x = p.between(0, 0.8)
    p.box(x, p.floor - 0.24, x + 0.24, p.floor, (60, 62, 66))  # oven
    p.box(x + 0.03, p.floor - 0.17, x + 0.21, p.floor - 0.05, (25, 25, 28))
    x = p.between(0, 0.8)
    p.box(x, p.floor - 0.47, x + 0.06, p.floor - 0.28, p.tint(200, 60, 50, 30))
    for i, y in enumerate(np.arange(p.floor, HIGH, 0.09)):  # tiles
        for x in np.arange(LOW - 0.12 * (i % 2), HIGH, 0.24):
            p.box(x, y, x + 0.12, y + 0.09, p.tint(130, 135, 140, 4))


def _park(p: Paint) -> None:
    p.ground(p.tint(160, 210, 240), p.tint(105, 165, 75))
    p.box(LOW, p.floor - 0.07, HIGH, p.floor, p.tint(60, 120, 60))
    for x in p.every(p.between(0.22, 0.34)):
        x, top = x + p.between(-0.06, 0.06), p.floor - p.between(0.3, 0.42)
        p.box(x - 0.025, top, x + 0.025, p.floor + 0.03, p.tint(100, 70, 45))
        leaf = p.tint(50, 130, 45, 25)
        for dx, dy in ((0, -0.08), (-0.09, 0), (0.09, 0), (0, 0.02)):
            p.oval(x + dx, top + dy, 0.12, 0.11, leaf)
    y = p.between(0.76, 0.8)
    p.box(LOW, y, HIGH, y + 0.26, p.tint(205, 180, 140))  # path
    x = p.between(0.0, 0.8)
    p.box(x, p.floor + 0.02, x + 0.24, p.floor + 0.045, p.tint(140, 85, 50))
    p.box(x, p.floor - 0.05, x + 0.24, p.floor - 0.02, p.tint(140, 85, 50))


def _fitness_room(p: Paint) -> None:
    p.ground(p.tint(225, 228, 235), p.tint(105, 110, 135))
    p.box(LOW, LOW, HIGH, p.floor - 0.52, p.tint(90, 200, 190, 30))
    for x in p.every(p.between(0.36, 0.5)):
        p.box(x, p.floor - 0.46, x + 0.28, p.floor - 0.2, p.tint(60, 75, 100))  # windows at night
    for x in p.every(p.between(0.42, 0.55)):  # machines behind
        dark = p.tint(45, 45, 52)
        p.poly(dark, x, p.floor + 0.03, x + 0.3, p.floor + 0.03, x + 0.3, p.floor + 0.07, x, p.floor + 0.07)
        p.line(x + 0.27, p.floor + 0.03, x + 0.31, p.floor - 0.24, dark, 0.025)
        p.line(x + 0.16, p.floor - 0.14, x + 0.3, p.floor - 0.16, dark, 0.018)
        p.box(x + 0.26, p.floor - 0.28, x + 0.35, p.floor - 0.2, p.tint(80, 220, 120))
    p.poly((40, 40, 46), LOW, 0.84, HIGH, 0.84, HIGH, 1.02, LOW, 1.02)  # the belt underfoot
    p.box(LOW, 0.82, HIGH, 0.845, p.tint(235, 120, 40))
    p.box(LOW, 1.01, HIGH, 1.05, p.tint(235, 120, 40))


def _plain_wall(p: Paint) -> None:
    grey = p.between(90, 225)
    wall = p.tint(int(grey), int(grey), int(grey), 14)
    p.ground(wall, shade(wall, 0.82))


def _noisy_wall(p: Paint) -> None:
    p.ground(p.tint(140, 140, 140, 60), p.tint(110, 110, 110, 40))
    for _ in range(60):
        size = p.between(0.02, 0.1)
        p.oval(p.between(LOW, HIGH), p.between(LOW, HIGH), size, size, p.tint(128, 128, 128, 60))


def _studio(p: Paint) -> None:
    top, low = p.tint(200, 200, 205, 25), p.tint(130, 130, 138, 30)
    for y in np.arange(LOW, HIGH, 0.05):
        share = (y - LOW) / MARGIN
        p.box(LOW, y, HIGH, y + 0.05, rgb(a + (b - a) * share for a, b in zip(top, low, strict=True)))


SCENES: dict[str, Callable[[Paint], None]] = {
    "weight room": _weight_room,
    "golf green": _golf_green,
    "boxing ring": _boxing_ring,
    "beach": _beach,
    "theatre stage": _theatre_stage,
    "archery range": _archery_range,
    "basketball court": _basketball_court,
    "football pitch": _football_pitch,
    "street": _street,
    "kitchen": _kitchen,
    "park": _park,
    "fitness room": _fitness_room,
}
NO_SCENES: dict[str, Callable[[Paint], None]] = {
    "plain wall": _plain_wall,
    "noisy wall": _noisy_wall,
    "studio": _studio,
}


def draw_scene(name: str, pixels: int, rng: np.random.Generator) -> tuple[Image.Image, float]:
    """A background.

    Args:
        name: of the scene.
        pixels: of a frame's height.
        rng: what varies: colours, things, light, where the floor begins.

    Returns:
        The picture, `MARGIN * pixels` high and wide, and where the floor begins, in frame heights.
    """
    side = 2 * round(MARGIN * pixels / 2)
    image = Image.new("RGB", (side, side))
    floor = float(rng.uniform(0.6, 0.7))
    paint = Paint(ImageDraw.Draw(image), side / MARGIN, rng, floor)
    (SCENES | NO_SCENES)[name](paint)
    light, grain = rng.uniform(0.75, 1.12), rng.uniform(0, 7)
    if rng.uniform() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.uniform() < 0.4:  # out of focus
        image = image.filter(ImageFilter.BoxBlur(side * rng.uniform(0.002, 0.006)))
    noise = rng.standard_normal((side // 2, side // 2, 1), np.float32).repeat(2, 0).repeat(2, 1) * grain
    shade = np.asarray(image, np.float32)[: len(noise), : len(noise)] * light + noise
    return Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8)), floor
