"""The plots of the page. Importing the package registers them, in the order of the page.

| module | plots |
| --- | --- |
| effects | the effect of every claim; steps to the target, seed by seed |
| planes | decision boundaries, warped planes, paths of optimizers, fits |
| depth | what trains at which depth, error and learning curves by depth |
| images | receptive fields, filters, exemplars, neighbours, predictions |
| probes | thinned networks, ways between minima, gradient noise, measures layer by layer |
| curves | learning curves, with and without dropout and of all arms |
| rates | error by learning rate, and the usable range of rates |
| kernels | edge kernels, fields over an input, arithmetic against gradient, feature maps |
| translation | what networks give from image to image, error by frequency, checkerboards |
| pictures | sliding windows, images from images, code sizes, pyramids |
| frameworks | the cost of a training step and of modes of execution; networks sent through ONNX |
| convolution | layers as matrices, error by training images, accuracy kept under shifts |
| architectures | the slide's revolution of depth; error by cost; time; error by blocks |

`base` and `panels` hold what they share. A plot of your own is registered in the same way, by
`dlgbench.register_figure`, and follows these on the page.
"""

import importlib

PAGE_ORDER = (
    "effects",
    "planes",
    "depth",
    "images",
    "probes",
    "curves",
    "rates",
    "kernels",
    "translation",
    "pictures",
    "frameworks",
    "convolution",
    "architectures",
)

for _name in PAGE_ORDER:
    importlib.import_module(f"{__name__}.{_name}")
