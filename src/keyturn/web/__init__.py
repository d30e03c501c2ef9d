"""The pages: views in, HTML text out. No framework, and nothing of HTTP but the paths that forms are sent to."""
