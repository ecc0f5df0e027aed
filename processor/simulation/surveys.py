"""Survey responses of all five kinds."""

from typing import Final, NamedTuple

from processor.simulation.chance import Weighted
from processor.simulation.world import MOODS, Event, Mood, World

_SURVEY: Final = Weighted({"nps": 0.44, "csat": 0.36, "ces": 0.09, "cli": 0.05, "emotion": 0.06})
_NPS_SCALE: Final = Weighted({10: 0.95, 5: 0.05})
_CSAT_SCALE: Final = Weighted({5: 0.86, 7: 0.08, 10: 0.06})
_PROMOTER: Final = Weighted({9: 0.45, 10: 0.55})
_PASSIVE: Final = Weighted({7: 0.40, 8: 0.60})
_DETRACTOR: Final = Weighted({0: 0.12, 1: 0.04, 2: 0.06, 3: 0.10, 4: 0.13, 5: 0.25, 6: 0.30})
_DETRACTOR_OF_5: Final = Weighted({1: 0.25, 2: 0.25, 3: 0.50})
_SATISFIED: Final = {
    5: Weighted({4: 0.45, 5: 0.55}),
    7: Weighted({6: 0.50, 7: 0.50}),
    10: Weighted({8: 0.35, 9: 0.35, 10: 0.30}),
}
_UNSATISFIED: Final = {
    5: Weighted({0: 0.05, 1: 0.20, 2: 0.25, 3: 0.50}),
    7: Weighted({1: 0.15, 2: 0.15, 3: 0.20, 4: 0.20, 5: 0.30}),
    10: Weighted({1: 0.15, 2: 0.10, 3: 0.10, 4: 0.10, 5: 0.20, 6: 0.15, 7: 0.20}),
}
_EFFORT: Final = Weighted({1: 0.03, 2: 0.05, 3: 0.08, 4: 0.14, 5: 0.25, 6: 0.28, 7: 0.17})
_LIKELY: Final = Weighted({1: 0.04, 2: 0.06, 3: 0.13, 4: 0.25, 5: 0.32, 6: 0.20})
_ANONYMOUS: Final = 0.10
_COMMENTED: Final = 0.12
_PRAISE: Final = (
    "Quick and friendly, thank you!",
    "Alles bestens, gerne wieder.",
    "The new app is so much faster.",
    "とても便利です。",
    "Très bon accueil.",
)
_COMPLAINT: Final = (
    "Waited three days for an answer.",
    "The price went up, the service did not.",
    'The page says "try again later". For a week.',
    "Demasiado complicado.",
    "Login fails every morning 😠",
)


class _Nps(NamedTuple):
    """Shares of the answers while an ``nps-drop`` is on are those of a mood, made worse."""

    promoters: float
    detractors: float


def _worse(mood: Mood) -> _Nps:
    return _Nps(promoters=mood.promoters * 0.4, detractors=min(0.9, mood.detractors + 0.40))


class Surveys:
    """A source of survey responses."""

    held = 0

    def __init__(self, world: World) -> None:
        self._world = world

    def emit(self, at_ms: int) -> Event:
        """Returns the response given at an instant, epoch milliseconds."""
        world, chance = self._world, self._world.chance
        customer = world.somebody()
        channel = world.channel_of(customer)
        event = world.event("survey_response", at_ms)
        if not chance.hit(_ANONYMOUS):
            event["customer_id"] = customer.id
        dimensions = event["dimensions"] = world.dimensions(customer, channel)
        mood = MOODS[channel, customer.product]
        survey = event["survey"] = chance.pick(_SURVEY)
        if survey == "nps":
            content = self._nps(event, mood, dimensions)
        elif survey == "csat":
            content = self._csat(event, mood, dimensions)
        elif survey == "ces":
            score = event["score"] = chance.pick(_EFFORT)
            content = score >= 5  # noqa: PLR2004 - the agreeing end of a seven-point scale
        elif survey == "cli":
            event["answers"] = {
                "recommend": chance.pick(_LIKELY),
                "repurchase": chance.pick(_LIKELY),
                "try_other": chance.pick(_LIKELY),
            }
            content = True
        else:
            content = self._emotion(event, mood)
        if chance.hit(_COMMENTED):
            event["comment"] = chance.choose(_PRAISE if content else _COMPLAINT)
        return event

    def _nps(self, event: Event, mood: Mood, dimensions: dict[str, str]) -> bool:
        chance = self._world.chance
        struck = self._world.schedule.strikes("nps-drop", dimensions)
        shares = _worse(mood) if struck else _Nps(mood.promoters, mood.detractors)
        short_scale = chance.pick(_NPS_SCALE) == 5  # noqa: PLR2004 - the five-point variant
        # Two draws whatever the answer: an incident leaves the surveys that follow as they are.
        share, which = chance.random(), chance.random()
        if share < shares.promoters:
            score = 5 if short_scale else _PROMOTER.at(which)
        elif share < 1 - shares.detractors:
            score = 4 if short_scale else _PASSIVE.at(which)
        else:
            score = (_DETRACTOR_OF_5 if short_scale else _DETRACTOR).at(which)
        event["score"] = score
        if short_scale:
            event["scale"] = 5
        return share < shares.promoters

    def _csat(self, event: Event, mood: Mood, dimensions: dict[str, str]) -> bool:
        chance = self._world.chance
        struck = self._world.schedule.strikes("csat-drop", dimensions)
        satisfied = chance.hit(mood.satisfied * (0.5 if struck else 1.0))
        scale = chance.pick(_CSAT_SCALE)
        event["score"] = chance.pick((_SATISFIED if satisfied else _UNSATISFIED)[scale])
        # Five is the default: half of the producers leave it out.
        if scale != 5 or chance.hit(0.5):  # noqa: PLR2004
            event["scale"] = scale
        return satisfied

    def _emotion(self, event: Event, mood: Mood) -> bool:
        share = self._world.chance.random()
        if share < mood.promoters:
            event["emotion"] = "positive"
        elif share < 1 - mood.detractors:
            event["emotion"] = "neutral"
        else:
            event["emotion"] = "negative"
        return share < 1 - mood.detractors
