"""The files of published networks: local ones, or downloaded once and checked by their hash."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from integralaction.downloads import download
from integralaction.errors import Refused
from integralaction.files import write_whole

MODELS = "https://download.openmmlab.com/mmpose/v1/projects/"  # of RTMO, RTMPose and YOLOX


def check_file_count(name: str, weights: Sequence[Path], count: int, files: str) -> None:
    """
    Args:
        weights: local files; none: the networks are downloaded.
        files: what is expected, in words.

    Raises:
        ValueError: another number of files.
    """
    if weights and len(weights) != count:
        raise Refused(f"Expected {files}, in --weights for {name}; found {len(weights)}.")


def download_network(name: str, archive_name: str, digest: str) -> Path:
    """The ONNX network in an archive of `MODELS`, from rtmlib's folder of downloads where it is there; its SHA-256 is
    checked each time.

    Raises:
        ConnectionError: the download failed.
        ValueError: it is another file.
    """
    address = MODELS + archive_name
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "rtmlib"
    archive = Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub/checkpoints" / address.rpartition("/")[2]
    path = archive.with_suffix(".onnx")
    if not path.is_file():
        _fetch(name, address, archive, "")
        try:
            with zipfile.ZipFile(archive) as opened, write_whole(path) as aside:
                member = next(one for one in opened.namelist() if one.endswith("end2end.onnx"))
                aside.write_bytes(opened.read(member))
        except (zipfile.BadZipFile, StopIteration) as error:
            raise Refused(f"Expected a zip archive with end2end.onnx at {address}; found another file.") from error
        finally:
            archive.unlink(missing_ok=True)
    file_digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if file_digest != digest:
        raise Refused(
            f"Expected the file with SHA-256 {digest[:16]}... in {path}; found {file_digest[:16]}... Remove it, and "
            "the same command downloads it again."
        )
    return path


def download_torch_weights(name: str, address: str) -> Path:
    """Published weights, from torch's folder of downloads where they are there; their name ends in their hash.

    Raises:
        ConnectionError: the download failed.
    """
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if not path.is_file():
        _fetch(name, address, path, path.stem.rpartition("-")[2])
    return path


def _fetch(name: str, address: str, path: Path, digest: str) -> None:
    try:
        download(address, path, digest)
    except ConnectionError as error:
        raise ConnectionError(
            f"Expected to download {address} for {name}; that failed ({error}). Give a local file with --weights, or "
            "an OpenPose network with --pose-model."
        ) from error
