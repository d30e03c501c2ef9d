"""The server of the model: `keyturn.core.rotation.decide` on rows and tokens in a canonical form.

What is left out of a row and a token, and why nothing is lost by it:

- *Times* are whole ticks, as ages: how long ago by the true time. `decide` compares ages with W and T alone, so all ages
  beyond W are one. A server's clock is the true time plus 0 to S: only differences of clocks count, and none is negative,
  so an age beyond W looks beyond W to every server. An age may be negative, down to -S.
- *Ids* are compared for equality only, so they are renamed in a fixed order. An id that nobody can present again is NOBODY.
- *Generations* are compared for "greater" and "greater by one", so they are taken relative to the row's. Where the store may
  fall back, the row it falls back to may be any number of generations behind, and a gap of more than 3 counts as 3: the
  tokens that live span three generations at most, so none of them is a child of such an old root, and whichever comes
  first brings the row up to itself in one step. Otherwise no gap is ever above one.
- A token that no row there is can tell from a stranger's is DEAD: `decide` ends the session for each of them alike, and none
  of them comes back to life, as the row's ids are only ever replaced by newer ones.
- Versions, the absolute and the idle end: lifetimes are infinite here.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.world import DEAD, NOBODY, Outcome, Row, Times, Token

from keyturn.core.model import Delivery, Device, RefreshToken, Session, User
from keyturn.core.rotation import TABLE, Decision, Rule, decide, opened

FRESH = 1_000
NOW = 1_000_000

_SESSION = opened(
    user=User("user", "ada@example.org", NOW),
    ids=("sid", "seed", "0", "1"),
    now=NOW,
    policy=Times(),
    delivery=Delivery.SPLIT,
    device=Device(),
)


def session_of(row: Row) -> Session:
    """The real row that a row of the model stands for."""
    return _SESSION._replace(
        generation=row.generation,
        root_id=str(row.root),
        root_at=None if row.root_age is None else NOW - row.root_age,
        previous_id=None if row.previous == NOBODY else str(row.previous),
        child_id=str(row.child),
        child_at=NOW - row.child_age,
    )


def token_of(token: Token, seed: str = "seed") -> RefreshToken:
    """The real token that a token of the model stands for."""
    return RefreshToken("sid", seed, token.generation, str(token.id), str(token.parent))


def _row(session: Session) -> Row:
    return Row(
        session.generation,
        int(session.root_id),
        None if session.root_at is None else NOW - session.root_at,
        NOBODY if session.previous_id is None else int(session.previous_id),
        int(session.child_id),
        NOW - session.child_at,
    )


class Server:
    """Decides by the real `decide`, each distinct case once.

    Args:
        times: the window and all that goes with it.
        table: the rules, where the right ones are not meant.
        gap: the gap between generations beyond which all are alike.
    """

    def __init__(self, times: Times, table: Sequence[Rule] = TABLE, *, gap: int = 3) -> None:
        self.times = times
        self.clocks = range(times.drift + 1)
        self.cases: dict[tuple[Row, Token, int], Outcome] = {}
        self._table = table
        self._gap = gap
        self._forms: dict[tuple[tuple[Row, ...], tuple[Token, ...]], tuple[tuple[Row, ...], tuple[Token, ...]]] = {}

    def outcomes(self, row: Row, token: Token) -> list[tuple[int, Outcome]]:
        """What may become of a token: each different outcome, with a clock that gives it."""
        found: dict[Outcome, int] = {}
        for clock in self.clocks:
            found.setdefault(self.present(row, token, clock), clock)
        return [(clock, outcome) for outcome, clock in found.items()]

    def present(self, row: Row, token: Token, clock: int) -> Outcome:
        """What becomes of a token that is presented to a server whose clock is ahead of the true time by `clock` ticks."""
        case = (row, token, clock)
        if case not in self.cases:
            session, real = session_of(row), token_of(token)
            decision = decide(session, real, NOW + clock, str(FRESH), self.times, table=self._table)
            self.cases[case] = self._outcome(row, decision)
        return self.cases[case]

    @staticmethod
    def _outcome(row: Row, decision: Decision) -> Outcome:
        after, given = decision.session, decision.token
        return Outcome(
            decision.verdict,
            decision.rule,
            row,
            row if after is None else None if after.ended_at is not None else _row(after),
            None if given is None else Token(given.generation, int(given.id), int(given.parent_id)),
            after is not None,
        )

    def aged(self, row: Row) -> Row:
        """The row one tick later."""
        oldest = self.times.window + 1
        root_age = None if row.root_age is None else min(row.root_age + 1, oldest)
        return row._replace(root_age=root_age, child_age=min(row.child_age + 1, oldest))

    def canonical(self, rows: tuple[Row, ...], tokens: Sequence[Token]) -> tuple[tuple[Row, ...], dict[Token, Token]]:
        """Rename ids, shift generations, and let go of what nobody can tell apart.

        Args:
            rows: the row, and any other that the store may fall back to.
            tokens: all that anybody may present, in an order that does not depend on their names.

        Returns:
            The rows, and what each token has become.
        """
        key = rows, tuple(tokens)
        if key not in self._forms:
            self._forms[key] = self._canonical(*key)
        new_rows, new_tokens = self._forms[key]
        return new_rows, dict(zip(tokens, new_tokens, strict=True))

    def _canonical(self, rows: tuple[Row, ...], tokens: tuple[Token, ...]) -> tuple[tuple[Row, ...], tuple[Token, ...]]:
        living = {token for token in tokens if any(self._knows(row, token) for row in rows)}
        names = self._names(rows, [token.id for token in tokens if token in living])
        rank = self._ranks(
            {row.generation for row in rows} | {token.generation for token in living}, rows[0].generation
        )
        oldest = min(row.generation for row in rows)

        def renamed(token: Token) -> Token:
            parent = names.get(token.parent, NOBODY) if token.generation > oldest else NOBODY
            return Token(rank[token.generation], names[token.id], parent)

        return (
            tuple(self._renamed(row, names, rank) for row in rows),
            tuple(renamed(token) if token in living else DEAD for token in tokens),
        )

    def _names(self, rows: tuple[Row, ...], held: list[int]) -> dict[int, int]:
        ids = [NOBODY]
        for row in rows:
            ids += [row.root, row.child]
            if row.previous in held and self._remembers_previous(row):
                ids.append(row.previous)
        return {name: number - 1 for number, name in enumerate(dict.fromkeys(ids + held))}

    def _renamed(self, row: Row, names: dict[int, int], rank: dict[int, int]) -> Row:
        previous = names.get(row.previous, NOBODY) if self._remembers_previous(row) else NOBODY
        return Row(rank[row.generation], names[row.root], row.root_age, previous, names[row.child], row.child_age)

    def _remembers_previous(self, row: Row) -> bool:
        return row.root_age is not None and row.root_age <= self.times.window

    def _knows(self, row: Row, token: Token) -> bool:
        """Whether the row can tell the token from a stranger's."""
        if token.generation > row.generation or token.id == row.root:
            return True
        return token.id == row.previous and token.id != NOBODY and self._remembers_previous(row)

    def _ranks(self, generations: set[int], zero: int) -> dict[int, int]:
        """Generations counted from `zero`, with every gap cut short."""
        ranks: dict[int, int] = {}
        rank = before = min(generations)
        for generation in sorted(generations):
            rank += min(generation - before, self._gap)
            ranks[generation], before = rank, generation
        shift = ranks[zero]
        return {generation: rank - shift for generation, rank in ranks.items()}
