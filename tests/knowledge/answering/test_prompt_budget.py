from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import Attachment
from bot.knowledge.answering.prompt_budget import fit_files
from bot.knowledge.splitting.splitter import TRUNCATION_NOTE, count_tokens

LEASE = Attachment("lease.pdf", "Lease of the cellar. " + "The tenant keeps bicycles there. " * 100)


def test_files_that_fit_stay_whole_and_long_ones_share_the_remaining_room() -> None:
    short, long = Attachment("s.md", "Short."), Attachment("l.md", "word " * 2_000)
    assert fit_files([short, LEASE], 5_000) == (short, LEASE)
    kept_long, kept_short = fit_files([long, short], 500)
    assert kept_short == short
    assert 400 < count_tokens(kept_long.text) <= 500


@given(st.lists(st.text("word \n", max_size=3_000), max_size=4), st.integers(60, 900))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
def test_fitted_files_never_exceed_the_token_budget(texts: list[str], room: int) -> None:
    kept = fit_files([Attachment(str(place), text) for place, text in enumerate(texts)], room)
    assert [file.name for file in kept] == [str(place) for place in range(len(texts))]
    assert sum(count_tokens(file.text) for file in kept) <= room + len(texts) * (count_tokens(TRUNCATION_NOTE) + 2)
