import shutil
import warnings

import pytest
import torch

from dlgbench import create_model

SMALL = {
    "mlp": {"hidden": (16, 16), "norm": "batch"},
    "lenet5": {},
    "resnet20": {"width": 0.25},
    "unet": {"width": 0.125, "levels": 2},
}


def assert_compiled_agrees(name, **options):
    torch.manual_seed(0)
    network = create_model(name, input_shape=(1, 28, 28), num_classes=3, **SMALL[name]).eval()
    x = torch.rand(4, 1, 28, 28)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        compiled = torch.compile(network, fullgraph=True, **options)(x)
        torch.testing.assert_close(compiled, network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_is_traced_as_one_graph_that_agrees(name):
    assert_compiled_agrees(name, backend="aot_eager")


@pytest.mark.slow  # compiles C++
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_agrees():
    with torch._inductor.config.patch({"compile_threads": 1}):  # without a pool of processes
        assert_compiled_agrees("mlp")
