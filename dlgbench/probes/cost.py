"""What a network costs before it has learnt anything: operations and memory (slide "Revolution of Depth")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import FlopCounterMode

from dlgbench.probes.subject import Figures, Subject, on_meta

ROWS = 32  # of a training step whose memory is taken


@torch.no_grad()
def flops(subject: Subject) -> Figures:
    """Floating-point operations of one example's forward pass in evaluation mode: of convolutions and matrix products.

    A multiplication and an addition count as two, as in torch.utils.flop_counter, so ResNet-50 has 8.2e9, where the literature's 4.1e9 "FLOPs" are
    multiply-adds. Activations, normalization and pooling don't count. Only shapes are computed.
    """
    network = on_meta(subject.network).eval()
    x = torch.empty(
        (1, *subject.input_shape), dtype=next(network.parameters()).dtype, device="meta"
    )
    with FlopCounterMode(display=False) as counter:
        network(x)
    return {"flops": float(counter.get_total_flops())}, {}


def memory(subject: Subject) -> Figures:
    """Bytes of the parameters; and bytes that a training step keeps for its backward pass, for each row of its batch.

    The second is what autograd saves in the forward pass and the loss, each storage once, the input with it and the parameters not: what a deeper
    network of equal size needs more. A batch has 32 rows, or the whole probe batch if that is smaller; without data there is no loss.
    Gradients and the optimizer's state come on top, and are a multiple of the parameters. Only shapes are computed, for one device as for another.
    Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv 1604.06174, sections 1 and 3.
    """
    network = on_meta(subject.network).train()
    rows = ROWS if subject.batch is None else min(ROWS, len(subject.batch[0]))
    kept: dict[StorageWeakRef, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[StorageWeakRef(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        z = network(torch.empty((rows, *subject.input_shape), device="meta"))
        _loss = (
            None if subject.batch is None else subject.loss(z, subject.batch[1][:rows].to("meta"))
        )  # kept, and so is all that it saved
    for p in network.parameters():
        kept.pop(StorageWeakRef(p.untyped_storage()), None)
    size = sum(p.numel() * p.element_size() for p in network.parameters())
    return {"memory/parameters": float(size), "memory/saved": sum(kept.values()) / rows}, {}
