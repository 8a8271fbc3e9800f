import math

import pytest

from dlgbench import Claim, at_least, difference
from dlgbench.reports import style

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}
SCORES = {0.01: 0.105, 0.03: 0.2, 0.1: 0.109, 0.3: 0.1, 1.0: math.inf}


@pytest.fixture
def tuned(make_study):
    """`tuned(arms, score, claims)`: a study of tuning runs with the scores `score(arm, lr)`."""

    def make(arms, score, claims=(), rates=tuple(SCORES), **more):
        return make_study(MLP, arms, lambda *_: {}, claims, tune={"lr": rates}, tuned=score, **more)

    return make


def test_the_usable_range_is_the_run_of_rates_around_the_best(tuned, rendered):
    arms = {"a": {}, "lost": {"optimizer": "adam"}}
    study = tuned(arms, lambda arm, lr: SCORES[lr] if arm == "a" else math.inf)
    plot = rendered("sensitivity", study)["sensitivity"]
    assert set(plot.data["arm"]) == {"a"}  # an arm that always diverged has no range
    assert plot.data.loc[plot.data["usable"], "lr"].tolist() == [0.1, 0.3]
    assert plot.figure.axes[0].get_title("left") == "validation error"
    assert plot.figure.axes[1].get_yticklabels()[0].get_text() == "a   × 3"


def test_two_rows_of_panels_without_a_cross_keep_their_layout(tuned, rendered):
    arms = {f"a{k}": {"batch_size": 10 + k} for k in range(9)}
    rendered("sensitivity", tuned(arms, lambda _, lr: min(SCORES[lr], 1.0)))


def test_a_grid_of_few_rates_has_no_sensitivity(tuned, drawn):
    assert drawn("sensitivity", tuned({"a": {}}, lambda *_: 0.1, rates=(0.1, 0.2))) == {}


def test_the_largest_accuracy_is_the_best(make_study, drawn):
    accuracies = dict(zip(SCORES, (0.5, 0.8, 0.9, 0.85, -math.inf), strict=True))

    def train(config, seed, log):
        raise NotImplementedError

    study = make_study(
        None,
        {"a": {}},
        lambda *_: {},
        tune={"lr": tuple(SCORES)},
        tuned=lambda _, lr: accuracies[lr],
        select="val/accuracy",
        train=train,
        config={"lr": 0.1},
        metrics={"val/accuracy": "share of the validation split"},
    )
    data = drawn("sensitivity", study)["sensitivity"].data
    assert data.loc[data["usable"], "lr"].tolist() == [0.1, 0.3]  # within 10 % of .9
    assert data["val/accuracy"].tolist() == list(accuracies.values())


def test_an_arm_that_no_rate_trains_has_no_usable_range(tuned, drawn):
    scores = {"dead": [0.9, 0.9, 0.9, 0.89, 0.9], "good": [0.9, 0.3, 0.1, 0.3, 0.9]}
    rates = (0.01, 0.03, 0.1, 0.3, 1.0)

    def plot(least):
        arms = {"dead": {}, "good": {"optimizer": "adam"}}
        study = tuned(arms, lambda arm, lr: max(least, scores[arm][rates.index(lr)]))
        return drawn("sensitivity", study)["sensitivity"]

    one = plot(0.0)
    assert set(one.data.loc[one.data["usable"], "arm"]) == {"good"}
    labels = [label.get_text() for label in one.figure.axes[1].get_yticklabels()]
    assert labels == ["dead   no rate gains", "good   × 1"]
    assert "No rate gains: the arm's best is above 0.75 of the worst" in one.caption
    flat = plot(0.8)  # where all are alike, there is nothing to compare with
    assert set(flat.data.loc[flat.data["usable"], "arm"]) == {"dead", "good"}


def test_the_arm_of_all_comparisons_is_in_every_panel_of_the_rates(tuned, drawn):
    arms = {f"a{k}": {"batch_size": 10 + k} for k in range(9)}
    claims = [
        Claim(f"{arm} helps", difference("test/error", arm, "a0"), at_least(0))
        for arm in ("a1", "a7")
    ]
    rates = (0.01, 0.03, 0.1, 0.3, 1.0)
    axes = drawn("sensitivity", tuned(arms, lambda _, lr: lr, claims, rates))[
        "sensitivity"
    ].figure.axes
    names = [[label.get_text().split()[0] for label in ax.get_yticklabels()] for ax in axes[1::2]]
    assert names == [["a0", "a1", "a2", "a3", "a4", "a5"], ["a0", "a6", "a7", "a8"]]
    assert {ax.get_lines()[0].get_color() for ax in axes[::2]} == {style.INK}


def test_arms_that_are_rates_make_one_curve(make_study, rendered, drawn):
    arms = {f"lr_{rate:g}": {"lr": rate} for rate in (0.001, 0.01, 0.1, 1.0, 10.0)}

    def result(arm, seed):
        return None if arm == "lr_10" and seed else {"summary": {"test/error": 0.1}}

    data = rendered("rates", make_study(MLP, arms, result))["rates"].data.set_index("lr")
    assert data["n"].tolist() == [5, 5, 5, 5, 1]
    assert data["diverged"].tolist() == [0, 0, 0, 0, 4]
    mixed = make_study(MLP, arms | {"other": {"optimizer": "adam"}}, result)
    assert drawn("rates", mixed) == {}
