"""Keyturn in the applications of other frameworks; each module needs the extra of its name."""
