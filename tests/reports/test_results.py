"""The committed verdicts, and the two READMEs that are made of them."""

import json
import shutil
from pathlib import Path

import pytest

from dlgbench.reports import results
from dlgbench.stats import UNFINISHED

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports" / "results"
COMMAND = "dlgbench report --scale cpu --reference reports/results"


@pytest.fixture(scope="module")
def file(store, ablations, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository") / "reports" / "results"
    (folder.parents[1] / "ablations").mkdir()
    return results.write(list(ablations.values()), store, "cpu", folder)


def rows(text, heading):
    """The rows of the table below a heading."""
    table = text.split(f"{heading}\n\n")[1].split("\n\n")[0]
    return table.splitlines()[2:]


def test_the_json_holds_the_machine_and_every_verdict(file):
    record = json.loads(file.read_text())
    assert file.name == "cpu.json"
    about = record["machine"], record["date"], record["git"]
    assert about == ("Abacus (2 beads)", "2023-11-14", ["0123456789ab"])
    sometimes = {"enough", "fragile"}
    committed = json.loads(reference().read_text())["claims"][0]
    assert set(record["claims"][0]) - sometimes == set(committed) - sometimes
    (first,) = (
        claim
        for claim in record["claims"]
        if (claim["ablation"], claim["n"], claim["expect"]) == ("controls/tricks", 5, "supported")
        and claim["verdict"] == "supported"
    )
    assert first["wanted"] == "at least 0.05"
    assert first["effect"] == pytest.approx(0.1)
    (trick,) = (
        entry
        for entry in record["replications"]
        if entry["data"] == "digits" and "trick" in entry["claim"]
    )
    assert (trick["ablation"], trick["verdict"], trick["n"]) == ("mine/again", "supported", 5)


def test_what_the_store_cannot_judge_stays_as_it_was(store, ablations, file, tmp_path, monkeypatch):
    """`--save-baseline` after a part of the ablations must not lose the others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    folder = tmp_path / "reports" / "results"
    folder.mkdir(parents=True)
    (tmp_path / "ablations").mkdir()
    record = json.loads(file.read_text())
    claim, again = record["claims"][0], record["replications"][0]
    foreign = claim | {"ablation": "zoo/other", "file": "ablations/zoo/test_other.py"}
    gone = foreign | {"ablation": "zoo/gone", "file": "ablations/zoo/test_gone.py"}
    renamed = claim | {"claim": "A claim that is declared no more"}
    (tmp_path / "ablations" / "zoo").mkdir()
    (tmp_path / foreign["file"]).touch()
    of_other = again | {"ablation": "zoo/other", "claim": claim["claim"]}
    old = record | {
        "machine": "Slide rule",
        "date": "2020-01-01",
        "claims": [claim | {"verdict": "refuted"}, renamed, foreign, gone],
        "replications": [again | {"verdict": "none"}, of_other, of_other | {"asked": "another"}],
    }
    (folder / "cpu.json").write_text(json.dumps(old))
    (folder / "other.json").write_text("[]")  # a file of the user's
    readme = folder / "README.md"
    readme.write_text("# My own\n")
    found = json.loads(results.write(list(ablations.values()), store, "cpu", folder).read_text())
    then = {"date": "2020-01-01"}
    assert found["claims"] == [*record["claims"], foreign | then]
    assert found["replications"] == [*record["replications"], of_other | then]
    assert found["machine"] == "Abacus (2 beads), Slide rule"
    assert readme.read_text() == "# My own\n"
    readme.unlink()
    results.write(list(ablations.values()), store, "cpu", folder)
    assert "Slide rule, 2023-11-14; 1 of 2020-01-01" in readme.read_text()
    again = results.write(list(ablations.values()), store, "cpu", folder)
    assert json.loads(again.read_text())["machine"] == "Abacus (2 beads), Slide rule"


def test_a_finished_verdict_is_not_replaced_by_an_unfinished_one(ablations, file):
    record = json.loads(file.read_text())
    claim, *others = record["claims"]
    unfinished = claim | {"method": UNFINISHED, "verdict": "inconclusive", "n": 3}

    def kept(old):
        now = record | {"claims": [unfinished, *others]}
        before = record | {"claims": [old], "date": "2020-01-01"}
        return results._with_kept(now, before, list(ablations.values()))["claims"]

    assert kept(claim) == [claim | {"date": "2020-01-01"}, *others]
    assert kept(unfinished | {"n": 2}) == [unfinished, *others]
    assert kept(claim | {"asked": "another question"}) == [unfinished, *others]


def reference():
    return REFERENCE / "cpu.json"


def test_the_folders_readme_has_every_verdict_by_part(file):
    text = (file.parent / "README.md").read_text()
    assert "Abacus (2 beads), 2023-11-14" in text
    assert "8 claims: ✓ 3 supported, ✗ 3 refuted, ? 2 inconclusive." in text
    controls = rows(text, "### controls: 3 claims")
    assert all(row.count("|") == 7 for row in controls)
    trick, none, wild = controls
    link = "(../../ablations/controls/test_tricks.py)"
    assert trick.startswith(f"| [The trick lowers the test error]{link} | ✓ supported | 0.1 [")
    assert "✗ refuted, as expected" in none
    assert "? inconclusive (supported was expected) | 0.32 [−∞, ∞]" in wild
    assert len(rows(text, "### Otherwise than expected: 2 claims")) == 2
    assert "On digits, of 3 claims: 2 the same, 0 the opposite, 1 undecided" in text
    (same,) = rows(text, "#### The same: 1")
    assert same == "| None is 0 | ✗ refuted | ✗ refuted | ✗ refuted |"
    other = rows(text, "#### Opposite, or undecided: 2")
    assert "| The trick lowers the test error | ✓ supported | ✓ supported | ✗ refuted |" in other


def test_the_readme_keeps_the_tally_and_what_is_most_surprising(file):
    readme = file.parents[2] / "README.md"
    readme.write_text("before\n<!-- verdicts: cpu -->\nold\n<!-- end of verdicts -->\nafter\n")
    assert results.refresh(readme, file)
    text = readme.read_text()
    assert "old" not in text
    assert text.startswith("before\n<!-- verdicts: cpu -->\nScale `cpu`, Abacus (2 beads)")
    assert text.endswith("<!-- end of verdicts -->\nafter\n")
    assert "2 came out otherwise than expected." in text
    assert "(ablations/controls/test_tricks.py)" in text
    assert "[All verdicts](reports/results/README.md)" in text
    readme.write_text("no markers")
    assert not results.refresh(readme, file)
    assert readme.read_text() == "no markers"


def test_the_opposite_of_what_was_expected_is_the_most_surprising(tmp_path):
    about = json.loads(reference().read_text())["claims"][0] | {"as_expected": False}
    order = [  # expected, came, p
        ("refuted", "supported", None),
        ("supported", "refuted", 0.001),
        ("supported", "refuted", 0.01),
        ("inconclusive", "refuted", 0.0001),
        ("supported", "inconclusive", 0.1),
        ("supported", "inconclusive", 0.2),
    ]
    claims = [
        about | {"claim": f"Claim {k}", "expect": expect, "verdict": verdict, "p": p}
        for k, (expect, verdict, p) in enumerate(order)
    ]
    record = json.loads(reference().read_text()) | {"claims": claims[::-1]}
    file = tmp_path / "cpu.json"
    file.write_text(json.dumps(record))
    listed = [
        row.split("]")[0] for row in results.tally(file, tmp_path).splitlines() if "[Claim" in row
    ]
    assert listed == [f"| [Claim {k}" for k in range(5)]


def test_the_committed_readme_is_made_of_the_committed_verdicts(tmp_path):
    folder = tmp_path / "reports" / "results"
    folder.mkdir(parents=True)
    (tmp_path / "ablations").mkdir()
    shutil.copy(reference(), folder)
    assert (REFERENCE / "README.md").read_text() == results.full_text(folder), COMMAND
