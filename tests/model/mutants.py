"""The table with something wrong in it: what the searches must notice."""

from __future__ import annotations

from dataclasses import replace

from keyturn.core.rotation import TABLE, Decision, Presentation, Rule, child_of

Table = tuple[Rule, ...]


def without(number: int) -> Table:
    """The table without one of its rules."""
    return tuple(rule for rule in TABLE if rule.number != number)


def with_a_still_child_at() -> Table:
    """No converged answer writes down that it has handed the child out again."""

    def act(presented: Presentation, rule: Rule) -> Decision:
        return TABLE[rule.number - 1].act(presented, rule)._replace(session=None)

    return tuple(replace(rule, act=act) if rule.number in {3, 4, 6} else rule for rule in TABLE)


def with_one_child_for_ever() -> Table:
    """The root is given the same child again however late it comes, instead of a sibling."""
    return tuple(replace(rule, applies=lambda p: p.is_root) if rule.number == 4 else rule for rule in TABLE)


def that_forgives() -> Table:
    """Reuse is answered with the current child and ends nothing."""

    def act(presented: Presentation, rule: Rule) -> Decision:
        return Decision(rule.verdict, rule.number, token=child_of(presented.session))

    return (*TABLE[:7], replace(TABLE[7], act=act))
