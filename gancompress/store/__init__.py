"""What a run leaves on the disk: atomic files, tensors, checkpoints and the run directory."""

from gancompress.store.archive import ArchiveFormat, tree_size, unpack
from gancompress.store.atomic import fresh_folder, read_json, write_atomic, write_json
from gancompress.store.cache import cache_folder
from gancompress.store.checkpoint import Checkpoint, load_latest_checkpoint, save_checkpoint
from gancompress.store.download import download, fetch
from gancompress.store.provenance import Provenance, read_provenance, write_provenance
from gancompress.store.run import RunDirectory
from gancompress.store.weights import load_tensors, load_weights, save_tensors

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
