"""Events as validation leaves them, and outcomes of sessions: random ones for the laws."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from processor.core.session_history import CARTED, CONVERTED, ORDERED, Outcome
from processor.metrics.measures import PLANS, Increments, count_session

Event = Mapping[str, Any]


def increments(item: Event | Outcome) -> Increments:
    """What one event or closed session adds."""
    if isinstance(item, Outcome):
        return count_session(item)
    plan = PLANS[item["type"]]
    return plan.count(tuple(item.get(field) for field in plan.reads))


def counted(items: Iterable[Event | Outcome], sign: int = 1) -> Counter[str]:
    """The measures of some events and sessions together."""
    counts: Counter[str] = Counter()
    for item in items:
        for measure, increment in increments(item):
            counts[measure] += sign * increment
    return counts


def added(*parts: Mapping[str, int]) -> dict[str, int]:
    """The sum of some counters; unlike Counter's own it keeps what is below 0."""
    return {
        measure: sum(part.get(measure, 0) for part in parts)
        for measure in {measure for part in parts for measure in part}
    }


def _survey(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.fixed_dictionaries({"type": st.just("survey_response"), **fields})


_ANSWER = st.integers(1, 6)

surveys: st.SearchStrategy[Event] = st.one_of(
    _survey(survey=st.just("nps"), score=st.integers(0, 10)),
    _survey(survey=st.just("nps"), score=st.integers(1, 5), scale=st.just(5)),
    _survey(survey=st.just("csat"), score=st.integers(0, 5)),
    _survey(survey=st.just("csat"), score=st.integers(1, 7), scale=st.just(7)),
    _survey(survey=st.just("csat"), score=st.integers(1, 10), scale=st.just(10)),
    _survey(survey=st.just("ces"), score=st.integers(1, 7)),
    _survey(
        survey=st.just("cli"),
        answers=st.fixed_dictionaries(
            {"recommend": _ANSWER, "repurchase": _ANSWER, "try_other": _ANSWER}
        ),
    ),
    _survey(
        survey=st.just("emotion"), emotion=st.sampled_from(["positive", "neutral", "negative"])
    ),
)

purchases: st.SearchStrategy[Event] = st.fixed_dictionaries(
    {
        "type": st.just("purchase"),
        "kind": st.sampled_from(["order", "order", "refund"]),
        "currency": st.sampled_from(["USD", "EUR"]),
        "amount_minor": st.integers(0, 10**7),
        "upsell": st.booleans(),
    }
)

actions: st.SearchStrategy[Event] = st.fixed_dictionaries(
    {
        "type": st.just("session"),
        "action": st.sampled_from(["page_view", "impression", "click", "cart_add", "order", "end"]),
    }
)


@st.composite
def _outcomes(draw: st.DrawFn) -> Outcome:
    first_ms = draw(st.integers(0, 2 * 10**12))
    return Outcome(
        first_ms=first_ms,
        last_ms=first_ms + draw(st.one_of(st.integers(0, 20_000), st.integers(0, 86_400_000))),
        page_views=draw(st.integers(0, 4)),
        bits=sum(draw(st.sets(st.sampled_from([CONVERTED, ORDERED, CARTED])))),
        dimensions=(),
    )


outcomes: st.SearchStrategy[Outcome] = _outcomes()

items: st.SearchStrategy[list[Event | Outcome]] = st.lists(
    st.one_of(surveys, purchases, actions, outcomes), max_size=60
)
