"""Make the tables and some users, and print a refresh token of each."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402 after the set-up
from django.core.management import call_command  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402

call_command("migrate", verbosity=0)
for username in sys.argv[1:]:
    print(RefreshToken.for_user(User.objects.create_user(username)))
