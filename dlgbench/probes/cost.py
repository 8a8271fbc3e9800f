"""Operations and memory that a network needs, trained or not (slide "Revolution of Depth")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import FlopCounterMode

from dlgbench.probes.subject import Measurement, Subject, on_meta

ROWS = 32  # of the training step whose memory is measured


@torch.no_grad()
def flops(subject: Subject) -> Measurement:
    """Floating-point operations of convolutions and matrix products for one example.

    They are counted in a forward pass in evaluation mode. A multiplication and an addition count as
    two, as in torch.utils.flop_counter, so ResNet-50 has 8.2e9, where the literature's 4.1e9
    "FLOPs" are multiply-adds. Activations, normalization and pooling are not counted. Only shapes
    are computed.
    """
    network = on_meta(subject.network).eval()
    dtype = next(network.parameters()).dtype
    x = torch.empty((1, *subject.input_shape), dtype=dtype, device="meta")
    with FlopCounterMode(display=False) as counter:
        network(x)
    return Measurement({"flops": float(counter.get_total_flops())})


def memory(subject: Subject) -> Measurement:
    """Bytes of the parameters, and bytes that a training step keeps for its backward pass.

    The second number is for each row of the batch: what autograd saves in the forward pass and the
    loss, each storage once, including the input and excluding the parameters. It is what a deeper
    network of equal size needs more of. The batch has 32 rows, or the whole probe batch if that is
    smaller; without data there is no loss. Gradients and the optimizer's state come on top and are
    a multiple of the parameters. Only shapes are computed, so the device does not matter.

    Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv 1604.06174, sections 1
    and 3.
    """
    network = on_meta(subject.network).train()
    rows = ROWS if subject.batch is None else min(ROWS, len(subject.batch[0]))
    kept: dict[StorageWeakRef, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[StorageWeakRef(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        z = network(torch.empty((rows, *subject.input_shape), device="meta"))
        # The loss has a name so that it lives, and with it all that it saved.
        _loss = (
            None if subject.batch is None else subject.loss(z, subject.batch[1][:rows].to("meta"))
        )
    for p in network.parameters():
        kept.pop(StorageWeakRef(p.untyped_storage()), None)
    size = sum(p.numel() * p.element_size() for p in network.parameters())
    saved = sum(kept.values()) / rows
    return Measurement({"memory/parameters": float(size), "memory/saved": saved})
