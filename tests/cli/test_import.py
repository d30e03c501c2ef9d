"""`keyturn users import`: users from elsewhere, as files really come, and what a running server makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import Done, assert_one_line
from tests.support.server import LiveServer

# of PASSWORD: bcrypt.hashpw(…, bcrypt.gensalt(4))
BCRYPT = "$2b$04$LQn8DqwNOanFwj4NSv4Ok.yczCOKlmv/QOrd15FgmeuhtajgMFVJq"

Importing = Callable[..., Done]


@pytest.fixture
def importing(command: Command, tmp_path: Path) -> Importing:
    """Writes a file and imports it."""

    def run(content: str | bytes, *options: str, name: str = "users.csv", **environ: str) -> Done:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return command("users", "import", str(file), *options, **environ)

    return run


def listed(command: Command) -> list[dict[str, Any]]:
    users: list[dict[str, Any]] = command("users", "list", "--limit", "0", "--json").json["users"]
    return users


def refused(done: Done) -> list[str]:
    """What was said on standard error; something was refused."""
    assert done.returncode == 1, done
    return done.stderr.splitlines()


def test_a_user_comes_with_everything_and_signs_in_with_the_old_password(
    importing: Importing, command: Command, data: Path
) -> None:
    line = {
        "id": "auth0|5f7c",
        "email": EMAIL,
        "email_verified": True,
        "username": "alice",
        "full_name": "Alice Å",
        "roles": ["admin", "staff"],
        "disabled": False,
        "created_at": "2020-02-29T12:00:00+02:00",
        "password_hash": BCRYPT,
    }
    done = importing(json.dumps(line), name="users.jsonl")
    assert (done.stdout, done.returncode) == ("1 created, 0 unchanged, 0 updated, 0 differs, 0 refused\n", 0)
    del line["password_hash"]
    assert listed(command) == [line | {"created_at": "2020-02-29T10:00:00Z"}]
    with LiveServer(data) as server, Browser(server.url) as browser:
        assert browser.login("alice", PASSWORD)["user"]["id"] == "auth0|5f7c"
        account = server.context.database.read(lambda tx: tx.users.find(EMAIL))
        assert account is not None
        assert str(account.password_hash).startswith("$argon2id$")


def test_the_same_file_again_changes_nothing_even_after_a_sign_in(
    importing: Importing, command: Command, data: Path
) -> None:
    content = f"email,full_name,password_hash\n{EMAIL},Alice,{BCRYPT}\nbob@example.com,,\n"
    assert importing(content).stdout.startswith("2 created")
    before = listed(command)
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login()
        done = importing(content)
        assert (done.stdout, done.returncode) == ("0 created, 2 unchanged, 0 updated, 0 differs, 0 refused\n", 0)
        assert browser.me().status_code == 200
        browser.login()
    assert listed(command) == before


def test_a_bad_line_is_named_and_costs_no_other(importing: Importing, command: Command) -> None:
    hash_of_nothing = "5f4dcc3b5aa765d61d8327deb882cf99"
    content = (
        "email,username,full_name,roles,created_at,password_hash\n"
        "good@example.com,,,,,\n"
        "not an address,,,,,\n"
        ",nobody,,,,\n"
        "a@example.com,with space,,,,\n"
        "b@example.com,,Bell\aringer,,,\n"
        "c@example.com,,,r\u00f4le,,\n"
        "d@example.com,,,,yesterday,\n"
        "e@example.com,,,,2999-01-01T00:00:00Z,\n"
        f"f@example.com,,,,,{hash_of_nothing}\n"
        "g@example.com,,\n"
        '"h@example.com,,,,,\n'
        "i@example.com,,,,1950-01-01,\n"
        "\n"
        "last@example.com,,,,,"
    )
    done = importing(content)
    said = refused(done)
    assert [line.partition(":")[0] for line in said] == [f"line {number}" for number in range(3, 14)]
    words = "email email username full_name role created_at created_at password_hash cells closed created_at"
    assert all(word in line for line, word in zip(said, words.split(), strict=True)), said
    assert hash_of_nothing not in done.stderr + done.stdout
    assert done.stdout == "2 created, 0 unchanged, 0 updated, 0 differs, 11 refused\n"
    assert {user["email"] for user in listed(command)} == {"good@example.com", "last@example.com"}


def test_a_dry_run_says_the_same_and_writes_nothing(importing: Importing, command: Command) -> None:
    content = f"email,full_name\n{EMAIL},Alice\nnothing,\n"
    command("db", "upgrade")
    dry = importing(content, "--dry-run", "--json")
    assert listed(command) == []
    real = importing(content, "--json")
    said = [json.loads(done.stdout) for done in (dry, real)]
    assert [one.pop("dry_run") for one in said] == [True, False]
    assert said[0] == said[1]
    assert said[0]["problems"] == [
        {
            "line": 3,
            "outcome": "refused",
            "reason": "email: Enter an e-mail address such as name@example.org.",
        }
    ]


def test_a_dry_run_where_nothing_is_makes_nothing_and_says_so(
    importing: Importing, command: Command, data: Path
) -> None:
    done = importing(f"email\n{EMAIL}\n{EMAIL}\nnobody\n", "--dry-run")
    assert not data.exists()
    assert done.stdout == "1 created, 0 unchanged, 0 updated, 0 differs, 2 refused (nothing was written)\n"
    assert done.stderr.endswith("\nThere is no database yet: this is what would become of an empty one.\n")
    assert importing(f"email\n{EMAIL}\n").stdout.startswith("1 created")
    assert "no database" not in importing(f"email\n{EMAIL}\n", "--dry-run").stderr


def test_who_is_here_already_is_compared_and_never_overwritten_unasked(importing: Importing, command: Command) -> None:
    assert importing(f"id,email,full_name,roles\n7,{EMAIL},Alice,staff\n").returncode == 0
    other = "id,email,full_name,roles\n7,new@example.com,Alice,staff admin\n8,bob@example.com,,\n"
    done = importing(other)
    assert done.stderr == "line 2: The account 7 has another email, roles; --update takes over what the file says.\n"
    assert (done.returncode, done.stdout) == (0, "1 created, 0 unchanged, 0 updated, 1 differs, 0 refused\n")
    assert {user["email"] for user in listed(command)} == {EMAIL, "bob@example.com"}
    assert importing(other, "--update").stdout == "0 created, 1 unchanged, 1 updated, 0 differs, 0 refused\n"
    assert importing(other).stdout == "0 created, 2 unchanged, 0 updated, 0 differs, 0 refused\n"
    changed = next(user for user in listed(command) if user["id"] == "7")
    assert (changed["email"], changed["roles"]) == ("new@example.com", ["staff", "admin"])


def test_what_the_file_does_not_mention_is_not_compared(importing: Importing, command: Command) -> None:
    assert command("users", "create", EMAIL, "--admin", "--password-stdin", given=f"{PASSWORD}\n").returncode == 0
    assert importing(f"email\n{EMAIL}\n").stdout.startswith("0 created, 1 unchanged")


def test_an_update_changes_no_password_and_its_roles_count_at_once(
    importing: Importing, command: Command, data: Path
) -> None:
    importing(f"id,email,email_verified,password_hash\n7,{EMAIL},true,{BCRYPT}\n")
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login()
        other = BCRYPT[:-1] + ("a" if BCRYPT[-1] != "a" else "b")
        done = importing(f"id,email,roles,password_hash\n7,{EMAIL},admin,{other}\n", "--update")
        assert done.stdout.startswith("0 created, 0 unchanged, 1 updated")
        server.context.revocations.follow(server.context.database)
        assert browser.me().status_code == 401
        assert browser.refresh().json()["user"]["roles"] == ["admin"]
        browser.login()
        assert importing(f"id,email,disabled\n7,{EMAIL},true\n", "--update").returncode == 0
        answer = browser.refresh()
        assert (answer.status_code, answer.json()["reason"]) == (403, "account_disabled")


def test_an_account_that_somebody_else_may_have_registered_is_given_nothing(
    importing: Importing, command: Command
) -> None:
    """Whoever registers an administrator's address before the import must not become one by it."""
    assert command("users", "create", EMAIL, "--password-stdin", given=f"{PASSWORD}\n").returncode == 0
    done = importing(f"email,email_verified,roles\n{EMAIL},true,admin\n", "--update")
    assert "nobody has verified its address" in done.stderr
    assert [(user["roles"], user["email_verified"]) for user in listed(command)] == [([], False)]


def test_an_address_or_a_name_of_somebody_else_is_refused(importing: Importing, command: Command) -> None:
    importing("id,email,username\n1,one@example.com,one\n2,two@example.com,two\n")
    said = refused(
        importing("id,email,username\n3,ONE@example.com,three\n4,four@example.com,TWO\n1,two@example.com,one\n")
    )
    assert said == [
        "line 2: email: The account 1 has this address, under another id than the file says.",
        "line 3: username: The account 2 has this name.",
        "line 4: email: The account 2 has this address, under another id than the file says.",
    ]
    assert len(listed(command)) == 2


def test_names_that_differ_only_by_case_or_unicode_form_are_one(importing: Importing, command: Command) -> None:
    content = (
        "email,username\n"
        "jose\u0301@example.com,kelvin\n"
        "JOS\u00c9@example.com,\n"
        "x@example.com,\u212aelvin\n"
        "y@m\u00fcnchen.example,\n"
        "y@xn--mnchen-3ya.example,\n"
    )
    assert refused(importing(content)) == [
        "line 3: email: Line 2 has the same.",
        "line 4: username: Line 2 has the same.",
        "line 6: email: Line 5 has the same.",
    ]
    assert len(listed(command)) == 2


def test_columns_that_are_not_known_stop_it_before_anything_is_written(importing: Importing, data: Path) -> None:
    assert_one_line(importing("email,phone,\x1b[31m\nx@example.com,1,2\n"), '"phone"', r'"\u001b[31m"', "--ignore")
    lines = f'{{"email": "{EMAIL}"}}\n{{"email": "x@example.com", "phone": "1"}}\n'
    assert_one_line(importing(lines, name="users.jsonl"), '"phone"')
    assert_one_line(importing("full_name\nAlice\n"), "no column email")
    assert_one_line(importing(""), "first line")
    assert_one_line(importing("email,email\n"), "first line")
    assert not data.exists()
    assert importing(lines, "--ignore", "phone", name="users.jsonl").stdout.startswith("2 created")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["commas", "semicolons", "tabs"])
def test_a_spreadsheet_writes_it_as_it_likes(importing: Importing, command: Command, delimiter: str) -> None:
    rows = [["email", "full_name"], [EMAIL, '"Alice, ""Al""; A"']]
    content = "\r\n".join(delimiter.join(row) for row in rows) + "\r\n"
    assert importing(b"\xef\xbb\xbf" + content.encode()).returncode == 0
    assert [user["full_name"] for user in listed(command)] == ['Alice, "Al"; A']


def test_another_encoding_is_said_with_what_to_do(importing: Importing, command: Command) -> None:
    content = f"email,full_name\n{EMAIL},Zo\u00eb\nbob@example.com,Bob\n"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        assert_one_line(importing(content.encode(encoding)), "UTF-16", "iconv")
    (said,) = refused(importing(content.encode("latin-1")))
    assert said.startswith("line 2: Byte")
    assert "iconv -f LATIN1" in said
    assert [user["email"] for user in listed(command)] == ["bob@example.com"]


def test_where_no_line_can_be_read_each_says_why(importing: Importing) -> None:
    assert refused(importing(f'[{{"email": "{EMAIL}"}}]', name="users.jsonl")) == ["line 1: This is no JSON object."]
    (said,) = refused(importing(f'{{"email": "{EMAIL}", "full_name": "Zoë"}}\n'.encode("latin-1"), name="users.jsonl"))
    assert said.startswith("line 1: Byte")
    assert importing("", name="users.jsonl").stdout.startswith("0 created")


def test_a_line_of_megabytes_costs_no_other_and_no_memory(importing: Importing, command: Command) -> None:
    for name, lines in {
        "a.csv": ("email,full_name", f"{EMAIL},{'x' * 5_000_000}", "bob@example.com,Bob"),
        "a.jsonl": ("{}", '{"email": "' + "x" * 5_000_000 + '"}', '{"email": "carol@example.com"}'),
    }.items():
        done = importing("\n".join(lines), name=name)
        assert "line 2: The line is longer than 65536 bytes." in refused(done)
        assert len(done.stderr) < 500
    assert len(listed(command)) == 2


def test_lines_that_are_no_json_objects_cost_no_other(importing: Importing, command: Command) -> None:
    bad = ["[]", '"x"', "{", "nul", '{"email": 5}', '{"email": "a@b.example", "email": "c@d.example"}', "[" * 60_000]
    bad += ['{"email": "x@example.com", "full_name": "\\ud800"}', '{"email": "x@example.com", "roles": [1]}']
    done = importing("\n".join([*bad, f'{{"email": "{EMAIL}", "roles": "a b,c", "id": 5}}']), name="users.jsonl")
    assert len(refused(done)) == len(bad)
    assert [(user["id"], user["roles"]) for user in listed(command)] == [("5", ["a", "b", "c"])]


def test_an_account_of_a_provider_opens_one_account(importing: Importing, command: Command) -> None:
    google = {"issuer": "https://accounts.google.com", "subject": "1"}
    lines = [
        {"id": "1", "email": "one@example.com", "identities": [google]},
        {"id": "2", "email": "two@example.com", "identities": [google]},
        {"id": "3", "email": "three@example.com", "identities": [google | {"subject": ""}]},
        {"id": "4", "email": "four@example.com", "identities": [google | {"secret": "x"}]},
        {"id": "5", "email": "five@example.com", "identities": "google"},
    ]
    said = refused(importing("\n".join(map(json.dumps, lines)), name="users.jsonl"))
    assert said[0] == "line 2: identities: Line 1 has the same."
    assert [line.partition(": Write")[0] for line in said[1:]] == [f"line {n}: identities" for n in (3, 4, 5)]
    assert refused(importing(json.dumps(lines[1]), name="users.jsonl")) == [
        "line 1: identities: One of these accounts opens the account 1 already."
    ]
    assert importing(json.dumps(lines[0]), name="users.jsonl").stdout.startswith("0 created, 1 unchanged")
    assert len(listed(command)) == 1


class Elsewhere:
    """An application's own table of users, which cannot take many at a time."""

    def __init__(self, connection: object) -> None:
        pass


def test_users_of_a_table_of_the_applications_own_are_not_imported(importing: Importing, data: Path) -> None:
    done = importing(f"email\n{EMAIL}\n", KEYTURN_USER_STORE=f"{__name__}:Elsewhere")
    assert_one_line(done, "KEYTURN_USER_STORE", "bring the users there")


def test_standard_input_is_read_when_its_form_is_named(command: Command) -> None:
    done = command("users", "import", "-", "--format", "csv", given=f"email\n{EMAIL}\n")
    assert done.stdout.startswith("1 created")
    assert command("users", "import", "-", given=f"email\n{EMAIL}\n").returncode == 2
    assert_one_line(command("users", "import", "/nowhere.csv"), "/nowhere.csv")


def test_no_account_is_opened_by_an_empty_password(importing: Importing, data: Path) -> None:
    """Not by the hash of one, not by an empty one, not by none at all."""
    of_nothing = "$2b$04$VfC7pNDa7ZUxgsgeJiT9Xenxg9nTfWWDOGvvGOpronNCXcUmhxMyS"
    importing(f"email,password_hash\na@example.com,{of_nothing}\nb@example.com,\nc@example.com,  \n")
    with LiveServer(data) as server, Browser(server.url) as browser:
        for name in "abc":
            for password in ("", " ", "\0"):
                body = {"login": f"{name}@example.com", "password": password}
                assert browser.call("POST", "/login", body).status_code in (401, 422)
