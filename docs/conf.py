"""Sphinx: MyST pages, the furo theme, and reference pages made from the code."""

import sys
from pathlib import Path

from gancompress import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "gancompress"
author = "The gancompress authors"
copyright = "2026, the gancompress authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "live_reference",
]
exclude_patterns = ["_build"]
smartquotes = False  # quotes of messages and help texts stay as they are typed
html_theme = "furo"
html_title = f"gancompress {release}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Names in single backticks, as in docstrings: a link where there is a target, else code.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
# "Attributes:" of a docstring stay a list; as directives they would repeat annotated members.
napoleon_use_ivar = True
