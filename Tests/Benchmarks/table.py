# SPDX-License-Identifier: Apache-2.0
"""The table of a run: medians, ratios and targets, as text, as Markdown between markers of a document, and as JSON."""
import json

PEERS = ("nginx", "haproxy", "nginx-relay", "direct")
BEGIN, END = "<!-- table {name}: written by Tests/Benchmarks/run.sh --markdown -->", "<!-- end of table {name} -->"


def figure(value):
    """Three digits are more than what a run repeats."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def peer_of(row, samples, peer):
    """The peer's name and value; `best` picks the better of the two pairs."""
    if peer != "best":
        return peer, samples.median(row.name, peer)
    found = [(name, samples.median(row.name, name)) for name in ("nginx", "haproxy")]
    found = [pair for pair in found if pair[1] is not None]
    if not found:
        return "best", None
    return (max if row.more_is_better else min)(found, key=lambda pair: pair[1])


def verdict(row, samples):
    """Warren's value, the compared peer, its value, the ratio, and whether the target is met (None: no target, or nothing to compare)."""
    mine, target = samples.median(row.name, "warren"), row.target
    if target and target.peer == "absolute":
        met = None if mine is None else (mine >= target.limit if target.at_least else mine <= target.limit)
        return mine, "", None, None, met
    near = row.name.startswith("same host")
    name, value = peer_of(row, samples, target.peer if target else "nginx-relay" if near else "best")
    if mine is None or not value:
        return mine, name, value, None, None
    ratio = mine / value
    return mine, name, value, ratio, None if not target else (ratio >= target.limit if target.at_least else ratio <= target.limit)


def lines(rows, samples):
    """The cells of each row that has values, below a heading."""
    systems = [peer for peer in PEERS if any(samples.median(row.name, peer) is not None for row in rows)]
    yield ["row", "unit", "warren", *systems, "ratio", "to", "target", "met"]
    for row in rows:
        if row.name not in samples.values:
            continue
        mine, name, _, ratio, met = verdict(row, samples)
        spread = samples.spread(row.name, "warren")
        count = len(samples.values[row.name].get("warren", []))
        own = figure(mine) + (f" ±{spread * 50:.0f} %" if count > 1 else "")
        yield [row.name, row.unit, own, *[figure(samples.median(row.name, peer)) for peer in systems], "" if ratio is None else f"{ratio:.2f}",
               name if ratio else "", row.target.text() if row.target else "", "" if met is None else "yes" if met else "NO"]


def text(rows, samples):
    table = list(lines(rows, samples))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) if index in (0, 1) else cell.rjust(width)
                               for index, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in table)


def markdown(rows, samples):
    head, *rest = lines(rows, samples)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rest))


def write_document(path, name, body):
    """Puts the table between its markers; the prose around them stays."""
    with open(path, encoding="utf-8") as file:
        document = file.read()
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} has no place for the table: it needs the lines '{begin}' and '{end}'")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n\n{body}\n\n{end}{after}")


def write_json(path, rows, samples):
    out = []
    for row in rows:
        if row.name not in samples.values:
            continue
        mine, name, value, ratio, met = verdict(row, samples)
        out.append({"metric": row.name, "unit": row.unit, "warren": mine, "peer": name, "peer_value": value, "ratio": ratio,
                    "target": row.target.text() if row.target else None, "met": met})
    with open(path, "w", encoding="utf-8") as file:
        json.dump(out, file, indent=1, ensure_ascii=False)
        file.write("\n")
