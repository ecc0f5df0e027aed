"""Metrics of one's own: ``cxpulse.toml`` names this file, ``test_my_metrics.py`` tests it."""

from processor.metrics.own import mean, ratio, where

ratio(
    "unhappy_mail_answers",
    summary="The share of NPS answers by email that are 0 to 6",
    event="survey_response",
    among=where(survey="nps", scale=None, dimensions__channel="email"),
    of=where(score__le=6),
)
mean(
    "mean_order_eur",
    summary="The mean amount of orders in euros",
    event="purchase",
    value="amount_minor",
    among=where(kind="order", currency="EUR"),
    per=100,
)
