"""The inputs that fuzzing begins with, in tests/fuzz/corpus. `python -m tests.fuzz.seeds` writes them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fuzz.targets import KEYS, TARGETS
from tests.support.tokens import access_payload, compact_json, header, refresh_payload

from keyturn.core.keyring import encoded

CORPUS = Path(__file__).parent / "corpus"

_TEXTS: Mapping[str, list[bytes]] = {
    "cookies": [
        b"__Host-keyturn_refresh=abc.def.ghi; theme=dark",
        b"a=b;\t __Host-keyturn_refresh=x \t;c",
        b"a=1\n__Host-keyturn_refresh=x=y=z",
        b"__Host-keyturn_refresh=one; __Host-keyturn_refresh=two",
        b'$Version=1; __Host-keyturn_refresh="quoted"; =x; __Host-keyturn_refresh',
    ],
    "json_text": [
        b'{"login":"user@example.com","password":"a \\"b\\" \\u00e9\\ud83d\\ude00"}',
        b'{"a":[1,-2,3.5e1,true,false,null,{}],"b":"{[,"}',
        b'{"a":1,"a":2}',
        b"[[[[[]]]]]",
        b'"\\ud800"',
        b"[NaN,Infinity,1e999,123456789012345678901]",
        b"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]",
        b"\xef\xbb\xbf{}",
    ],
    "duration": [b"90s", b"15m", b"12h", b"30d", b"3600", b"0s", b"999999999d", b" 1s", b"-1s", "١s".encode()],
    "origin": [
        b"https://app.example.com",
        b"http://localhost:5173/",
        b"https://[2001:db8::1]:8443",
        "https://münchen.example".encode(),
        b"HTTPS://Example.COM:443",
        b"https://user:password@example.com",
        b"https://example.com/path?query#fragment",
        b"http://127.0.0.1:0",
    ],
    "forwarded": [
        b"10.0.0.1\n203.0.113.7",
        b"10.0.0.1\n198.51.100.1, 203.0.113.7 , 10.2.3.4\n192.0.2.1",
        b"203.0.113.9\n198.51.100.1",
        b"2001:db8::1\n2001:db9::5, ::ffff:10.1.1.1",
        b"10.0.0.1\nunknown, fe80::1%eth0",
        b"\n203.0.113.7",
    ],
}


def _tokens(kind: str, payload: Mapping[str, object]) -> Iterator[bytes]:
    for letter, key in KEYS.items():
        yield letter + compact_json(header(key, kind)) + b"\n" + compact_json(payload)
    key = KEYS[b"h"]
    yield b"=" + key.sign(encoded(payload), kind).encode()
    yield b"=" + KEYS[b"d"].sign(encoded(payload), kind).encode()
    yield b"h" + compact_json(header(key, kind, crit=["b64"], b64=False)) + b"\n" + compact_json(payload)
    yield b"h" + compact_json(header(key, kind)) + b'\n{"iss":1,"exp":"1790000000","iat":1e400,"sub":"\\ud800"}'
    yield b"h" + compact_json(header(key, kind, alg="none")) + b"\n" + compact_json(payload)


def seeds() -> Iterator[tuple[Path, bytes]]:
    """Every input with the file that it is in."""
    inputs = {
        "access_token": list(_tokens("at+jwt", access_payload(username="müller"))),
        "refresh": list(_tokens("rt+jwt", refresh_payload())),
        **_TEXTS,
    }
    assert inputs.keys() == TARGETS.keys()
    for target, texts in inputs.items():
        for number, text in enumerate(texts):
            yield CORPUS / target / f"{number:02}", text


def main() -> None:
    for file, text in seeds():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)


if __name__ == "__main__":
    main()
