from torch import nn

from dlgbench.probes.subject import Subject
from dlgbench.probes.upsampling_by_hand import upsampling_by_hand


def test_the_maps_are_one_and_the_sabotage_is_detected():
    metrics = upsampling_by_hand(Subject(nn.Linear(1, 1), (1,))).metrics
    for name in ("zero_insertion", "equations", "by_matrix"):
        assert metrics.pop(f"upsampling/{name}") < 1e-13, name
    assert metrics.pop("upsampling/not_rotated") > 0.1
    # 4 windows of 3x3 with stride 2 reach some pixels, 1 reaches others
    assert metrics == {
        "upsampling/uneven_2": 0,
        "upsampling/uneven_3": 3,
        "upsampling/uneven_4": 0,
        "upsampling/uneven_nearest": 0,
    }
