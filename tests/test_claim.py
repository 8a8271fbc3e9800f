import math
import re

import pytest

from dlgbench import (
    Claim,
    DlgbenchError,
    Verdict,
    at_least,
    at_most,
    contrast,
    difference,
    exactly,
    interaction,
    log_contrast,
    log_ratio,
    slope,
    value,
    within,
    words,
)

RUNS = {
    ("e", "a"): (3.0, 3.0),
    ("f", "a"): (1.5, 1.5),
    ("f", "c"): (4.0, 4.0),
    ("e", "b"): (1.0, 1.0),
    ("e", "c"): (10.0, math.inf),
    ("e", "d"): (math.inf, math.inf),
}


def read(metric, arm):
    return RUNS[metric, arm]


@pytest.mark.parametrize(
    ("effect", "wanted"),
    [
        (value("e", "a"), (3, 3)),
        (difference("e", "a", "b"), (2, 2)),
        (difference("e", "c", "b"), (9, math.inf)),  # c was censored at 10: at least 9
        (difference("e", "b", "c"), (-math.inf, -9)),
        (difference("e", "d", "b"), (math.inf, math.inf)),  # d diverged: the worst rank
        (difference("e", "d", "d"), (-math.inf, math.inf)),  # both diverged: nothing is known
        (contrast("e", "f", "a"), (1.5, 1.5)),
        (contrast("f", "e", "c"), (-math.inf, -6)),
        (log_ratio("e", "a", "b"), (math.log(3), math.log(3))),
        (log_ratio("e", "c", "b"), (math.log(10), math.inf)),
        (log_contrast("e", "f", "a"), (math.log(2), math.log(2))),
        (interaction("e", ("a", "b"), ("b", "a")), (4, 4)),
        (slope("e", {"b": 1, "a": 2}), (2, 2)),
        (slope("e", {"b": 1, "a": 2, "c": 3}), (4.5, math.inf)),  # weights -1/2, 0, 1/2
    ],
)
def test_effects_by_hand(effect, wanted):
    assert effect.of(read) == pytest.approx(wanted)


X = value("e", "a")


@pytest.mark.parametrize(
    ("message", "declare"),
    {
        "claim 'x': expected a threshold (at_least, at_most, within, exactly), got 0.5": (
            lambda: Claim("x", X, 0.5)
        ),
        "claim 'x': expected a threshold (at_least, at_most, within, exactly), got None": (
            lambda: Claim("x", X)
        ),
        "claim 'x': expected an effect (difference, contrast, log_ratio,": (
            lambda: Claim("x", "e", at_least(1))
        ),
        "claim: expected a statement, got ' '": lambda: Claim(" ", X, at_least(1)),
        "no verdict is called 'suported'; did you mean 'supported'": (
            lambda: Claim("x", X, at_least(1), expect="suported")
        ),
        "claim 'x': no kind of claim is called 'twins'; did you mean 'twin'": (
            lambda: Claim("x", X, at_least(1), kind="twins")
        ),
        "within: expected a margin above 0": lambda: within(0),
        "slope of e: expected at least two different x": lambda: slope("e", {"a": 1}),
    }.items(),
)
def test_nonsense_is_refused_when_declared(message, declare):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        declare()


def test_what_a_claim_is_expected_to_be_gives_its_kind():
    kinds = {"supported": "claim", "inconclusive": "claim"}
    kinds |= {"refuted": "slip", "not supported": "control"}
    for expect, kind in kinds.items():
        assert Claim("x", X, at_least(1), expect=expect).kind == kind
    assert Claim("x", X, exactly(0), kind="check").kind == "check"
    assert Claim("x", X, at_least(1), expect="not supported", kind="twin").kind == "twin"


def test_a_ratio_is_read_on_a_logarithmic_scale():
    assert log_ratio("e", "a", "b").scale == log_contrast("e", "f", "a").scale == "log"
    assert {effect.scale for effect in (X, difference("e", "a", "b"))} == {"linear"}


@pytest.mark.parametrize(
    ("expect", "passing"),
    [
        ("supported", {"supported"}),
        ("refuted", {"refuted"}),
        ("not supported", {"refuted", "inconclusive"}),
        ("inconclusive", {"supported", "inconclusive"}),
    ],
)
def test_which_verdicts_a_declaration_can_live_with(expect, passing):
    claim = Claim("x", value("e", "a"), at_least(1), expect=expect)
    verdicts = [
        Verdict(word, 1.0, (0.0, 2.0), 0.95, 0.5, 5, (1.0,) * 5, "paired t")
        for word in ("supported", "refuted", "inconclusive")
    ]
    assert {verdict.verdict for verdict in verdicts if verdict.passes(claim)} == passing


def test_thresholds_read_as_words():
    thresholds = at_least(0.5), at_most(2), within(1), within(1, around=3), exactly(15)
    words = ["at least 0.5", "at most 2", "within ±1", "within 2 and 4", "exactly 15"]
    assert [str(threshold) for threshold in thresholds] == words


def test_what_a_slope_asks_depends_on_its_x_and_its_formula_does_not():
    slopes = [slope("e", dict(zip("ab", x, strict=True))) for x in ((1, 2), (1, 3), (2, 1))]
    assert {effect.formula for effect in slopes} == {"slope of e over a, b"}
    asked = [Claim("x", effect, at_least(1)).asked for effect in slopes]
    assert asked[0] == "slope of e over a, b at 1, 2: at least 1"
    assert len(set(asked)) == 3
    assert Claim("x", X, at_least(1)).asked == "e: a: at least 1"


def test_a_log_ratio_reads_as_the_ratio_in_a_verdicts_line():
    claim = Claim("x", log_ratio("steps", "sgd", "momentum"), at_least(math.log(1.25)))
    ends = math.log(0.5), math.log(2)
    verdict = Verdict("inconclusive", math.log(1.25), ends, 0.95, 0.5, 5, (0.0,) * 5, "paired t")
    text = (
        "inconclusive: steps: sgd / momentum = × 1.25 [× 0.5, × 2] (95.0%), wanted at least × 1.25"
    )
    assert verdict.line(claim).replace("\u00a0", " ") == f"{text}, p = 0.5, n = 5"
    linear = Claim("x", value("e", "a"), within(1))
    verdict = Verdict("supported", -0.25, (-0.5, 0.123456), 0.9, 0.01, 5, (0.0,) * 5, "paired t")
    text = "supported: e: a = −0.25 [−0.5, 0.123] (90.0%), wanted within ±1, p = 0.01, n = 5"
    assert verdict.line(linear) == text


@pytest.mark.parametrize(
    ("ends", "shown"),
    [((15.0, 15.0), "15,"), ((14.0, 15.0), "15 [14, 15] (range over the seeds),")],
)
def test_an_exact_effect_has_an_interval_only_where_seeds_differ(ends, shown):
    claim = Claim("x", value("e", "a"), exactly(15))
    verdict = Verdict("supported", 15.0, ends, 1.0, None, 5, (15.0,) * 5, "exact")
    assert f"e: a = {shown} wanted exactly 15, n = 5" in verdict.line(claim)


def test_what_a_reader_reads_of_effects_and_seeds():
    assert words.effect(math.log(2), "log") == "×\u00a02"
    assert words.effect(math.nan, "log") == "none"
    assert words.interval(-math.inf, math.inf, "log") == "[×\u00a00, ×\u00a0∞]"
    assert words.number(-2e-7) == "−2\u00a0×\u00a010⁻⁷"
    ratio = log_ratio("e", "a", "b")
    wanted = {
        at_most(math.log(2)): "at most × 2",
        within(math.log(1.25)): "within × 0.8 and × 1.25",
        at_least(math.log(10) / 10): "at least × 1.26 (1 dB)",
        at_least(math.log(10)): "at least × 10",
    }
    for threshold, text in wanted.items():
        assert words.wanted(Claim("x", ratio, threshold)).replace("\u00a0", " ") == text
    over_mean = value("images/over_mean", "a")
    assert words.wanted(Claim("x", over_mean, at_most(10**-0.1))) == "at most 0.794 (−1 dB)"
    assert words.wanted(Claim("x", over_mean, at_least(0.1))) == "at least 0.1"
    assert words.undecided(None) == ""
    assert words.undecided(24) == "undecided: about 24 seeds would do at this spread"
    assert "more than 200 seeds" in words.undecided(math.inf)
