"""Which of all the tokens that were ever handed out somebody presents, and how."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from tests.property.oracle import Leaf, Oracle
from tests.property.stage import LIFE


@dataclass(frozen=True)
class Pick:
    """A token to be presented.

    Attributes:
        session: counted among those of everybody, the living and old first.
        kind: which of the session's tokens; `held` is what a client has whose answers may get lost.
        index: which, where there are several.
        lost: the answer never arrives.
        waited: how long the request has lain in the server, in microseconds.
        astray: it comes in a body instead of a cookie, or the other way round.
    """

    session: int
    kind: str
    index: int
    lost: bool
    waited: int
    astray: bool


PICKS = st.builds(
    Pick,
    session=st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]),
    kind=st.sampled_from(["held", "held", "held", "child", "root", "previous", "sibling", "any"]),
    index=st.integers(0, 30),
    lost=st.sampled_from([False, False, True]),
    waited=st.sampled_from([0] * 8 + [LIFE, LIFE + 1]),
    astray=st.sampled_from([False] * 15 + [True]),
)


def picked(oracle: Oracle, session: str, held: Leaf, pick: Pick) -> Leaf:
    """The token that is meant; where there is none of its kind, any one of the session."""
    every = [leaf for leaf in oracle.leaves.values() if leaf.session == session]
    life = oracle.past.lives.get(session)
    of_kind: list[Leaf] = []
    if pick.kind == "held":
        of_kind = [held]
    elif life is not None:
        roots = [root for root, _ in life.roots if root is not None]
        of_kind = {
            "child": [life.child],
            "root": roots[-1:],
            "previous": roots[-2:-1],
            "sibling": [leaf for leaf in every if leaf.parent == life.child.parent],
        }.get(pick.kind, [])
    candidates = of_kind or every
    return candidates[pick.index % len(candidates)]
