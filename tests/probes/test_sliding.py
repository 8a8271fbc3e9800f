import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError
from dlgbench.probes.sliding import mosaic, sliding, windows
from dlgbench.probes.sliding_speed import sliding_speed
from dlgbench.probes.subject import Subject

X = torch.rand(9, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def classifier(padding):
    torch.manual_seed(0)
    side = 2 + 2 * padding
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=padding), nn.ReLU(), nn.Flatten(), nn.Linear(3 * side**2, 5)
    )


def test_a_canvas_has_its_images_and_its_windows_in_order():
    canvas = mosaic(X)
    assert canvas.shape == (1, 2, 12, 12)
    for place in range(9):
        top, left = (4 * k for k in divmod(place, 3))
        assert torch.equal(canvas[0, :, top : top + 4, left : left + 4], X[place])
    cut, stride = windows(canvas, 4, 5)
    assert (cut.shape, stride) == ((25, 2, 4, 4), 2)
    assert torch.equal(cut[7], canvas[0, :, 2:6, 4:8])  # row 1, column 2


def test_without_padding_one_pass_is_the_sliding_window_and_with_zeros_it_is_not():
    valid = sliding(Subject(classifier(0), (2, 4, 4), (X, torch.zeros(9))))
    assert valid.metrics["sliding/conversion"] < 1e-12
    assert valid.metrics["sliding/error"] < 1e-12
    assert valid.metrics["sliding/stride"] == 1
    # multiply-adds by hand: of a window 2x2 outputs and the linear layer; of a pass 10x10 and 9x9
    window, dense = 4 * 3 * 2 * 9 + 12 * 5, 100 * 3 * 2 * 9 + 81 * 12 * 5
    assert valid.metrics["sliding/flops"] == pytest.approx(81 * window / dense)
    assert valid.arrays["sliding/dense"].shape == (5, 9, 9)
    padded = sliding(Subject(classifier(1), (2, 4, 4), (X, torch.zeros(9))))
    assert padded.metrics["sliding/conversion"] < 1e-12
    assert padded.metrics["sliding/error"] > 1e-3


def test_too_few_images_are_refused():
    with pytest.raises(DlgbenchError, match="at least 9 images"):
        sliding(Subject(classifier(0), (2, 4, 4), (X[:8], torch.zeros(8))))


def test_seconds_are_positive():
    metrics = sliding_speed(Subject(classifier(0), (2, 4, 4))).metrics
    assert min(metrics.values()) > 0
