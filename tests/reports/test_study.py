from dlgbench import Recipe
from dlgbench.reports.study import varying


def test_an_argument_that_an_arm_leaves_as_it_is_has_its_default():
    base = Recipe(model="mlp", data="mnist5k")
    works = {
        "left": base,
        "given": base.override({"model_args.hidden": (128, 128)}),
        "wider": base.override({"model_args.hidden": (256, 256)}),
        "elsewhere": Recipe(model="lenet5", data="mnist5k"),
    }
    assert varying(works) == {
        "model": {"left": "mlp", "given": "mlp", "wider": "mlp", "elsewhere": "lenet5"},
        "model_args.hidden": {
            "left": "(128, 128)",
            "given": "(128, 128)",
            "wider": "(256, 256)",
            "elsewhere": "none",
        },
    }
    assert varying({"left": works["left"], "given": works["given"]}) == {}
