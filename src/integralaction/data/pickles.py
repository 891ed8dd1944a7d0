"""Pickles of plain data from other projects: containers, numbers and NumPy arrays, and nothing that runs."""

import pickle
from pathlib import Path
from typing import Any

# what NumPy's arrays and numbers are pickled as, in versions 1 and 2, and OrderedDict
_ALLOWED = {
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("_codecs", "encode"),  # how protocol 2 writes bytes
    ("builtins", "list"),
    ("builtins", "dict"),
    ("builtins", "set"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # Python 2 wrote other names of modules
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def read_pickle(path: Path) -> Any:
    """What a pickle of plain data holds.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no pickle, or holds something that is not plain data and could run code.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a pickle; {path} is not there.")
    with path.open("rb") as file:
        try:
            return _Unpickler(file, encoding="latin1").load()
        except pickle.UnpicklingError as error:
            name = str(error)
            if name.replace(".", "").replace("_", "").isalnum() and "." in name:
                raise ValueError(
                    f"Expected plain data and NumPy arrays in {path}; found {name}, which could run code. Nothing "
                    "was read."
                ) from error
            raise ValueError(f"Expected a pickle in {path}; it cannot be read ({error}).") from error
        except Exception as error:  # on a file of another kind the unpickler fails in whatever way it comes to
            raise ValueError(f"Expected a pickle in {path}; it is another file, or damaged.") from error
