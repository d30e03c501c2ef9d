"""What the pages say."""

from __future__ import annotations

from keyturn.core.model import EndReason
from keyturn.http.problems import STATUS
from keyturn.web.words import ENDED, FAILURES


def test_every_reason_of_an_end_has_a_sentence_of_its_own() -> None:
    assert set(ENDED) == set(EndReason)
    assert len({notice.why for notice in ENDED.values()}) == len(ENDED)


def test_words_are_for_errors_that_exist() -> None:
    assert set(FAILURES) <= {error.code for error in STATUS}
