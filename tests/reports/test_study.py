from dlgbench import Recipe
from dlgbench.reports.study import varying


def test_a_field_that_an_arm_leaves_as_it_is_is_the_default():
    base = Recipe(model="mlp", data="mnist5k")
    works = {"left": base, "wider": base.override({"model_args.hidden": (256, 256)})}
    assert varying(works) == {"model_args.hidden": {"left": "default", "wider": "(256, 256)"}}
    clipped = base.override(max_norm=3.0)  # of a recipe's own field, `none` is a value
    assert varying({"left": base, "clipped": clipped}) == {
        "max_norm": {"left": "none", "clipped": "3"}
    }
