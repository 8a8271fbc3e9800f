import math

import pytest

from dlgbench import Claim, at_least, at_most, difference, exactly, log_ratio, value, within

MLP = {"model": "mlp", "data": "mnist5k", "steps": 20}


def test_claims_of_one_quantity_share_an_axis(make_study, rendered):
    errors = {"a": 0.3, "b": 0.1, "c": 0.2}
    claims = [
        Claim("B helps", difference("test/error", "a", "b"), at_least(0.1)),
        Claim("C helps", difference("test/error", "a", "c"), at_least(0.1)),
        Claim("B is a third", log_ratio("test/error", "b", "a"), at_most(math.log(0.5))),
    ]
    arms = {arm: {"lr": 0.1 * k} for k, arm in enumerate(errors, 1)}
    study = make_study(MLP, arms, lambda arm, _: {"summary": {"test/error": errors[arm]}}, claims)
    plot = rendered("effects", study)["effects"]
    assert [ax.get_title(loc="left") for ax in plot.figure.axes] == [
        "difference of test error",
        "ratio of test error",
    ]
    names = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert names == ["B helps", "C helps"]
    first = plot.data[plot.data["claim"] == "B helps"]
    assert first["low"].tolist() == pytest.approx([0.2] * 5)


def test_what_is_wide_and_holds_0_has_a_symlog_axis(make_study, drawn, curve):
    ends = {"still": 0.0, "slow": 1e-6, "fast": 1e-3, "away": 5e25}
    claims = [Claim(f"{arm} stops", value("val/loss", arm), at_most(1e-2)) for arm in ends]

    def result(arm, _):
        return {
            "summary": {"val/loss": ends[arm]},
            "history": curve("train/loss", [1, ends[arm]]),
        }

    arms = {arm: {"lr": 0.1 * k} for k, arm in enumerate(ends, 1)}
    study = make_study(MLP, arms, result, claims)
    (ax,) = drawn("effects", study)["effects"].figure.axes
    assert ax.get_xscale() == "symlog"
    assert 0 in ax.get_xticks()
    assert len(ax.get_xticks()) < 10
    curves = drawn("curves", study)["curves"]
    assert curves.figure.axes[0].get_yscale() == "symlog"
    assert "linear near 0 and logarithmic beyond" in curves.caption


def test_a_log_ratio_has_a_linear_axis(make_study, drawn):
    claims = [Claim("A/A", log_ratio("test/error", "a", "b"), within(0.7))]

    def result(arm, seed):
        return {"summary": {"test/error": 0.1 + 1e-7 * seed * (arm == "a")}}

    study = make_study(MLP, {"a": {}, "b": {"lr": 0.2}}, result, claims)
    (ax,) = drawn("effects", study)["effects"].figure.axes
    assert ax.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("ratios", "threshold", "ticks"),
    [
        ((2.0, 4.0), 1.0, {"× 1", "× 2", "× 5"}),
        ((1e-3, 1e3), 1.0, {"× 0.01", "× 1", "× 100"}),
        ((1.02, 1.05), 1.0, {"× 1", "× 1.02"}),
    ],
)
def test_an_axis_of_log_ratios_has_the_ratios_of_the_tables(
    make_study, drawn, ratios, threshold, ticks
):
    claims = [Claim("More", log_ratio("test/error", "a", "b"), at_least(math.log(threshold)))]

    def result(arm, seed):
        return {"summary": {"test/error": ratios[seed % 2] if arm == "a" else 1.0}}

    study = make_study(MLP, {"a": {}, "b": {"lr": 0.2}}, result, claims)
    (ax,) = drawn("effects", study)["effects"].figure.axes
    shown = {
        label.get_text(): tick
        for tick, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    }
    assert ticks <= set(shown)
    for text in ticks:
        assert math.exp(shown[text]) == pytest.approx(float(text[2:]), rel=0.01)


def test_many_claims_that_hold_exactly_are_counted_and_those_that_do_not_are_drawn(
    make_study, drawn
):
    errors = {f"net{k}": 0.25 for k in range(14)} | {"other": 0.5}
    claims = [Claim(f"{arm} is 1/4", value("test/error", arm), exactly(0.25)) for arm in errors]
    arms = {arm: {"lr": 0.01 * k} for k, arm in enumerate(errors, 1)}
    study = make_study(MLP, arms, lambda arm, _: {"summary": {"test/error": errors[arm]}}, claims)
    plot = drawn("effects", study)["effects"]
    (ax,) = plot.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["other is 1/4"]
    assert "Not drawn: 14 claims about test error that hold exactly." in plot.caption
    assert plot.data["claim"].nunique() == 15


@pytest.mark.parametrize(("control", "titles"), [(0.98, 2), (0.14, 1)])
def test_a_control_far_away_has_an_axis_of_its_own(make_study, drawn, control, titles):
    errors = {"a": 0.12, "b": 0.13, "control": control}
    expect = {"control": "not supported"}
    claims = [
        Claim(f"{arm} errs little", value("test/error", arm), at_most(0.11), **more)
        for arm in errors
        for more in [{"expect": expect[arm]} if arm in expect else {}]
    ]
    arms = {arm: {"lr": 0.1 * k} for k, arm in enumerate(errors, 1)}
    study = make_study(MLP, arms, lambda arm, _: {"summary": {"test/error": errors[arm]}}, claims)
    axes = drawn("effects", study)["effects"].figure.axes
    shown = [ax.get_title(loc="left") for ax in axes]
    assert shown == ["test error", "test error   (controls)"][:titles]
    (low, high) = axes[0].get_xlim()
    assert high - low < 0.1


def test_ratios_a_hundredfold_apart_are_logarithms_once(make_study, drawn):
    errors = {"a": 0.1, "b": 0.1 * math.exp(1e-6), "c": 0.5}
    claims = [Claim(f"{arm} / a", log_ratio("test/error", arm, "a"), at_least(0.1)) for arm in "bc"]
    arms = {arm: {"lr": 0.1 * k} for k, arm in enumerate(errors, 1)}
    study = make_study(MLP, arms, lambda arm, _: {"summary": {"test/error": errors[arm]}}, claims)
    (ax,) = drawn("effects", study)["effects"].figure.axes
    assert ax.get_xscale() == "linear"
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert {"×\u00a01", "×\u00a02"} & {label.replace(" ", "\u00a0") for label in labels}


def test_an_infinite_effect_has_its_arrowheads_at_the_end_of_the_axis(make_study, drawn):
    claim = Claim("A fails", difference("test/error", "a", "b"), at_least(0.1))
    other = Claim("A is worse than c", difference("test/error", "c", "b"), at_least(0.1))

    def result(arm, _):
        return None if arm == "a" else {"summary": {"test/error": 0.3 if arm == "c" else 0.1}}

    arms = {arm: {"lr": 0.1 * k} for k, arm in enumerate("abc", 1)}
    plot = drawn("effects", make_study(MLP, arms, result, [claim, other]))["effects"]
    (ax,) = plot.figure.axes
    dots = [dot for drawn in ax.collections for dot in drawn.get_offsets()]
    assert [x for x, y in dots if y == pytest.approx(0.22)] == [ax.get_xlim()[1]] * 5
    ends = {line.get_marker(): line.get_xdata()[0] for line in ax.lines}
    assert (ends["<"], ends[">"]) == ax.get_xlim()  # five equal values: the interval is unbounded
    assert "5 seed effects of a diverged run are infinite" in plot.caption


def test_a_claim_with_nothing_finite_has_no_axis(make_study, drawn):
    claims = [
        Claim("It is small", value("test/error", "a"), at_most(0.2)),
        Claim("It is quick", value("val/error", "a"), at_most(0.2)),
    ]
    summary = {"test/error": 0.1, "val/error": math.nan}
    study = make_study(MLP, {"a": {}}, lambda *_: {"summary": summary}, claims)
    (ax,) = drawn("effects", study)["effects"].figure.axes
    assert ax.get_title(loc="left") == "test error"


def test_steps_to_the_target_mark_the_censored(make_study, rendered):
    def result(arm, seed):
        if arm == "slow" and seed < 2:
            return {"summary": {"steps_to_target/censored_at": 20.0}}
        return {"summary": {"steps_to_target": 5.0 + seed}}

    recipe = MLP | {"target": {"val/error": 0.1}}
    study = make_study(recipe, {"quick": {}, "slow": {"lr": 0.01}}, result)
    plot = rendered("paired", study)["paired"]
    assert plot.data.groupby(["arm", "censored"])["steps"].apply(list).to_dict() == {
        ("quick", False): [5, 6, 7, 8, 9],
        ("slow", False): [7, 8, 9],
        ("slow", True): [20, 20],
    }
    assert "2 runs; the budget is a bound" in plot.caption
    assert "val/error ≤ 0.1" in plot.caption
