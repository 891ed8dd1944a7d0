"""Rooms, functions and dataclasses are of a size that is read at once."""

from tools.sizes import ROOM_LINES, SOURCE, large_definitions, room_lines

# what stays larger, and why
LARGER = {
    "Video": "each field is a column of videos.csv",
    "MimeSettings": "each field is an option of the command mime, and a line of mime.yaml",
    "Output": "each field is an intermediate of the forward pass, by its name in the paper",
}


def test_rooms_can_be_read_alone() -> None:
    too_large = {room: lines for room, lines in room_lines().items() if lines > ROOM_LINES.get(room, 2000)}
    assert not too_large, f"divide these rooms by meaning, and give the parts a line each in README's tree: {too_large}"


def test_functions_and_dataclasses_are_small() -> None:
    lines = [line for path in sorted(SOURCE.rglob("*.py")) for line in large_definitions(path)]
    larger = [line for line in lines if not any(f" {name}: " in line for name in LARGER)]
    assert not larger, f"divide these by meaning, or say in LARGER why not: {larger}"
    assert len(lines) - len(larger) == len(LARGER), "LARGER names what is small by now: take it out"
