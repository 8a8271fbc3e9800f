"""The page from a tiny hand-made store: every number on it can be worked out here."""

import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from dlgbench import (
    Ablation,
    Claim,
    DlgbenchError,
    Recipe,
    Run,
    at_least,
    at_most,
    difference,
    exactly,
    value,
)
from dlgbench.ablation import named
from dlgbench.reports import results
from dlgbench.reports.page import build
from dlgbench.reports.replication import replicate
from dlgbench.reports.study import Study
from dlgbench.tracking import Store

ABOUT = {
    "device": "Abacus (2 beads)",
    "git": "0123456789ab",
    "started": "1700000000.0",
    "wall": "2.5",
    "version.torch": "9.9.9",
}
ERRORS = {
    "none": [0.20, 0.22, 0.21, 0.23, 0.19],
    "trick": [0.10, 0.11, 0.12, 0.13, 0.09],
    "wild": [0.3, 0.31, 0.32, 0.33, 0.34],
}
SCORES = {0.01: 0.3, 0.1: 0.2, 1.0: 0.4}
EDGE = "edge of the grid: the best lr is the largest one tried"


def declare(**more):
    return Ablation(
        question="Does the <trick> help?",
        slide="Tricks & Treats",
        recipe=Recipe(
            model="mlp",
            data="mnist5k",
            model_args={"hidden": (8, 8)},
            steps=20,
            evaluations=2,
            probes=("gradients",),
        ),
        arms={"none": {}, "trick": {"model_args.dropout": 0.5}, "wild": {"optimizer": "adam"}},
        tune={"lr": tuple(SCORES)},
        scales={"cpu": {"seeds": 5, "tuning_seeds": 1}, "gpu": {"seeds": 5}},
        claims=[
            Claim(
                "The trick lowers the test error",
                difference("test/error", "none", "trick"),
                at_least(0.05),
                published="half of it",
                source="Nobody 1999",
            ),
            Claim(
                "A/A: none is 0", value("test/error", "none"), exactly(0), expect="not supported"
            ),
            Claim(
                "Wild beats all",
                value("test/error", "wild"),
                at_most(0.2),
                objection="It diverges.",
            ),
        ],
        objection="It is a toy.",
        **more,
    )


@pytest.fixture(scope="module")
def ablation():
    return named(declare(), Path("ablations/controls/test_tricks.py"))


@pytest.fixture(scope="module")
def exact():
    field = Ablation(
        question="How far does it see?",
        slide="Fields",
        recipe=Recipe(model="conv_stack", steps=0, probes=("receptive_field",)),
        arms={"near": {}, "far": {"model_args.dilations": (1, 2)}},
        scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
        claims=[
            Claim("It sees 7x7", value("receptive_field", "far"), exactly(7)),
            Claim("It sees 9x9", value("receptive_field", "near"), exactly(9), expect="refuted"),
        ],
    )
    return named(field, Path("ablations/mine/test_field.py"))


def fill(store, ablation, best, errors=ERRORS):
    """Tuning runs whose best lr is `best[arm]`, and evaluation runs of which the last of `wild` diverged."""
    runs = {}
    for arm in ablation.arms:
        for cell in ablation.tuning(arm, "cpu"):
            runs[cell] = Run(
                "finished",
                {
                    "val/error": 0.1
                    if cell.setting["lr"] == best[arm]
                    else SCORES[cell.setting["lr"]]
                },
                (),
                ABOUT,
            )
        for cell in ablation.evaluation(arm, "cpu"):
            error = errors[arm][cell.seed]
            curve = tuple(
                (name, step, error * scale)
                for name in ("val/error", "train/loss")
                for step, scale in ((10, 2.0), (20, 1.0))
            )
            layers = tuple(("gradient/by_layer", layer, 10.0**-layer) for layer in (1, 2))
            diverged = arm == "wild" and cell.seed == 4
            run = (
                Run("diverged", {"seconds": 1.0}, curve[:1], ABOUT)
                if diverged
                else Run("finished", {"test/error": error}, curve + layers, ABOUT)
            )
            runs[cell.chosen({"lr": best[arm]})] = run
    for number, (cell, run) in enumerate(runs.items()):
        assert store.save(cell, f"{ablation.name}{number}".replace("/", "."), run) is None


def study_of(ablation, store):
    return Study(ablation, "cpu", store.runs(ablation, "cpu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def store(folder, ablation, exact):
    store = Store(f"sqlite:///{folder / 'mlflow.db'}", folder)
    store.open()
    fill(store, ablation, {"none": 0.1, "trick": 1.0, "wild": 0.1})
    for cell, side in zip(exact.cells("cpu"), (3.0, 7.0), strict=True):
        store.save(
            cell,
            cell.id,
            Run("finished", {"receptive_field": side, "receptive_field/stride": 1.0}, (), ABOUT),
        )
    return store


@pytest.fixture(scope="module")
def page(store, ablation, exact, folder):
    return build([ablation, exact], store, None, folder / "build")


@pytest.fixture(scope="module")
def text(page):
    """What a reader reads: tags taken out."""
    html = re.sub(r"<style\b.*?</style>", "", page.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_every_claim_stands_with_its_verdict(text):
    table = text[text.index("Claim Verdict Effect, interval") :]
    for statement, said in {
        "The trick lowers the test error": "✓ supported as expected 0.1 ",
        "A/A: none is 0": "✗ refuted as expected: a control 0.23 [0.19, 0.23] range over the seeds ",
        "Wild beats all": "? inconclusive undecided (supported was expected) 0.32 [−∞, ∞] ",
        "It sees 7x7": "✓ supported as expected 7 ",
        "It sees 9x9": "✗ refuted as expected: a slip 3 ",
    }.items():
        at = table.index(statement)
        assert table[at : at + 160].startswith(f"{statement} {said}"), table[at : at + 160]
    assert "half of it Nobody 1999" in table
    assert "0 of 1 A/A claim, whose arms differ in name only, came out supported" in text


def test_declared_text_is_escaped(page):
    assert "Does the &lt;trick&gt; help?" in page.read_text()
    assert "<trick>" not in page.read_text()


def test_diverged_run_is_counted_and_not_drawn(page, text):
    assert "25 finished, 1 diverged" in text  # 9 tuning, 15 evaluation and 2 exact runs
    assert "1 evaluation run of wild" in text
    assert "Left out: 1 diverged run (wild)." in text
    curves = pd.read_csv(page.parent / "controls/tricks/curves.csv")
    assert curves.groupby("arm")["n"].max().to_dict() == {"none": 5, "trick": 5, "wild": 4}
    dots = pd.read_csv(page.parent / "controls/tricks/effects.csv")
    assert dots.loc[
        (dots["claim"] == "Wild beats all") & (dots["seed"] == 4), ["low", "high"]
    ].to_numpy().tolist() == [[float("inf")] * 2]


def test_csv_holds_the_numbers_given(page):
    curves = pd.read_csv(page.parent / "controls/tricks/curves.csv").set_index(
        ["metric", "arm", "step"]
    )
    assert curves.loc[("val/error", "none", 20), "mean"] == pytest.approx(0.21)
    assert curves.loc[("val/error", "trick", 10), "mean"] == pytest.approx(0.22)
    # t_(4, .975) = 2.776 and s = 0.015811 for 0.19, 0.20, ..., 0.23
    assert curves.loc[("val/error", "none", 20), "high"] == pytest.approx(
        0.21 + 2.7764 * 0.0158114 / 5**0.5, rel=1e-4
    )
    effects = pd.read_csv(page.parent / "controls/tricks/effects.csv")
    measured = effects.loc[effects["claim"] == "The trick lowers the test error", "low"]
    assert measured.tolist() == pytest.approx(
        [a - b for a, b in zip(ERRORS["none"], ERRORS["trick"], strict=True)]
    )
    layers = pd.read_csv(page.parent / "controls/tricks/gradients.csv")
    assert layers.loc[layers["arm"] == "none", "mean"].tolist() == pytest.approx([0.1, 0.01])
    assert pd.read_csv(page.parent / "mine/field/receptive_fields.csv").set_index("arm")[
        "receptive_field"
    ].to_dict() == {"near": 3, "far": 7}
    claims = pd.read_csv(page.parent / "claims.csv").set_index("claim")
    assert claims.loc["The trick lowers the test error", "effect"] == pytest.approx(0.1)


def test_edge_warning_stands_where_the_choice_is_on_the_edge(page):
    tuning = pd.read_csv(page.parent / "controls/tricks/tuning.csv", keep_default_na=False)
    assert tuning.groupby("arm")["warning"].first().to_dict() == {
        "none": "",
        "trick": EDGE,
        "wild": "",
    }
    assert tuning[tuning["chosen"]]["setting"].tolist() == [
        '{"lr": 0.1}',
        '{"lr": 1.0}',
        '{"lr": 0.1}',
    ]
    assert page.read_text().count(EDGE) == 1


def test_page_needs_no_network_and_only_what_lies_beside_it(page):
    html = page.read_text()
    assert "<script" not in html
    assert "<link" not in html
    assert "url(http" not in html
    assert "@import" not in html
    loaded = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert loaded
    beside = {unquote(link) for link in loaded if not link.startswith("#")}
    assert all(
        (page.parent / link).is_file() and not Path(link).is_absolute() for link in beside
    ), beside
    assert beside >= {
        "claims.csv",
        "controls/tricks/effects.svg",
        "controls/tricks/effects.csv",
        "controls/tricks/arms.csv",
        "controls/tricks/tuning.csv",
    }
    assert html.count("<img ") == len({link for link in beside if link.endswith(".svg")})
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in loaded if link.startswith("#")} <= set(ids)


def test_figures_are_artifacts_of_the_ablation(page, folder):
    names = {file.name for file in (folder / "mlruns").rglob("*.png")}
    assert names == {"effects.png", "curves.png", "gradients.png", "receptive_fields.png"}
    for name in ("effects", "curves", "gradients"):
        assert (page.parent / f"controls/tricks/{name}.svg").is_file()


def test_a_claim_without_runs_is_not_run(store, ablation, folder):
    wider = named(declare(name="wider"), Path("ablations/controls/test_wider.py"))
    html = build([ablation, wider], store, "cpu", folder / "wider").read_text()
    assert html.count("not run</span>") == 1 + 3 * len(
        wider.claims
    )  # the tally; the table, the section and the controls
    assert "Not run at scale cpu" in html


def test_slips_and_controls_are_listed(page, text):
    slips = text[text.index("Where the slides slip", text.index("Provenance")) :]
    assert (
        slips.index("It sees 9x9")
        < slips.index("Negative controls")
        < slips.index("A/A: none is 0")
    )
    controls = slips[slips.index("A/A: none is 0") :]
    assert controls.startswith(
        "A/A: none is 0 controls/tricks A/A twin ✗ refuted as expected: a control"
    )
    assert "Wild beats all controls/tricks check ? inconclusive" in controls
    assert page.read_text().count('id="slips"') == 1


def test_a_replication_stands_beside_its_own_verdict_and_in_no_tally(store, exact, folder, text):
    assert "nox -s ablations -- --data fashion_mnist -k tricks --scale cpu" in text
    own = named(declare(), Path("ablations/mine/test_again.py"))
    best = {"none": 0.1, "trick": 1.0, "wild": 0.1}
    fill(store, own, best)
    fill(store, own.with_data("digits"), best)
    html = build([own], store, "cpu", folder / "again").read_text()
    section = html[html.index("<h4>Does it replicate?") :]
    section = section[: section.index("<h4>", 4)]
    assert re.findall(r'<th scope="col">(.*?)</th>', section) == [
        "Claim",
        "mnist5k (own)",
        "digits",
    ]
    assert section.count("supported</span>") == 2
    tally = html[html.index('class="tally"') :]
    assert "1 supported" in tally[: tally.index("</p>")]
    assert replicate(study_of(exact, store), store) is None
    file = results.write([own], store, "cpu", folder / "replicated")
    first = json.loads(file.read_text())["replications"][0]
    assert (first["ablation"], first["data"], first["verdict"], first["n"]) == (
        "mine/again",
        "digits",
        "supported",
        5,
    )
    table = results.markdown_table(file)
    assert (
        "On digits, of 3 claims: 2 the same, 0 the opposite, 1 undecided on one or both." in table
    )
    assert "<summary>The same: 2</summary>" in table
    assert "| claim | own data | digits |" in table
    assert "| The trick lowers the test error | ✓ supported | ✓ supported |" in table


def test_what_does_not_replicate_is_told_and_half_a_replication_is_none(store, folder):
    own = named(declare(), Path("ablations/mine/test_differs.py"))
    fill(store, own, {"none": 0.1, "trick": 1.0, "wild": 0.1})
    fill(
        store,
        own.with_data("digits"),
        {"none": 0.1, "trick": 1.0, "wild": 0.1},
        ERRORS | {"trick": ERRORS["none"]},
    )
    half = own.with_data("fashion_mnist")
    store.save(
        half.evaluation("none", "cpu")[0].chosen({"lr": 0.1}),
        "half",
        Run("finished", {"test/error": 0.1}, (), ABOUT),
    )
    html = build([own], store, "cpu", folder / "differs").read_text()
    section = html[
        html.index('<section id="replications">') : html.index('<section id="negative-controls">')
    ]
    assert (
        "On digits, of 3 claims: 1 the same, 1 the opposite, 1 undecided on one or both. All but the same:"
        in section
    )
    assert section.count('<td class="statement">') == 2
    assert "The trick lowers the test error" in section
    assert "fashion_mnist" not in section
    table = results.markdown_table(results.write([own], store, "cpu", folder / "differing"))
    assert (
        "On digits, of 3 claims: 1 the same, 1 the opposite, 1 undecided on one or both." in table
    )
    assert "<summary>Opposite, or undecided: 2</summary>" in table


def test_empty_store_is_one_clear_error(store, ablation, folder):
    with pytest.raises(DlgbenchError) as caught:
        build([ablation], store, "gpu", folder / "nothing")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("no runs at scale gpu", store.uri, "nox -s ablations -- --scale gpu"):
        assert part in message
    assert not (folder / "nothing").exists()


def test_reference_round_trips_to_the_readme_table(store, ablation, exact, folder):
    file = results.write([ablation, exact], store, "cpu", folder / "reference")
    assert file == folder / "reference" / "cpu.json"
    record = json.loads(file.read_text())
    assert (record["machine"], record["date"], record["git"]) == (
        "Abacus (2 beads)",
        "2023-11-14",
        ["0123456789ab"],
    )
    first = record["claims"][0]
    assert (first["ablation"], first["verdict"], first["n"], first["wanted"]) == (
        "controls/tricks",
        "supported",
        5,
        "at least 0.05",
    )
    assert first["effect"] == pytest.approx(0.1)
    text = results.markdown_table(file)
    assert text.startswith("Scale `cpu`, Abacus (2 beads), 2023-11-14")
    head, folded = text.split("<details><summary>controls: 3 claims</summary>\n\n")
    assert "1 came out otherwise than expected:" in head
    assert "? inconclusive (supported was expected) | 0.32 [−∞, ∞]" in head
    _, rule, *rows = folded.split("\n\n</details>")[0].splitlines()
    assert all(line.count("|") == rule.count("|") for line in rows)
    assert rows[0].startswith(
        "| [The trick lowers the test error](ablations/controls/test_tricks.py) | ✓ supported | 0.1 ["
    )
    assert "✗ refuted, as expected" in rows[1]
    assert "? inconclusive (supported was expected) | 0.32 [−∞, ∞]" in rows[2]
