"""Pickles are read as plain data: real ones as Python reads them, hostile ones refused, and without harm."""

import collections
import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from integralaction.pickles import read_pickle

RANDOM = np.random.default_rng(0)
SKELETONS = {
    "split": {"train": ["a", "b"], "val": ["c"]},
    "annotations": [
        {
            "frame_dir": name,
            "label": np.int64(1),
            "img_shape": (108, 192),
            "total_frames": 4,
            "keypoint": RANDOM.random((1, 4, 17, 2)).astype(np.float16),
            "keypoint_score": RANDOM.random((1, 4, 17)),
        }
        for name in "abc"
    ],
}
PLAIN = [
    *(1.5, -1, 2**70, None, True, "ü", b"", b"\xff", (1,), (1, 2, 3, 4), {1, 2}, [], {}, bytearray(b"ab")),
    *(np.float64(3), np.bool_(True), np.str_("x"), np.array(["ab", "c"]), np.zeros((0, 5, 17, 2)), np.array(3.5)),
    *(np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    *(collections.OrderedDict(a=1), collections.defaultdict(list, {"a": [1]}), frozenset({3})),
]


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray | np.generic):
        return isinstance(other, np.ndarray | np.generic) and np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_is_read_as_python_reads_it(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "data.pkl"
    content = pickle.dumps([SKELETONS, *PLAIN], protocol)
    for written in (content, content.replace(b"numpy._core", b"numpy.core") if protocol < 2 else content):
        path.write_bytes(written)
        assert same(read_pickle(path), pickle.loads(content))


def test_python_2_wrote_other_names(tmp_path: Path) -> None:
    """Text is bytes there, and builtins have another module."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\n"
    array += b"I0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntb"
    (tmp_path / "old.pkl").write_bytes(b"(lp0\n" + array + b"ac__builtin__\nset\n((lI1\natRa.")
    values, numbers = read_pickle(tmp_path / "old.pkl")
    assert values.tolist() == [1.0, 2.0] and values.dtype == np.float32 and numbers == {1}


# ---- pickles by hand


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def dtype(kind: str, state: bytes = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t") -> bytes:
    return name("numpy", "dtype") + b"(" + text(kind) + b"\x89\x88tR" + (state + b"b" if state else b"")


def scalar(kind: bytes, content: bytes, core: str = "_core") -> bytes:
    text = b"C" + bytes([len(content)]) + content
    return name(f"numpy.{core}.multiarray", "scalar") + b"(" + kind + text + b"tR"


def array(kind: bytes, shape: bytes, content: bytes) -> bytes:
    empty = name("numpy._core.multiarray", "_reconstruct") + b"(" + name("numpy", "ndarray") + b"K\x00\x85C\x01btR"
    return empty + b"(K\x01" + shape + kind + b"\x89B" + struct.pack("<I", len(content)) + content + b"tb"


ADDRESS = struct.pack("<Q", 0x4141414141414141)
KINDS = (
    "O8",
    "O",
    "M8",
    "m8",
    "M8[s]",
    "S8",
    "V8",
    "U2",
    "|O",
    "f16",
    "c8",
    "i8,O",
    "(2,)O",
    "U0",
    "S0",
    "U9999999",
    "f8",
)
STATES = (
    b"",
    b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t",
    b"(K\x03X\x01\x00\x00\x00<NNNK\x08K\x08K\x3ft",
    b"(K\x03X\x01\x00\x00\x00<N(X\x01\x00\x00\x00at}NJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t",
    b"(K\x04X\x01\x00\x00\x00|NNNJ\xff\xff\xff\x7fJ\xff\xff\xff\x7fK\x00}t",
    b"}",
    b"N",
)
NAMES = (
    *(("numpy", one) for one in ("ndarray", "dtype")),
    *((f"numpy.{core}.multiarray", one) for core in ("core", "_core") for one in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(("collections", one) for one in ("OrderedDict", "defaultdict")),
    ("_codecs", "encode"),
    *(("builtins", one) for one in ("bytes", "bytearray", "list", "dict", "set", "frozenset")),
)
VALUES = (
    *(b")", b"N", b"K\x00", b"J\xff\xff\xff\xff", b"\x8a\x09" + bytes(8) + b"\x01", b"]", b"}", b"X\x01\x00\x00\x00C"),
    *(b"C\x08" + ADDRESS, b"(K\x00K\x11t", b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft", b"G" + b"\x7f\xf8" + bytes(6)),
    *(text("latin1"), text("\ud7ff"), dtype("f8"), dtype("O8", b""), name("numpy", "ndarray"), name("builtins", "set")),
)


def hostile() -> Iterator[bytes]:
    """Pickles that nobody writes: each must be refused or read, and do no harm."""
    yield from (b"\x80\x04\x8c\x01ar\xff\xff\xff\xff.", b"\x80\x04Nr\xff\xff\xff\xff.", b"Np4294967295\n.")
    yield from (b"\x80\x04\x95" + b"\xff" * 8 + b".", b"B\xff\xff\xff\xffa.", b"\x8e" + b"\xff" * 7 + b"\x0fa.")
    yield from (b"\x96" + struct.pack("<Q", 2**40) + b"a.", b"\x8d" + struct.pack("<Q", 2**62) + b"a.")
    yield from (b"(" * 3_000_000, b"\x8f" * 3_000_000 + b".", b"]" * 3_000_000 + b".", b"}0" * 3_000_000 + b".")
    yield b")" + b"\x85" * 2_000_000 + b"K\x01}\x940"  # a tuple in a tuple in a tuple ...
    yield b"}" + b")" + b"\x85" * 2_000_000 + b"K\x01s."  # ... as a key
    yield b"\x8f(" + b")" + b"\x85" * 2_000_000 + b"\x90."
    yield (
        b"}"
        + b"".join(
            b"\x8a\x28" + (i * (2**61 - 1)).to_bytes(40, "little") + b"Ks"[:1] + b"\x01s" for i in range(1, 9999)
        )
        + b"."
    )
    yield b"\x8b" + struct.pack("<i", 2_000_000) + b"\x01" * 2_000_000 + b"."
    yield b"I" + b"9" * 4000 + b"\n."
    many = b"C" + bytes([255]) + bytes(255)
    yield (
        b"]"
        + b"B"
        + struct.pack("<I", 10**6)
        + bytes(10**6)
        + b"q\x00"
        + b"".join(name("builtins", "bytearray") + b"(h\x00tR0" for _ in range(9999))
        + b"."
    )
    yield b"]" + many + b"."
    for kind in KINDS:
        for state in STATES:
            yield scalar(dtype(kind, state), ADDRESS) + b"."
            yield array(dtype(kind, state), b"K\x01\x85", ADDRESS) + b"."
    for shape in (
        b"J\xff\xff\xff\xff\x85",
        b"J\xff\xff\xff\x7f\x85",
        b"K\x00J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87",
        b"K\x02\x85",
        b")",
        b"N",
    ):
        yield array(dtype("f8"), shape, ADDRESS) + b"."
    real = array(dtype("f8"), b"K\x01\x85", ADDRESS)
    yield real + b"(K\x01K\x01\x85" + dtype("f8") + b"\x89C\x00tb."
    yield from (real + b"K\x00K\x00s.", real + b"K\x00a.", real + b"(K\x01K\x02u.", real + b"}b.", b"}}b.", b"]}b.")
    yield b"\x80\x02" + name("numpy", "ndarray") + b"(K\x05\x85t\x81."
    yield name("numpy", "ndarray") + b"(J\xff\xff\xff\x7f\x85tR."
    for module, attribute in NAMES:
        for first in VALUES:
            yield name(module, attribute) + b"(" + first + b"tR."
            yield name(module, attribute) + first + b"\x81."
            yield name(module, attribute) + first + b"b."
            for second in VALUES:
                yield name(module, attribute) + b"(" + first + second + b"tR."
                yield name(module, attribute) + b"(" + first + second + b"K\x01\x85X\x01\x00\x00\x00CtR."
    random = np.random.default_rng(1)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = pickle.dumps(SKELETONS, protocol)
        for whole in (content, content.replace(b"numpy._core", b"numpy.core") if protocol < 2 else content):
            for _ in range(60):
                damaged = bytearray(whole)
                for place in random.integers(len(damaged), size=3):
                    damaged[place] ^= 1 << int(random.integers(8))
                yield bytes(damaged)
            yield whole[: len(whole) // 2]
    for _ in range(800):
        yield random.integers(256, size=40, dtype=np.uint8).tobytes() + b"."
        yield bytes(
            random.choice(list(b"()]}}\x8f(K\x01ueastbR\x85\x86\x87q\x00h\x00210Nd\x93\x81\x90\x91l."), size=40)
        )


READ = """
import pathlib, pickletools, resource, sys
from integralaction.pickles import read_pickle
path = pathlib.Path(sys.argv[1])
data, place = path.read_bytes(), 0
other = path.with_name("one.pkl")
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
while place < len(data):
    size = int.from_bytes(data[place : place + 8], "little")
    other.write_bytes(data[place + 8 : place + 8 + size])
    place += 8 + size
    print(place, flush=True)
    try:
        value = read_pickle(other)
        str(value)[:10]
    except ValueError as error:
        assert str(error).startswith("Expected "), error
    except RecursionError:
        pass
print("whole", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_hostile_pickles_are_read_or_refused_and_do_no_harm(tmp_path: Path) -> None:
    """In one other process: what would end it is seen here."""
    batch = tmp_path / "batch"
    batch.write_bytes(b"".join(len(one).to_bytes(8, "little") + one for one in hostile()))
    done = subprocess.run([sys.executable, "-c", READ, str(batch)], capture_output=True, text=True)
    *places, end = done.stdout.splitlines() or [""]
    assert done.returncode == 0, (
        f"expected every pickle of hostile() to be read or refused; the reader ended by {done.returncode} at the one "
        f"before byte {end}, mend what reads it: {done.stderr[-500:]}"
    )
    assert places
    word, kilobytes = end.split()
    assert word == "whole" and int(kilobytes) < 1_000_000


@pytest.mark.parametrize(
    "forbidden", ["builtins.eval", "builtins.print", "builtins.getattr", "__builtin__.int", "os.system", "numpy.load"]
)
@pytest.mark.parametrize("protocol", [0, 4])
def test_names_that_are_no_data_are_refused_by_name(tmp_path: Path, forbidden: str, protocol: int) -> None:
    module, attribute = forbidden.split(".")
    old = name(module, attribute)
    new = b"\x80\x04" + text(module) + text(attribute) + b"\x93"
    (tmp_path / "p.pkl").write_bytes((new if protocol else old) + b")R.")
    with pytest.raises(ValueError, match=rf"found (builtins|os|numpy)\.{attribute}, which could run code"):
        read_pickle(tmp_path / "p.pkl")


@pytest.mark.parametrize(
    "code", [b"\x82\x01.", b"Pa\n.", b"Na\x51.", b"(icollections\nOrderedDict\n.", b"(c_codecs\nencode\no."]
)
def test_other_ways_to_call_are_refused(tmp_path: Path, code: bytes) -> None:
    (tmp_path / "p.pkl").write_bytes(code)
    with pytest.raises(ValueError, match="Expected a pickle"):
        read_pickle(tmp_path / "p.pkl")
