"""Django REST framework with simplejwt, as their documentation sets them up: rotation, blacklist, PostgreSQL."""

import os
from datetime import timedelta

SECRET_KEY = os.environ["SECRET"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
]
# The default ones, without those for pages.
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["DATABASE"],
        "USER": "keyturn",
        "HOST": "127.0.0.1",
        "PORT": os.environ["DATABASE_PORT"],
        "CONN_MAX_AGE": None,
        # One commit for a request instead of one for each of its statements: faster, and safer.
        "ATOMIC_REQUESTS": os.environ["VARIANT"] == "atomic",
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication."
        + ("JWTStatelessUserAuthentication" if os.environ["VARIANT"] == "stateless" else "JWTAuthentication")
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "SIGNING_KEY": os.environ["ACCESS_SECRET"],
}
if issuer := os.environ.get("ISSUER"):
    # Access tokens as Keyturn issues them.
    SIMPLE_JWT |= {"ISSUER": issuer, "AUDIENCE": issuer, "TOKEN_TYPE_CLAIM": None, "USER_ID_CLAIM": "sub"}
    SIMPLE_JWT |= {"USER_ID_FIELD": "username"}
