"""A file from the network: tried once, checked by its SHA-256, whole or not there."""

import hashlib
import queue
import threading
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from integralaction.console import progress, say
from integralaction.errors import Refused
from integralaction.files import write_whole

CONNECT = 10.0  # seconds that a server has to answer, and that it may pause
PART = 2**20  # bytes

_failures: dict[str, str] = {}  # by address; a download that failed is not tried again


def download(address: str, path: Path, digest: str) -> None:
    """Fetch a file, with its progress on standard error.

    Args:
        path: where it goes; what is there is replaced.
        digest: how its SHA-256 in hexadecimal digits begins, or all of it.

    Raises:
        ConnectionError: it cannot be fetched; in one process an address is tried once.
        ValueError: it has another SHA-256.
    """
    if address in _failures:
        raise ConnectionError(_failures[address])
    say(f"downloading {address} to {path}")
    try:
        with write_whole(path) as aside:
            sha256 = _fetch(address, aside)
            if not sha256.startswith(digest):
                raise Refused(
                    f"Expected the file with SHA-256 {digest[:16]}... at {address}; found {sha256[:16]}... Try again "
                    "later, or give a local file."
                )
    except ValueError:
        raise
    except OSError as error:  # urllib's errors are of this kind
        _failures[address] = _reason(error)
        raise ConnectionError(_failures[address]) from error


def _fetch(address: str, path: Path) -> str:
    """Write what lies at an address to a path; its SHA-256."""
    digest = hashlib.sha256()
    with _open_address(address) as response, path.open("wb") as file:
        length = int(response.headers.get("Content-Length") or 0)
        with progress(f"downloading MB of {path.stem}", length // PART or None) as advance:
            count = 0
            while part := response.read(PART):
                file.write(part)
                digest.update(part)
                count += len(part)
                advance(1)
    if length and count != length:
        raise ConnectionError(f"it broke off after {count} of {length} bytes")
    return digest.hexdigest()


def _open_address(address: str) -> Any:
    """The server's answer, awaited in a thread, since looking up its name has no time limit of its own."""
    answers: queue.Queue[Any] = queue.Queue()

    is_abandoned = threading.Event()

    def ask() -> None:
        try:
            answer = urllib.request.urlopen(address, timeout=CONNECT)
        except Exception as error:
            answers.put(error)
            return
        answers.put(answer)
        if is_abandoned.is_set():  # nobody waits for it any more
            answer.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT + 0.5)  # the connection's own limit speaks first
    except queue.Empty:
        is_abandoned.set()
        raise TimeoutError(f"no answer within {CONNECT:.0f} s") from None
    if isinstance(answer, HTTPError):  # which holds the connection
        answer.close()
    if isinstance(answer, OSError):
        raise answer
    if isinstance(answer, Exception):
        raise ConnectionError(str(answer)) from answer
    return answer


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return str(reason if isinstance(reason, OSError) else error) or type(error).__name__
