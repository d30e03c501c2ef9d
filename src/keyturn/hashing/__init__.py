"""Password hashes: argon2id, a bounded number at a time; those of other systems until their users have signed in once."""

from keyturn.hashing.hasher import Argon2Hasher
from keyturn.hashing.pepper import Pepper

__all__ = ["Argon2Hasher", "Pepper"]
