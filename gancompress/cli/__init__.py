"""The command line: verbs are thin callers of the library's functions."""

from gancompress.cli.app import main

__all__ = ["main"]
