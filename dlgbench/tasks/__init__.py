"""The tasks: one LightningModule per task, which any model and any trick can be combined with.

This module needs no torch: it registers the tasks by name.
"""

from dlgbench.registry import register_task

register_task(
    "classification",
    metrics={"error": "share of the {split} split that is misclassified"},
)("dlgbench.tasks.classification:Classification")
register_task(
    "regression",
    metrics={
        "mse": "mean squared error over the {split} split",
        "r2": "coefficient of determination on the {split} split",
    },
)("dlgbench.tasks.regression:Regression")
register_task(
    "image_to_image",
    metrics={
        "mse": "mean squared error per pixel and channel over the {split} split",
        "psnr": "peak signal-to-noise ratio on the {split} split, in dB, where the data set "
        "announces the range of its targets",
    },
    ranged=("psnr",),
)("dlgbench.tasks.dense:ImageToImage")
register_task(
    "segmentation",
    metrics={
        "error": "share of the {split} split's labelled pixels that is misclassified",
        "miou": "mean intersection over union on the {split} split",
    },
)("dlgbench.tasks.dense:Segmentation")
register_task(
    "minimization",
    metrics={"distance": "distance from the minimizer"},
)("dlgbench.tasks.minimization:Minimization")
