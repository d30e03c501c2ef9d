"""The ASGI application: calls, batching, wiring, settings."""
