"""Everything that a request to `POST /refresh-token` may look like, and what is to come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from tests.support.client import BASE
from tests.support.server import APP, HOST, PUBLIC

PATH = f"{BASE}/refresh-token"
COOKIE = "cookie: __Host-keyturn_refresh=<cookie>"
JSON = "content-type: application/json"
TOKEN = b'{"refresh_token": "<body>"}'
KIB = 1024


class Request(NamedTuple):
    """A request to the route, and the answer.

    Attributes:
        status: of the answer.
        code: of the problem; empty: it is none.
        headers: as lines. <cookie>, <body> and <access> stand for a token each.
        body: its length is among the headers unless `length` is not.
    """

    status: int
    code: str = ""
    headers: tuple[str, ...] = (COOKIE,)
    body: bytes = b""
    method: str = "POST"
    target: str = PATH
    version: str = "HTTP/1.1"
    hosts: tuple[str, ...] = (HOST,)
    length: bool = True

    def encoded(self, tokens: Mapping[str, str]) -> bytes:
        def filled(text: bytes) -> bytes:
            for name, token in tokens.items():
                text = text.replace(f"<{name}>".encode(), token.encode())
            return text

        body = filled(self.body)
        lines = [f"{self.method} {self.target} {self.version}", *(f"host: {host}" for host in self.hosts)]
        lines += [*self.headers, *([f"content-length: {len(body)}"] if self.length else [])]
        return filled("\r\n".join([*lines, "", ""]).encode("latin-1")) + body


def missing(*headers: str, body: bytes = b"") -> Request:
    return Request(401, "refresh_token_missing", headers, body)


def invalid(*headers: str, body: bytes = b"") -> Request:
    return Request(403, "refresh_token_invalid", headers, body)


def sent(token: str) -> bytes:
    return json.dumps({"refresh_token": token}).encode()


CREDENTIALS = {
    "the cookie": Request(200),
    "the cookie and an empty object": Request(200, "", (COOKIE, JSON), b"{}"),
    "the cookie and null": Request(200, "", (COOKIE, JSON), b'{"refresh_token": null}'),
    "the cookie among others": Request(200, "", (f"{COOKIE}; a=b", "cookie: c=d; keyturn_refresh=x")),
    "the body": Request(200, "", (JSON,), TOKEN),
    "the body, escaped": Request(200, "", (JSON,), rb'{"refresh\u005ftoken": "<body>"}'),
    "cookie and body": Request(422, "invalid_request", (COOKIE, JSON), TOKEN),
    "cookie and an empty text": Request(422, "invalid_request", (COOKIE, JSON), b'{"refresh_token": ""}'),
    "nothing": missing(),
    "an empty cookie": missing("cookie: __Host-keyturn_refresh="),
    "an empty body token": missing(JSON, body=b'{"refresh_token": ""}'),
    "the cookie without its prefix": missing("cookie: keyturn_refresh=<cookie>"),
    "the cookie in capitals": missing("cookie: __HOST-KEYTURN_REFRESH=<cookie>"),
    "the access cookie": missing("cookie: __Host-keyturn_access=<cookie>"),
    "in Authorization": missing("authorization: Bearer <body>"),
    "in a header of its own": missing("refresh_token: <body>", "x-refresh-token: <body>"),
    "in the query": Request(401, "refresh_token_missing", (), target=f"{PATH}?refresh_token=<body>"),
    "a query beside the cookie": Request(200, target=f"{PATH}?x=y"),
    "the other delivery's token in the cookie": invalid("cookie: __Host-keyturn_refresh=<body>"),
    "the other delivery's token in the body": invalid(JSON, body=sent("<cookie>")),
    "an access token in the cookie": invalid("cookie: __Host-keyturn_refresh=<access>"),
    "an access token in the body": invalid(JSON, body=sent("<access>")),
    "garbage in the cookie": invalid("cookie: __Host-keyturn_refresh=garbage"),
    "garbage in the body": invalid(JSON, body=sent("garbage")),
    "no ASCII": invalid(JSON, body=sent("žluťoučký.kůň.")),
    "a zero byte in the token": invalid(JSON, body=sent("<body>\0")),
    "white space after the token": invalid(JSON, body=sent("<body> ")),
    "a quoted cookie": invalid('cookie: __Host-keyturn_refresh="<cookie>"'),
    "a cookie with a byte beyond ASCII": invalid("cookie: __Host-keyturn_refresh=<cookie>\xff"),
    "4,096 letters": invalid(JSON, body=sent("a" * 4096)),
    "a letter more": Request(422, "invalid_request", (JSON,), sent("a" * 4097)),
    "the cookie twice": Request(400, "duplicate_cookie", (f"{COOKIE}; __Host-keyturn_refresh=<cookie>",)),
    "two cookie headers": Request(400, "duplicate_cookie", (COOKIE, "cookie: __Host-keyturn_refresh=x")),
    "an unknown Authorization beside the cookie": Request(200, "", (COOKIE, "authorization: Basic Zm9v")),
    "Authorization twice beside the cookie": Request(200, "", (COOKIE, "authorization: Bearer x", "authorization: y")),
}

MALFORMED = {
    "a brace": b"{",
    "two values": TOKEN + b"{}",
    "a trailing comma": b'{"refresh_token": "<body>",}',
    "a byte order mark": b"\xef\xbb\xbf" + TOKEN,
    "UTF-16": TOKEN.decode().encode("utf-16"),
    "no UTF-8": b'{"refresh_token": "\xff"}',
    "half a surrogate pair": rb'{"refresh_token": "\ud800"}',
    "a name twice": b'{"refresh_token": "<body>", "refresh_token": "<body>"}',
    "NaN": b'{"refresh_token": NaN}',
    "a thousand levels": b"[" * 1000 + b"]" * 1000,
    "a form": b"refresh_token=<body>",
    "a zero byte": b"\0",
}
NO_OBJECTS = [b"[]", b'""', b"null", b"1", b"true", b"[{}]"]
WRONG_OBJECTS = [
    b'{"refresh_token": 1}',
    b'{"refresh_token": ["<body>"]}',
    b'{"refresh_token": {"": "<body>"}}',
    b'{"refresh_token": true}',
    b'{"refresh_token": "<body>", "x": 1}',
    b'{"refreshToken": "<body>"}',
    b'{"": 1}',
]
NO_JSON = ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "text/json", ""]

BODIES = {
    **{f"malformed: {name}": Request(400, "malformed_json", (JSON,), body) for name, body in MALFORMED.items()},
    **{f"no object: {body!r}": Request(422, "invalid_request", (JSON,), body) for body in NO_OBJECTS},
    **{f"wrong: {body!r}": Request(422, "invalid_request", (JSON,), body) for body in WRONG_OBJECTS},
    **{
        f"type: {value!r}": Request(415, "unsupported_media_type", (f"content-type: {value}",), TOKEN)
        for value in NO_JSON
    },
    "no type": Request(415, "unsupported_media_type", (), TOKEN),
    "two types": Request(415, "unsupported_media_type", (JSON, JSON), TOKEN),
    "another spelling": Request(200, "", ('Content-Type: Application/JSON; Charset="UTF-8"',), TOKEN),
    "nothing, of another type": Request(200, "", (COOKIE, "content-type: text/plain")),
    "compressed": Request(415, "unsupported_media_type", (JSON, "content-encoding: gzip"), TOKEN),
    "nothing, compressed": Request(415, "unsupported_media_type", (COOKIE, "content-encoding: gzip")),
    "16 KiB": Request(200, "", (COOKIE, JSON), b"{}" + b" " * (16 * KIB - 2)),
    "more": Request(413, "too_large", (COOKIE, JSON), b"{}" + b" " * (16 * KIB - 1)),
    "much more, announced": Request(413, "too_large", (COOKIE, JSON, "content-length: 1000000000000"), length=False),
    "without length": Request(200, length=False),
}


def chunks(status: int, code: str, body: bytes, *headers: str) -> Request:
    return Request(status, code, (COOKIE, JSON, "transfer-encoding: chunked", *headers), body, length=False)


def malformed(*headers: str, body: bytes = b"", **more: object) -> Request:
    return Request(400, "malformed_request", (COOKIE, JSON, *headers), body, length=False)._replace(**more)


SMUGGLED = b"2\r\n{}\r\n0\r\n\r\n"
FRAMING = {
    "one chunk": chunks(200, "", SMUGGLED),
    "two chunks": chunks(200, "", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
    "too many chunks": chunks(413, "too_large", b"2\r\n{}\r\n4000\r\n" + b" " * 16 * KIB + b"\r\n0\r\n\r\n"),
    "lengths that agree": malformed("content-length: 2", "content-length: 2", body=b"{}"),
    "lengths that differ": malformed("content-length: 2", "content-length: 0", body=b"{}"),
    "lengths in a list": malformed("content-length: 2, 2", body=b"{}"),
    "a length with a sign": malformed("content-length: +2", body=b"{}"),
    "a negative length": malformed("content-length: -2", body=b"{}"),
    "a length in hexadecimal": malformed("content-length: 0x2", body=b"{}"),
    "no length at all": malformed("content-length: ", body=b"{}"),
    "CL.TE": malformed("content-length: 12", "transfer-encoding: chunked", body=SMUGGLED),
    "TE.CL": malformed("transfer-encoding: chunked", "content-length: 12", body=SMUGGLED),
    "TE.TE": malformed("transfer-encoding: chunked", "transfer-encoding: identity", body=SMUGGLED),
    "an unknown coding": malformed("transfer-encoding: xchunked", body=SMUGGLED),
    "chunked, but not at last": malformed("transfer-encoding: chunked, gzip", body=SMUGGLED),
    "a space before the colon": malformed("transfer-encoding : chunked", body=SMUGGLED),
    "a folded line": malformed("x: y", " transfer-encoding: chunked", body=SMUGGLED),
    "a folded line of tabs": malformed("x: y", "\ttransfer-encoding: chunked", body=SMUGGLED),
    "a bare line feed": malformed("x: y\ntransfer-encoding: chunked", body=SMUGGLED),
    "a bare carriage return": malformed("x: y\rtransfer-encoding: chunked", body=SMUGGLED),
    "a zero byte in a value": malformed("x: y\0", "content-length: 0"),
    "a zero byte in a name": malformed("x\0: y", "content-length: 0"),
    "no name": malformed(": y", "content-length: 0"),
    "no colon": malformed("nonsense", "content-length: 0"),
    "no chunk size": malformed("transfer-encoding: chunked", body=b"x\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": malformed("transfer-encoding: chunked", body=b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk of negative size": malformed("transfer-encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size beyond measure": malformed("transfer-encoding: chunked", body=b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n"),
    "another protocol": malformed("content-length: 0", version="HTTP/3.1"),
    "an unknown method": malformed("content-length: 0", method="STEAL"),
    "a method in small letters": malformed("content-length: 0", method="post"),
}

HEADERS = {
    # Host, Cookie and Content-Length are among them.
    "64 of them": Request(200, "", (COOKIE, *["x: "] * 61)),
    "65 of them": Request(431, "headers_too_large", (COOKIE, *["x: "] * 62)),
    "15 KiB of them": Request(200, "", (COOKIE, "x: " + "x" * 15 * KIB)),
    "16 KiB of them": Request(431, "headers_too_large", (COOKIE, "x: " + "x" * 16 * KIB)),
    "16 KiB of cookies": Request(431, "headers_too_large", (f"{COOKIE}; x={'x' * 16 * KIB}",)),
    "70 KiB in the path": Request(400, "malformed_request", target=f"{PATH}?{'x' * 70 * KIB}"),
    "HTTP/1.0": Request(200, version="HTTP/1.0"),
}

HOSTS = {
    "our name in capitals": Request(200, hosts=(HOST.upper(),)),
    "our name and port": Request(200, hosts=(f"{HOST}:443",)),
    "an absolute target": Request(200, target=PUBLIC + PATH),
    "an absolute target elsewhere": Request(200, target="https://evil.example" + PATH),
    "forwarded names": Request(200, "", (COOKIE, "x-forwarded-host: evil.example", "forwarded: host=evil.example")),
    **{
        f"no name of ours: {host!r}": Request(421, "unknown_host", hosts=(host,))
        for host in ("evil.example", "", f"{HOST}:444", f"{HOST}.", f"{HOST}.evil.example", "localhost", "127.0.0.1")
    },
    "no name at all": Request(421, "unknown_host", hosts=()),
    "our name twice": Request(421, "unknown_host", hosts=(HOST, HOST)),
    "ours and another": Request(421, "unknown_host", hosts=(HOST, "evil.example")),
}


def told(*headers: str) -> tuple[str, ...]:
    return (COOKIE, *headers)


FOREIGN = {
    "another origin": told("origin: https://evil.example"),
    "a subdomain's origin": told(f"origin: https://x.{HOST}"),
    "our origin without TLS": told(f"origin: http://{HOST}"),
    "no origin in particular": told("origin: null"),
    "an empty origin": told("origin: "),
    "our origin twice": told(f"origin: {PUBLIC}", f"origin: {PUBLIC}"),
    "the same site": told("sec-fetch-site: same-site"),
    "another site": told("sec-fetch-site: cross-site"),
    "another site, with our origin": told("sec-fetch-site: cross-site", f"origin: {PUBLIC}"),
    "no site": told("sec-fetch-site: none"),
    "an empty site": told("sec-fetch-site: "),
    "our site twice": told("sec-fetch-site: same-origin", "sec-fetch-site: same-origin"),
}
OWN = {
    "our origin": told(f"origin: {PUBLIC}"),
    "the same origin": told("sec-fetch-site: same-origin"),
    "an allowed origin": told(f"origin: {APP}"),
    "an allowed origin from another site": told(f"origin: {APP}", "sec-fetch-site: cross-site"),
}
ORIGINS = {
    **{name: Request(403, "cross_origin", headers) for name, headers in FOREIGN.items()},
    **{name: Request(200, "", headers) for name, headers in OWN.items()},
}

METHODS = {
    **{
        name: Request(405, "method_not_allowed", method=name)
        for name in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
    },
    "a POST in disguise": Request(405, "method_not_allowed", (COOKIE, "x-http-method-override: POST"), method="GET"),
    "a GET in disguise": Request(200, "", (COOKIE, "x-http-method-override: GET")),
    "a preflight": Request(204, "", (f"origin: {APP}", "access-control-request-method: POST"), method="OPTIONS"),
    "a preflight from elsewhere": Request(
        405, "method_not_allowed", ("origin: https://evil.example",), method="OPTIONS"
    ),
}

TARGETS = {
    "an encoded letter": Request(200, target=PATH.replace("refresh", "%72efresh")),
    "an encoded hyphen": Request(200, target=PATH.replace("-", "%2d")),
    "an encoded letter, from another site": Request(
        403, "cross_origin", told("sec-fetch-site: cross-site"), target=PATH.replace("refresh", "%72efresh")
    ),
    "encoded twice": Request(404, "not_found", target=PATH.replace("refresh", "%2572efresh")),
    "an encoded slash": Request(200, target=PATH.replace("/refresh", "%2frefresh")),
    "a slash more": Request(404, "not_found", target=f"{PATH}/"),
    "a slash more before": Request(404, "not_found", target=f"/{PATH}"),
    "a parameter": Request(404, "not_found", target=f"{PATH};x=y"),
    "a dot more": Request(404, "not_found", target=f"{PATH}."),
    "there and back": Request(404, "not_found", target=f"{BASE}/x/../refresh-token"),
    "capitals": Request(404, "not_found", target=PATH.upper()),
    "an underscore": Request(404, "not_found", target=PATH.replace("-", "_")),
    "a zero byte": Request(404, "not_found", target=f"{PATH}%00"),
}

ORDER = {
    "headers before the host": Request(431, "headers_too_large", ("x: " + "x" * 16 * KIB,), hosts=("evil.example",)),
    "the host before the path": Request(421, "unknown_host", target="/nothing", hosts=("evil.example",)),
    "the host before the origin": Request(421, "unknown_host", FOREIGN["another origin"], hosts=("evil.example",)),
    "the method before the origin": Request(405, "method_not_allowed", FOREIGN["another origin"], method="PUT"),
    "the origin before the body": Request(403, "cross_origin", (*FOREIGN["another origin"], JSON), b"{"),
    "the origin before its length": Request(
        403, "cross_origin", (*FOREIGN["another site"], "content-length: 99999999"), length=False
    ),
    "the coding before its length": Request(
        415, "unsupported_media_type", (COOKIE, "content-encoding: gzip"), b" " * 17 * KIB
    ),
    "the length before its type": Request(413, "too_large", (COOKIE, "content-type: text/plain"), b" " * 17 * KIB),
    "the type before its text": Request(415, "unsupported_media_type", (COOKIE,), b"{"),
    "the body before the cookies": Request(400, "malformed_json", (f"{COOKIE}; {COOKIE[8:]}", JSON), b"{"),
}

GROUPS = {
    "credentials": CREDENTIALS,
    "body": BODIES,
    "framing": FRAMING,
    "headers": HEADERS,
    "host": HOSTS,
    "origin": ORIGINS,
    "method": METHODS,
    "target": TARGETS,
    "order": ORDER,
}
REQUESTS = {f"{group}: {name}": request for group, table in GROUPS.items() for name, request in table.items()}
