from dlgbench import Claim, Recipe, exactly, value
from dlgbench.reports.study import varying
from dlgbench.reports.tables import claim_row


def test_a_field_that_an_arm_leaves_as_it_is_is_the_default():
    base = Recipe(model="mlp", data="mnist5k")
    works = {"left": base, "wider": base.override({"model_args.hidden": (256, 256)})}
    assert varying(works) == {"model_args.hidden": {"left": "default", "wider": "(256, 256)"}}
    clipped = base.override(max_norm=3.0)  # of a recipe's own field, `none` is a value
    assert varying({"left": base, "clipped": clipped}) == {
        "max_norm": {"left": "none", "clipped": "3"}
    }


def test_the_interval_of_an_exact_claim_is_the_range_over_the_seeds(make_study):
    claim = Claim("a is 0", value("test/error", "a"), exactly(0), expect="refuted")
    recipe = {"model": "mlp", "data": "mnist5k", "steps": 20}

    def result(_, seed):
        return {"summary": {"test/error": 0.1 + 0.1 * (seed == 3)}}

    row = claim_row(make_study(recipe, {"a": {}}, result, [claim]), claim)
    assert (row.verdict, row.effect, row.interval) == ("refuted", "0.2", "[0.1, 0.2]")
    assert row.level == "range over the seeds"
