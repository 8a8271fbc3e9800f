"""How noisy the gradient of a minibatch is (slide "Noisy ('Stochastic') Gradient")."""

from __future__ import annotations

import numpy as np
import torch

from dlgbench.probes.subject import Figures, Subject

SIZES = (8, 16, 32, 64, 128)
DRAWS = 100  # minibatches of each size


def gradient_noise(subject: Subject) -> Figures:
    """SD(B) = sqrt(mean ||g_B - g||^2) over 100 minibatches of B rows, for B = 8, 16, 32, 64, 128, and the slope of log SD on log B.

    g_B is the gradient of the minibatch's mean loss in all weights, g that of the whole probe batch, in float64 and evaluation mode, so that the draw
    of the rows is the only noise. Rows are drawn from the probe batch with replacement, from a fixed seed: independent, so
    SD(B) = sqrt(tr Cov(g_1) / B) and the slope is -1/2, but for the chance of 100 draws. Bottou, Curtis & Nocedal 2018, SIAM Review 60, section 5.
    """
    x, y = subject.data("gradient_noise")
    network = subject.network.double().eval()
    x, y = x.double(), y.double() if y.is_floating_point() else y
    weights = [p for p in network.parameters() if p.requires_grad]

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        parts = torch.autograd.grad(
            subject.loss(network(x[rows]), y[rows]), weights, allow_unused=True
        )
        return torch.cat([part.flatten() for part in parts if part is not None])

    random = torch.Generator().manual_seed(0)
    mean = gradient(torch.arange(len(x), device=x.device))
    deviations = []
    for size in SIZES:
        draws = (
            torch.randint(len(x), (size,), generator=random).to(x.device) for _ in range(DRAWS)
        )
        deviations.append(
            float(
                torch.stack([(gradient(rows) - mean).square().sum() for rows in draws])
                .mean()
                .sqrt()
            )
        )
    slope = (
        float(np.polyfit(np.log(SIZES), np.log(deviations), 1)[0])
        if min(deviations) > 1e-12 * float(mean.norm())
        else float("nan")
    )
    return {"gradient_noise/slope": slope, "gradient_noise/sd_8": deviations[0]}, {
        "gradient_noise/by_size": deviations
    }
