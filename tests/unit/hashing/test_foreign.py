"""Hashes that other systems made. Their values are those systems' own output."""

from __future__ import annotations

import time

import pytest

from keyturn.hashing import foreign

PASSWORD = "pass wörd 🔑"

# Made in a separate environment, with parameters that a test can afford:
#   Django 5.2.19: hasher = PBKDF2PasswordHasher() and so on, hasher.encode(PASSWORD, hasher.salt()), with iterations = 1000,
#     work_factor = 1024 and parallelism = 2, rounds = 4, or memory_cost = 64
#   Werkzeug 3.1.9: generate_password_hash(PASSWORD, method)
#   passlib 1.7.4 with bcrypt 4.3.0: bcrypt.using(rounds=4, ident=…), argon2.using(type=…, memory_cost=64, rounds=3,
#     parallelism=4) and scrypt.using(rounds=10, block_size=8, parallelism=1), each with .hash(PASSWORD)
#   firebase-scrypt 2.2.0 of npm: new FirebaseScrypt({memCost: 10, rounds: 8, saltSeparator: "Bw==", …}) and .hash(PASSWORD, salt)
SIGNER_KEY = "AAMGCQwPEhUYGx4hJCcqLTAzNjk8P0JFSEtOUVRXWl1gY2ZpbG9ydXh7foGEh4qNkJOWmZyfoqWoq66xtLe6vQ=="
MADE = {
    "django pbkdf2_sha256": "pbkdf2_sha256$1000$7OrpWwVZtjnqWJQ8fz7dly$uKMTdjmHdgP4FIVaS3SMsTraqgwhymZusMEasolAPqc=",
    "django pbkdf2_sha1": "pbkdf2_sha1$1000$v6v3R0hMF9f2h3TxkILWtM$WHtonbF/ojuskEQBPsdUSaKiY+Y=",
    "django scrypt": (
        "scrypt$1024$1HbI8gTkDUIKgXACTYOQjn$8$2$"
        "+ojIvYFzTLEf3ogFaRr6ncRiipIcVvjX7sTqAvYk1bBUi4zJc28bxiQ+Fc+tViU7BCPF+Z/fOCmC4nWOvwL1hg=="
    ),
    "django bcrypt_sha256": "bcrypt_sha256$$2b$04$05sv/CkUXdkGNcFG68epTeI6NM/q.g/2qRoTSu.8KkPIhOmnIcNsG",
    "django bcrypt": "bcrypt$$2b$04$kPfAwSH81o.2ew3PcS1lp.R4.HcRdzcOKY.Ex.gDAdKpfIG7Q/gze",
    "django argon2": (
        "argon2$argon2id$v=19$m=64,t=2,p=8$dWtJMnp2N2l0RjVjejhwYndYQ2xyZw$pChoKt4xjiTxqBVd7eCDAmVfKeHhbVFNJn36wge3Lgs"
    ),
    "werkzeug scrypt": (
        "scrypt:1024:8:1$P6hsz1mGa4UPLY4f$ef7c370f72bed93e3a6a40fbfefd7534004c79fb5761355d9b9a12f88f495770"
        "28914c3bc7d7bfa3c5643e1c7699da77344cdc2050ac846799294c5a593cc9c8"
    ),
    "werkzeug pbkdf2:sha256": (
        "pbkdf2:sha256:1000$tSKyCytwbEpNJqg7$de7b30fd62ef58b642c6240a15cf1305b3fbee73e17f36e9a2dcb26c0fe3aec5"
    ),
    "werkzeug pbkdf2:sha1": "pbkdf2:sha1:1000$YJBMMR8XFCvOuR2u$730d781179ac1d9dc4cecd16135dc015582dcda4",
    "werkzeug pbkdf2:sha512": (
        "pbkdf2:sha512:1000$Glfjl1XRxvftlIIM$acd9ca2651dd2fc6b5cc40913b3c9bc3c070bce5094dbf755e8415584110b52e"
        "2868236db6869158502f2b68380434fd3385f3c19a5c8514f00d1faeb5665265"
    ),
    "bcrypt 2a": "$2a$04$ikeHTYH.cSbZxWjwSa6kb.UrkDr3Z9.3fIHJ4PwuE6NtS8RYLgMvK",
    "bcrypt 2b": "$2b$04$NKkkR.fYoMEyVYArqln5WeXEz7ViRiJxaw4AHeT//PWGmnyRfJ6g.",
    "bcrypt 2y": "$2y$04$rcvlaYqPEhqdeiNE4FGPo.3.rMK2nQYIUjQpTRDDwIQXgysd.Zw9q",
    "argon2id": "$argon2id$v=19$m=64,t=3,p=4$p/Qeg7A25jxnbE0JYQzhHA$zmoWNNC8D6KCfdFi2tK6lRGFxLvoHeAnUkdCdPOi2r4",
    "argon2i": "$argon2i$v=19$m=64,t=3,p=4$UmqNMYYwBuA85xxj7N1bKw$7qQivDdsUldvGPdZC3MRnLmqQ8pqYt8F30eQGoX/Ajg",
    "argon2d": "$argon2d$v=19$m=64,t=3,p=4$Y2xtDcFYa+1d693bWwuhlA$b9jSl/w/3dcm3wCXEUzSNXSPKEQrE85Pl92nkJ34dQo",
    "scrypt": "$scrypt$ln=10,r=8,p=1$zzkHoNSaM2ZMKYUQIgQgBA$y4uCCfkxUC3CcZ+tDQFL1Xm+W6y1TtN1pLVK85Sj7iU",
    "firebase": foreign.firebase(
        "ZsMzuzA8zP+zDmOBoCRofgkCOEGOmh7quZfNlR6vTzt+N8K3ePgcQMfXwh2kUPz1zaWEIDUFF8O8kXn0pJFszg==",
        "MDEyMzQ1Njc4OQ==",
        signer_key=SIGNER_KEY,
        salt_separator="Bw==",
        rounds=8,
        memory=10,
    ),
}

each_form = pytest.mark.parametrize("form", MADE)


@each_form
def test_the_password_belongs_to_the_hash_that_the_other_system_made(form: str) -> None:
    assert foreign.verify(MADE[form], PASSWORD) is True


@each_form
@pytest.mark.parametrize("wrong", ["", "pass word 🔑", "PASS WÖRD 🔑", PASSWORD + " "], ids=repr)
def test_another_password_does_not(form: str, wrong: str) -> None:
    assert foreign.verify(MADE[form], wrong) is False


@each_form
def test_a_hash_that_was_changed_or_cut_verifies_nothing(form: str) -> None:
    made = MADE[form]
    head, last = made[:-12], made[-12]
    other = head + ("5" if last != "5" else "6") + made[-11:]
    assert foreign.verify(other, PASSWORD) is False
    for cut in (made[:-1], made[: made.rindex("$") + 1], made[: made.rindex("$")], made + "\n", f" {made}", made * 2):
        assert not foreign.verify(cut, PASSWORD)


def test_firebase_gives_the_hash_of_its_own_documentation() -> None:
    # The sample of github.com/firebase/scrypt, once more in the alphabet of base64url.
    key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
    made = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
    for text, salt in ((made, "42xEC+ixf3L2lw=="), (made.replace("/", "_").replace("+", "-"), "42xEC-ixf3L2lw==")):
        stored = foreign.firebase(text, salt, signer_key=key, salt_separator="Bw==", rounds=8, memory=14)
        assert foreign.verify(stored, "user1password") is True
        assert foreign.verify(stored, "user2password") is False


def test_what_is_verified_is_known_beforehand() -> None:
    assert all(foreign.is_known(made) for made in MADE.values())
    assert not any(foreign.is_known(made) for made in ("", "!unusable", "5f4dcc3b5aa765d61d8327deb882cf99", PASSWORD))
    assert not foreign.is_known(MADE["bcrypt 2b"].replace("$04$", "$31$"))
    assert not foreign.is_known(MADE["firebase"].replace("n=10", "n=23"))
    assert not foreign.is_known("$fbscrypt$v=1,n=10,r=8,p=1,ss=,sk=$MDEyMzQ1Njc4OQ==$")  # nothing, encrypted


def test_bcrypt_reads_72_bytes_as_the_old_system_did() -> None:
    # bcrypt.using(rounds=4).hash("a" * 71 + "ébc"): the 72nd byte is the first half of the é.
    made = "$2b$04$iBSdlS8TU6nCbTwlSJ1xYuYbmnKwZpHySQXk3XQF1afdnDG4dJFGi"
    assert foreign.verify(made, "a" * 71 + "ébc") is True
    assert foreign.verify(made, "a" * 71 + "é and anything else") is True
    assert foreign.verify(made, "a" * 71 + "xbc") is False
    # Django's bcrypt_sha256 is there to read all of it.
    assert foreign.verify(MADE["django bcrypt_sha256"], PASSWORD + "x" * 72) is False


def test_what_was_typed_is_tried_before_its_normal_form() -> None:
    # Django does not normalise: PBKDF2PasswordHasher().encode("cafe\u0301 cre\u0300me", "saltsaltsalt", 1000)
    decomposed = "pbkdf2_sha256$1000$saltsaltsalt$OBrLxBejT9QJZ71im5va0K7FZ/j6J0s4I/carj65p80="
    assert foreign.verify(decomposed, "cafe\u0301 cre\u0300me") is True
    assert foreign.verify(decomposed, "café crème") is False
    # PASSWORD has its ö in one piece; a keyboard that takes it apart signs in all the same.
    assert foreign.verify(MADE["django pbkdf2_sha256"], "pass wo\u0308rd 🔑") is True


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "!Uv7j8FgmMPUD4NcB4OEUo7kivuSim3DSVn4N5RgL",  # Django: no password
        "x",
        PASSWORD,
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$2x$04$ikeHTYH.cSbZxWjwSa6kb.UrkDr3Z9.3fIHJ4PwuE6NtS8RYLgMvK",
        "$2b$03$NKkkR.fYoMEyVYArqln5WeXEz7ViRiJxaw4AHeT//PWGmnyRfJ6g.",
        "pbkdf2:md5:1000$YJBMMR8XFCvOuR2u$730d781179ac1d9dc4cecd16135dc015582dcda4",
        "pbkdf2_sha256$0$salt$uKMTdjmHdgP4FIVaS3SMsTraqgwhymZusMEasolAPqc=",
        "scrypt:1023:8:1$P6hsz1mGa4UPLY4f$" + "ef" * 64,
        "scrypt:1024:0:1$P6hsz1mGa4UPLY4f$" + "ef" * 64,
        "$argon2id$v=19$m=64,t=3,p=4$p/Qeg7A25jxnbE0JYQzhHA$",
        "$argon2id$v=19$m=64,t=0,p=4$p/Qeg7A25jxnbE0JYQzhHA$zmoWNNC8D6KCfdFi2tK6lRGFxLvoHeAnUkdCdPOi2r4",
        "$argon2id$v=99$m=64,t=3,p=4$p/Qeg7A25jxnbE0JYQzhHA$zmoWNNC8D6KCfdFi2tK6lRGFxLvoHeAnUkdCdPOi2r4",
        "$argon2id$v=19$m=64,t=3,p=4$p/Qeg7A25jxnbE0JYQzhHA$zmoW=",
        "\0",
        "$" * 1000,
    ],
)
def test_what_is_no_hash_of_a_known_form_belongs_to_nobody(stored: str) -> None:
    assert foreign.verify(stored, PASSWORD) is None


@pytest.mark.parametrize(
    "stored",
    [
        MADE["bcrypt 2b"].replace("$04$", "$31$"),
        MADE["bcrypt 2b"].replace("$04$", "$17$"),
        MADE["django pbkdf2_sha256"].replace("1000", "10000001"),
        MADE["werkzeug pbkdf2:sha512"].replace("1000", "9999999999"),
        MADE["django scrypt"].replace("$1024$", "$4294967296$"),
        MADE["django scrypt"].replace("$8$2$", "$8$4096$"),
        MADE["werkzeug scrypt"].replace(":1024:8:1", ":2:8388608:1"),
        MADE["werkzeug scrypt"].replace(":1024:8:1", ":1048576:16:1"),
        MADE["scrypt"].replace("ln=10", "ln=21"),
        MADE["scrypt"].replace("p=1", "p=9999999999"),
        MADE["firebase"].replace("n=10", "n=99"),
        MADE["argon2id"].replace("m=64", "m=1048577"),
        MADE["argon2id"].replace("t=3", "t=4294967295"),
        MADE["argon2id"].replace("p=4", "p=65"),
        MADE["django argon2"].replace("m=64", "m=9999999999"),
    ],
)
def test_a_hash_of_an_absurd_cost_takes_no_time(stored: str) -> None:
    began = time.thread_time()  # of this thread's own: what else the machine does at the moment is not counted
    assert foreign.verify(stored, PASSWORD) is None
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize("cost", ["m=1048576,t=4,p=1", "m=65536,t=3,p=4", "m=102400,t=2,p=8", "m=47104,t=1,p=1"])
def test_the_costs_that_are_in_use_are_within_the_bounds(cost: str) -> None:
    # libsodium's most expensive profile, argon2-cffi, Django, OWASP. A salt that is too short is found before the work is done.
    phc = f"$argon2id$v=19${cost}$c2FsdA$zmoWNNC8D6KCfdFi2tK6lRGFxLvoHeAnUkdCdPOi2r4"
    with pytest.raises(ValueError, match="not an argon2 hash"):
        foreign.argon2_matches(phc, b"x")
    with pytest.raises(ValueError, match="costs too much"):
        foreign.argon2_matches(phc.replace("m=", "m=99"), b"x")
