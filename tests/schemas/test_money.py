from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import CURRENCIES, MAX_MINOR, decimals, minor_digits, parse_amount, to_minor
from tests.schemas.examples import BAD_AMOUNTS


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)]
)
def test_decimals_are_those_of_the_standard(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("code", ["XAU", "XXX", "eur", "", "EURO"])
def test_codes_without_minor_units_are_refused_by_name(code: str) -> None:
    assert code not in CURRENCIES
    with pytest.raises(ValueError, match=f"'{code}' is not"):
        minor_digits(code)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("9.99", "USD", 999),
        (9.99, "USD", 999),
        (Decimal("9.9"), "USD", 990),
        (5, "JPY", 5),
        (5.0, "JPY", 5),
        (-0.0, "USD", 0),
        (0.07, "EUR", 7),
        (1.005, "KWD", 1005),
        (9999999999999.99, "EUR", 999999999999999),
        (10**15, "JPY", MAX_MINOR),
        ("0000000000000.50", "EUR", 50),
    ],
)
def test_known_amounts(amount: Any, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=lambda amount: ascii(amount)[:20])
def test_what_is_no_amount_of_euros_is_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match=r"amount|decimal|must"):
        to_minor(amount, "EUR")


@pytest.mark.parametrize("amount", [0.1 + 0.2, 1e-7, 5e-324, math.nextafter(19.99, 20)])
def test_a_number_counts_by_its_shortest_decimal(amount: float) -> None:
    with pytest.raises(ValueError, match="decimals"):
        to_minor(amount, "EUR")


@given(st.integers(0, MAX_MINOR), st.sampled_from(CURRENCIES))
def test_numbers_and_strings_of_an_amount_are_the_same(minor: int, currency: str) -> None:
    exact = Decimal(minor).scaleb(-minor_digits(currency))
    assert to_minor(exact, currency) == minor
    assert to_minor(f"{exact:f}", currency) == minor
    assert to_minor(float(exact), currency) == minor


@given(st.floats(0, 1e15), st.sampled_from(["JPY", "EUR", "KWD", "CLF"]))
def test_the_short_cut_for_numbers_decides_like_decimals(amount: float, currency: str) -> None:
    exact = Decimal(repr(amount)).normalize()
    digits = minor_digits(currency)
    fits = decimals(exact) <= digits and exact.scaleb(digits) <= MAX_MINOR
    if fits:
        assert to_minor(amount, currency) == exact.scaleb(digits)
    else:
        with pytest.raises(ValueError, match=r"amount|decimal|must"):
            to_minor(amount, currency)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1", "1E+16", "1E-5"])
def test_python_decimals_are_held_to_the_same_rule(amount: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_amount(Decimal(amount))
