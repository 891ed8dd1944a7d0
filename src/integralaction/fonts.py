"""Fonts for letters of all alphabets: those of the system, so that no picture shows a box in a letter's place.

Where no font has a letter, it is written out as its number, as U+8DD1 is \\u8dd1. Fonts are taken as soon as they are
installed, such as Debian's fonts-noto-core and fonts-noto-cjk.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_JOINERS = "\u200c\u200d"  # they shape the letters beside them, in fonts that know them
_SELECTORS = {chr(code) for code in range(0xFE00, 0xFE10)}  # of a letter's look


@dataclass(frozen=True)
class Line:
    """A line of text, in parts of one font each."""

    parts: tuple[tuple[str, Font], ...]

    @property
    def width(self) -> float:
        """In pixels."""
        return sum(font.getlength(text) for text, font in self.parts)

    def draw(
        self, brush: ImageDraw.ImageDraw, place: tuple[float, float], ink: tuple[int, int, int], anchor: str = "la"
    ) -> None:
        """Draw it from a place to the right; `anchor` as Pillow takes it, "l" first."""
        x, y = place
        for text, font in self.parts:
            brush.text((x, y), text, ink, font, anchor=anchor)
            x += font.getlength(text)


def set_line(text: str, size: float) -> Line:
    """A text as a line that can be drawn, in letters of `size` pixels."""
    return Line(tuple((part, _font(path, size)) for part, path in split_by_font(text)))


def fit_line(text: str, size: float, width: float, in_the_middle: bool = False) -> Line:
    """The text as a line of at most `width` pixels: cut short at its end, or in its middle, where it is too long."""
    count, result = len(text), set_line(text, size)
    while result.width > width and count > 0:
        count -= 1
        shorter = f"{text[: count // 2]}...{text[len(text) - count // 2 :]}" if in_the_middle else f"{text[:count]}..."
        result = set_line(shorter, size)
    return result


def split_by_font(text: str) -> list[tuple[str, Path | None]]:
    """The text in parts, each with the font that has its letters; None stands for the drawing library's own.

    Letters that no font has are written out as their numbers.
    """
    text = _clean(text)
    legible, path = _choose_font(text)
    if legible == text:
        return [(legible, path)]
    parts: list[tuple[str, Path | None]] = []
    for word in re.findall(r"\S+|\s+", text):
        legible, path = _choose_font(word)
        if parts and path == parts[-1][1]:
            parts[-1] = (parts[-1][0] + legible, parts[-1][1])
        else:
            parts.append((legible, path))
    return parts


@lru_cache(maxsize=64)
def _font(path: Path | None, size: float) -> Font:
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


@lru_cache(maxsize=4096)
def _choose_font(text: str) -> tuple[str, Path | None]:
    """The text with the letters that no font has written out, and its font; None: the drawing library's own."""
    if text.isascii():
        return text, None
    letters = frozenset(map(ord, text)) - set(map(ord, _JOINERS))
    best, best_count = _bundled_font(), -1
    for path in _fonts():
        count = len(letters & _letters(path))
        if count > best_count:
            best, best_count = path, count
        if best_count == len(letters):
            break
    drawable = _letters(best)
    return "".join(c if ord(c) in drawable else "" if c in _JOINERS else _escape(c) for c in text), best


def _clean(text: str) -> str:
    """The text on one line, with what is no letter written out."""
    characters = (c for c in text if c not in _SELECTORS)
    return "".join(" " if c.isspace() else c if c.isprintable() or c in _JOINERS else _escape(c) for c in characters)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


# --- which fonts there are ------------------------------------------------------------------------


def _bundled_font() -> Path:
    """DejaVu Sans, which comes with matplotlib: Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic and more."""
    import matplotlib  # only where letters need it

    return Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def _fonts() -> Iterator[Path]:
    """The bundled font, then those of the system, upright ones of normal weight first."""
    yield _bundled_font()
    yield from _system_fonts()


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[Path, ...]:
    paths = [path for folder in _font_folders() for path in _font_files(folder)]
    return tuple(sorted(paths, key=lambda path: (not _is_regular(path), "sans" not in path.name.lower(), str(path))))


def _is_regular(path: Path) -> bool:
    name = path.stem.lower()
    return "regular" in name or not any(
        word in name for word in ("bold", "italic", "oblique", "light", "thin", "black")
    )


def _font_files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.lower().endswith((".ttf", ".otf", ".ttc")))


def _font_folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (Path.home fails where there is none)
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts"), home / "AppData/Local/Microsoft/Windows/Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    data = os.environ.get("XDG_DATA_HOME") or home / ".local/share"
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path(data, "fonts"), home / ".fonts"]


@lru_cache(maxsize=512)
def _letters(path: Path) -> frozenset[int]:
    """The letters that a font can draw; none where it cannot be used at every size."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(str(path))
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except Exception:  # whatever a damaged font comes to, another will do
        return frozenset()
