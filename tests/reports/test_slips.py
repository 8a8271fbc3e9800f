"""The slips of the slides name claims and tests that exist, and forget none."""

import ast
import difflib
from pathlib import Path

import pytest

from dlgbench import Ablation, Claim, DlgbenchError, Recipe, Run, exactly, value
from dlgbench.discovery import discover, identify
from dlgbench.reports import slips, tables
from dlgbench.reports.page import build
from dlgbench.reports.slips import SLIPS, Slip
from dlgbench.reports.study import Study

ROOT = Path(__file__).parents[2]
SLIP = Slip("Zero", "Zeros", "Zero is one.", "It is not.", "Nobody 1999", kind="naming")


@pytest.fixture(scope="module")
def catalogue():
    """(ablation, statement) -> claim, of all that are declared."""
    return {
        (ablation.name, claim.statement): claim
        for ablation in discover(ROOT / "ablations")
        for claim in ablation.claims
    }


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.title)
def test_evidence_is_declared(slip, catalogue):
    dead = [name for name in slip.evidence if name not in catalogue]
    near = [difflib.get_close_matches(" ".join(name), map(" ".join, catalogue)) for name in dead]
    assert not dead, f"no claims are called so; near them are {near}"
    assert len(slip.evidence) == len(set(slip.evidence))


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.title)
def test_checks_are_tests(slip):
    for file, test in slip.checks:
        parsed = ast.parse((ROOT / file).read_text())
        assert test in {node.name for node in parsed.body if isinstance(node, ast.FunctionDef)}


def test_no_slip_of_the_catalogue_is_forgotten(catalogue):
    named = {name for slip in SLIPS for name in slip.evidence}
    kind = {name for name, claim in catalogue.items() if claim.kind == "slip"}
    assert kind - named == set()


def test_each_slip_says_all_and_has_a_title_of_its_own():
    assert len({slip.title for slip in SLIPS}) == len(SLIPS)
    for slip in SLIPS:
        assert all((slip.slide, slip.says, slip.right, slip.source)), slip.title


def test_a_slip_tells_no_outcome_of_a_claim():
    """The page shows the verdicts of the runs that it has, which may be others."""
    for slip in SLIPS:
        assert "claim" not in f"{slip.says} {slip.right}", slip.title


def test_without_evidence_a_slip_says_what_kind_of_fact_it_is():
    assert {slip.kind for slip in SLIPS if not slip.evidence} == {"naming", "history", "frameworks"}
    with pytest.raises(DlgbenchError, match="slip 'Zero': expected evidence, or the kind of fact"):
        Slip("Zero", "Zeros", "Zero is one.", "It is not.", "Nobody 1999")
    with pytest.raises(DlgbenchError, match=r"slip 'Zero': no kind of fact .* did you mean 'nam"):
        Slip("Zero", "Zeros", "Zero is one.", "It is not.", "Nobody 1999", kind="name")


# on the page --------------------------------------------------------------------------------------


@pytest.fixture
def judged():
    """One ablation with two claims, of which only the first was run."""
    declared = Ablation(
        "What?",
        recipe=Recipe(model="conv_stack", steps=0, probes=("receptive_field",)),
        arms={"near": {}, "far": {"model_args.dilations": (1, 2)}},
        scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
        claims=[
            Claim("Near is 9", value("receptive_field", "near"), exactly(9), expect="refuted"),
            Claim("Far is 7", value("receptive_field", "far"), exactly(7)),
        ],
    )
    ablation = identify(declared, Path("ablations/mine/test_what.py"))
    (cell,) = (cell for cell in ablation.cells("cpu") if cell.arm == "near")
    study = Study(ablation, "cpu", {cell: Run("finished", {"receptive_field": 3.0})})
    return [(study, tables.claim_row(study, claim)) for claim in ablation.claims]


def named(title, *names):
    return Slip(title, "A slide", "It says.", "It is.", "Nobody 1999", evidence=names)


def test_a_slip_stands_with_its_verdicts_as_they_are(judged, monkeypatch):
    ours = named("Ours", ("mine/what", "Far is 7"), ("mine/what", "Near is 9"))
    absent = named("Absent", ("mine/other", "Near is 9"))
    monkeypatch.setattr(slips, "SLIPS", (ours, absent, SLIP))
    (first, evidence), (second, none) = slips.listed(judged)
    assert (first, second, none) == (ours, SLIP, [])
    assert [(row.verdict, row.effect) for _, row in evidence] == [("not run", ""), ("refuted", "3")]
    assert slips.unlisted(judged) == []


def test_claims_that_are_not_the_lectures_bring_none_of_its_slips(judged):
    assert slips.listed(judged) == []
    assert [row.claim.statement for _, row in slips.unlisted(judged)] == ["Near is 9"]


def test_the_page_links_to_the_evidence(ablations, store, tmp_path, monkeypatch):
    ours = named("Ours <here>", ("mine/field", "It sees 9x9"))
    monkeypatch.setattr(slips, "SLIPS", (ours, SLIP))
    html = build([ablations["mine/field"]], store, "cpu", tmp_path).read_text()
    assert html.index('<a href="#slips">') < html.index('<section id="slips">')
    listed = html[html.index('<section id="slips">') :]
    listed = listed[: listed.index("</section>")]
    assert "1. Ours &lt;here&gt;" in listed
    assert "2. Zero" in listed
    evidence = listed[listed.index('<ul class="verdicts">') : listed.index("</ul>")]
    assert "refuted</span>" in evidence
    assert '<a href="#mine-field">It sees 9x9</a>' in evidence
    assert '<span class="figure">3</span>' in evidence
    assert "wanted exactly 9" in evidence
    assert "<table" not in listed  # no other slips
