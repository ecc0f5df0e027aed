"""What a metric is called where there is no room for its summary."""


def title_of(summary: str) -> str:
    """A metric's title: its summary up to the colon.

    Examples:
        >>> title_of("Net Promoter Score: promoters less detractors, of all who answered")
        'Net Promoter Score'
    """
    return summary.partition(":")[0]
