"""Run every notebook of a folder in place, one after another in one kernel, which loads torch once.

A process of its own: what the kernel's client leaves open when it goes would be an error of a test.
"""

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient


def main(folder: Path) -> None:
    # Sockets in the folder: no port is opened. Their paths hold from any current folder.
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "ipc"))
    manager.start_kernel(cwd=str(folder))
    try:
        for file in sorted(folder.glob("*.ipynb")):
            book = nbformat.read(file, as_version=4)
            # What goes wrong is kept among the outputs.
            NotebookClient(book, km=manager, timeout=300, allow_errors=True).execute()
            nbformat.write(book, file)
    finally:
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
