"""The reference verdicts: a small JSON that is committed, and the README's table made of it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlgbench.ablation import Ablation
from dlgbench.claim import Claim, Verdict
from dlgbench.reports import style, words
from dlgbench.reports.replication import Replication, outcome, replicate, tell
from dlgbench.reports.study import Study, gather, origin
from dlgbench.tracking import Store


def write(ablations: Sequence[Ablation], store: Store, scale: str, out: Path) -> Path:
    """Writes `<scale>.json` into the folder `out`: the machine, and every claim that has runs with its verdict. Returns its path.

    Raises:
        DlgbenchError: where the store is out of reach, or has no runs at the scale.
    """
    studies = gather(ablations, store, scale)
    about = origin([run for study in studies for run in study.runs.values()])
    record = {
        "scale": scale,
        "machine": ", ".join(about.devices),
        "versions": list(about.versions),
        "git": list(about.commits),
        "date": about.dates[-1] if about.dates else "",
        "runs": {"finished": about.finished, "diverged": about.diverged},
        "claims": [
            _claim(study, claim, verdict)
            for study in studies
            for claim, verdict in study.verdicts.items()
        ],
        "replications": [
            entry for study in studies for entry in _replications(replicate(study, store))
        ],
    }
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{scale}.json"
    file.write_text(
        json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n",
        encoding="utf-8",
    )
    return file


def _claim(study: Study, claim: Claim, verdict: Verdict) -> dict[str, Any]:
    return {
        "ablation": study.ablation.name,
        "file": study.ablation.file,
        "claim": claim.statement,
        "formula": claim.effect.formula,
        "slide": claim.slide or study.ablation.slide,
        "expect": claim.expect,
        "verdict": verdict.verdict,
        "as_expected": verdict.passes(claim),
        "effect": _json(verdict.effect),
        "interval": [_json(end) for end in verdict.interval],
        "level": verdict.level,
        "method": verdict.method,
        "p": verdict.p,
        "n": verdict.n,
        "wanted": words.wanted(claim),
        "published": claim.published,
        "source": claim.source,
    }


def _replications(replication: Replication | None) -> list[dict[str, Any]]:
    """The verdicts on other data sets; a record of its own for each claim and data set."""
    return [
        {
            "ablation": study.ablation.name.partition("@")[0],
            "claim": claim.statement,
            "data": data,
            "verdict": verdict.verdict,
            "effect": _json(verdict.effect),
            "interval": [_json(end) for end in verdict.interval],
            "n": verdict.n,
        }
        for data, study in (replication.others if replication else {}).items()
        for claim, verdict in study.verdicts.items()
        if replication and claim in replication.claims
    ]


def _json(x: float) -> float | str:
    """A figure, or `inf`, `-inf`, `nan` as a string: JSON has no numbers for them."""
    return x if math.isfinite(x) else str(x)


def markdown_table(file: Path) -> str:
    """The verdicts of a reference file, as Markdown: machine and date, the tally, what came out otherwise than expected, and a folded table per part."""
    record = json.loads(file.read_text(encoding="utf-8"))
    head = f"Scale `{record['scale']}`, {record['machine']}, {record['date']}, {', '.join(record['versions'])}."
    tally = Counter(claim["verdict"] for claim in record["claims"])
    counts = ", ".join(
        f"{style.SYMBOLS[verdict]} {tally[verdict]} {verdict}"
        for verdict in ("supported", "refuted", "inconclusive")
    )
    unexpected = [claim for claim in record["claims"] if not claim["as_expected"]]
    lines = [head, "", f"{len(record['claims'])} claims: {counts}.", ""]
    if unexpected:
        lines += [
            f"{len(unexpected)} came out otherwise than expected:",
            "",
            *_table(unexpected),
            "",
        ]
    parts: dict[str, list[dict[str, Any]]] = {}
    for claim in record["claims"]:
        parts.setdefault(claim["ablation"].rpartition("/")[0], []).append(claim)
    for part, claims in parts.items():
        lines += [
            f"<details><summary>{part.replace('_', ' ') or 'ablations'}: {len(claims)} claims</summary>",
            "",
            *_table(claims),
            "",
            "</details>",
            "",
        ]
    return "\n".join((*lines, *_replicated(record)))


def _table(claims: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        "| claim | verdict | effect | wanted | n | published |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for claim in claims:
        effect = words.effect(claim["formula"], float(claim["effect"]))
        if claim["method"] != "exact" or claim["interval"][0] != claim["interval"][1]:
            effect += f" {words.interval(claim['formula'], *map(float, claim['interval']))}"
        told = _told(claim["verdict"], claim["expect"], as_expected=claim["as_expected"])
        cells = (
            f"[{claim['claim']}]({claim['file']})",
            told,
            effect,
            claim["wanted"],
            str(claim["n"]),
            claim["published"],
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _replicated(record: dict[str, Any]) -> list[str]:
    """How many claims replicate on each other data set, and folded tables of those that do not on one, and of those that do; nothing where none was run."""
    own = {(claim["ablation"], claim["claim"]): claim["verdict"] for claim in record["claims"]}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for entry in record.get("replications", []):
        if (entry["ablation"], entry["claim"]) in own:
            found.setdefault((entry["ablation"], entry["claim"]), {})[entry["data"]] = entry[
                "verdict"
            ]
    if not found:
        return []
    tally: dict[str, Counter[str]] = {}
    rows: dict[bool, list[str]] = {False: [], True: []}
    names = list(dict.fromkeys(name for verdicts in found.values() for name in verdicts))
    for key, verdicts in found.items():
        came = {name: outcome(own[key], verdict) for name, verdict in verdicts.items()}
        for name, word in came.items():
            tally.setdefault(name, Counter())[word] += 1
        told = [
            f"{style.SYMBOLS[verdict]} {verdict}"
            for verdict in (own[key], *(verdicts.get(name, "not run") for name in names))
        ]
        rows[set(came.values()) == {"same"}].append(
            "| " + " | ".join((key[1].replace("|", "\\|"), *told)) + " |"
        )
    head = [
        f"| claim | own data | {' | '.join(names)} |",
        f"| {' | '.join(['---'] * (2 + len(names)))} |",
    ]
    lines = [
        f"Does it replicate? The claims about images, asked again on other images, and the verdicts there: {tell(tally)}",
        "",
    ]
    for same, title in ((False, "Opposite, or undecided"), (True, "The same")):
        if rows[same]:
            lines += [
                f"<details><summary>{title}: {len(rows[same])}</summary>",
                "",
                *head,
                *rows[same],
                "",
                "</details>",
                "",
            ]
    return lines


def _told(verdict: str, expect: str, *, as_expected: bool) -> str:
    """The verdict with its symbol, and what was expected where the reader could not guess it."""
    if as_expected:
        return f"{style.SYMBOLS[verdict]} {verdict}" + (
            "" if verdict == "supported" else ", as expected"
        )
    return f"{style.SYMBOLS[verdict]} {verdict} ({expect} was expected)"


def refresh(readme: Path, file: Path) -> bool:
    """Writes the table of a reference file between the README's `<!-- verdicts: <scale> -->` and `<!-- end of verdicts -->`.

    Returns whether the README has such a place.
    """
    start, end = f"<!-- verdicts: {file.stem} -->", "<!-- end of verdicts -->"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if found and closed:
        readme.write_text(f"{before}{start}\n{markdown_table(file)}{end}{after}", encoding="utf-8")
    return bool(found and closed)
