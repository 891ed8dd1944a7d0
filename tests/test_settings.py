"""Settings in YAML are read with limits, and as people mean them."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integralaction.settings import LARGEST, parse_yaml, read_yaml, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("010", 10), ("008", 8), ("-3", -3), ("1e-3", 0.001), ("2.5E4", 25000.0), (".5", 0.5), ("1.", 1.0)),
        *(("no", "no"), ("on", "on"), ("12:30", "12:30"), ("2020-01-02", "2020-01-02"), ("0x10", "0x10")),
        *(("true", True), ("null", None), ("", None), ("~", None), ("[1, a]", [1, "a"]), ("1.2.3", "1.2.3")),
        *((".inf", float("inf")), ("'010'", "010"), ("=", "="), ("1_000", "1_000")),
    ],
)
def test_plain_values(text, value):
    assert parse_yaml(text, "here") == value


def test_aliases_are_followed_and_bombs_refused():
    assert parse_yaml("a: &x {lr: 0.1}\nb: *x", "here") == {"a": {"lr": 0.1}, "b": {"lr": 0.1}}
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10))
    with pytest.raises(ValueError, match="here; its aliases make more"):
        parse_yaml(f"a0: &a0 [{', '.join('xxxxxxxxx')}]\n{levels}", "here")
    with pytest.raises(ValueError, match="here; its aliases make more"):
        parse_yaml("a: &a [*a]", "here")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "a: b: c",
        "\t- x",
        "!!python/object/apply:os.system ['true']",
        "{",
        "a: \x00",
        "--- 1\n--- 2",
        "!x 1",
    ],
)
def test_what_cannot_be_read_is_a_sentence(text):
    with pytest.raises(ValueError, match=r"Expected .* in here; found"):
        parse_yaml(text, "here")


def test_files(tmp_path):
    path = tmp_path / "x.yaml"
    shared = [1, 2]
    write_yaml(
        path,
        {
            "a": shared,
            "b": shared,
            "name": "no",
            "seed": "010",
            "ü": 1e-5,
            "z": None,
            "t": "2020-01-02",
            "words": ["08", "1e-3", "010", "no", "true", "~", "1_0"],
        },
    )
    assert "&" not in path.read_text(encoding="utf-8")
    assert read_yaml(path) == {
        "a": [1, 2],
        "b": [1, 2],
        "name": "no",
        "seed": "010",
        "ü": 1e-5,
        "z": None,
        "t": "2020-01-02",
        "words": ["08", "1e-3", "010", "no", "true", "~", "1_0"],
    }
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8"):
        read_yaml(path)
    path.write_bytes(b" " * (LARGEST + 1))
    with pytest.raises(ValueError, match="at most"):
        read_yaml(path)


HOSTILE = (
    "!!python/object/apply:builtins.open [{path}, w]",
    "!!python/object/new:pathlib.Path [{path}]",
    "!!python/name:builtins.open",
    "!!python/tuple [1]",
    "{{name: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{path}]]}}",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_data_set_builds_nothing_but_plain_values(tmp_path, text):
    from integralaction.data.index import read_index

    (tmp_path / "videos.csv").write_text("video,label,split,frames,fps,height,width\n")
    (tmp_path / "dataset.yaml").write_text(
        "format: 1\nname: a\nskeleton: coco17\nclasses: [a, b]\nmade_by: " + text.format(path=tmp_path / "made")
    )
    with pytest.raises(ValueError, match=r"Expected YAML in .*could not determine a constructor"):
        read_index(tmp_path)
    assert not (tmp_path / "made").exists()


KEYS = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_is_read_again(values):
    with tempfile.TemporaryDirectory() as folder:
        write_yaml(Path(folder) / "a.yaml", values)
        assert read_yaml(Path(folder) / "a.yaml") == values


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab01:-[]{}&*!|>#'\"%@`,?~<=\n\t \\\x00\x85\ufeff", max_size=30))
def test_any_text_is_values_or_a_sentence(text):
    try:
        parse_yaml(text, "a text")
    except ValueError as error:
        assert str(error).startswith("Expected ")
