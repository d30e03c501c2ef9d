"""`keyturn serve --workers N`: one address, several processes, whatever becomes of any of them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from tests.support.client import PASSWORD
from tests.support.commands import Done, assert_one_line, environment
from tests.support.load import CHEAP_HASHES, Crowd, finish
from tests.support.processes import eventually, is_alive, to_each_worker, who_answers, workers_of
from tests.support.server import ServerProcess
from tests.support.wire import Wire, bearer

TWO = {**CHEAP_HASHES, "KEYTURN_WORKERS": "2"}
TOKEN = "Vq8LxT3nRw6ZbK9cHs2MdY5gJf7PaE4u"


def deaths_in(log: str) -> list[datetime]:
    return [
        datetime.fromisoformat(time)
        for time in re.findall(r"^(\S+) error +keyturn.workers worker_died", log, re.MULTILINE)
    ]


def test_the_address_is_announced_once_when_all_answer(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", TWO) as server, ExitStack() as stack:
        assert len(workers_of(server)) == 2
        assert len(to_each_worker(stack, server, 2)) == 2
        assert server.stop() == 0
        assert server.process.stdout is not None
        assert (server.greeting + server.process.stdout.read()).count("answers at") == 1
    assert "error" not in server.log.read_text()


def test_what_one_worker_began_another_goes_on_with(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", TWO) as server, ExitStack() as stack:
        one, other = to_each_worker(stack, server, 2)
        body = {"email": "alice@example.com", "password": PASSWORD, "delivery": "body"}
        opened = one.call("POST", "/register", body).json
        assert other.call("GET", "/me", headers=[bearer(opened["access_token"])]).status == 200
        assert other.call("GET", "/verify", headers=[bearer(opened["access_token"])]).status == 204
        token = other.call("POST", "/refresh-token", {"refresh_token": opened["refresh_token"]}).json["refresh_token"]
        again = one.call("POST", "/refresh-token", {"refresh_token": opened["refresh_token"]}).json["refresh_token"]
        assert again == token != opened["refresh_token"]


def test_a_worker_that_is_killed_is_replaced_and_the_others_answer_meanwhile(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", TWO) as server, ExitStack() as stack:
        victim, witness = workers_of(server)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: not is_alive(victim), "the worker lives")
        with Wire(server.address) as wire:
            survivor = who_answers(wire)
        eventually(lambda: len(workers_of(server)) == 2, "the worker was not replaced")
        assert witness in workers_of(server)
        names = [who_answers(wire) for wire in to_each_worker(stack, server, 2)]
        assert survivor in names
        assert server.stop() == 0
    assert f"worker_died pid={victim} exit_code=-9" in server.log.read_text()


def test_a_worker_that_cannot_start_again_is_tried_once_a_second_and_serves_nothing(tmp_path: Path) -> None:
    """Without its keys a worker would make new ones, and read no token that is out."""
    data = tmp_path / "data"
    with ServerProcess(data, TWO) as server:
        survivor, victim = workers_of(server)
        (data / "keys.json").rename(tmp_path / "keys.json")
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(deaths_in(server.log.read_text())) >= 3, "nothing was started again")
        for _ in range(20):
            with Wire(server.address) as wire:
                assert wire.call("GET", "//readyz").status == 200
        (data / "keys.json").unlink()
        (tmp_path / "keys.json").rename(data / "keys.json")
        eventually(lambda: len(workers_of(server)) == 2, "it was not started again")
        assert survivor in workers_of(server)
    log = server.log.read_text()
    first, second, third, *_ = deaths_in(log)
    assert min((second - first).total_seconds(), (third - second).total_seconds()) >= 1
    assert "other keys than this server has" in log


def test_a_worker_that_cannot_start_at_first_fails_the_start_with_its_sentence(tmp_path: Path) -> None:
    environ = {**TWO, "JWT_REFRESH_SECRET": "q7-Tr0ub4dor-and-thirty-2-more-bytes"}
    with ServerProcess(tmp_path / "data", environ) as server:
        assert server.stop() == 0
    environ["JWT_REFRESH_SECRET"] = "x9-Tr0ub4dor-and-thirty-2-more-bytes"
    command = [sys.executable, "-m", "keyturn", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(command, env=environment(**environ), capture_output=True, text=True, timeout=60, check=False)
    assert_one_line(Done(done.returncode, done.stdout, done.stderr), "other keys", "keyturn keys adopt")


def test_a_supervisor_that_is_killed_leaves_no_worker(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", TWO) as server:
        crowd = Crowd(server.url, 4)
        threads = crowd.start()
        crowd.wait_for(50)
        workers = workers_of(server)
        server.process.kill()
        eventually(lambda: not any(map(is_alive, workers)), "a worker goes on")
        finish(threads)
        crowd.close()
        # The address is free for the next.
        socket.create_server(server.address).close()


def test_a_stop_waits_for_what_was_begun_and_takes_nothing_new(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", TWO) as server, ExitStack() as stack:
        wires = to_each_worker(stack, server, 2)
        requests = [
            wire.request("POST", "/register", {"email": f"user{n}@example.com", "password": PASSWORD})
            for n, wire in enumerate(wires)
        ]
        for wire, request in zip(wires, requests, strict=True):
            wire.begin(request[:-10])
        to_each_worker(stack, server, 2)  # whoever answers now has read what came before
        workers = workers_of(server)
        os.kill(server.process.pid, signal.SIGTERM)
        eventually(lambda: refuses(server.address), "new connections are still taken")
        for wire, request in zip(wires, requests, strict=True):
            wire.begin(request[-10:])
        assert [wire.answer().status for wire in wires] == [201, 201]
        assert server.process.wait(20) == 0
        assert not any(map(is_alive, workers))


def test_whoever_asks_twice_does_not_wait(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", TWO) as server, ExitStack() as stack:
        wire = stack.enter_context(Wire(server.address))
        wire.begin(wire.request("POST", "/register", {"email": "a@example.com", "password": PASSWORD})[:-10])
        to_each_worker(stack, server, 2)  # whoever answers now has read what came before
        began = time.monotonic()
        os.kill(server.process.pid, signal.SIGINT)
        eventually(lambda: refuses(server.address), "new connections are still taken")
        os.kill(server.process.pid, signal.SIGINT)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 20  # and not the 30 s that a request may take


def refuses(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return True
    return False


def number(wire: Wire, sample: str) -> float:
    """What `/metrics` says of a sample, at one worker."""
    text = wire.call("GET", "//metrics", headers=[bearer(TOKEN)]).body.decode()
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_any_worker_tells_what_all_have_counted_even_of_the_dead(tmp_path: Path) -> None:
    healthy = 'keyturn_requests_total{route="/healthz",status="2xx"}'
    data = tmp_path / "data"
    with ServerProcess(data, {**TWO, "KEYTURN_METRICS_TOKEN": TOKEN}) as server, ExitStack() as stack:
        wires = to_each_worker(stack, server, 2)
        counted = min(number(wire, healthy) for wire in wires)
        for wire in wires:
            for _ in range(5):
                who_answers(wire)
        for wire in wires:
            eventually(lambda wire=wire: number(wire, healthy) >= counted + 10, "a worker does not know of the other's")
        threads = number(wires[0], "keyturn_hash_threads")
        before = number(wires[0], healthy)
        victim, _ = workers_of(server)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(workers_of(server) - {victim}) == 2, "the worker was not replaced")
        for wire in to_each_worker(stack, server, 2):
            assert number(wire, healthy) >= before
            eventually(lambda wire=wire: number(wire, "keyturn_hash_threads") == threads, "the dead worker has threads")
        (directory,) = data.glob("metrics-*")
        assert directory.stat().st_mode & 0o777 == 0o700
        assert server.stop() == 0
        assert not directory.exists()


def test_what_a_killed_server_counted_is_not_the_next_ones(tmp_path: Path) -> None:
    environ = {**TWO, "KEYTURN_METRICS_TOKEN": TOKEN}
    data = tmp_path / "data"
    with ServerProcess(data, environ) as server, ExitStack() as stack:
        port = server.address[1]
        workers = workers_of(server)
        for wire in to_each_worker(stack, server, 2):
            assert number(wire, "keyturn_hash_threads") > 0
        server.process.kill()
        eventually(lambda: not any(map(is_alive, workers)), "a worker goes on")
    (left,) = data.glob("metrics-*")
    assert [*left.iterdir()]
    with ServerProcess(data, environ, port=port) as server, ExitStack() as stack:
        for wire in to_each_worker(stack, server, 2):
            eventually(lambda wire=wire: number(wire, "keyturn_hash_threads") == 2, "the files were not emptied")
        assert number(wire, 'keyturn_requests_total{route="/metrics",status="2xx"}') < 50
