"""Signing in with somebody else's accounts: one module a kind of provider, each with the methods of `keyturn.ports.Provider`."""
