"""The flows, one a file: what happens when somebody signs in, refreshes, signs out. Synchronous; no HTTP."""
