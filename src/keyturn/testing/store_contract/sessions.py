"""What holds of the sessions."""

from __future__ import annotations

from keyturn.core.model import Account, Device, EndReason
from keyturn.ports import Database
from keyturn.testing.store_contract.support import (
    HOUR,
    WRITERS,
    at_once,
    expect,
    expect_equal,
    following,
    load,
    now_of,
    register,
    sample_session,
    sample_user,
    store,
    swap,
    update,
)


class SessionContract:
    """What holds of the sessions."""

    def test_a_session_comes_back_as_it_was_stored(self, database: Database) -> None:
        user = sample_user()
        session = sample_session(now_of(database))
        register(database, Account(user, None))
        store(database, session)
        expect_equal(load(database), session._replace(user=user))

    def test_an_ended_session_with_empty_fields_comes_back_as_it_was_stored(self, database: Database) -> None:
        now = now_of(database)
        ended = sample_session(
            now, root_at=None, previous_id=None, ended_at=now, end_reason=EndReason.REVOKED, device=Device()
        )
        store(database, ended)
        expect_equal(load(database), ended)

    def test_a_session_loads_with_its_user_as_the_user_is_now(self, database: Database) -> None:
        register(database, Account(sample_user(), None))
        store(database, sample_session(now_of(database)))
        disabled = sample_user(disabled=True, roles=("admin", "ops"))
        update(database, disabled)
        expect_equal(load(database).user, disabled)

    def test_a_session_whose_user_is_gone_loads_without_one(self, database: Database) -> None:
        register(database, Account(sample_user(), None))
        store(database, sample_session(now_of(database)))
        database.transact(lambda t: t.users.delete("u1"))
        expect(load(database).user is None, "the session of a deleted user has a user")

    def test_unknown_ids_are_left_out_of_a_load(self, database: Database) -> None:
        now = now_of(database)
        store(database, sample_session(now, "s1"), sample_session(now, "s2"))
        expect_equal(set(database.read(lambda t: t.sessions.load_many(["s2", "s3", "s1"]))), {"s1", "s2"})
        expect_equal(database.read(lambda t: t.sessions.load_many([])), {})
        expect_equal(database.read(lambda t: t.sessions.load_many(["s3"])), {})

    def test_a_swap_writes_every_field_that_changes(self, database: Database) -> None:
        now = now_of(database)
        session = sample_session(now)
        store(database, session)
        changed = following(
            session,
            generation=4,
            root_id="r",
            root_at=now + 1,
            previous_id="p",
            child_id="c",
            child_at=now + 2,
            authenticated_at=now + 3,
            idle_expires_at=now + 25 * HOUR,
            ended_at=now + 4,
            end_reason=EndReason.REUSE_DETECTED,
        )
        expect_equal(swap(database, changed), {"s1"})
        expect_equal(load(database), changed)

    def test_a_swap_is_refused_from_any_version_but_the_stored_one(self, database: Database) -> None:
        session = sample_session(now_of(database))
        store(database, session)
        for version in (session.version - 1, session.version, session.version + 2):
            stale = session._replace(version=version, child_id="other")
            expect_equal(swap(database, stale), set())
        expect_equal(load(database), session)

    def test_a_batch_is_swapped_row_by_row(self, database: Database) -> None:
        now = now_of(database)
        rows = [sample_session(now, f"s{n}") for n in range(5)]
        store(database, *rows[:4])
        swap(database, following(rows[1], child_id="first"))
        batch = [following(row, child_id="second") for row in rows]
        expect_equal(swap(database, *batch), {"s0", "s2", "s3"})
        loaded = database.read(lambda t: t.sessions.load_many([row.id for row in rows]))
        children = {session.id: session.child_id for session in loaded.values()}
        expect_equal(children, {"s0": "second", "s1": "first", "s2": "second", "s3": "second"})
        expect_equal(swap(database), set())

    def test_a_swap_succeeds_for_exactly_one_of_the_writers_that_saw_a_version(self, database: Database) -> None:
        store(database, sample_session(now_of(database)))
        seen = load(database)
        works = [lambda: swap(database, following(seen, child_id="same"))] * WRITERS
        expect_equal(sorted(map(str, at_once(works))), sorted(["{'s1'}"] + ["set()"] * (WRITERS - 1)))
        expect_equal(load(database).version, seen.version + 1)

    def test_whoever_loses_a_swap_can_load_and_decide_again(self, database: Database) -> None:
        session = sample_session(now_of(database), generation=0)
        store(database, session)

        def raise_generation() -> int:
            for attempt in range(1, WRITERS * WRITERS):
                seen = load(database)
                raised = following(seen, generation=seen.generation + 1)
                if swap(database, raised):
                    return attempt
            return 0

        expect(all(at_once([raise_generation] * WRITERS)), "a writer never got through")
        expect_equal(load(database), session._replace(generation=WRITERS, version=session.version + WRITERS))

    def test_ending_the_sessions_of_a_user_spares_the_kept_the_ended_and_those_of_others(
        self, database: Database
    ) -> None:
        now = now_of(database)
        ended = sample_session(now, "ended", ended_at=now - HOUR, end_reason=EndReason.SIGNED_OUT)
        expired = sample_session(now, "expired", expires_at=now - HOUR)
        others = sample_session(now, "others", "u2")
        store(database, sample_session(now, "live"), sample_session(now, "kept"), ended, expired, others)
        going = database.transact(lambda t: t.sessions.end_of_user("u1", EndReason.REVOKED, keep="kept"))
        expect_equal(sorted(going), ["expired", "live"])
        expect_equal(load(database, "ended"), ended)
        expect_equal(load(database, "others"), others)
        expect(load(database, "kept").ended_at is None, "the kept session ended")
        live = load(database, "live")
        expect(live.ended_at is not None and live.ended_at >= now, "the session has no time of its end")
        expect_equal(live.end_reason, EndReason.REVOKED)
        expect_equal(database.transact(lambda t: t.sessions.end_of_user("u1", EndReason.REVOKED)), ["kept"])

    def test_a_swap_that_began_before_the_end_of_the_session_loses(self, database: Database) -> None:
        store(database, sample_session(now_of(database)))
        seen = load(database)
        database.transact(lambda t: t.sessions.end_of_user("u1", EndReason.SIGNED_OUT_EVERYWHERE))
        expect_equal(swap(database, following(seen, child_id="new")), set())
        expect_equal(load(database).end_reason, EndReason.SIGNED_OUT_EVERYWHERE)

    def test_the_live_sessions_of_a_user_come_newest_first(self, database: Database) -> None:
        now = now_of(database)
        live = [sample_session(now, f"live{age}", created_at=now - age) for age in (3, 1, 2)]
        dead = [
            sample_session(now, "ended", ended_at=now, end_reason=EndReason.SIGNED_OUT),
            sample_session(now, "expired", expires_at=now - 1),
            sample_session(now, "idle", idle_expires_at=now - 1),
            sample_session(now, "others", "u2"),
        ]
        register(database, Account(sample_user(), None))
        store(database, *live, *dead)
        found = database.read(lambda t: t.sessions.live_of_user("u1"))
        expect_equal([session.id for session in found], ["live1", "live2", "live3"])
        expect_equal(found[0], live[1]._replace(user=sample_user()))

    def test_the_devices_of_a_users_live_sessions_come_once_each(self, database: Database) -> None:
        now, phone, laptop = now_of(database), Device("Phone", "192.0.2.1"), Device("Laptop", "192.0.2.1")
        live = [sample_session(now, f"s{n}", device=device) for n, device in enumerate((phone, laptop, phone, laptop))]
        dead = [
            sample_session(now, "ended", device=Device("ended"), ended_at=now, end_reason=EndReason.SIGNED_OUT),
            sample_session(now, "expired", device=Device("expired"), expires_at=now - 1),
            sample_session(now, "idle", device=Device("idle"), idle_expires_at=now - 1),
            sample_session(now, "others", "u2", device=Device("others")),
        ]
        store(database, *live, *dead)
        expect_equal(database.read(lambda t: t.sessions.devices_of_user("u1")), {phone, laptop})
        expect_equal(database.read(lambda t: t.sessions.devices_of_user("nobody")), set())

    def test_the_live_sessions_of_everybody_come_newest_first_and_no_more_than_asked(self, database: Database) -> None:
        now = now_of(database)
        live = [sample_session(now, f"live{age}", f"u{age}", created_at=now - age) for age in (3, 1, 2)]
        dead = [
            sample_session(now, "ended", ended_at=now, end_reason=EndReason.SIGNED_OUT),
            sample_session(now, "idle", idle_expires_at=now - 1),
        ]
        register(database, Account(sample_user(), None))
        store(database, *live, *dead)
        found = database.read(lambda t: t.sessions.live(2))
        expect_equal([session.id for session in found], ["live1", "live2"])
        expect_equal([session.user for session in found], [sample_user(), None])

    def test_sessions_are_ended_some_at_a_time_whosever_they_are(self, database: Database) -> None:
        now = now_of(database)
        ended = sample_session(now, "ended", ended_at=now - HOUR, end_reason=EndReason.SIGNED_OUT)
        going = [sample_session(now, f"s{n}", f"u{n}", expires_at=now + n) for n in range(3)]
        store(database, ended, *going)
        seen = load(database, "s0")
        rounds = [database.transact(lambda t: t.sessions.end_some(EndReason.REVOKED, 2)) for _ in range(3)]
        expect_equal([len(ids) for ids in rounds], [2, 1, 0])
        expect_equal({name for ids in rounds for name in ids}, {"s0", "s1", "s2"})
        expect_equal(load(database, "ended"), ended)
        expect_equal(load(database, "s1").end_reason, EndReason.REVOKED)
        expect(load(database, "s2").ended_at is not None, "the session has no time of its end")
        expect_equal(swap(database, following(seen, child_id="new")), set())

    def test_the_feed_names_what_ended_at_a_moment_or_later(self, database: Database) -> None:
        now = now_of(database)
        ends = {"early": now - 2, "on time": now, "late": now + 2}
        ended = [sample_session(now, name, ended_at=at, end_reason=EndReason.REVOKED) for name, at in ends.items()]
        store(database, sample_session(now), *ended)
        expect_equal(
            sorted(database.read(lambda t: t.sessions.ended_since(now))), [("late", now + 2), ("on time", now)]
        )

    def test_forgetting_the_devices_of_a_user_leaves_the_rest_of_the_sessions(self, database: Database) -> None:
        now = now_of(database)
        ended = sample_session(now, "ended", ended_at=now, end_reason=EndReason.ACCOUNT_DELETED)
        others = sample_session(now, "others", "u2")
        store(database, ended, others)
        database.transact(lambda t: t.sessions.forget_devices("u1"))
        expect_equal(load(database, "ended"), following(ended, device=Device()))
        expect_equal(load(database, "others"), others)

    def test_all_the_sessions_of_a_user_are_theirs_until_they_are_nobodys(self, database: Database) -> None:
        now = now_of(database)
        ended = sample_session(now, "ended", ended_at=now, end_reason=EndReason.ACCOUNT_DELETED, created_at=now - 1)
        expired = sample_session(now, "expired", expires_at=now - 1, created_at=now - 2)
        others = sample_session(now, "others", "u2")
        store(database, ended, expired, others)
        found = database.read(lambda t: t.sessions.all_of_user("u1"))
        expect_equal([session.id for session in found], ["ended", "expired"])
        database.transact(lambda t: t.sessions.disown("u1"))
        expect_equal(database.read(lambda t: t.sessions.all_of_user("u1")), [])
        expect_equal(load(database, "ended"), following(ended, user_id=""))
        expect_equal(load(database, "others"), others)

    def test_a_purge_deletes_only_what_has_expired(self, database: Database) -> None:
        now = now_of(database)
        gone = [sample_session(now, f"gone{n}", expires_at=now - n) for n in range(3)]
        tombstone = sample_session(now, "tombstone", ended_at=now - HOUR, end_reason=EndReason.REUSE_DETECTED)
        old_tombstone = tombstone._replace(id="old tombstone", expires_at=now - 1)
        idle = sample_session(now, "idle", idle_expires_at=now - 1)
        store(database, sample_session(now, "live"), tombstone, old_tombstone, idle, *gone)
        expect_equal([database.transact(lambda t: t.sessions.purge(3)) for _ in range(3)], [3, 1, 0])
        ids = ["live", "tombstone", "old tombstone", "idle", *(session.id for session in gone)]
        expect_equal(set(database.read(lambda t: t.sessions.load_many(ids))), {"live", "tombstone", "idle"})
