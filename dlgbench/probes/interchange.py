"""A network in another framework: exported as ONNX, computed by ONNX Runtime (slide "ONNX")."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from dlgbench.probes.subject import Measurement, Subject

ROWS = 4  # of the batch


def settled(network: nn.Module, x: Tensor) -> nn.Module:
    """The network for evaluation, after its batch normalization took the statistics of x.

    With the initial statistics the outputs of a deep one would be astronomical.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  (the base of all)
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(x)
    return network.eval()


def in_onnx_runtime(network: nn.Module, x: Tensor, *, dynamo: bool = True) -> tuple[Tensor, int]:
    """The network's output for x, computed by ONNX Runtime on a CPU, and the bytes of the model.

    Args:
        network, x: on a CPU, in float32; the network in evaluation mode.
        dynamo: whether torch.export makes the graph, or the older tracer, which takes a tenth of
            the time.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = str(Path(folder) / "network.onnx")
        if dynamo:
            torch.onnx.export(network, (x,), file, dynamo=True, verbose=False, optimize=False)
        else:
            torch.onnx.export(network, (x,), file, dynamo=False)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
        (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(output), size


@torch.no_grad()
def onnx(subject: Subject) -> Measurement:
    """How far the outputs of ONNX Runtime are from torch's, for four images of noise in [0, 1].

    The network is untrained, with the batch's statistics in its batch normalization. To compare:
    how far torch's own outputs in float32 are from those in float64, and what comes of a network
    that is left in training mode, with dropout and batch statistics.
    """
    network = subject.network.cpu().double()
    x = torch.rand(ROWS, *subject.input_shape, dtype=torch.float64)
    exact = settled(network, x)(x)
    network, x = network.float(), x.float()
    z = network(x)
    output, size = in_onnx_runtime(network, x)
    training = network.train()(x)
    if isinstance(training, tuple):  # with auxiliary heads
        training = training[0]

    def apart(a: Tensor, b: Tensor) -> float:
        return float((a - b).abs().max())

    return Measurement(
        {
            "onnx/difference": apart(output, z),
            "onnx/rounding": apart(z, exact),
            "onnx/train_mode": apart(output, training),
            "onnx/bytes": float(size),
        }
    )
