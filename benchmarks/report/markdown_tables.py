"""Results of the benchmarks as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.report.acceptance import Line, Results, lines
from benchmarks.systems.contenders import OURS, TITLES


def page(results: Results) -> str:
    """Write every table with results, under its heading."""
    sections = [("The lines", acceptance(lines(results)))]
    for variant, found in results.get("comparison", {}).items():
        sections.append((f"Side by side: {variant}", contenders(found)))
    if "comparison" in results:
        sections.append(("Waiting and working in our processes, at constant arrivals", waits(results["comparison"])))
    if "callers" in results:
        sections.append(("Callers with several requests at once", callers(results["callers"])))
    if "memory" in results:
        sections.append(("Memory, each alone on the machine", memory(results["memory"])))
    if "stages" in results:
        sections.append(("Where each millisecond goes", stages(results["stages"])))
    if "readiness" in results:
        sections.append(("Ready after the start of the process", readiness(results["readiness"])))
    if "sizing" in results:
        sections.append(("Processor time of one identification", sizing(results["sizing"])))
    if "machine" in results:
        sections.append(("The machine", machine(results["machine"])))
    return "\n".join(f"### {heading}\n\n{text}" for heading, text in sections)


def acceptance(found: Sequence[Line]) -> str:
    """Write one row for each target, with its 95 % interval if there is one."""
    rows = [[line.what, line.target, _estimate(line), "yes" if line.held else "**no**"] for line in found]
    return table(["what", "target", "measured", "held"], rows)


def contenders(found: Results) -> str:
    """Write one row for each system, with ratios to ours in brackets."""
    ours = float(np.median(found[OURS]["throughput"]))
    rows = []
    for name, of in found.items():
        throughput = float(np.median(of["throughput"]))
        arrivals = of.get("open", {})
        rows.append(
            [
                TITLES.get(name, name),
                f"{throughput:.1f} ({throughput / ours:.2f}x)",
                f"{np.median(of['p50']):.1f}",
                *(f"{arrivals[p]:.0f}" if arrivals else "" for p in ("p50", "p95", "p99")),
                f"{arrivals['rate']:.1f}" if arrivals else "",
                f"{np.median(of['cpu_ms']):.1f}",
                str(of["failed"] + int(arrivals.get("failed", 0))),
            ]
        )
    headings = ["", "requests/s", "p50 alone, ms", "p50", "p95", "p99 at constant arrivals, ms", "of so many/s"]
    return table([*headings, "CPU ms each", "failed"], rows)


def callers(found: Results) -> str:
    """One row for each number of requests at once; the last two rows are one request at a time."""
    described = {f"{number} at once": of for number, of in found["alone"].items()}
    described |= {"1 at a time": found["one"], "1 at a time, beside another caller's 32": found["one_beside_many"]}
    rows = [
        [name, f"{of['answers_per_s']:.1f}", f"{of['refused']:.0f}", f"{of['p50']:.0f}", f"{of['p99']:.0f}"]
        for name, of in described.items()
    ]
    return table(["one key, one modality", "answers/s", "refused", "p50 ms", "p99 ms"], rows)


def waits(comparison: Results) -> str:
    """Write how long work waited for the threads of our processes, and how long it ran in them."""
    rows = [
        [variant, name, *(f"{of[kind]:.2f}" for kind in ("queue", "inference"))]
        for variant, found in comparison.items()
        for name, of in sorted(found[OURS].get("waits", {}).items())
    ]
    return table(["", "process", "waits, mean ms", "works, mean ms"], rows)


def memory(found: Results) -> str:
    """Write one row for each of our processes, and one for each peer."""
    columns = list(found.values())
    rows = [["MedReID", name, *(f"{of[OURS][name]:.0f}" for of in columns)] for name in sorted(columns[0][OURS])]
    rows += [[TITLES[name], "all", *(f"{sum(of[name].values()):.0f}" for of in columns)] for name in columns[0]]
    return table(["", "process", *(f"PSS MB, {when}" for when in found)], rows)


def stages(found: Sequence[Results]) -> str:
    """Write one row for each stage, one column for each modality."""
    modalities = list(dict.fromkeys(entry["modality"] for entry in found))
    by_stage: dict[tuple[str, str], dict[str, float]] = {}
    for entry in found:
        by_stage.setdefault((entry["of"], entry["stage"]), {})[entry["modality"]] = entry["ms"]
    rows = [[of, stage, *(f"{ms[name]:.2f}" for name in modalities)] for (of, stage), ms in by_stage.items()]
    return table(["", "median ms", *modalities], rows)


def readiness(found: Results) -> str:
    """Write one row for each service."""
    rows = [[name, f"{np.median(times):.2f}", f"{max(times):.2f}"] for name, times in found.items()]
    return table(["service", "median s", "slowest s"], rows)


def sizing(found: Results) -> str:
    """Write one row for each process."""
    return table(["process", "CPU ms"], [[name, f"{ms:.1f}"] for name, ms in sorted(found.items())])


def machine(found: Results) -> str:
    """Write one row for each fact."""
    return table(["", ""], [[name, str(value)] for name, value in found.items()])


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a Markdown table. Every column but the first is right-aligned."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "".join(f"| {' | '.join(str(cell) for cell in row)} |\n" for row in (headings, rule, *rows))


def _estimate(line: Line) -> str:
    value, low, high = line.value
    shown = f"{value:.3g}{'' if line.unit == 'x' else ' ' + line.unit}"
    return shown if low == high else f"{shown} ({low:.3g} to {high:.3g})"
