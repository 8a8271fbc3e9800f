"""Pytest settings for this repository alone; the plugin itself comes with the package."""

import matplotlib as mpl

mpl.use("Agg")  # plots are only saved to files: no display is needed
