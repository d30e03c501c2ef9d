"""Draws the pictures of the documentation from the code that they show: `python -m docs.draw`.

The ladder is the table of the rotation. The stories are played on the real `decide`: what the pictures say happened, happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

from keyturn.core.model import SECOND, Delivery, Device, Policy, RefreshToken, User
from keyturn.core.rotation import TABLE, Rule, Verdict, child_of, decide, opened

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- the table, drawn by docs/draw.py -->", "<!-- end of the table -->"

STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.paper { fill: #ffffff } .card { fill: #f6f8fa; stroke: #d1d9e0 } .line { stroke: #8c959f; fill: none; stroke-width: 1.5 }
.head { fill: #8c959f } .quiet { fill: #59636e; font-size: 13px } .title { font-weight: 600; font-size: 16px }
.badge { fill: #ffffff; font-weight: 600; font-size: 12px; letter-spacing: .4px } .token { font-weight: 600 }
.good { fill: #1a7f37 } .calm { fill: #0969da } .care { fill: #9a6700 } .over { fill: #cf222e } .none { fill: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .paper { fill: #0d1117 } .card { fill: #151b23; stroke: #3d444d }
  .quiet { fill: #9198a1 } .badge { fill: #ffffff } .none { fill: #656c76 } text.over { fill: #ff7b72 }
}
"""

COLOURS = {
    Verdict.ENDED: "none",
    Verdict.ROTATED: "good",
    Verdict.CONVERGED: "calm",
    Verdict.RECOVERED: "care",
    Verdict.CAUGHT_UP: "care",
    Verdict.REUSED: "over",
}


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{named}>{escape(content, quote=False)}</text>'


def badge(x: float, y: float, verdict: Verdict, width: float = 104) -> list[str]:
    words = verdict.upper().replace("_", " ")
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="24" rx="12" class="{COLOURS[verdict]}"/>',
        text(x + width / 2, y + 16, words, "badge", "middle"),
    ]


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    arrow = (
        '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" class="head"/></marker></defs>'
    )
    paper = f'<rect width="{width}" height="{height}" class="paper"/>'
    inner = "\n".join([f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", arrow, paper, *parts])
    return f"{head}\n{inner}\n</svg>\n"


# The ladder: the table, from the first rule to the last.

_STEP, _LEFT, _CARD, _RIGHT = 76, 96, 420, 690


def ladder(table: Sequence[Rule] = TABLE) -> str:
    """The table as a ladder: the first rule that applies decides."""
    parts = [text(24, 36, "A refresh token of the session is presented. The first rule that applies decides.", "title")]
    for index, rule in enumerate(table):
        parts += _rung(rule, 60 + index * _STEP, last=index == len(table) - 1)
    return svg(980, 72 + len(table) * _STEP, "The rotation's table as a ladder of decisions", parts)


def _rung(rule: Rule, y: float, *, last: bool) -> Iterator[str]:
    middle = y + 28
    yield f'<circle cx="48" cy="{middle:g}" r="15" class="card"/>'
    yield text(48, middle + 5, str(rule.number), "token", "middle")
    yield f'<rect x="{_LEFT}" y="{y:g}" width="{_CARD}" height="56" rx="8" class="card"/>'
    yield from _lines(_LEFT + 14, middle, rule.when, 56)
    yield f'<path d="M{_LEFT + _CARD} {middle:g}H556" class="line" marker-end="url(#to)"/>'
    if not last:
        yield text(_LEFT + _CARD + 20, middle - 6, "yes", "quiet", "middle")
        yield f'<path d="M48 {y + 43:g}V{y + _STEP + 11:g}" class="line" marker-end="url(#to)"/>'
        yield text(60, y + 66, "no", "quiet")
    yield from badge(564, middle - 12, rule.verdict)
    yield from _lines(_RIGHT, middle, rule.then, 38)


def _lines(x: float, middle: float, words: str, width: int) -> Iterator[str]:
    lines = wrap(words, width)
    for number, line in enumerate(lines):
        yield text(x, middle + 5 + (number - (len(lines) - 1) / 2) * 18, line)


# The stories: what becomes of a session, played on the table.


@dataclass(frozen=True)
class Act:
    """Somebody presents a token.

    Attributes:
        after: seconds since the act before.
        token: the name of the token: t1 is the first, a sibling has a prime.
        lost: whether the answer is lost.
    """

    after: int
    who: str
    token: str
    lost: bool = False


@dataclass(frozen=True)
class Story:
    title: str
    moral: str
    acts: Sequence[Act]


STORIES = (
    Story(
        "A lost answer",
        "Retried when you like: still signed in.",
        (
            Act(0, "browser", "t1"),
            Act(600, "browser", "t2", lost=True),
            Act(259_200, "browser", "t2"),
            Act(600, "browser", "t3′"),
        ),
    ),
    Story(
        "Two tabs at once",
        "They converge: one rotation, one token.",
        (Act(0, "tab 1", "t1"), Act(600, "tab 1", "t2"), Act(1, "tab 2", "t2"), Act(600, "tab 2", "t3")),
    ),
    Story(
        "A stolen token",
        "Thief and owner cannot both go on.",
        (
            Act(0, "owner", "t1"),
            Act(600, "thief", "t2"),
            Act(600, "owner", "t2"),
            Act(600, "owner", "t3′"),
            Act(600, "thief", "t3"),
        ),
    ),
)


@dataclass(frozen=True)
class Played:
    act: Act
    time: str
    verdict: Verdict
    given: str


def play(story: Story) -> list[Played]:
    """Play a story on the real table."""
    policy, now = Policy(), 0
    session = opened(
        user=User("u", "user@example.com", 0),
        ids=("s", "seed", "no token", "id1"),
        now=now,
        policy=policy,
        delivery=Delivery.SPLIT,
        remember=True,
        device=Device(),
    )
    first = child_of(session)
    names: dict[str, RefreshToken] = {"t1": first}
    played = []
    for number, act in enumerate(story.acts):
        now += act.after * SECOND
        decision = decide(session, names[act.token], now, f"fresh{number}", policy)
        session = decision.session or session
        given = _named(names, decision.token) if decision.token else ""
        played.append(Played(act, _ago(act.after), decision.verdict, given))
    return played


def _named(names: dict[str, RefreshToken], token: RefreshToken) -> str:
    for name, known in names.items():
        if known == token:
            return name
    name = f"t{token.generation}"
    while name in names:
        name += "′"
    names[name] = token
    return name


def _ago(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} later"
    return "signed in"


_WIDE, _TALL = 318, 68


def stories() -> str:
    """What the protocol does in the three situations that everybody asks about."""
    parts: list[str] = []
    most = max(len(story.acts) for story in STORIES)
    for index, story in enumerate(STORIES):
        parts += _panel(story, 16 + index * _WIDE, 76 + most * _TALL)
    return svg(
        16 + len(STORIES) * _WIDE, 108 + most * _TALL, "Three stories of a session, as the table decides them", parts
    )


def _panel(story: Story, x: float, height: float) -> Iterator[str]:
    yield f'<rect x="{x:g}" y="16" width="{_WIDE - 16}" height="{height:g}" rx="10" class="card"/>'
    yield text(x + 16, 44, story.title, "title")
    yield text(x + 16, 66, story.moral, "quiet")
    for number, played in enumerate(play(story)):
        y = 88 + number * _TALL
        yield text(x + 16, y + 18, played.time, "quiet")
        yield text(x + 16, y + 40, f"{played.act.who} presents {played.act.token}")
        yield from badge(x + _WIDE - 136, y + 2, played.verdict)
        yield text(x + _WIDE - 84, y + 44, _given(played), "over token" if played.act.lost else "token", "middle")


def _given(played: Played) -> str:
    if not played.given:
        return "session ends"
    return f"{played.given}, lost" if played.act.lost else f"gets {played.given}"


# The table in words, for docs/protocol.md.


def markdown(table: Sequence[Rule] = TABLE) -> str:
    """The table as Markdown."""
    rows = [f"| {rule.number} | {rule.when} | `{rule.verdict.upper()}` | {rule.then} |" for rule in table]
    return "\n".join(["| # | when | verdict | then |", "| --- | --- | --- | --- |", *rows])


def with_table(page: str) -> str:
    """A page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


def drawings() -> dict[Path, str]:
    """Every file that is drawn, and what it holds."""
    page = FOLDER / "protocol.md"
    return {
        FOLDER / "rotation.svg": ladder(),
        FOLDER / "stories.svg": stories(),
        page: with_table(page.read_text(encoding="utf-8")),
    }


def main() -> None:
    for path, content in drawings().items():
        path.write_text(content, encoding="utf-8")
        print(path.relative_to(FOLDER.parent))


if __name__ == "__main__":
    main()
