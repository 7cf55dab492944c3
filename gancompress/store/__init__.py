"""What a run leaves on the disk: atomic files, tensors, checkpoints and the run directory."""

from gancompress.store.atomic import read_json, write_atomic, write_json
from gancompress.store.cache import cache_folder
from gancompress.store.checkpoint import Checkpoint, load_latest_checkpoint, save_checkpoint
from gancompress.store.download import download
from gancompress.store.run import RunDirectory
from gancompress.store.weights import load_tensors, load_weights, save_tensors

__all__ = [
    "Checkpoint",
    "RunDirectory",
    "cache_folder",
    "download",
    "load_latest_checkpoint",
    "load_tensors",
    "load_weights",
    "read_json",
    "save_checkpoint",
    "save_tensors",
    "write_atomic",
    "write_json",
]
