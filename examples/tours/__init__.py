"""A small tour management application that mounts Keyturn as a library."""
