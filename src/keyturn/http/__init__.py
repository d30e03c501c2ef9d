"""What HTTP means to Keyturn, without a framework: cookies, origins, problems, limits, forwarded headers."""
