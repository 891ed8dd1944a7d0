"""What a folder holds, so that two of them can be compared: bytes, but for what no two runs have in common."""

import hashlib
import re
from pathlib import Path

# files that may differ between two unbroken runs, and why
LEFT_OUT = {
    "environment.yaml": "the command, the machine, versions",
    "events.out.tfevents.*": "TensorBoard's file: names and lines hold the time; each call that goes on has its own",
}
# files that are compared in part
IN_PART = {
    "log.csv": "without its last column, seconds",
    "last.ckpt": "the weights, epochs and steps in it: it also holds the log with its seconds",
}


def digests(root: Path) -> dict[str, str]:
    """A digest of every file below a folder, and of what a reader of it would compare."""
    by_name = {}
    for path in sorted(root.rglob("*")):
        if path.is_dir():
            if not any(path.iterdir()):
                by_name[path.relative_to(root).as_posix()] = "an empty folder"
        elif not any(path.match(pattern) for pattern in LEFT_OUT):
            by_name[path.relative_to(root).as_posix()] = _digest(path, root)
    return by_name


def _digest(path: Path, root: Path) -> str:
    content = path.read_bytes()
    if path.name == "log.csv":
        content = re.sub(rb",[^,\n]*$", b"", content, flags=re.MULTILINE)
    if path.name == "last.ckpt":
        content = _digest_of_checkpoint(path) or content
    # two runs beside each other lie in folders of names of one length
    content = content.replace(str(root).encode(), b"FOLDER")
    return hashlib.sha256(content).hexdigest()


def _digest_of_checkpoint(path: Path) -> bytes:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        digest = hashlib.sha256(
            repr((content["epoch"], content["global_step"], sorted(content["state_dict"]))).encode()
        )
        for name in sorted(content["state_dict"]):
            digest.update(content["state_dict"][name].numpy().tobytes())
        return digest.digest()
    except Exception:  # torn: then its bytes are compared
        return b""


def differences(expected: dict[str, str], actual: dict[str, str]) -> list[str]:
    """In words, each file that is not as expected."""
    words = [f"{name} is missing" for name in expected.keys() - actual.keys()]
    words += [f"{name} is left over" for name in actual.keys() - expected.keys()]
    words += [f"{name} is another" for name in expected.keys() & actual.keys() if expected[name] != actual[name]]
    return sorted(words)


def kind_of(name: str) -> str:
    """The kind of a file: files whose names differ by numbers, split, method or class alone are of one kind."""
    name = re.sub(r"\d+", "N", name)
    name = re.sub(r"(?<=/)(train|in-context|out-of-context)(?=/)", "SPLIT", name)
    name = re.sub(r"(?<=predictions/toy/SPLIT/)[a-z-]+(?=\.)", "METHOD", name)
    return re.sub(r"^(\w+)/.*\.(mpN|jpg)$", r"\1/.../N.\2", name)
