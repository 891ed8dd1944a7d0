"""From parts, scene and camera to frames: persons by depth, drawn at twice the size and reduced."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from integralaction.mime.bodies import Stance, project
from integralaction.mime.drawing.colours import Colour, random_colour, rgb, shade
from integralaction.mime.drawing.parts import Part
from integralaction.mime.drawing.scenes import LOW

OVERSIZE = 2  # frames are drawn this many times larger
_DIRECTIONS = np.stack([np.cos(np.arange(14) * np.pi / 7), np.sin(np.arange(14) * np.pi / 7)], 1)


# a back from the shoulders down
_SHOULDERS = np.sign(_DIRECTIONS) * np.abs(_DIRECTIONS) ** 0.45 * (0.14, 0.53)


@dataclass(frozen=True)
class Camera:
    """Where it looks in each frame.

    Attributes:
        centre: (T, 2) x, y in frame heights; (0.5, 0.5) at rest.
        zoom: (T,), 1 at rest.
    """

    centre: np.ndarray
    zoom: np.ndarray

    def look(self, points: np.ndarray, pixels: int) -> np.ndarray:
        """Points (T, ..., 2) in frame heights at rest -> pixels of the frame."""
        extra = (1,) * (points.ndim - 2)
        centre = self.centre.reshape(-1, *extra, 2)
        zoom = self.zoom.reshape(-1, *extra, 1)
        return ((points - centre) * zoom + 0.5) * pixels


@dataclass(frozen=True)
class Layer:
    """Shapes that are sorted by depth among themselves.

    Attributes:
        outlines: (T, parts, 14, 2) in frame heights at rest.
        depth: (T, parts), the nearest largest.
        colours: of each part; edges: of its edge.
    """

    outlines: np.ndarray
    depth: np.ndarray
    colours: list[Colour]
    edges: list[Colour]


def project_parts(parts: list[Part], stance: Stance, shift: np.ndarray | float = 0.0, fade: float = 1.0) -> Layer:
    """A person's or thing's parts as shapes.

    Args:
        parts: in body axes.
        stance: where the body stands.
        shift: (T, 2) frame heights added to every point.
        fade: brightness, below 1 for what is far.
    """
    frames = max(len(part.points) for part in parts)
    points = np.empty((frames, len(parts), 4, 3))
    radii = np.empty((len(parts), 4))
    for i, part in enumerate(parts):
        n = part.points.shape[1]
        points[:, i, :n] = part.points
        points[:, i, n:] = part.points[:, -1:]
        radii[i, :n] = part.radii
        radii[i, n:] = part.radii[-1]
    flat = project(points, stance)
    centres, near = flat[..., :2], flat[..., 2]
    centres = centres + np.asarray(shift).reshape(-1, 1, 1, 2) if np.ndim(shift) else centres
    size = radii * stance.height / (1 - near / 5)
    reach = centres @ _DIRECTIONS.T + size[..., None]  # (T, parts, 4, directions)
    best = reach.argmax(2)
    picked = np.take_along_axis(centres, best[..., None], 2)
    outlines = picked + np.take_along_axis(size, best, 2)[..., None] * _DIRECTIONS
    colours = [shade(part.colour, fade) for part in parts]
    edges = [shade(colour, 0.62) for colour in colours]
    depth = near.mean(2) + np.array([part.nearer for part in parts])
    return Layer(outlines, depth, colours, edges)


def make_occluder(kind: int, box: tuple[float, float, float, float], frames: int, rng: np.random.Generator) -> Layer:
    """Something big in front of a person, who fills `box` (x0, y0, x1, y1, frame heights): a board, a bush, a crowd."""
    x0, y0, x1, _ = box
    x, wide = (x0 + x1) / 2, max(0.2, min(0.3, (x1 - x0) / 2))
    balls: list[tuple[float, float, float, Colour]] = []
    people: list[tuple[float, float, Colour]] = []
    if kind == 0:
        colour = random_colour(rng, 40, 220)
        top = y0 + rng.uniform(-0.02, 0.05)
        corners = lambda m: np.array(
            [[x + wide - m, 1.4], [x + wide - m, top + m], [x - wide + m, top + m], [x - wide + m, 1.4]]
        )
        quads = [(corners(0.0), colour), (corners(0.025), shade(colour, 0.8))]
    else:
        quads = []
        for _ in range(16 if kind == 1 else 5):
            if kind == 1:
                green = rgb(np.array([45, 105, 40]) + rng.uniform(-15, 25, 3))
                balls.append((x + rng.uniform(-wide, wide), rng.uniform(y0 + 0.08, 1.0), rng.uniform(0.1, 0.14), green))
            else:
                coat = random_colour(rng, 25, 110)
                bx, by = x + rng.uniform(-wide, wide), y0 + rng.uniform(0.08, 0.25)
                people += [(bx, by, coat)]
    shapes = [np.array([bx, by]) + r * _DIRECTIONS for bx, by, r, _ in balls]
    for px, py, coat in sorted(people, key=lambda person: -person[1]):
        shapes += [np.array([px, py + 0.6]) + _SHOULDERS, np.array([px, py]) + 0.075 * _DIRECTIONS]
        balls += [(px, py, 0, coat), (px, py, 0, (40, 30, 26))]
    shapes += [np.concatenate([quad, np.repeat(quad[-1:], 10, 0)]) for quad, _ in quads]
    colours = [colour for *_, colour in balls] + [colour for _, colour in quads]
    outlines = np.broadcast_to(np.stack(shapes), (frames, len(shapes), 14, 2))
    depth = np.broadcast_to(np.arange(len(shapes), dtype=float), (frames, len(shapes)))
    return Layer(outlines, depth, colours, [shade(colour, 0.8) for colour in colours])


def render(background: Image.Image, layers: list[Layer], camera: Camera, pixels: int) -> Iterator[np.ndarray]:
    """Frames (pixels, pixels, 3) uint8, one after another; later layers cover earlier ones."""
    side = OVERSIZE * pixels
    polygons = [camera.look(layer.outlines, side).reshape(*layer.outlines.shape[:2], -1).tolist() for layer in layers]
    orders = [layer.depth.argsort(1, kind="stable").tolist() for layer in layers]
    unit = background.width / (1 - 2 * LOW)  # pixels of the background a frame height
    for t in range(len(camera.zoom)):
        half = 0.5 / camera.zoom[t]
        step = 2 * half * unit / side
        corner = (camera.centre[t] - half - LOW) * unit
        window = (step, 0, corner[0], 0, step, corner[1])
        picture = background.transform(
            (side, side),
            Image.Transform.AFFINE,
            window,
            Image.Resampling.BILINEAR if step < 0.7 else Image.Resampling.NEAREST,
        )
        brush = ImageDraw.Draw(picture)
        for layer, shapes, order in zip(layers, polygons, orders, strict=True):
            now = shapes[t]
            for i in order[t]:
                brush.polygon(now[i], fill=layer.colours[i], outline=layer.edges[i])
        yield np.asarray(picture.reduce(OVERSIZE))
