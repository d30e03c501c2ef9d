"""What every client must be told, worked out from the words of the protocol in the most naive way.

It remembers every token that was ever handed out, as a tree: each token knows the one it was minted for. It shares no code with
the rotation. What the server forgets when its store falls back to an earlier state, `Past` forgets with it; the tree does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

NEVER = None
"""The first token was minted for an id that no token bears, and that was never presented."""


@dataclass(frozen=True)
class Rules:
    """Of the protocol, in microseconds."""

    window: int
    throttle: int
    idle: int
    absolute: int


@dataclass(frozen=True)
class Leaf:
    """A token that was handed out.

    Attributes:
        parent: the token that it was minted for.
        depth: how many tokens lead to it, itself included.
    """

    raw: str
    session: str = field(compare=False)
    parent: Leaf | None = field(compare=False)
    depth: int = field(compare=False)


@dataclass
class Life:
    """What is known of a session.

    Attributes:
        roots: every token that became the root, with the time it was first presented, the newest last.
        child: the token last minted for the root.
        child_at: when it was last handed out, as far as that was noted.
        ended: why it was ended; expiry is not noted.
    """

    user: str
    in_body: bool
    began: int
    expires: int
    idle_until: int
    child: Leaf
    child_at: int
    roots: list[tuple[Leaf | None, int | None]] = field(default_factory=lambda: [(NEVER, None)])
    ended: str | None = None


@dataclass(frozen=True)
class Told:
    """What a client is told: one of these.

    Attributes:
        same: it gets these very bytes.
        parent: it gets a token that nobody has seen, minted for this one.
        reason: its session is over, and why.
    """

    same: str | None = None
    parent: Leaf | None = None
    reason: str | None = None

    @property
    def fresh(self) -> bool:
        return self.parent is not None


@dataclass
class Person:
    id: str
    email: str
    password: str
    disabled: bool = False


@dataclass
class Past:
    """All that is in the store."""

    people: dict[str, Person] = field(default_factory=dict)
    lives: dict[str, Life] = field(default_factory=dict)

    def copy(self) -> Past:
        people = {user: replace(person) for user, person in self.people.items()}
        lives = {session: replace(life, roots=list(life.roots)) for session, life in self.lives.items()}
        return Past(people, lives)


class Oracle:
    """Says what must come of every call, and what the sessions are like afterwards."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.past = Past()
        self.leaves: dict[str, Leaf] = {}
        self.fell_back = False

    def remember(self) -> Past:
        """What a copy of the store would hold."""
        return self.past.copy()

    def fall_back(self, past: Past) -> None:
        """The store is what it was; the clients still hold what they hold."""
        self.past = past.copy()
        self.fell_back = True

    # What is asked

    def over(self, session: str, now: int) -> str | None:
        """Why a session is over; an unknown one would have expired."""
        life = self.past.lives.get(session)
        if life is None or (life.ended is None and now >= life.expires):
            return "expired"
        if life.ended is not None:
            return life.ended
        return "idle" if now >= life.idle_until else None

    def alive(self, session: str, now: int) -> bool:
        return self.over(session, now) is None

    def presents(self, leaf: Leaf, now: int) -> Told:
        """A token is presented."""
        why = self.over(leaf.session, now)
        if why is not None:
            return Told(reason=why)
        life, window = self.past.lives[leaf.session], self.rules.window
        root, root_at = life.roots[-1]
        before = life.roots[-2][0] if len(life.roots) > 1 else NEVER
        just_rotated = root_at is not None and now - root_at <= window
        if leaf.parent == root:
            return self._hands(life, leaf, now) if just_rotated else self._rotates(life, leaf, now)
        if leaf == root:
            lately = now - life.child_at <= window
            return self._hands(life, life.child, now) if lately else Told(parent=leaf)
        if leaf == before and just_rotated:
            return self._hands(life, life.child, now)
        if leaf.depth > (root.depth if root else 0):
            life.roots.append((leaf.parent, None))
            return self._rotates(life, leaf, now)
        life.ended = "reuse_detected"
        return Told(reason="reuse_detected")

    def _hands(self, life: Life, leaf: Leaf, now: int) -> Told:
        if now - life.child_at > self.rules.throttle:
            life.child_at = now
        return Told(same=leaf.raw)

    def _rotates(self, life: Life, leaf: Leaf, now: int) -> Told:
        life.roots.append((leaf, now))
        return Told(parent=leaf)

    # What came of it

    def opened(self, session: str, user: str, raw: str, now: int, *, in_body: bool) -> None:
        """A session began."""
        leaf = self.leaves[raw] = Leaf(raw, session, NEVER, 1)
        expires = now + self.rules.absolute
        idle = min(now + self.rules.idle, expires)
        self.past.lives[session] = Life(user, in_body, now, expires, idle, leaf, now)

    def minted(self, parent: Leaf, raw: str, now: int) -> Leaf:
        """A token was handed out that nobody had seen."""
        leaf = self.leaves[raw] = Leaf(raw, parent.session, parent, parent.depth + 1)
        life = self.past.lives[parent.session]
        life.child, life.child_at = leaf, now
        life.idle_until = min(now + self.rules.idle, life.expires)
        return leaf

    def ends(self, session: str, reason: str, now: int) -> None:
        """Somebody ends a session: it ends once."""
        if self.alive(session, now):
            self.past.lives[session].ended = reason

    def ends_all(self, user: str, reason: str, *, keep: str | None = None) -> None:
        """Everything that was not ended ends, even what had expired."""
        for session, life in self.past.lives.items():
            if life.user == user and life.ended is None and session != keep:
                life.ended = reason

    def purged(self, now: int) -> int:
        """How many sessions go for good: those that would have expired."""
        gone = [session for session, life in self.past.lives.items() if now >= life.expires]
        for session in gone:
            del self.past.lives[session]
        return len(gone)
