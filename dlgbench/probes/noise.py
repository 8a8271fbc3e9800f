"""How noisy the gradient of a minibatch is (slide "Noisy ('Stochastic') Gradient")."""

from __future__ import annotations

import numpy as np
import torch

from dlgbench.probes.subject import Measurement, Subject

SIZES = (8, 16, 32, 64, 128)
DRAWS = 100  # minibatches of each size


def gradient_noise(subject: Subject) -> Measurement:
    """SD(B) = sqrt(mean ||g_B - g||^2) over 100 minibatches of B rows, for five sizes B.

    B is 8, 16, 32, 64, 128, and `gradient_noise/slope` is the slope of log SD on log B. g_B is the
    gradient of the minibatch's mean loss with respect to all weights, g that of the whole probe
    batch. Both are in float64 and evaluation mode, so that the draw of the rows is the only noise.
    Rows are drawn from the probe batch with replacement, from a fixed seed. They are independent,
    so SD(B) = sqrt(tr Cov(g_1) / B) and the slope is -1/2, up to the randomness of 100 draws.

    Bottou, Curtis & Nocedal 2018, SIAM Review 60, section 5.
    """
    x, y = subject.data("gradient_noise")
    network = subject.network.double().eval()
    x, y = x.double(), y.double() if y.is_floating_point() else y
    weights = [p for p in network.parameters() if p.requires_grad]

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        loss = subject.loss(network(x[rows]), y[rows])
        parts = torch.autograd.grad(loss, weights, allow_unused=True)
        return torch.cat([part.flatten() for part in parts if part is not None])

    random = torch.Generator().manual_seed(0)
    mean = gradient(torch.arange(len(x), device=x.device))
    deviations = []
    for size in SIZES:
        draws = (torch.randint(len(x), (size,), generator=random) for _ in range(DRAWS))
        squares = [(gradient(rows.to(x.device)) - mean).square().sum() for rows in draws]
        deviations.append(float(torch.stack(squares).mean().sqrt()))
    slope = float("nan")
    if min(deviations) > 1e-12 * float(mean.norm()):  # else they are rounding errors
        slope = float(np.polyfit(np.log(SIZES), np.log(deviations), 1)[0])
    metrics = {"gradient_noise/slope": slope, "gradient_noise/sd_8": deviations[0]}
    return Measurement(metrics, {"gradient_noise/by_size": deviations})
