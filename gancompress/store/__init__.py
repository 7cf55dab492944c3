"""What a run leaves on the disk: atomic files, tensors, checkpoints and the run directory.

What holds tensors is loaded when it is first used: a run can be read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gancompress.store.archive import ArchiveFormat, tree_size, unpack
from gancompress.store.atomic import fresh_folder, read_json, write_atomic, write_json
from gancompress.store.cache import cache_folder
from gancompress.store.download import download, fetch
from gancompress.store.provenance import Provenance, read_provenance, write_provenance
from gancompress.store.run import RunDirectory

if TYPE_CHECKING:
    from gancompress.store.checkpoint import Checkpoint, load_latest_checkpoint, save_checkpoint
    from gancompress.store.weights import load_tensors, load_weights, save_tensors

_HOMES = {
    "Checkpoint": "checkpoint",
    "load_latest_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
    "load_tensors": "weights",
    "load_weights": "weights",
    "save_tensors": "weights",
}

__all__ = [
    "ArchiveFormat",
    "Checkpoint",
    "Provenance",
    "RunDirectory",
    "cache_folder",
    "download",
    "fetch",
    "fresh_folder",
    "load_latest_checkpoint",
    "load_tensors",
    "load_weights",
    "read_json",
    "read_provenance",
    "save_checkpoint",
    "save_tensors",
    "tree_size",
    "unpack",
    "write_atomic",
    "write_json",
    "write_provenance",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
