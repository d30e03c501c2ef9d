"""Tours and bookings, in an SQLite file of the application's own (SQLAlchemy Core)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection

metadata = MetaData()

tours = Table(
    "tours",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", String, nullable=False),
    Column("place", String, nullable=False),
    Column("summary", String, nullable=False),
    Column("starts_at", String, nullable=False),  # RFC 3339, UTC
    Column("capacity", Integer, nullable=False),
    Column("guide", String, nullable=False),  # the id of a Keyturn user
)

bookings = Table(
    "bookings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tour", ForeignKey("tours.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user", String, nullable=False, index=True),  # the id of a Keyturn user
    Column("name", String, nullable=False),
    Column("seats", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Tour:
    id: int
    title: str
    place: str
    summary: str
    starts_at: str
    capacity: int
    guide: str
    left: int


@dataclass(frozen=True, slots=True)
class Booking:
    id: int
    tour: int
    title: str
    starts_at: str
    name: str
    seats: int


class Store:
    """The application's database.

    Args:
        file: made if it is not there yet.
    """

    def __init__(self, file: Path) -> None:
        self._engine = create_engine(f"sqlite:///{file}")
        event.listen(self._engine, "connect", _prepare)
        metadata.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def tours(self) -> list[Tour]:
        """All of them, the next one first."""
        taken = (
            select(func.coalesce(func.sum(bookings.c.seats), 0)).where(bookings.c.tour == tours.c.id).scalar_subquery()
        )
        query = select(tours, (tours.c.capacity - taken).label("left")).order_by(tours.c.starts_at, tours.c.id)
        with self._engine.connect() as connection:
            return [Tour(*row) for row in connection.execute(query)]

    def tour(self, tour_id: int) -> Tour | None:
        return next((tour for tour in self.tours() if tour.id == tour_id), None)

    def add_tour(self, title: str, place: str, summary: str, starts_at: str, capacity: int, guide: str) -> int:
        values = {"title": title, "place": place, "summary": summary, "starts_at": starts_at, "capacity": capacity}
        with self._engine.begin() as connection:
            return int(connection.execute(insert(tours).values(**values, guide=guide)).inserted_primary_key[0])

    def remove_tour(self, tour_id: int) -> bool:
        """Whether there was such a tour; its bookings go with it."""
        with self._engine.begin() as connection:
            return connection.execute(delete(tours).where(tours.c.id == tour_id)).rowcount == 1

    def book(self, tour_id: int, user: str, name: str, seats: int) -> bool:
        """Book, if there are seats enough. One statement counts and writes, so nobody comes in between."""
        taken = select(func.coalesce(func.sum(bookings.c.seats), 0)).where(bookings.c.tour == tour_id).scalar_subquery()
        row = select(tours.c.id, literal(user), literal(name), literal(seats)).where(
            tours.c.id == tour_id, tours.c.capacity - taken >= seats
        )
        with self._engine.begin() as connection:
            return (
                connection.execute(insert(bookings).from_select(["tour", "user", "name", "seats"], row)).rowcount == 1
            )

    def cancel(self, booking_id: int, user: str) -> bool:
        """Whether this user had such a booking."""
        mine = delete(bookings).where(bookings.c.id == booking_id, bookings.c.user == user)
        with self._engine.begin() as connection:
            return connection.execute(mine).rowcount == 1

    def bookings_of_user(self, user: str) -> list[Booking]:
        return self._bookings(bookings.c.user == user)

    def bookings_of_tour(self, tour_id: int) -> list[Booking]:
        return self._bookings(bookings.c.tour == tour_id)

    def _bookings(self, wanted: object) -> list[Booking]:
        query = (
            select(bookings.c.id, bookings.c.tour, tours.c.title, tours.c.starts_at, bookings.c.name, bookings.c.seats)
            .join(tours)
            .where(wanted)  # type: ignore[arg-type]
            .order_by(tours.c.starts_at, bookings.c.id)
        )
        with self._engine.connect() as connection:
            return [_booking(row) for row in connection.execute(query)]


def _booking(row: Row[tuple[int, int, str, str, str, int]]) -> Booking:
    return Booking(*row)


def _prepare(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def seed(store: Store, guide: str) -> None:
    """Some tours to begin with, if there are none."""
    if store.tours():
        return
    first = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    for title, place, summary, days, capacity in (
        (
            "The old town before breakfast",
            "Lisbon",
            "Empty lanes, the first tram, and coffee where the bakers have theirs.",
            3,
            8,
        ),
        (
            "Along the cliffs to the lighthouse",
            "Cabo da Roca",
            "Four hours on foot above the sea; sturdy shoes.",
            5,
            12,
        ),
        ("Tiles and their makers", "Lisbon", "A workshop, two churches, and a tile of your own to take home.", 8, 2),
        ("By boat to the salt pans", "Tavira", "Flamingos, with luck. The boat is small.", 12, 6),
    ):
        starts_at = (first + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        store.add_tour(title, place, summary, starts_at, capacity, guide)
