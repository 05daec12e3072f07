"""Sphinx configuration; ``make docs`` builds docs/_build/html."""

from ttf import __version__

project = "ttf"
author = "the ttf authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"ttf {__version__}"
exclude_patterns = ["_build"]
nitpicky = True
