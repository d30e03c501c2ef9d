"""For tests, ours and other people's: a clock that stands still, seeded randomness, cheap hashes, the store contract."""
