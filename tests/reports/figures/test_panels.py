"""Arms that a claim compares share a panel."""

from dlgbench import Claim, at_least, difference
from dlgbench.reports import style
from dlgbench.reports.figures import panels

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}
ERROR = "test/error"


def test_an_arm_compared_across_panels_is_drawn_in_both_and_black(make_study):
    arms = {
        f"{init}_{width}": {"init": init, "model_args.hidden": (width,)}
        for init in ("he", "glorot")
        for width in (4, 8, 16, 32)
    }
    pairs = [("he_4", "he_8"), ("he_4", "he_16"), ("he_4", "glorot_4"), ("glorot_4", "glorot_8")]
    claims = [Claim(f"{a} {b}", difference(ERROR, a, b), at_least(0)) for a, b in pairs]
    study = make_study(MLP, arms, lambda *_: {}, claims)
    shown, looks = panels.arrange(study, arms)
    he, glorot = ([f"{init}_{width}" for width in (4, 8, 16, 32)] for init in ("he", "glorot"))
    # three claims read he_4, two glorot_4: the one with the more comparisons is the guest
    assert shown == {"init he": he, "init glorot": ["he_4", *glorot]}
    assert panels.guests(shown).startswith("Black: he_4, also beside")
    assert panels.guests({"": he}) == ""
    assert [arm for arm, (color, _) in looks.items() if color == style.INK] == ["he_4"]
