"""Dense prediction: an output for every pixel.

Slides "Fully convolutional networks", "Encoder-decoder", "U-Net".
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.classification import multiclass_jaccard_index, multiclass_stat_scores
from torchmetrics.functional.image import peak_signal_noise_ratio

from dlgbench.errors import DlgbenchError
from dlgbench.registry import DATA
from dlgbench.tasks.base import Loss, Task

UNLABELLED = -1  # the class of a pixel that counts neither in the loss nor in a metric


def centre(y: Tensor, z: Tensor) -> Tensor:
    """The middle of y (B, ..., H, W), of z's height and width.

    These are the pixels for which a net without padding has outputs.
    """
    height, width = z.shape[-2:]
    top, left = (y.shape[-2] - height) // 2, (y.shape[-1] - width) // 2
    return y[..., top : top + height, left : left + width]


def _inside(z: Tensor, y: Tensor) -> bool:
    return z.shape[-2] <= y.shape[-2] and z.shape[-1] <= y.shape[-1]


class ImageToImage(Task):
    """z = network(x): (B, C, H, W); y: (B, C, H, W) of float.

    l(y, z) = mean (z - y)^2 over pixels and channels, or |z - y| with loss `l1`.
    Metrics: `mse`, and `psnr` = 10 log10(r^2 / mse) in dB, where the data set announces the range r
    of its targets.
    """

    losses: ClassVar[dict[str, Loss]] = {
        "l2": lambda z, y: F.mse_loss(z, centre(y, z)),
        "l1": lambda z, y: F.l1_loss(z, centre(y, z)),
    }

    def check_shapes(self, z: Tensor, y: Tensor) -> None:
        """Expects z and y of one shape (B, C, H, W), y of float.

        z may have fewer pixels, as the output of a net without padding.
        """
        images = z.dim() == y.dim() == 4 and z.shape[:2] == y.shape[:2]
        if not (images and y.is_floating_point() and _inside(z, y)):
            raise DlgbenchError(
                "expected outputs and images of one shape (B, C, H, W), got outputs "
                f"{tuple(z.shape)} and {y.dtype} targets {tuple(y.shape)}"
            )

    def metrics(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """`mse`, and `psnr` where the range of the targets is known."""
        z, y = z.double(), centre(y, z).double()
        metrics = {"mse": mean_squared_error(z.flatten(), y.flatten()).item()}
        width = DATA[self.recipe.data].target_range if self.recipe.data else None
        if width is not None:
            metrics["psnr"] = peak_signal_noise_ratio(z, y, data_range=width).item()
        return metrics


class Segmentation(Task):
    """z = network(x): (B, num_classes, H, W) scores; y: (B, H, W) of int64, -1 for no label.

    l(y, z) is the cross-entropy averaged over the labelled pixels of the minibatch.
    Metrics: `error`, the share of labelled pixels that is misclassified, and `miou`, the mean over
    the classes of intersection over union.
    """

    losses: ClassVar[dict[str, Loss]] = {
        "cross_entropy": lambda z, y: F.cross_entropy(z, centre(y, z), ignore_index=UNLABELLED)
    }

    def check_shapes(self, z: Tensor, y: Tensor) -> None:
        """Expects z (B, num_classes, H, W) and y (B, H, W) of classes.

        z may have fewer pixels, as the output of a net without padding.
        """
        if z.dim() != 4 or y.dim() != 3 or y.is_floating_point() or not _inside(z, y):
            raise DlgbenchError(
                "expected scores (B, num_classes, H, W) and a class for each pixel, (B, H, W), got "
                f"scores {tuple(z.shape)} and {y.dtype} targets {tuple(y.shape)}"
            )
        if int(y.max()) >= z.shape[1]:
            raise DlgbenchError(
                f"expected classes below {z.shape[1]}, got classes up to {int(y.max())}"
            )

    def metrics(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """`error` and `miou`."""
        y, classes = centre(y, z), z.shape[1]
        labelled: dict[str, Any] = {"ignore_index": UNLABELLED, "validate_args": False}
        scores = multiclass_stat_scores(z, y, classes, average="micro", **labelled)
        right, total = int(scores[0]), int(scores[4])
        miou = multiclass_jaccard_index(z, y, classes, average="macro", **labelled)
        return {"error": (total - right) / total, "miou": miou.item()}
