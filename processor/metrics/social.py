"""Social media accounts: followers, reactions, stories, and how fast the public is answered.

``followers.at_start`` and ``followers.at_end`` are running bases: the sum over accounts of each
one's last snapshot and who followed or left it since (`processor.core.bases`).
"""

from processor.core.estimate import Counts, Estimate
from processor.metrics.customers import base_at_end
from processor.metrics.estimates import quotient, share_of_base, tally
from processor.metrics.registry import metric
from processor.metrics.support import mean_duration
from schemas.readings import Unit


@metric(unit=Unit.COUNT, event_types=("social",))
def followers(counts: Counts) -> Estimate:
    """Followers: how many all accounts have together at the window's end.

    Formula: sum over accounts of (last snapshot + followed - unfollowed since)
    Source: counted.

    >>> followers({"followers.at_end": 1250}).value
    1250
    """
    return base_at_end(counts, "followers")


@metric(unit=Unit.PERCENT, event_types=("social",))
def follower_growth_rate(counts: Counts) -> Estimate:
    """Follower growth rate: how much the followers changed in the window.

    Formula: 100 * (followers at the end - followers at the start) / followers at the start
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed., section 4.1 (growth), of followers.

    >>> follower_growth_rate({"followers.at_start": 1000, "followers.at_end": 1250}).value
    25.0
    """
    at_start, at_end = counts.get("followers.at_start", 0), counts.get("followers.at_end", 0)
    if counts.get("followers.unknown", 0):
        return Estimate(None, 0)
    return quotient(100 * (at_end - at_start), at_start)


@metric(unit=Unit.COUNT, event_types=("social",))
def social_likes(counts: Counts) -> Estimate:
    """Likes on social media.

    Formula: number of social events of action like
    Source: counted.

    >>> social_likes({"social.like": 3}).value
    3
    """
    return tally(counts.get("social.like", 0))


@metric(unit=Unit.COUNT, event_types=("social",))
def social_comments(counts: Counts) -> Estimate:
    """Comments on social media.

    Formula: number of social events of action comment
    Source: counted.

    >>> social_comments({"social.comment": 3}).value
    3
    """
    return tally(counts.get("social.comment", 0))


@metric(unit=Unit.COUNT, event_types=("social",))
def social_shares(counts: Counts) -> Estimate:
    """Shares on social media.

    Formula: number of social events of action share
    Source: counted.

    >>> social_shares({"social.share": 3}).value
    3
    """
    return tally(counts.get("social.share", 0))


@metric(unit=Unit.COUNT, event_types=("social",))
def social_mentions(counts: Counts) -> Estimate:
    """Mentions on social media.

    Formula: number of social events of action mention
    Source: counted.

    >>> social_mentions({"social.mention": 3}).value
    3
    """
    return tally(counts.get("social.mention", 0))


@metric(unit=Unit.COUNT, event_types=("social",))
def social_saves(counts: Counts) -> Estimate:
    """Saves on social media.

    Formula: number of social events of action save
    Source: counted.

    >>> social_saves({"social.save": 3}).value
    3
    """
    return tally(counts.get("social.save", 0))


@metric(unit=Unit.COUNT, event_types=("social",))
def social_post_clicks(counts: Counts) -> Estimate:
    """Clicks on posts on social media.

    Formula: number of social events of action post_click
    Source: counted.

    >>> social_post_clicks({"social.post_click": 3}).value
    3
    """
    return tally(counts.get("social.post_click", 0))


@metric(unit=Unit.COUNT, event_types=("social",))
def social_conversions(counts: Counts) -> Estimate:
    """Conversions that came from social media.

    Formula: number of social events of action conversion
    Source: counted.

    >>> social_conversions({"social.conversion": 3}).value
    3
    """
    return tally(counts.get("social.conversion", 0))


@metric(unit=Unit.PERCENT, event_types=("social",), interval="Wilson")
def story_retention_rate(counts: Counts) -> Estimate:
    """Story retention rate: the share of the stories viewed that were watched to the end.

    It may pass 100 at a window's edge, where the end is inside and the view is not, and is then
    published as it is, without an interval.

    Formula: 100 * stories completed / stories viewed
    Source: Instagram Insights documentation, "Stories" (completion); interval: Wilson 1927.

    >>> story_retention_rate({"social.story_view": 12, "social.story_completed": 9}).value
    75.0
    """
    completed = counts.get("social.story_completed", 0)
    return share_of_base(completed, counts.get("social.story_view", 0))


@metric(unit=Unit.SECONDS, event_types=("social",), interval="mean")
def social_response_time(counts: Counts) -> Estimate:
    """Social response time: how long the public waited for an answer, to the millisecond.

    Formula: sum of response_seconds / responses
    Source: Istanbulluoglu 2017, "Complaint handling on social media", Computers in Human
    Behavior 74; interval: Student 1908.

    >>> social_response_time({"response.n": 2, "response.ms": 3000,
    ...                       "response.ms_sq_lo": 5_000_000}).value  # 1 s and 2 s
    1.5
    """
    return mean_duration(counts, "response")
