"""The tasks: one LightningModule per task, which any model and any trick can be combined with.

This module needs no torch: it registers the tasks by name.
"""

from dlgbench.registry import register_task

register_task(
    "classification",
    task="dlgbench.tasks.classification:Classification",
    metrics={"error": "share of the {split} split that is misclassified"},
)
register_task(
    "regression",
    task="dlgbench.tasks.regression:Regression",
    metrics={
        "mse": "mean squared error over the {split} split",
        "r2": "coefficient of determination on the {split} split",
    },
)
register_task(
    "image_to_image",
    task="dlgbench.tasks.dense:ImageToImage",
    metrics={
        "mse": "mean squared error per pixel and channel over the {split} split",
        "psnr": "peak signal-to-noise ratio on the {split} split, in dB, for images in [0, 1]",
    },
)
register_task(
    "segmentation",
    task="dlgbench.tasks.dense:Segmentation",
    metrics={
        "error": "share of the {split} split's labelled pixels that is misclassified",
        "miou": "mean intersection over union on the {split} split",
    },
)
register_task(
    "minimization",
    task="dlgbench.tasks.minimization:Minimization",
    metrics={"distance": "distance from the minimizer"},
)
