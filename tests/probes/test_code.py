import pytest

from dlgbench import create_model
from dlgbench.probes.code import code
from dlgbench.probes.subject import Subject

NETS = [  # Ronneberger et al. 2015, Figure 1: 1024 maps of 28x28; Long et al. 2015: 224 / 32 = 7
    ("unet", {"padding": "valid"}, (1, 572, 572), 1024 * 28 * 28, 28 * 28),
    ("encoder_decoder", {"code": 5}, (1, 28, 28), 5, 1),
    ("fcn32s", {"width": 1 / 64}, (3, 224, 224), 21 * 7 * 7, 7 * 7),
]


@pytest.mark.parametrize(("model", "args", "shape", "numbers", "positions"), NETS)
def test_codes_by_hand(model, args, shape, numbers, positions):
    channels, height, width = shape
    network = create_model(model, input_shape=shape, **args)
    assert code(Subject(network, shape)).metrics == pytest.approx(
        {
            "code/numbers": numbers,
            "code/positions": positions,
            "code/share": numbers / (channels * height * width),
        }
    )
