"""The committed verdicts: `results/<scale>.json`, and two texts that are made of it.

`results/README.md` has every verdict, by the part of the lecture. The repository's README.md has
the tally and the most surprising verdicts, between two marker comments.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dlgbench.ablation import Ablation
from dlgbench.claim import Claim, Verdict
from dlgbench.discovery import find_root
from dlgbench.reports import style, words
from dlgbench.reports.replication import Replication, outcome, replicate, tally_text
from dlgbench.reports.study import Study, gather, origin
from dlgbench.scale import JUDGED
from dlgbench.stats import UNFINISHED, enough
from dlgbench.tracking import Store

Record = Mapping[str, Any]  # a claim with its verdict, as the JSON has it
README, TITLE = "README.md", "# Verdicts"
MOST = 5  # surprising verdicts
RULE = (
    "The most surprising: first the opposite of what was expected, then what was decided where it "
    "was expected to stay open, then what stayed open; in each group by p."
)
HEAD = ["claim", "verdict", "effect", "wanted", "n", "published"]

# writing ----------------------------------------------------------------------------------------


def write(ablations: Sequence[Ablation], store: Store, scale: str, out: Path) -> Path:
    """Writes `<scale>.json` into a folder, and the folder's README.md of all the scales there.

    The JSON holds the machine, and every claim that has runs with its verdict. What an older one
    there says of claims that the store cannot judge stays, with its date.

    Returns:
        The path of the JSON.

    Raises:
        DlgbenchError: where the store is out of reach, or has no runs at the scale.
    """
    studies = gather(ablations, store, scale)
    about = origin([run for study in studies for run in study.runs.values()])
    replications = [replicate(study, store) for study in studies]
    record: Any = {
        "scale": scale,
        "machine": ", ".join(about.devices),
        "versions": list(about.versions),
        "git": list(about.commits),
        "date": about.dates[-1] if about.dates else "",
        "claims": [
            _claim(study, claim, verdict)
            for study in studies
            for claim, verdict in study.verdicts.items()
        ],
        "replications": [
            entry
            for replication in replications
            if replication
            for entry in _replications(replication)
        ],
    }
    out.mkdir(parents=True, exist_ok=True)
    file, readme = out / f"{scale}.json", out / README
    if file.is_file():
        record = _with_kept(record, json.loads(file.read_text(encoding="utf-8")), ablations)
    options: dict[str, Any] = {"indent": 1, "sort_keys": True, "ensure_ascii": False}
    text = json.dumps(record, allow_nan=False, **options)
    file.write_text(f"{text}\n", encoding="utf-8")
    if not readme.is_file() or readme.read_text(encoding="utf-8").startswith(TITLE):
        readme.write_text(full_text(out), encoding="utf-8")  # not over a text of the user's own
    return file


def _with_kept(record: dict[str, Any], old: Record, ablations: Sequence[Ablation]) -> Record:
    """A record with what an older one says of other claims.

    Those are claims that the store has no runs of, or not of all their seeds, and that still ask
    the same; and those of other ablations, whose files are still in the repository of the current
    folder.
    """
    root, scale = find_root(Path.cwd()), record["scale"]
    given = {
        one.name: {claim.statement: claim.asked for claim in one.claims_at(scale)}
        for one in ablations
    }
    finished = {_key(claim): claim["method"] != UNFINISHED for claim in record["claims"]}

    def stands(claim: Record) -> bool:
        key = _key(claim)
        if finished.get(key) or (key in finished and claim["method"] == UNFINISHED):
            return False
        if claim["ablation"] not in given:
            return (root / claim["file"]).is_file()
        asked = given[claim["ablation"]].get(claim["claim"])
        return asked is not None and claim.get("asked", asked) == asked

    kept = [{"date": old["date"], **claim} for claim in old["claims"] if stands(claim)]
    known = set(map(_key, kept))
    claims = [*(claim for claim in record["claims"] if _key(claim) not in known), *kept]
    asked = {_key(claim): claim.get("asked") for claim in claims}  # None where it is not known
    anew = {(*_key(entry), entry["data"]) for entry in record["replications"]}

    def is_asked(entry: Record) -> bool:
        own = asked.get(_key(entry), "")
        return own is None or entry.get("asked", own) == own != ""

    again = [
        {"date": old["date"], **entry}
        for entry in old["replications"]
        if (*_key(entry), entry["data"]) not in anew and is_asked(entry)
    ]
    if kept or again:
        for name in ("versions", "git"):
            record[name] = list(dict.fromkeys([*record[name], *old[name]]))
        machines = [record["machine"], *old["machine"].split(", ")]
        record["machine"] = ", ".join(dict.fromkeys(machines))
    names = list(given)
    declared = [(name, statement) for name in names for statement in given[name]]
    record["claims"] = sorted(claims, key=lambda claim: _place(_key(claim), declared))
    replications = [*record["replications"], *again]
    record["replications"] = sorted(replications, key=lambda x: _place(x["ablation"], names))
    return record


def _place(of: Any, among: list[Any]) -> int:
    """Its place, or the end."""
    return among.index(of) if of in among else len(among)


def _key(entry: Record) -> tuple[str, str]:
    return entry["ablation"], entry["claim"]


def _claim(study: Study, claim: Claim, verdict: Verdict) -> dict[str, Any]:
    seeds = enough(verdict, claim.threshold)
    return {
        **({} if seeds is None else {"enough": _json(seeds)}),
        **({"fragile": True} if verdict.fragile else {}),
        "ablation": study.ablation.name,
        "file": study.ablation.file,
        "claim": claim.statement,
        "asked": claim.asked,
        "formula": claim.effect.formula,
        "scale": claim.effect.scale,
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


def _replications(replication: Replication) -> list[dict[str, Any]]:
    """The verdicts on other data sets: a record of its own for each claim and data set."""
    return [
        {
            "ablation": replication.own.ablation.name,
            "claim": claim.statement,
            "asked": claim.asked,
            "data": data,
            "verdict": verdict.verdict,
            "effect": _json(verdict.effect),
            "interval": [_json(end) for end in verdict.interval],
            "n": verdict.n,
        }
        for data, study in replication.others.items()
        for claim, verdict in study.verdicts.items()
        if claim in replication.claims
    ]


def _json(x: float) -> float | str:
    """A number, or `inf`, `-inf`, `nan` as a string: JSON has no numbers for them."""
    return x if math.isfinite(x) else str(x)


# texts ------------------------------------------------------------------------------------------


def full_text(folder: Path) -> str:
    """The folder's README.md: for each scale's JSON the tally and every verdict, by part."""
    links = _relative(find_root(folder), folder)
    command = "`dlgbench report --scale cpu --reference reports/results`"
    lines = [TITLE, "", f"Every claim with the verdict of a real run, by {command}.", ""]
    for file in (folder / f"{scale}.json" for scale in JUDGED):
        if not file.is_file():
            continue
        record = json.loads(file.read_text(encoding="utf-8"))
        claims = record["claims"]
        unexpected = [claim for claim in claims if not claim["as_expected"]]
        lines += [f"## Scale `{record['scale']}`", "", _origin(record), "", _counts(claims), ""]
        if unexpected:
            title = f"### Otherwise than expected: {_count(unexpected)}"
            lines += [title, "", *_table(unexpected, links), ""]
        parts: dict[str, list[Record]] = {}
        for claim in claims:
            parts.setdefault(_part(claim), []).append(claim)
        for part, of_part in parts.items():
            lines += [f"### {part}: {_count(of_part)}", "", *_table(of_part, links), ""]
        lines += _replicated(record)
    return "\n".join(lines)


def tally(file: Path, root: Path | None = None) -> str:
    """What README.md says of a scale's JSON: the tally, and the most surprising verdicts.

    Args:
        file: the JSON.
        root: the folder of README.md, where links begin; by default the repository's.
    """
    root = find_root(file.parent) if root is None else root
    record = json.loads(file.read_text(encoding="utf-8"))
    unexpected = [claim for claim in record["claims"] if not claim["as_expected"]]
    lines = [f"Scale `{record['scale']}`, {_origin(record)}", ""]
    counts = _counts(record["claims"])
    if unexpected:
        top = sorted(unexpected, key=_surprise)[:MOST]
        came = f"{len(unexpected)} came out otherwise than expected."
        lines += [f"{counts} {came} {RULE}", "", *_table(top, ""), ""]
    else:
        lines += [f"{counts} All came out as expected.", ""]
    return "\n".join([*lines, f"[All verdicts]({_relative(file.parent, root)}{README})", ""])


def refresh(readme: Path, file: Path) -> bool:
    """Writes the tally of a scale's JSON into a README.md, between its markers.

    The markers are `<!-- verdicts: <scale> -->` and `<!-- end of verdicts -->`.

    Returns:
        Whether the README has them.
    """
    start, end = f"<!-- verdicts: {file.stem} -->", "<!-- end of verdicts -->"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    before, has_start, rest = text.partition(start)
    _, has_end, after = rest.partition(end)
    if not (has_start and has_end):
        return False
    text = f"{before}{start}\n{tally(file, readme.parent)}{end}{after}"
    readme.write_text(text, encoding="utf-8")
    return True


def _relative(target: Path, start: Path) -> str:
    """The way from one folder to another, as a link begins: empty, or ending in a slash."""
    way = PurePosixPath(os.path.relpath(target.resolve(), start.resolve())).as_posix()
    return "" if way == "." else f"{way}/"


def _origin(record: Record) -> str:
    older = Counter(claim["date"] for claim in record["claims"] if "date" in claim)
    dates = [record["date"], *(f"{n} of {date}" for date, n in sorted(older.items()))]
    return f"{record['machine']}, {'; '.join(dates)}, {', '.join(record['versions'])}."


def _count(claims: Sequence[Record]) -> str:
    return f"{len(claims)} claim{'s' * (len(claims) != 1)}"


def _counts(claims: Sequence[Record]) -> str:
    counts = Counter(claim["verdict"] for claim in claims)
    verdicts = ("supported", "refuted", "inconclusive")
    parts = ", ".join(f"{style.SYMBOLS[name]} {counts[name]} {name}" for name in verdicts)
    return f"{_count(claims)}: {parts}."


def _part(claim: Record) -> str:
    folder = PurePosixPath(claim["ablation"]).parent.as_posix()
    return "ablations" if folder == "." else folder.replace("_", " ")


def _surprise(claim: Record) -> tuple[int, float]:
    """The more surprising of two verdicts that were not expected is the smaller.

    The p value (Holm's) grows as the interval comes nearer to the threshold in its own width; an
    exact result has none, and is the most certain.
    """
    if claim["verdict"] == "inconclusive":
        group = 2
    else:
        group = 1 if claim["expect"] == "inconclusive" else 0
    return group, -1.0 if claim["p"] is None else claim["p"]


def _table(claims: Iterable[Record], links: str) -> list[str]:
    """A table of verdicts; `links` leads to the repository's root."""
    rows = [_row(HEAD), _row(["---"] * len(HEAD))]
    for claim in claims:
        scale = claim["scale"]
        effect = words.effect(float(claim["effect"]), scale)
        if claim["method"] != "exact" or claim["interval"][0] != claim["interval"][1]:
            effect += f" {words.interval(*map(float, claim['interval']), scale)}"
        name = f"[{claim['claim']}]({links}{claim['file']})"
        cells = [_verdict(claim), effect, claim["wanted"], str(claim["n"]), claim["published"]]
        rows.append(_row([name, *cells]))
    return rows


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _verdict(claim: Record) -> str:
    """The verdict with its symbol, and what was expected where the reader could not guess it."""
    verdict = f"{style.SYMBOLS[claim['verdict']]} {claim['verdict']}"
    if not claim["as_expected"]:
        verdict += f" ({claim['expect']} was expected)"
    elif claim["verdict"] != "supported":
        verdict += ", as expected"
    if claim.get("fragile"):
        verdict += ", fragile"
    note = words.undecided(float(claim["enough"])) if "enough" in claim else ""
    return f"{verdict}; {note.removeprefix('undecided: ')}" if note else verdict


def _replicated(record: Record) -> list[str]:
    """How many claims replicate on each other data set, and tables of those that do and do not.

    Nothing where none was asked again.
    """
    own = {(claim["ablation"], claim["claim"]): claim["verdict"] for claim in record["claims"]}
    others: dict[tuple[str, str], dict[str, str]] = {}
    for entry in record.get("replications", []):
        key = entry["ablation"], entry["claim"]
        if key in own:
            others.setdefault(key, {})[entry["data"]] = entry["verdict"]
    if not others:
        return []
    names = list(dict.fromkeys(name for verdicts in others.values() for name in verdicts))
    by_data: dict[str, Counter[str]] = {}
    rows: dict[bool, list[str]] = {False: [], True: []}
    for key, verdicts in others.items():
        outcomes = {name: outcome(own[key], verdict) for name, verdict in verdicts.items()}
        for name, word in outcomes.items():
            by_data.setdefault(name, Counter())[word] += 1
        told = [own[key], *(verdicts.get(name, "not run") for name in names)]
        cells = [f"{style.SYMBOLS[verdict]} {verdict}" for verdict in told]
        rows[set(outcomes.values()) == {"same"}].append(_row([key[1], *cells]))
    head = [_row(["claim", "own data", *names]), _row(["---"] * (2 + len(names)))]
    lines = ["### Does it replicate?", "", tally_text(by_data), ""]
    for same, title in ((False, "Opposite, or undecided"), (True, "The same")):
        if rows[same]:
            lines += [f"#### {title}: {len(rows[same])}", "", *head, *rows[same], ""]
    return lines
