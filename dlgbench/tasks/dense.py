"""Dense prediction: an answer for every pixel (slides "Fully convolutional networks", "Encoder-decoder", "U-Net")."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.classification import multiclass_jaccard_index, multiclass_stat_scores
from torchmetrics.functional.image import peak_signal_noise_ratio

from dlgbench.tasks.base import Loss, Task

UNLABELLED = -1  # a pixel that counts neither in the loss nor in a figure


def centre(y: Tensor, z: Tensor) -> Tensor:
    """The middle of y (B, ..., H, W) at z's height and width: a net without padding answers for the middle alone."""
    height, width = z.shape[-2:]
    top, left = (y.shape[-2] - height) // 2, (y.shape[-1] - width) // 2
    return y[..., top : top + height, left : left + width]


def _inside(z: Tensor, y: Tensor) -> bool:
    return z.shape[-2] <= y.shape[-2] and z.shape[-1] <= y.shape[-1]


class ImageToImage(Task):
    """z = network(x): (B, C, H, W); y: (B, C, H, W) of float. l(y, z) = mean (z - y)^2 over pixels and channels, or |z - y| with loss `l1`.

    Figures: `mse`, and `psnr` = -10 log10 mse in dB, for images in [0, 1].
    """

    losses: ClassVar[dict[str, Loss]] = {
        "l2": lambda z, y: F.mse_loss(z, centre(y, z)),
        "l1": lambda z, y: F.l1_loss(z, centre(y, z)),
    }

    def misfit(self, z: Tensor, y: Tensor) -> str:
        """Wants z and y of one shape (B, C, H, W), or z smaller, for a net without padding, and y of floating point."""
        fits = (
            z.dim() == y.dim() == 4
            and z.shape[:2] == y.shape[:2]
            and y.is_floating_point()
            and _inside(z, y)
        )
        return (
            ""
            if fits
            else f"outputs and images of one shape (B, C, H, W) are wanted; outputs {tuple(z.shape)} and {y.dtype} targets {tuple(y.shape)} came"
        )

    def figures(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """`mse` and `psnr`."""
        z, y = z.double(), centre(y, z).double()
        return {
            "mse": mean_squared_error(z.flatten(), y.flatten()).item(),
            "psnr": peak_signal_noise_ratio(z, y, data_range=1.0).item(),
        }


class Segmentation(Task):
    """z = network(x): (B, num_classes, H, W) scores; y: (B, H, W) of int64, -1 where a pixel has no label.

    l(y, z) is the cross-entropy averaged over the labelled pixels of the minibatch.
    Figures: `error`, the share of labelled pixels that is misclassified, and `miou`, mean intersection over union of the classes.
    """

    losses: ClassVar[dict[str, Loss]] = {
        "cross_entropy": lambda z, y: F.cross_entropy(z, centre(y, z), ignore_index=UNLABELLED)
    }

    def misfit(self, z: Tensor, y: Tensor) -> str:
        """Wants z (B, num_classes, H, W), or smaller, for a net without padding, and y (B, H, W) of classes below num_classes, or -1."""
        if z.dim() != 4 or y.dim() != 3 or y.is_floating_point() or not _inside(z, y):
            wanted = "scores (B, num_classes, H, W) and a class for each pixel, (B, H, W),"
            return f"{wanted} are wanted; scores {tuple(z.shape)} and {y.dtype} targets {tuple(y.shape)} came"
        return (
            ""
            if int(y.max()) < z.shape[1]
            else f"classes below {z.shape[1]} are wanted; classes up to {y.max()} came"
        )

    def figures(self, z: Tensor, y: Tensor) -> dict[str, float]:
        """`error` and `miou`."""
        y, classes = centre(y, z), z.shape[1]
        scores = multiclass_stat_scores(
            z, y, classes, average="micro", ignore_index=UNLABELLED, validate_args=False
        )
        right, labelled = int(scores[0]), int(scores[4])
        miou = multiclass_jaccard_index(
            z, y, classes, average="macro", ignore_index=UNLABELLED, validate_args=False
        )
        return {"error": (labelled - right) / labelled, "miou": miou.item()}
