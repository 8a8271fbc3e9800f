"""The page from a tiny hand-made store: every number on it can be worked out here."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from dlgbench import DlgbenchError
from dlgbench.reports.page import build
from dlgbench.reports.replication import replicate
from dlgbench.reports.study import Study, command

EDGE = "edge of the grid: the best lr is the largest one tried"


@pytest.fixture(scope="module")
def page(store, ablations, once):
    def fill(folder):
        build(list(ablations.values()), store, "cpu", folder)

    return once("reports-page", fill) / "index.html"


@pytest.fixture(scope="module")
def text(page):
    """What a reader reads: tags taken out."""
    html = re.sub(r"<style\b.*?</style>", "", page.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def section(html, name):
    """The part of the page on an ablation."""
    start = html.index(f'<section class="ablation" id="{name}">')
    return html[start : html.index("</section>", start)]


def test_every_claim_stands_with_its_verdict(text):
    table = text[text.index("Claim Verdict Effect, interval") :]
    table = table[table.index("controls/tricks") :]
    for statement, said in {
        "The trick lowers the test error": "✓ supported as expected 0.1 ",
        "None is 0": "✗ refuted as expected: a control 0.21 [0.145, 0.275] 98.3 % ",
        "Wild beats all": "? inconclusive undecided (supported was expected) 0.32 [−∞, ∞] ",
    }.items():
        row = table[table.index(statement) :]
        assert row.startswith(f"{statement} {said}"), row[:160]
    assert "It sees 7x7 ✓ supported as expected 7 " in text
    assert "It sees 9x9 ✗ refuted as expected: a slip 3 " in text
    assert "half of it Nobody 1999" in text
    assert "0 of 2 A/A claims, whose arms differ by chance alone, came out supported" in text


def test_declared_text_is_escaped(page):
    assert "Does the &lt;trick&gt; help?" in page.read_text()
    assert "<trick>" not in page.read_text()


def test_an_ablations_protocol_is_shown(store, ablations, tmp_path, page):
    parts = "How far?", "See `a_b` & <b>.", "    x = 1\n    y = 2", "| a |\n| 1 |", "Earlier: 3."
    own = ablations["mine/field"]
    field = own.named(own.name, own.file, protocol="\n\n".join(parts))
    html = section(build([field], store, "cpu", tmp_path).read_text(), "mine-field")
    found = re.search("<details class=.protocol.>(.*?)</details>", html, re.DOTALL)[1]
    assert [line for line in found.splitlines() if line] == [
        "<summary>Protocol</summary>",
        "<p>How far?</p>",
        "<p>See <code>a_b</code> &amp; &lt;b&gt;.</p>",
        "<pre>x = 1",
        "y = 2</pre>",
        "<pre>| a |",
        "| 1 |</pre>",
        "<p>Earlier: 3.</p>",
    ]
    assert '<details class="protocol' not in page.read_text()  # no file, no docstring
    assert "before the data existed" not in page.read_text()


def test_diverged_run_is_counted_and_not_drawn(page, text):
    # twice 9 tuning and 15 evaluation runs, of which one diverged; and 2 exact ones
    assert "48 finished, 2 diverged" in text
    tricks = section(page.read_text(), "controls-tricks")
    assert "1 evaluation run of wild" in tricks
    assert "Left out: 1 diverged run (wild)." in tricks
    curves = pd.read_csv(page.parent / "controls/tricks/curves.csv")
    assert curves.groupby("arm")["n"].max().to_dict() == {"none": 5, "trick": 5, "wild": 4}
    dots = pd.read_csv(page.parent / "controls/tricks/effects.csv")
    lost = dots[(dots["claim"] == "Wild beats all") & (dots["seed"] == 4)]
    assert lost[["low", "high"]].to_numpy().tolist() == [[float("inf")] * 2]


def test_csv_holds_the_numbers_given(page):
    folder = page.parent / "controls/tricks"
    curves = pd.read_csv(folder / "curves.csv").set_index(["metric", "arm", "step"])
    assert curves.loc[("val/error", "none", 20), "mean"] == pytest.approx(0.21)
    assert curves.loc[("val/error", "trick", 10), "mean"] == pytest.approx(0.22)
    # t_(4, .975) = 2.776 and s = 0.015811 for 0.19, 0.20, ..., 0.23
    high = 0.21 + 2.7764 * 0.0158114 / 5**0.5
    assert curves.loc[("val/error", "none", 20), "high"] == pytest.approx(high, rel=1e-4)
    effects = pd.read_csv(folder / "effects.csv")
    effects = effects.loc[effects["claim"] == "The trick lowers the test error", "low"]
    assert effects.tolist() == pytest.approx([0.1, 0.11, 0.09, 0.1, 0.1])
    layers = pd.read_csv(folder / "gradients.csv")
    assert layers.loc[layers["arm"] == "none", "mean"].tolist() == pytest.approx([0.1, 0.01])
    fields = pd.read_csv(page.parent / "mine/field/receptive_fields.csv").set_index("arm")
    assert fields["receptive_field"].to_dict() == {"near": 3, "far": 7}
    claims = pd.read_csv(page.parent / "claims.csv").set_index(["ablation", "claim"])
    trick = claims.loc[("controls/tricks", "The trick lowers the test error"), "effect"]
    assert trick == pytest.approx(0.1)


def test_edge_warning_stands_where_the_choice_is_on_the_edge(page):
    tuning = pd.read_csv(page.parent / "controls/tricks/tuning.csv", keep_default_na=False)
    warnings = tuning.groupby("arm")["warning"].first().to_dict()
    assert warnings == {"none": "", "trick": EDGE, "wild": ""}
    chosen = tuning.loc[tuning["chosen"], "setting"].tolist()
    assert chosen == ['{"lr": 0.1}', '{"lr": 1.0}', '{"lr": 0.1}']
    html = page.read_text()
    assert section(html, "controls-tricks").count(EDGE) == 1
    note = "⚠ tuned at the edge of the grid: trick"
    assert html.count(note) == 2  # beside the claim that needs the arm, of each of two ablations


def test_page_needs_no_network_and_only_what_lies_beside_it(page):
    html = page.read_text()
    for outside in ("<script", "<link", "url(http", "@import"):
        assert outside not in html
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    beside = {unquote(link) for link in links if not link.startswith("#")}
    for link in beside:
        assert (page.parent / link).is_file()
        assert not Path(link).is_absolute()
    files = ("effects.svg", "effects.csv", "arms.csv", "tuning.csv")
    assert beside >= {"claims.csv", *(f"controls/tricks/{file}" for file in files)}
    assert html.count("<img ") == len({link for link in beside if link.endswith(".svg")})
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_plots_are_artifacts_of_the_ablation(page, store):
    names = {file.name for file in (store.root / "mlruns" / "controls").rglob("*.png")}
    assert names == {"effects.png", "curves.png", "gradients.png"}
    for name in ("effects", "curves", "gradients"):
        assert (page.parent / f"controls/tricks/{name}.svg").is_file()


def test_a_claim_without_runs_is_not_run(page):
    html = page.read_text()
    tally, table, listed, controls = 1, 3, 3, 2
    assert html.count("not run</span>") == tally + table + listed + controls
    assert "Not run at scale cpu" in section(html, "controls-wider")


def test_slips_and_controls_are_listed(page, text):
    slips = text[text.index("Where the slides slip", text.index("Provenance")) :]
    slips, _, controls = slips.partition("Negative controls")
    assert "It sees 9x9" in slips
    assert "It sees 7x7" not in slips
    assert page.read_text().count('id="slips"') == 1
    twin = "None is 0 controls/tricks A/A twin ✗ refuted as expected: a control"
    check = "Wild beats all controls/tricks check ? inconclusive"
    assert controls.index(twin) < controls.index(check)
    assert "The trick lowers the test error" not in controls


def test_a_replication_stands_beside_its_own_verdict_and_in_no_tally(page):
    html = page.read_text()
    offered = "nox -s ablations -- --data fashion_mnist -k tricks --scale cpu"
    assert offered in section(html, "controls-tricks")
    again = section(html, "mine-again")
    again = again[again.index("<h4>Does it replicate?") :]
    again = again[: again.index("<h4>", 4)]
    heads = re.findall(r'<th scope="col">(.*?)</th>', again)
    assert heads == ["Claim", "mnist5k (own)", "digits", "fashion_mnist"]
    assert again.count("supported</span>") == 2
    tally = html[html.index('class="tally"') :]
    assert "3 supported" in tally[: tally.index("</p>")]  # 2 tricks and a field of view


def test_what_does_not_replicate_is_listed_and_half_a_replication_is_none(page):
    html = page.read_text()
    start = html.index('<section id="replications">')
    listed = html[start : html.index("</section>", start)]
    on_digits = "On digits, of 3 claims: 2 the same, 0 the opposite, 1 undecided on one or both."
    on_fashion = (
        "On fashion_mnist, of 3 claims: 1 the same, 1 the opposite, 1 undecided on one or both."
    )
    assert f"{on_digits} {on_fashion} All but the same:" in listed
    assert listed.count('<td class="statement">') == 2
    assert "On mnist," not in listed


def test_without_data_there_is_nothing_to_replicate(store, ablations):
    field = ablations["mine/field"]
    assert replicate(Study(field, "cpu", store.runs(field, "cpu")), store) is None


def test_empty_store_is_one_clear_error(store, ablations, tmp_path):
    with pytest.raises(DlgbenchError) as caught:
        build([ablations["mine/field"]], store, "gpu", tmp_path / "nothing")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("expected runs at scale gpu", store.uri, "nox -s ablations -- --scale gpu"):
        assert part in message
    assert not (tmp_path / "nothing").exists()


def test_the_command_that_runs_it_again_works_where_the_reader_is(
    page, make_study, tmp_path, monkeypatch
):
    code = "<code>nox -s ablations -- -k tricks --scale cpu</code>"
    assert code in section(page.read_text(), "controls-tricks")
    study = make_study({"model": "mlp", "data": "mnist5k"}, {"a": {}}, lambda *_: {})
    monkeypatch.chdir(tmp_path)  # a folder of a user's own, without nox
    assert command(study) == "dlgbench run ablations/mine/test_what.py --scale cpu"
    file = "ablations/mine/test_what.py"
    assert command(study, "--data digits ") == f"dlgbench run {file} --data digits --scale cpu"
