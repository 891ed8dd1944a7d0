"""Files that are a little wrong: the same seed gives the same one."""

import re

import numpy as np

# what breaks readers of text, of YAML and JSON above all
WORDS = (
    b"null",
    b"-1",
    b"1e999",
    b"nan",
    b"9" * 40,
    b"0x10",
    b"010",
    b"[",
    b"]",
    b"{",
    b"}",
    b"&a [*a, *a]",
    b"*b",
    b"'",
)
WORDS += (
    b"!!python/object/apply:os.abort []",
    b"<<: {}",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\t",
    b"---\n",
    b"\x1b[2J",
)
WORDS += (
    b'"',
    b",",
    b"\n",
    b"\xe2\x80\xae",
    b"true",
    b"1_000",
    b"12:30",
    b"../..",
    b"\r",
    b"=cmd()",
    b"[[[[[[[[[[[[[[[[",
)
EDGE = 4096  # bytes at either end of a file, where its headers lie: half of all changes are there


def mutant(content: bytes, seed: tuple[int, ...], text: bool) -> bytes:
    """The content with one change, or a few.

    Args:
        text: change words and lines too.
    """
    random = np.random.default_rng(seed)
    changes = (*_BYTES, *(_TEXT if text else ()))
    for _ in range((1, 1, 1, 2, 4)[int(random.integers(5))]):
        content = changes[int(random.integers(len(changes)))](content, random) or b"\n"
    return content


def _place(content: bytes, random: np.random.Generator) -> int:
    size = len(content)
    if random.random() < 0.5:
        near = int(random.integers(min(EDGE, size)))
        return near if random.random() < 0.5 else size - 1 - near
    return int(random.integers(size))


def _span(content: bytes, random: np.random.Generator) -> tuple[int, int]:
    first = _place(content, random)
    return first, min(len(content), first + int(2 ** random.uniform(0, 10)))


def _flip(content: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 9))):
        changed[_place(content, random)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _fill(content: bytes, random: np.random.Generator) -> bytes:
    first, end = _span(content, random)
    value = (b"\x00", b"\xff", None)[int(random.integers(3))]
    return content[:first] + (random.bytes(end - first) if value is None else value * (end - first)) + content[end:]


def _remove(content: bytes, random: np.random.Generator) -> bytes:
    first, end = _span(content, random)
    return content[:first] + content[end:]


def _repeat(content: bytes, random: np.random.Generator) -> bytes:
    first, end = _span(content, random)
    return content[:end] + content[first:end] + content[end:]


def _move(content: bytes, random: np.random.Generator) -> bytes:
    first, end = _span(content, random)
    rest = content[:first] + content[end:]
    place = int(random.integers(len(rest) + 1))
    return rest[:place] + content[first:end] + rest[place:]


def _cut(content: bytes, random: np.random.Generator) -> bytes:
    return content[: int(random.integers(len(content)))]


def _put_word(content: bytes, random: np.random.Generator) -> bytes:
    place, word = _place(content, random), WORDS[int(random.integers(len(WORDS)))]
    return content[:place] + word + content[place:]


def _change_number(content: bytes, random: np.random.Generator) -> bytes:
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    if not numbers:
        return _put_word(content, random)
    number = numbers[int(random.integers(len(numbers)))]
    word = (
        WORDS[int(random.integers(len(WORDS)))] if random.random() < 0.5 else str(random.integers(-9, 10**9)).encode()
    )
    return content[: number.start()] + word + content[number.end() :]


def _change_lines(content: bytes, random: np.random.Generator) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    one, other = (int(random.integers(len(lines))) for _ in range(2))
    if random.random() < 0.3:
        del lines[one]
    elif random.random() < 0.5:
        lines.insert(other, lines[one])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


_BYTES = (_flip, _fill, _remove, _repeat, _move, _cut)
_TEXT = (_put_word, _change_number, _change_lines) * 2
