"""Intervals against published values, closed forms and an independent integration."""

import math
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist, mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.estimate import Estimate
from processor.metrics.intervals import (
    Z,
    adjusted_wald,
    differs,
    mean_t,
    t_quantile,
    wilson,
)

COUNTS = st.integers(0, 10**9)


class TestWilson:
    @pytest.mark.parametrize(
        ("successes", "n", "low", "high"),
        [
            # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ],
    )
    def test_gives_the_values_of_newcombe_1998(
        self, successes: int, n: int, low: float, high: float
    ) -> None:
        interval = wilson(successes, n)
        assert interval is not None
        assert interval[:2] == pytest.approx((low, high), abs=5e-5)

    def test_of_nothing_is_no_interval(self) -> None:
        assert wilson(0, 0) is None

    @pytest.mark.parametrize("n", [1, 2, 3, 7, 10**6, 10**15])
    def test_ends_at_exactly_0_and_1(self, n: int) -> None:
        none, every = wilson(0, n), wilson(n, n)
        assert none is not None
        assert every is not None
        assert none.low == 0.0
        assert math.copysign(1, none.low) == 1
        assert every.high == 1.0
        assert none.high > 0
        assert every.low < 1

    @pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, -1)])
    def test_refuses_what_is_not_a_proportion(self, successes: int, n: int) -> None:
        with pytest.raises(ValueError, match=f"{successes} successes among {n}"):
            wilson(successes, n)

    @given(part=COUNTS, rest=COUNTS)
    def test_ends_are_where_the_score_test_just_rejects(self, part: int, rest: int) -> None:
        interval = wilson(part, part + rest)
        if interval is None:
            assert part + rest == 0
            return
        n = part + rest
        for end in interval[:2]:
            if 0 < end < 1:  # |p - end| = z * sqrt(end * (1 - end) / n), squared
                distance = (part / n - end) ** 2
                # The end is a difference of numbers up to 1, good to about 1e-15.
                assert distance == pytest.approx(Z**2 * end * (1 - end) / n, rel=1e-6, abs=1e-13)


class TestAdjustedWald:
    def test_of_nothing_is_no_interval(self) -> None:
        assert adjusted_wald(0, 0, 0) is None

    @given(promoters=st.integers(0, 500), detractors=st.integers(0, 500), rest=st.integers(0, 500))
    def test_is_wald_of_three_more_answers(
        self, promoters: int, detractors: int, rest: int
    ) -> None:
        n = promoters + detractors + rest
        interval = adjusted_wald(promoters, detractors, n)
        if interval is None:
            assert n == 0
            return
        p = Fraction(4 * promoters + 3, 4 * (n + 3))
        d = Fraction(4 * detractors + 3, 4 * (n + 3))
        variance = (p + d - (p - d) ** 2) / (n + 3)
        half = Z * math.sqrt(variance)
        assert interval.low == pytest.approx(float(p - d) - half, abs=1e-12)
        assert interval.high == pytest.approx(float(p - d) + half, abs=1e-12)

    @given(promoters=st.integers(0, 200), detractors=st.integers(0, 200), rest=st.integers(0, 200))
    def test_contains_the_score_from_two_answers_on(
        self, promoters: int, detractors: int, rest: int
    ) -> None:
        n = promoters + detractors + rest
        interval = adjusted_wald(promoters, detractors, n)
        if n >= 2:
            assert interval is not None
            assert interval.low <= (promoters - detractors) / n <= interval.high

    def test_of_one_answer_ends_just_short_of_its_score(self) -> None:
        interval = adjusted_wald(1, 0, 1)
        assert interval is not None
        assert interval.high == pytest.approx(0.985, abs=5e-4)

    @pytest.mark.parametrize("arguments", [(-1, 0, 3), (0, -1, 3), (2, 2, 3), (0, 0, -1)])
    def test_refuses_more_answers_than_there_are(self, arguments: tuple[int, int, int]) -> None:
        with pytest.raises(ValueError, match="more than there are"):
            adjusted_wald(*arguments)


class TestMean:
    @given(st.lists(st.integers(-1000, 10**7), min_size=2, max_size=300))
    def test_agrees_with_the_statistics_module(self, values: list[int]) -> None:
        n = len(values)
        interval = mean_t(sum(values), sum(value * value for value in values), n)
        assert interval is not None
        half = t_quantile(n - 1) * stdev(values) / math.sqrt(n)
        assert interval.low == pytest.approx(mean(values) - half, rel=1e-9, abs=1e-6)
        assert interval.high == pytest.approx(mean(values) + half, rel=1e-9, abs=1e-6)
        assert interval.standard_error == pytest.approx(half / Z, rel=1e-12)

    def test_keeps_a_spread_that_floating_sums_of_squares_lose(self) -> None:
        near, far = 10**15, 10**15 + 1
        interval = mean_t(near + far, near * near + far * far, 2)
        assert interval is not None
        # s = sqrt(1/2), its error of the mean 1/2.
        assert interval.standard_error == pytest.approx(t_quantile(1) / 2 / Z, rel=1e-12)

    def test_in_larger_units_is_the_same_interval(self) -> None:
        in_ms, in_seconds = mean_t(6000, 14_000_000, 3), mean_t(6000, 14_000_000, 3, per=1000)
        assert in_ms is not None
        assert in_seconds is not None
        assert [1000 * end for end in in_seconds] == pytest.approx(in_ms)

    @pytest.mark.parametrize("n", [0, 1])
    def test_needs_two_values(self, n: int) -> None:
        assert mean_t(5 * n, 25 * n, n) is None

    def test_of_equal_values_is_that_value(self) -> None:
        assert mean_t(15, 75, 3) == (5.0, 5.0, 0.0)

    @pytest.mark.parametrize("sums", [(10, 1, 2), (0, 0, -1)])
    def test_refuses_sums_that_no_values_have(self, sums: tuple[int, int, int]) -> None:
        with pytest.raises(ValueError, match="no values have these sums"):
            mean_t(*sums)


class TestStudentT:
    # Two-sided 95 % points, as tables of the t distribution print them.
    TABLE = (
        (1, 12.7062047),
        (2, 4.3026527),
        (3, 3.1824463),
        (4, 2.7764451),
        (5, 2.5705818),
        (10, 2.2281389),
        (20, 2.0859634),
        (30, 2.0422725),
        (60, 2.0002978),
        (100, 1.9839715),
        (120, 1.9799304),
        (1000, 1.9623391),
    )

    @pytest.mark.parametrize(("degrees", "t"), TABLE)
    def test_gives_the_published_table(self, degrees: int, t: float) -> None:
        assert t_quantile(degrees) == pytest.approx(t, abs=1e-6)

    @pytest.mark.parametrize(
        ("confidence", "t"), [(0.90, 1.8124611), (0.99, 3.1692727), (0.999, 4.5868939)]
    )
    def test_gives_the_table_at_other_confidences(self, confidence: float, t: float) -> None:
        assert t_quantile(10, confidence) == pytest.approx(t, abs=1e-6)

    @given(st.floats(0.01, 0.999))
    def test_has_its_closed_forms_at_one_and_two_degrees(self, confidence: float) -> None:
        assert t_quantile(1, confidence) == pytest.approx(
            math.tan(math.pi * confidence / 2), rel=1e-9
        )
        assert t_quantile(2, confidence) == pytest.approx(
            confidence * math.sqrt(2 / (1 - confidence**2)), rel=1e-9
        )

    @pytest.mark.parametrize("degrees", [1, 2, 3, 8, 29, 150, 199, 200, 201, 500])
    def test_density_between_its_ends_integrates_to_the_confidence(self, degrees: int) -> None:
        assert _integrated_density(t_quantile(degrees), degrees) == pytest.approx(0.95, abs=1e-10)

    def test_falls_to_the_normal_quantile(self) -> None:
        quantiles = [t_quantile(degrees) for degrees in range(1, 1000)]
        assert all(left > right > Z for left, right in pairwise(quantiles))
        assert t_quantile(10**12) == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-11)

    @pytest.mark.parametrize(("degrees", "confidence"), [(0, 0.95), (5, 0.0), (5, 1.0)])
    def test_refuses_arguments_out_of_range(self, degrees: int, confidence: float) -> None:
        with pytest.raises(ValueError, match="got"):
            t_quantile(degrees, confidence)


def _integrated_density(t: float, degrees: int, steps: int = 20_000) -> float:
    """Simpson's rule, unlike anything that the quantile is computed by."""
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2))
    scale /= math.sqrt(degrees * math.pi)

    def density(x: float) -> float:
        return scale * math.pow(1 + x * x / degrees, -(degrees + 1) / 2)

    width = t / steps
    weighted = (
        density(i * width) * (1 if i in (0, steps) else 4 if i % 2 else 2) for i in range(steps + 1)
    )
    return 2 * math.fsum(weighted) * width / 3


class TestDiffers:
    @staticmethod
    def estimate(value: float | None, standard_error: float | None) -> Estimate:
        return Estimate(value, 50, standard_error=standard_error)

    def test_rejects_beyond_z_standard_errors_of_the_difference(self) -> None:
        base = self.estimate(50.0, 3.0)  # with 4.0: the difference has 5.0, so 9.8 is the limit
        assert differs(base, self.estimate(59.79, 4.0)) is False
        assert differs(base, self.estimate(59.81, 4.0)) is True
        assert differs(self.estimate(59.81, 4.0), base) is True

    @pytest.mark.parametrize(
        "other", [Estimate(None, 0), Estimate(7.0, 1), Estimate(None, 5, standard_error=1.0)]
    )
    def test_says_nothing_without_value_or_interval(self, other: Estimate) -> None:
        known = self.estimate(5.0, 1.0)
        assert differs(known, other) is None
        assert differs(other, known) is None

    def test_of_windows_without_spread_is_any_difference(self) -> None:
        assert differs(self.estimate(5.0, 0.0), self.estimate(5.0, 0.0)) is False
        assert differs(self.estimate(5.0, 0.0), self.estimate(6.0, 0.0)) is True
