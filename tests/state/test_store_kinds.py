"""Which kinds of Redis the store of Faust tables takes."""

import faust
import pytest
from faust.stores import by_url

from processor.state.store import RedisStore


@pytest.mark.parametrize("url", ["redis+cluster://a", "rediss+cluster://a:7000"])
def test_a_cluster_is_refused_in_a_sentence(url: str) -> None:
    app = faust.App("kinds")
    table = app.Table("sums", default=int)
    assert by_url(url) is RedisStore
    with pytest.raises(ValueError, match=r"table 'sums': .* is a cluster"):
        RedisStore(url, app, table)


def test_sentinels_are_taken_without_their_ports() -> None:
    app = faust.App("kinds")
    url = "redis+sentinel://s1,s2,s3/main"
    assert by_url(url) is RedisStore
    assert str(RedisStore(url, app, app.Table("sums", default=int)).url) == url
