"""Verdicts against those of an earlier run."""

import dataclasses
import json
import math

import pytest

from dlgbench import (
    Ablation,
    Claim,
    DlgbenchError,
    Recipe,
    Verdict,
    at_least,
    cli,
    difference,
    log_ratio,
)
from dlgbench.baseline import Baseline, Past, against, compared, of_store, read
from dlgbench.session import Session

CLAIM = Claim("B is better", difference("test/error", "a", "b"), at_least(0.01))


def verdict(word, low=0.0, high=0.02):
    return Verdict(word, 0.01, (low, high), 0.95, 0.5, 5, (0.01,) * 5, "paired t")


def baseline(word, low=0.0, high=0.02):
    past = Past(CLAIM.statement, word, 0.01, (low, high), 5)
    return Baseline("file", "cpu", "2026-11-23", {("mine", CLAIM.id): past})


@pytest.mark.parametrize(
    ("word", "before", "fails"),
    [
        ("refuted", "refuted", False),  # not as expected, but as in the baseline
        ("refuted", "supported", True),
        ("refuted", "inconclusive", True),
        ("supported", "refuted", False),  # as expected
        ("inconclusive", "supported", False),  # the intervals overlap
        ("inconclusive", "inconclusive", False),
    ],
)
def test_what_contradicts_the_expectation_and_the_baseline_fails(word, before, fails):
    assert against(CLAIM, verdict(word), "mine", baseline(before))[0] == fails


def test_an_inconclusive_verdict_far_from_the_baselines_fails():
    failed, note = against(CLAIM, verdict("inconclusive"), "mine", baseline("supported", 0.5, 0.6))
    assert failed
    assert note == "in the baseline of 2026-11-23 supported: 0.01 [0.5, 0.6]"


def test_runs_that_diverge_where_they_did_not_are_a_finding():
    """An interval without ends would overlap whatever the baseline has."""
    nothing = verdict("inconclusive", -math.inf, math.inf)
    assert against(CLAIM, nothing, "mine", baseline("supported"))[0]
    half = verdict("inconclusive", -math.inf, 0.02)  # of the runs of one arm
    assert against(CLAIM, half, "mine", baseline("supported"))[0]
    assert against(CLAIM, half, "mine", baseline("inconclusive"))[0]
    for was in ((-math.inf, math.inf), (-math.inf, 0.02)):
        assert not against(CLAIM, half, "mine", baseline("inconclusive", *was))[0]


def test_a_baseline_of_another_question_excuses_nothing():
    past = Past(CLAIM.statement, "refuted", 0.01, (0.0, 0.02), 5, asked=CLAIM.asked)
    for asked, fails in ((CLAIM.asked, False), ("test/error: a - b: at least 0.02", True)):
        there = {("mine", CLAIM.id): dataclasses.replace(past, asked=asked, date="2026-11-20")}
        found = against(
            CLAIM, verdict("refuted"), "mine", Baseline("f", "cpu", "2026-11-23", there)
        )
        assert found[0] == fails
        assert "2026-11-20" in found[1]


def test_without_the_claim_in_it_a_baseline_says_nothing():
    assert against(CLAIM, verdict("refuted"), "other", baseline("refuted")) == (True, "")
    assert against(CLAIM, verdict("inconclusive"), "mine", None) == (False, "")
    assert against(CLAIM, verdict("refuted"), "mine", baseline("refuted"))[1] == (
        "as in the baseline of 2026-11-23"
    )


def record(tmp_path, *words, scale="cpu"):
    """A file as the report writes it: claims `c0`, `c1`, ..., and a replication of `c0`."""
    numbers = {"effect": 0.5, "interval": [0.25, "inf"], "n": 5}
    claims = [
        {"ablation": "mine", "claim": f"c{k}", "scale": "log", "verdict": word, **numbers}
        for k, word in enumerate(words)
    ]
    other = {"ablation": "mine", "claim": "c0", "data": "digits", "verdict": "refuted", **numbers}
    file = tmp_path / f"{'-'.join(words)}.json"
    content = {"scale": scale, "date": "2026-11-23 10:00", "claims": claims}
    file.write_text(json.dumps(content | {"replications": [other]}))
    return file


def test_a_file_is_read_with_its_replications(tmp_path):
    found = read(record(tmp_path, "supported", "inconclusive"))
    assert found.date == "2026-11-23"
    assert {key: past.verdict for key, past in found.verdicts.items()} == {
        ("mine", "c0"): "supported",
        ("mine", "c1"): "inconclusive",
        ("mine@digits", "c0"): "refuted",
    }
    assert str(found.verdicts["mine@digits", "c0"]) == "refuted: × 1.65 [× 1.28, × ∞]".replace(
        "× ", "×\u00a0"
    )


def test_a_replication_stands_to_its_own_data_in_the_baseline_and_to_no_other(tmp_path):
    claim = Claim("c0", log_ratio("test/loss", "a", "b"), at_least(0.1))
    found = read(record(tmp_path, "supported"))  # and refuted on digits
    refuted, supported = verdict("refuted"), verdict("supported")
    assert against(claim, refuted, "mine", found) == (
        True,
        "in the baseline of 2026-11-23 supported: × 1.65 [× 1.28, × ∞]".replace("× ", "×\u00a0"),
    )
    assert against(claim, supported, "mine", found)[1] == "as in the baseline of 2026-11-23"
    assert against(claim, refuted, "mine@digits", found) == (
        False,
        "as in the baseline of 2026-11-23",
    )
    assert "refuted: " in against(claim, supported, "mine@digits", found)[1]
    for other in ("mine@xor", "mine@", "other@digits", "digits"):  # not in it
        assert against(claim, refuted, other, found) == (True, "")
        assert against(claim, supported, other, found) == (False, "")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scale": "cpu"}', "null"])
def test_a_file_that_is_no_baseline_is_refused_by_name(tmp_path, text):
    file = tmp_path / "wrong.json"
    file.write_text(text)
    with pytest.raises(DlgbenchError, match=r"baseline .*wrong\.json: expected a file"):
        read(file)
    with pytest.raises(DlgbenchError, match=r"none\.json: No such file"):
        read(tmp_path / "none.json")


def test_a_session_reads_the_repositorys_baseline_unless_told_otherwise(tmp_path):
    def session(baseline, scale="cpu"):
        return Session("", str(tmp_path), "sqlite:///x", scale, "", 0.0, baseline)

    assert session(None).past() is None
    folder = tmp_path / "reports" / "results"
    folder.mkdir(parents=True)
    record(tmp_path, "supported").rename(folder / "cpu.json")
    assert session(None).past().verdicts["mine", "c0"].verdict == "supported"
    assert session("").past() is None
    assert session(None, "smoke").past() is None
    other = record(tmp_path, "refuted", scale="gpu")
    with pytest.raises(DlgbenchError, match="expected verdicts of scale cpu, got those of gpu"):
        session(str(other)).past()


def test_compare_tells_what_differs(tmp_path, capsys):
    a = record(tmp_path, "supported", "refuted", "supported")
    b = record(tmp_path, "supported", "inconclusive")
    assert cli.main(["compare", str(a), str(b)]) == 1
    shown = capsys.readouterr().out
    assert "c1" in shown
    assert "c0" not in shown
    assert "3 claims in both at scale cpu: 2 verdicts equal, 1 differ" in shown
    assert "1 only in A" in shown
    assert cli.main(["compare", str(a), str(b), "--json"]) == 1
    (differ,) = json.loads(capsys.readouterr().out)["differ"]
    assert differ["a"]["interval"] == [0.25, None]  # JSON has no infinity
    assert cli.main(["compare", str(a), str(a), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "scale": "cpu",
        "differ": [],
        "both": 4,
        "other_effect": 0,
        "only_a": 0,
        "only_b": 0,
        "asked_otherwise": 0,
    }
    assert cli.main(["compare", str(a), str(tmp_path / "none.db")]) == 2
    assert "expected a store or a file of verdicts, got " in capsys.readouterr().err
    assert cli.main(["compare", str(a), f"sqlite:///{tmp_path}/none.db"]) == 2
    assert "expected a store or a file of verdicts, got " in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_a_comparison_of_nothing_is_no_success(tmp_path, store, capsys):
    a = record(tmp_path, "supported", scale="gpu")
    assert cli.main(["compare", str(a), store.uri]) == 2  # the store has none
    wanted = "compare: expected claims that both have asked at scale gpu, got none"
    assert f"{wanted}: {a} has 2 there, {store.uri} 0" in capsys.readouterr().err
    own = Ablation(
        question="Is b better?",
        recipe=Recipe(model="mlp", data="xor", steps=1),
        arms={"a": {}, "b": {"lr": 0.2}},
        claims=[CLAIM],
        name="mine",
    )
    store.save_verdict(own, "gpu", CLAIM, verdict("supported"))
    assert cli.main(["compare", store.uri, store.uri]) == 0
    assert "1 claims in both at scale gpu" in capsys.readouterr().out


def test_claims_that_asked_something_else_are_not_compared(tmp_path, capsys):
    a, b = record(tmp_path, "supported", "refuted"), record(tmp_path, "supported", "supported")
    text = b.read_text().replace('"claim": "c1"', '"asked": "m: at least 2", "claim": "c1"')
    b.write_text(text)
    a.write_text(a.read_text().replace('"claim": "c1"', '"asked": "m: at least 1", "claim": "c1"'))
    assert cli.main(["compare", str(a), str(b)]) == 0
    assert "2 claims in both" in (shown := capsys.readouterr().out)
    assert shown.endswith("; 1 asked otherwise in A\n")
    past = Past("c", "supported", 0.5, (0.25, 1.0), 5, asked="m: a - b: at least 0.1")
    a, b = (Baseline("f", "cpu", "", {("mine", "c"): one}) for one in (past, past))
    assert len(compared(a, b)) == 1
    other = dataclasses.replace(past, asked="m: a - b: at least 0.2")
    assert compared(a, Baseline("f", "cpu", "", {("mine", "c"): other})) == []


def test_a_stores_verdicts_are_read_as_they_were_saved(store, capsys):
    """What `--save-baseline` and `dlgbench compare` pass on to each other."""
    ratio = Claim("B is quicker", log_ratio("test/loss", "a", "b"), at_least(0.2))
    own = Ablation(
        question="Is b better?",
        recipe=Recipe(model="mlp", data="xor", steps=1),
        arms={"a": {}, "b": {"lr": 0.2}},
        claims=[CLAIM, ratio],
        name="mine",
    )
    for claim in own.claims:
        store.save_verdict(own, "cpu", claim, verdict("supported"))
        store.save_verdict(own, "gpu", claim, verdict("refuted"))
    found = of_store(store, "cpu").verdicts
    assert {key: (past.verdict, past.scale) for key, past in found.items()} == {
        ("mine", "b-is-better"): ("supported", "linear"),
        ("mine", "b-is-quicker"): ("supported", "log"),
    }
    assert found["mine", "b-is-quicker"].statement == "B is quicker"
    assert of_store(store, "gpu").verdicts["mine", "b-is-better"].verdict == "refuted"
    assert cli.main(["compare", store.uri, store.uri.removeprefix("sqlite:///")]) == 0
    assert "2 claims in both at scale cpu: 2 verdicts equal, 0 differ" in capsys.readouterr().out
