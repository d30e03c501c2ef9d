"""Each rule of the rotation's table, by example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from keyturn.core.model import SECOND, Delivery, Device, EndReason, Micros, Policy, RefreshToken, Session, User
from keyturn.core.rotation import TABLE, Decision, Presentation, Verdict, child_of, decide, end_of, ended, opened

POLICY = Policy()
WINDOW, THROTTLE = POLICY.window, POLICY.throttle
START: Micros = 1_767_225_600 * SECOND
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
USER = User("user", "ada@example.org", START)


class Story:
    """One session, and the tokens that were presented to it, one after the other."""

    def __init__(self) -> None:
        self.session = opened(
            user=USER,
            ids=("sid", "seed", "origin", "first"),
            now=START,
            policy=POLICY,
            delivery=Delivery.SPLIT,
            device=Device(),
        )
        self.first = child_of(self.session)
        self.now = START
        self._fresh: Iterator[str] = (f"fresh-{number}" for number in range(1000))

    def present(self, token: RefreshToken, *, after: Micros = 0) -> Decision:
        self.now += after
        decision = decide(self.session, token, self.now, next(self._fresh), POLICY)
        self.session = decision.session or self.session
        return decision

    def refresh(self, token: RefreshToken, *, after: Micros = 0) -> RefreshToken:
        return given(self.present(token, after=after))


def given(decision: Decision) -> RefreshToken:
    assert decision.token is not None
    return decision.token


def changed(before: Session, after: Session | None) -> set[str]:
    assert after is not None
    return {name for name in Session._fields if getattr(before, name) != getattr(after, name)}


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_session_begins_with_a_child_of_a_root_that_no_token_bears() -> None:
    device = Device("Firefox on Linux", "192.0.2.7")
    arguments = {"user": USER, "ids": ("sid", "seed", "origin", "first"), "now": START, "policy": POLICY}
    session = opened(**arguments, delivery=Delivery.BODY, remember=False, device=device)
    assert session == Session(
        id="sid",
        user_id="user",
        seed="seed",
        generation=0,
        root_id="origin",
        root_at=None,
        previous_id=None,
        child_id="first",
        child_at=START,
        version=1,
        created_at=START,
        authenticated_at=START,
        expires_at=START + 180 * DAY,
        idle_expires_at=START + 30 * DAY,
        ended_at=None,
        end_reason=None,
        delivery=Delivery.BODY,
        remember=False,
        device=device,
        user=USER,
    )
    assert opened(**arguments, delivery=Delivery.BODY, device=device) == session._replace(remember=True)


def test_ending_a_session_changes_nothing_else_of_its_row(story: Story) -> None:
    over = ended(story.session, EndReason.REVOKED, START + 7)
    assert over == story.session._replace(
        ended_at=START + 7, end_reason=EndReason.REVOKED, version=story.session.version + 1
    )


# Row 1


@pytest.mark.parametrize(
    "reason", [reason for reason in EndReason if reason not in {EndReason.EXPIRED, EndReason.IDLE}]
)
def test_an_ended_session_gives_its_reason_and_nothing_else(story: Story, reason: EndReason) -> None:
    story.session = ended(story.session, reason, story.now)
    assert story.present(story.first, after=1) == Decision(Verdict.ENDED, 1, reason=reason)


def test_a_session_ends_at_the_very_microsecond_of_its_absolute_end(story: Story) -> None:
    story.session = story.session._replace(idle_expires_at=story.session.expires_at)
    assert end_of(story.session, story.session.expires_at - 1) is None
    story.now = story.session.expires_at
    assert story.present(story.first) == Decision(Verdict.ENDED, 1, reason=EndReason.EXPIRED)


def test_a_session_ends_when_nothing_happens_for_its_idle_lifetime(story: Story) -> None:
    assert end_of(story.session, START + POLICY.idle_lifetime - 1) is None
    assert story.present(story.first, after=POLICY.idle_lifetime) == Decision(Verdict.ENDED, 1, reason=EndReason.IDLE)


def test_an_expiry_is_not_written_so_a_clock_set_right_again_does_no_lasting_harm(story: Story) -> None:
    story.present(story.first, after=400 * DAY)
    assert story.present(story.first, after=-400 * DAY).verdict is Verdict.ROTATED


@pytest.mark.parametrize("user", [replace(USER, disabled=True), None], ids=["disabled", "gone"])
def test_the_session_of_a_disabled_or_deleted_account_yields_nothing(story: Story, user: User | None) -> None:
    story.session = story.session._replace(user=user)
    assert story.present(story.first) == Decision(Verdict.ENDED, 1, reason=EndReason.ACCOUNT_DISABLED)


def test_a_replay_after_the_end_does_not_change_the_reason(story: Story) -> None:
    story.session = ended(story.session, EndReason.SIGNED_OUT, story.now)
    stranger = story.first._replace(id="stranger", generation=0)
    assert story.present(stranger, after=DAY).reason is EndReason.SIGNED_OUT


# Row 2


def test_the_first_refresh_after_sign_in_rotates_at_once(story: Story) -> None:
    decision = story.present(story.first)
    assert (decision.verdict, decision.rule) == (Verdict.ROTATED, 2)
    assert given(decision) == RefreshToken("sid", "seed", 2, "fresh-0", "first")


def test_a_rotation_makes_the_presented_token_the_root(story: Story) -> None:
    before = story.session
    after = story.present(story.first, after=HOUR).session
    assert after == before._replace(
        generation=1,
        root_id="first",
        root_at=START + HOUR,
        previous_id="origin",
        child_id="fresh-0",
        child_at=START + HOUR,
        idle_expires_at=START + HOUR + POLICY.idle_lifetime,
        version=2,
    )


def test_the_child_rotates_one_microsecond_after_the_window(story: Story) -> None:
    second = story.refresh(story.first)
    decision = story.present(second, after=WINDOW + 1)
    assert (decision.verdict, decision.rule) == (Verdict.ROTATED, 2)
    assert given(decision).parent_id == second.id


def test_whichever_sibling_comes_first_becomes_the_root(story: Story) -> None:
    late = story.refresh(story.first)
    story.refresh(story.first, after=DAY)
    assert story.present(late, after=DAY).verdict is Verdict.ROTATED
    assert story.session.root_id == late.id


# Row 3


def test_the_child_converges_on_itself_up_to_the_end_of_the_window(story: Story) -> None:
    second = story.refresh(story.first)
    decision = story.present(second, after=WINDOW)
    assert (decision.verdict, decision.rule) == (Verdict.CONVERGED, 3)
    assert given(decision) == second


def test_a_sibling_within_the_window_is_given_back_too_not_the_current_child(story: Story) -> None:
    story.refresh(story.first)
    sibling = RefreshToken("sid", "seed", 2, "sibling", "first")
    assert story.refresh(sibling, after=WINDOW) == sibling


def test_a_client_in_a_loop_rotates_at_most_once_per_window(story: Story) -> None:
    token, rotations = story.first, []
    for _ in range(10 * 30):
        decision = story.present(token, after=SECOND)
        token = given(decision)
        if decision.verdict is Verdict.ROTATED:
            rotations.append(story.now)
    assert len(rotations) == 10
    assert min(later - earlier for earlier, later in pairwise(rotations)) > WINDOW


# Row 4


def test_the_root_is_given_the_same_child_while_that_may_be_on_its_way(story: Story) -> None:
    second = story.refresh(story.first)
    decision = story.present(story.first, after=WINDOW)
    assert (decision.verdict, decision.rule) == (Verdict.CONVERGED, 4)
    assert given(decision) == second


def test_a_hundred_tabs_at_once_are_all_given_the_same_token(story: Story) -> None:
    answers = [story.present(story.first) for _ in range(100)]
    assert len({given(answer) for answer in answers}) == 1
    assert sum(answer.session is not None for answer in answers) == 1


# Row 5


def test_the_root_is_given_a_new_child_one_microsecond_after_the_window(story: Story) -> None:
    lost = story.refresh(story.first)
    decision = story.present(story.first, after=WINDOW + 1)
    assert (decision.verdict, decision.rule) == (Verdict.RECOVERED, 5)
    assert given(decision) == lost._replace(id="fresh-1")


def test_a_recovery_changes_nothing_but_the_child_and_the_idle_end(story: Story) -> None:
    story.refresh(story.first)
    before = story.session
    after = story.present(story.first, after=DAY).session
    assert changed(before, after) == {"child_id", "child_at", "idle_expires_at", "version"}


@pytest.mark.parametrize("pause", [5 * SECOND, HOUR, 3 * DAY], ids=["five seconds", "an hour", "three days"])
def test_a_lost_response_is_recovered_whenever_the_client_retries(story: Story, pause: Micros) -> None:
    story.refresh(story.first)
    recovered = story.refresh(story.first, after=pause)
    assert story.present(recovered, after=HOUR).verdict is Verdict.ROTATED


def test_a_client_whose_answers_never_arrive_stays_signed_in_for_the_whole_session(story: Story) -> None:
    story.refresh(story.first)
    for _ in range(179):
        assert story.present(story.first, after=DAY).verdict is Verdict.RECOVERED
    assert story.present(story.first, after=DAY).reason is EndReason.EXPIRED


# Row 6


def test_the_previous_root_is_given_the_current_child_within_the_window(story: Story) -> None:
    second = story.refresh(story.first)
    third = story.refresh(second, after=HOUR)
    decision = story.present(story.first, after=WINDOW)
    assert (decision.verdict, decision.rule) == (Verdict.CONVERGED, 6)
    assert given(decision) == third


def test_the_previous_root_is_reuse_one_microsecond_after_the_window(story: Story) -> None:
    second = story.refresh(story.first)
    story.refresh(second, after=HOUR)
    assert story.present(story.first, after=WINDOW + 1).verdict is Verdict.REUSED


# Row 7


def test_a_store_that_lost_its_last_writes_catches_up_with_its_client(story: Story) -> None:
    kept = story.session
    second = story.refresh(story.first)
    third = story.refresh(second, after=HOUR)
    story.session = kept
    decision = story.present(third, after=HOUR)
    assert (decision.verdict, decision.rule) == (Verdict.CAUGHT_UP, 7)
    assert given(decision).parent_id == third.id
    assert given(decision).generation == 4


def test_catching_up_takes_generation_root_and_previous_from_the_token(story: Story) -> None:
    before = story.session
    newer = RefreshToken("sid", "seed", 7, "newer", "its parent")
    after = story.present(newer, after=HOUR).session
    assert after is not None
    assert (after.generation, after.root_id, after.previous_id) == (7, "newer", "its parent")
    assert (after.root_at, after.child_at, after.version) == (story.now, story.now, before.version + 1)


def test_a_token_of_the_next_generation_with_another_parent_is_newer_and_no_child(story: Story) -> None:
    story.refresh(story.first)
    other = RefreshToken("sid", "seed", 2, "other", "not the root")
    assert story.present(other).verdict is Verdict.CAUGHT_UP


# Row 8


def test_the_sibling_of_the_new_root_is_reuse_and_ends_the_session_in_the_same_write(story: Story) -> None:
    owners = story.refresh(story.first)
    thiefs = story.refresh(story.first, after=HOUR)
    story.refresh(owners, after=HOUR)
    before = story.session
    decision = story.present(thiefs, after=HOUR)
    assert (decision.verdict, decision.rule, decision.reason) == (Verdict.REUSED, 8, EndReason.REUSE_DETECTED)
    assert decision.token is None
    assert changed(before, decision.session) == {"ended_at", "end_reason", "version"}


def test_the_sibling_of_the_new_root_is_reuse_within_the_window_as_well(story: Story) -> None:
    owners = story.refresh(story.first)
    thiefs = story.refresh(story.first, after=HOUR)
    story.refresh(owners, after=HOUR)
    assert story.present(thiefs).verdict is Verdict.REUSED


def test_a_token_two_rotations_old_is_reuse_even_at_once(story: Story) -> None:
    second = story.refresh(story.first)
    third = story.refresh(second, after=HOUR)
    story.refresh(third, after=HOUR)
    assert story.present(story.first).verdict is Verdict.REUSED


def test_once_reuse_was_seen_the_owner_is_out_as_well(story: Story) -> None:
    second = story.refresh(story.first)
    story.refresh(second, after=HOUR)
    story.present(story.first, after=HOUR)
    assert story.present(second, after=1) == Decision(Verdict.ENDED, 1, reason=EndReason.REUSE_DETECTED)


# The times


@pytest.mark.parametrize("presented", ["previous", "root", "child"])
def test_a_converged_answer_moves_child_at_and_nothing_else_once_it_is_older_than_the_throttle(presented: str) -> None:
    story = Story()
    second = story.refresh(story.first)
    third = story.refresh(second, after=HOUR)
    token = {"previous": story.first, "root": second, "child": third}[presented]
    before = story.session
    assert story.present(token, after=THROTTLE).session is None
    assert changed(before, story.present(token, after=1).session) == {"child_at", "version"}
    assert story.session.child_at == story.now
    assert story.session.version == before.version + 1


def test_a_root_that_goes_on_asking_within_the_window_is_never_given_a_sibling(story: Story) -> None:
    second = story.refresh(story.first)
    assert {story.refresh(story.first, after=WINDOW) for _ in range(50)} == {second}


def test_a_clock_that_was_set_back_converges_and_ends_nothing(story: Story) -> None:
    second = story.refresh(story.first)
    third = story.refresh(second, after=HOUR)
    for token in (third, second, story.first):
        assert story.present(token, after=-SECOND).verdict is Verdict.CONVERGED
    assert story.session.child_at == START + HOUR


def test_minting_moves_the_idle_end_but_never_past_the_absolute_one(story: Story) -> None:
    token = story.first
    while story.now + 20 * DAY < story.session.expires_at:
        token = story.refresh(token, after=20 * DAY)
    assert story.session.idle_expires_at == story.session.expires_at == START + POLICY.session_lifetime


def test_converging_does_not_move_the_idle_end(story: Story) -> None:
    story.refresh(story.first)
    idle_end = story.session.idle_expires_at
    story.refresh(story.first, after=WINDOW)
    assert story.session.idle_expires_at == idle_end


def test_with_no_window_every_refresh_in_turn_rotates() -> None:
    story, policy = Story(), Policy(window=0)
    token, session = story.first, story.session
    for number in range(1, 10):
        decision = decide(session, token, START + number, f"id-{number}", policy)
        assert decision.verdict is Verdict.ROTATED
        assert decision.session is not None
        session, token = decision.session, given(decision)


# The table as a whole


def test_the_rules_are_numbered_in_the_order_in_which_they_are_tried() -> None:
    assert [rule.number for rule in TABLE] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_every_rule_can_be_met_and_gives_the_verdict_that_the_table_says(story: Story) -> None:
    second = story.refresh(story.first)
    third = story.refresh(second, after=HOUR)
    session, now = story.session, story.now
    cases = [
        (ended(session, EndReason.REVOKED, now), third, now),
        (session, third, now + WINDOW + 1),
        (session, third, now),
        (session, second, now),
        (session, second, now + WINDOW + 1),
        (session, story.first, now),
        (session, third._replace(generation=9), now),
        (session, story.first, now + WINDOW + 1),
    ]
    decisions = [decide(row, token, at, "fresh", POLICY) for row, token, at in cases]
    assert [(decision.rule, decision.verdict) for decision in decisions] == [
        (rule.number, rule.verdict) for rule in TABLE
    ]


def test_a_decision_carries_either_a_token_or_a_reason(story: Story) -> None:
    second = story.refresh(story.first)
    for token in (story.first, second, second._replace(generation=5), second._replace(generation=0, id="old")):
        decision = story.present(token)
        assert (decision.token is None) != (decision.reason is None)


def test_no_repr_shows_the_seed(story: Story) -> None:
    story.session = story.session._replace(seed="a secret")
    token = story.first._replace(seed="a secret")
    presentation = Presentation(story.session, token, START, "fresh", POLICY)
    decision = story.present(token)
    assert given(decision).seed == story.session.seed == "a secret"
    for value in (story.session, token, presentation, decision):
        assert "a secret" not in f"{value!r} {value}"
