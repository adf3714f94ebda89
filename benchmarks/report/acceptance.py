"""The targets of the system, and the measured values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.report.estimates import Estimate, ratio_of_medians
from benchmarks.scenarios.overload import OF_ANOTHER, OF_THE_SAME
from benchmarks.scenarios.side_by_side import VARIANTS
from benchmarks.systems.contenders import BENTOML, BENTOML_ONE, FLASK, FLOOR, LITSERVE, LITSERVE_ONE, OURS

Results = Mapping[str, Any]
GLOBAL, EVERYTHING = VARIANTS[False], VARIANTS[True]


@dataclass(frozen=True)
class Line:
    """One target: the quantity, its limit (`least` or `most`), its value."""

    what: str
    value: Estimate
    least: float | None = None
    most: float | None = None
    unit: str = "x"

    @property
    def held(self) -> bool:
        """Whether the measured value reaches the target."""
        if self.least is not None and not self.value.value >= self.least:
            return False
        return self.most is None or self.value.value <= self.most

    @property
    def target(self) -> str:
        """The target in words."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:.3g}"


def lines(results: Results) -> list[Line]:
    """Return every target with results."""
    found: list[Line] = []
    if "comparison" in results:
        found += _throughput(results["comparison"])
        found += _latency(results["comparison"])
    if "memory" in results:
        found += _memory(results["memory"])
    if "readiness" in results:
        slowest = max(max(times) for times in results["readiness"].values())
        found.append(Line("ready after the start of the process, slowest service", _exact(slowest), most=3.0, unit="s"))
    if "images" in results:
        largest = max(results["images"].values())
        found.append(Line("image of a modality service, largest", _exact(largest), most=400.0, unit="MB"))
    if "callers" in results:
        found += _callers(results["callers"])
    if "overload" in results:
        found += _overload(results["overload"])
    if "soak" in results:
        found += _soak(results["soak"])
    return found


def _throughput(comparison: Results) -> Iterator[Line]:
    targets = {
        GLOBAL: {FLASK: 8.0, LITSERVE: 1.5, BENTOML: 1.5, LITSERVE_ONE: 1.5, BENTOML_ONE: 1.5, FLOOR: 0.65},
        EVERYTHING: {FLASK: 4.0, FLOOR: 0.75},
    }
    for variant, of_variant in targets.items():
        found = comparison[variant]
        for other, least in of_variant.items():
            ratio = ratio_of_medians(found[OURS]["throughput"], found[other]["throughput"])
            yield Line(f"throughput, {variant}: MedReID / {other}", ratio, least=least)


def _latency(comparison: Results) -> Iterator[Line]:
    for variant in (GLOBAL, EVERYTHING):
        found = comparison[variant]
        for other, most in ((FLASK, 1 / 6), (FLOOR, 1.35)):
            ratio = ratio_of_medians(found[OURS]["p50"], found[other]["p50"])
            yield Line(f"p50 of one request at a time, {variant}: MedReID / {other}", ratio, most=most)


def _memory(found: Results) -> Iterator[Line]:
    for when, of in found.items():
        ours, flask = (sum(of[name].values()) for name in (OURS, FLASK))
        yield Line(f"memory of all services and the database, {when}: MedReID / flask", _exact(ours / flask), most=0.5)


def _callers(found: Results) -> Iterator[Line]:
    alone = found["alone"]
    rates = [of["answers_per_s"] for of in alone.values()]
    yield Line("one caller, 4 to 32 at once: refused", _exact(sum(of["refused"] for of in alone.values())), most=0.0)
    yield Line(
        "one caller, 4 to 32 at once: fewest answers a second / most", _exact(min(rates) / max(rates)), least=0.9
    )
    ratio = found["one_beside_many"]["p99"] / found["one"]["p99"]
    yield Line("p99 of one at a time beside a caller with 32 at once / alone", _exact(ratio), most=2.0)


def _overload(found: Results) -> Iterator[Line]:
    yield Line("at 3x capacity: goodput / capacity", _exact(found["goodput"] / found["capacity"]), least=0.85)
    yield Line("at 3x capacity: p99 of the answered / unloaded p99", _exact(found["p99_ratio"]), most=4.0)
    yield Line("at 3x capacity: p99 of a refusal", _exact(found["shed_p99_ms"]), most=50.0, unit="ms")
    yield Line("refused with 503 and Retry-After, share", _exact(found["shed_rightly"]), least=1.0)
    yield Line("memory afterwards / before", _exact(found["memory_ratio"]), most=1.1)
    for name, whose in {OF_ANOTHER: "of another caller", OF_THE_SAME: "with the same key"}.items():
        attack = found[name]
        yield Line(f"other modalities' p99 under attack {whose} / before", _exact(attack["p99_ratio"]), most=1.5)
        yield Line(f"other modalities answered under attack {whose}, share", _exact(attack["answered"]), least=0.99)


def _soak(found: Results) -> Iterator[Line]:
    yield Line("soak: requests that failed", _exact(float(found["failed"])), most=0.0, unit="")
    low, high = found["slope_low"], found["slope_high"]
    flat = Estimate(found["slope"], low, high)
    # zero lies in the interval: report the bound nearest to zero
    yield Line(
        "soak: slope of the memory, lower bound of its interval", flat._replace(value=low), most=0.0, unit="MB/min"
    )


def _exact(value: float) -> Estimate:
    return Estimate(float(value), float(value), float(value))
