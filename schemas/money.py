"""Amounts of money: decimals on the wire, integer minor units behind it.

Panes add integers, so that sums are exact and a refund takes back precisely what an order added.

References:
    ISO 4217, list one: the currencies and the decimals ("minor units") of each.
"""

from __future__ import annotations

import re
from decimal import Decimal

import iso4217

MAX_MINOR = 10**15
"""The largest amount, in minor units.

Every decimal of 15 significant digits survives the trip through a JSON number (IEEE 754 double),
so within this bound no amount is ever rounded; and nine thousand of the largest fit in an int64.
"""

_MINOR_DIGITS: dict[str, int] = {
    code: int(digits)
    for code, digits in (
        (code, str(entry["CcyMnrUnts"])) for code, entry in iso4217.raw_table.items() if code
    )
    # Gold, testing and "no currency" have codes, but no minor units to count in.
    if digits.isdigit()
}

CURRENCIES: tuple[str, ...] = tuple(sorted(_MINOR_DIGITS))
"""Codes of the currencies that have minor units, sorted."""

MAX_MINOR_DIGITS = max(_MINOR_DIGITS.values())

_SHORT = 11
"""An amount whose whole part has fewer digits is never too large, in any currency."""
_POWERS = tuple(int(10**digits) for digits in range(MAX_MINOR_DIGITS + 1))

DECIMAL_PATTERN = rf"^[0-9]{{1,16}}(\.[0-9]{{1,{MAX_MINOR_DIGITS}}})?$"
"""The shape of an amount as a string: plain digits; no sign, exponent, blank or separator."""

_DECIMAL = re.compile(DECIMAL_PATTERN.removesuffix("$") + r"\Z")


def minor_digits(currency: str) -> int:
    """Decimals of a currency: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises:
        ValueError: no such currency, or it has no minor units (XAU, XXX).
    """
    try:
        return _MINOR_DIGITS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency with minor units") from None


def parse_amount(value: object) -> Decimal:
    """Read an amount as it stands in an event, exactly.

    A string is taken as written: `"9.990"` has three decimals. A number has lost its writing by
    the time it is parsed, so its shortest decimal counts: `9.990` has two, `5.0` none.

    Args:
        value: a JSON number or a decimal string (or a `Decimal`, from Python).

    Returns:
        A finite amount from 0 to `MAX_MINOR`, with at most `MAX_MINOR_DIGITS` decimals.

    Raises:
        ValueError: anything else, among it booleans, NaN and negative amounts.
    """
    amount = _read(value)
    if not amount.is_finite() or not 0 <= amount <= MAX_MINOR:
        raise ValueError("the amount is not finite, negative or too large")
    if decimals(amount) > MAX_MINOR_DIGITS:
        raise ValueError("the amount has more decimals than any currency")
    return amount


def _read(value: object) -> Decimal:
    if isinstance(value, str):
        if _DECIMAL.match(value) is None:
            raise ValueError("the string is not a plain decimal")
        return Decimal(value)
    if isinstance(value, float):
        # A whole number is written "5.0" by repr, which would be a decimal too many for yen.
        return Decimal(int(value)) if value.is_integer() else Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise ValueError("an amount is a number or a decimal string")


def decimals(amount: Decimal) -> int:
    """Decimals of an amount as written: 2 for `9.90`, 0 for `1E+3`.

    Raises:
        ValueError: the amount is not finite.
    """
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int):
        return max(0, -exponent)
    raise ValueError("the amount is not finite")


def to_minor(amount: Decimal | float | str, currency: str) -> int:
    """Exact minor units of an amount: `9.99` USD is 999.

    Raises:
        ValueError: an unknown currency, an amount that `parse_amount` refuses, more decimals than
            the currency has, or more than `MAX_MINOR` minor units.

    Examples:
        >>> to_minor("9.99", "USD"), to_minor(5.0, "JPY")
        (999, 5)
    """
    digits = minor_digits(currency)
    if type(amount) is float:
        # The common case without Decimal. Both operands of the division are exact, so its result
        # is the double nearest to minor / 10^digits; the amount is that double exactly where it
        # stands for that decimal, because decimals of 15 digits and doubles pair up.
        scaled = amount * _POWERS[digits]
        if 0 <= scaled <= MAX_MINOR and (minor := round(scaled)) / _POWERS[digits] == amount:
            return minor
    if type(amount) is str and _DECIMAL.match(amount):
        whole, _, decimal = amount.partition(".")
        if len(decimal) <= digits and len(whole) < _SHORT:
            return int(whole + decimal) * _POWERS[digits - len(decimal)]
    exact = parse_amount(amount)
    if decimals(exact) > digits:
        raise ValueError(f"must have at most {digits} decimals, as {currency} has")
    minor = int(exact.scaleb(digits))
    if minor > MAX_MINOR:
        raise ValueError(f"must be at most {MAX_MINOR} in the minor units of {currency}")
    return minor
