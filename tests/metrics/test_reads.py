"""A metric that is not asked must have nothing to say."""

import pytest

from processor.metrics.catalogue import CATALOGUE
from processor.metrics.reads import Relevance, families_of, families_read

SAMPLED = [f"{p}{end}" for p in ("p50", "p90") for end in ("", "_low", "_high")] + ["distinct"]
SOCIAL_ACTIONS = (
    *("like", "comment", "share", "mention", "save", "post_click", "conversion"),
    *("story_view", "story_completed"),
)
MEASURES = [
    *(f"nps.{score}" for score in range(11)),
    *(f"nps5.{score}" for score in range(1, 6)),
    *(f"csat5.{score}" for score in range(6)),
    *(f"csat7.{score}" for score in range(1, 8)),
    *(f"csat10.{score}" for score in range(1, 11)),
    *(f"ces.{score}" for score in range(1, 8)),
    *("cli.n", "cli.sum", "cli.sumsq"),
    *("emotion.positive", "emotion.neutral", "emotion.negative"),
    *("clicks", "impressions", "order.n.USD", "refund.n.USD"),
    *("session.closed", "session.viewed", "session.bounced", "session.ga4_bounced"),
    *("session.converted", "session.carted", "session.abandoned"),
    *("session.duration_ms", "session.duration_sq_lo", "session.duration_sq_hi"),
    *(f"{f}.{m}" for f in ("resolution", "first_response", "response") for m in ("n", "ms")),
    *(f"{f}.ms_sq_hi" for f in ("resolution", "first_response", "response")),
    *(f"{f}_ms.{name}" for f in ("resolution", "first_response") for name in SAMPLED),
    *(f"{b}.{m}" for b in ("customers", "members", "followers") for m in ("joined", "left")),
    *(f"{b}.{m}" for b in ("customers", "members", "followers") for m in ("at_start", "at_end")),
    *("buyers.distinct", "buyers.marked1", "buyers.marked4", "buyers.magnitudes"),
    *("active_members.distinct", "rewards.issued", "rewards.redeemed"),
    *(f"social.{action}" for action in SOCIAL_ACTIONS),
]
EVERYTHING = dict.fromkeys(MEASURES, 7) | {"buyers.sampled": 20}


@pytest.mark.parametrize("name", [n for n, m in CATALOGUE.items() if not m.per_currency])
def test_counters_outside_its_families_change_nothing(name: str) -> None:
    metric = CATALOGUE[name]
    reads = families_read(metric)
    assert reads
    others = {m: n for m, n in EVERYTHING.items() if m.partition(".")[0] not in reads}
    assert metric.compute(others) == metric.compute({})
    assert metric.compute(EVERYTHING) != metric.compute({})


@pytest.mark.parametrize("name", [n for n, m in CATALOGUE.items() if m.per_currency])
@pytest.mark.parametrize("family", ["order", "refund", "spend"])
def test_money_reads_the_families_that_its_currencies_come_from(name: str, family: str) -> None:
    metric = CATALOGUE[name]
    reads = families_read(metric)
    if list(metric.currencies({f"{family}.n.USD": 1})):
        assert family in reads


def test_a_metric_is_asked_for_what_was_counted_and_for_what_it_has_said() -> None:
    relevance = Relevance([CATALOGUE[name] for name in ("nps", "csat", "ctr", "orders", "cac")])
    assert [m.name for m in relevance.of({"nps"}, set())] == ["nps"]
    assert [m.name for m in relevance.of({"order"}, set())] == ["orders"]
    assert [m.name for m in relevance.of({"spend"}, {"ctr"})] == ["ctr", "orders", "cac"]


def test_families() -> None:
    assert families_of({"nps.9": 1, "order.n.USD": 2, "clicks": 3}) == {"nps", "order", "clicks"}
    assert families_read(CATALOGUE["nps"]) == {"nps", "nps5"}
    assert families_read(CATALOGUE["orders"]) == {"order", "refund", "spend"}
