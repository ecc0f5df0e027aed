"""A reading's text is the JSON of its fields, whatever it says."""

import json

from hypothesis import given
from hypothesis import strategies as st

from processor.core.estimate import Estimate
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.rendering import At, Reading, as_json
from schemas import readings
from schemas.readings import reading_key, segment_key

numbers = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False)
)
estimates = st.builds(
    Estimate,
    value=numbers,
    n=st.integers(0, 2**70),
    low=numbers,
    high=numbers,
    standard_error=st.one_of(st.none(), st.floats(0, 1e6)),
)
ats = st.builds(
    At,
    window=st.sampled_from(["1m", "24h"]),
    start_ms=st.integers(-(10**9), 10**12),
    end_ms=st.integers(0, 2 * 10**12),
    watermark_ms=st.integers(0, 2 * 10**12),
    provisional=st.booleans(),
    low_sample_under=st.integers(0, 40),
)
segments = st.dictionaries(
    st.sampled_from(["channel", "plan"]), st.text(min_size=1, max_size=8), max_size=2
)


@st.composite
def said(draw: st.DrawFn) -> Reading:
    at, metric, segment = draw(ats), draw(st.sampled_from(list(CATALOGUE.values()))), draw(segments)
    currency = draw(st.sampled_from([None, "USD"]))
    key = reading_key(metric.name, at.window, segment, currency)
    now, before, incomplete = draw(estimates), draw(estimates), draw(st.booleans())
    return Reading(key, at, metric, segment_key(segment), currency, now, before, incomplete)


@given(said(), st.integers(0, 10**13))
def test_text_and_row_are_the_same(reading: Reading, revision: int) -> None:
    row = reading.row(revision)
    assert reading.text(revision) == as_json(row)
    assert json.loads(reading.text(revision)) == json.loads(json.dumps(row))
    in_order = [name for name in readings.Reading.model_fields if name in row]
    assert list(row) == in_order
    assert set(readings.Reading.model_fields) - set(row) == (
        {"currency"} if reading.currency is None else set()
    )
