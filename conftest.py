"""What is this repository's own, and nobody else's: the plugin itself comes with the package."""

import matplotlib as mpl

mpl.use("Agg")  # figures are files here: no display is asked for
