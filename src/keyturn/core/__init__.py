"""The pure core: frozen values in, frozen values out. Time and randomness are arguments; nothing here reads or writes."""
