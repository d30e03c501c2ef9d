// When a session is refreshed, what is believed, and what a request goes through.
import assert from "node:assert/strict";
import { test } from "node:test";

import { json, ORIGIN, problem, Server, settled, signedIn, Tab } from "./world.js";

test("one round trip tells who is signed in", async () => {
  const { session, server } = await signedIn();
  assert.equal(session.state, "signed-in");
  assert.equal(session.user.id, "alice");
  assert.equal(session.current.id, "session of alice");
  assert.equal(server.calls.length, 1);
});

test("a page that nobody is signed in to says so, and goes nowhere", async () => {
  const tab = await signedIn(new Server());
  assert.equal(tab.session.state, "signed-out");
  assert.equal(tab.session.reason, null);
  assert.deepEqual(tab.went, []);
  assert.deepEqual(tab.heard("signedout"), []);
});

test("a session is refreshed shortly before its token expires, counted from the sending", async () => {
  const server = new Server().signedIn("alice");
  const answered = Promise.withResolvers();
  server.next(() => answered.promise);
  const tab = new Tab(server);
  await tab.clock.pass(4000);
  answered.resolve(server.grant());
  await tab.session.ready;
  await tab.clock.pass(600_000 - 4000 - 1000 - 30_000 - 1);
  assert.equal(server.refreshes, 1);
  await tab.clock.pass(1);
  assert.equal(server.refreshes, 2);
});

test("a page in the background rests, and catches up when it is seen", async () => {
  const tab = await signedIn();
  tab.hide();
  await tab.clock.pass(3_600_000);
  assert.equal(tab.server.refreshes, 1);
  tab.hide(false);
  await settled();
  assert.equal(tab.server.refreshes, 2);
});

test("a refresh is a request that no cache answers, that follows no redirect, and that takes the cookie along", async () => {
  const { init } = (await signedIn()).server.calls[0];
  assert.deepEqual([init.method, init.cache, init.redirect, init.credentials], ["POST", "no-store", "error", "include"]);
});

test("a page that is seen again asks nothing while its token is good", async () => {
  const tab = await signedIn();
  tab.hide();
  tab.hide(false);
  tab.page.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(tab.server.refreshes, 1);
});

test("a token's life counts from the sending, however late it came", async () => {
  const server = new Server().signedIn("alice");
  const answered = Promise.withResolvers();
  server.next(() => answered.promise);
  const tab = new Tab(server);
  tab.hide();
  await tab.clock.pass(4000);
  answered.resolve(server.grant());
  await tab.session.ready;
  tab.clock.skip(599_000 - 4000);
  await tab.session.fetch("/api/tours");
  assert.equal(server.refreshes, 2);
});

test("requests that come in the pause after a failure wait for its end", async () => {
  const tab = await signedIn();
  tab.clock.skip(600_000);
  tab.server.next("lost");
  const waiting = [tab.session.fetch("/api/tours")];
  await settled();
  for (let request = 0; request < 5; request++) waiting.push(tab.session.fetch("/api/tours"));
  await settled();
  assert.equal(tab.server.refreshes, 2);
  await tab.clock.pass(500);
  assert.ok((await Promise.all(waiting)).every((answer) => answer.ok));
  assert.equal(tab.server.refreshes, 3);
});

test("a refusal that comes after the token was refreshed leads to no second refresh", async () => {
  const tab = await signedIn();
  const late = Promise.withResolvers();
  const { api } = tab.server;
  tab.server.api = () => late.promise;
  const waiting = tab.session.fetch("/api/tours");
  await settled();
  tab.server.api = api;
  await tab.session.refresh();
  late.resolve(problem(401, "access_token_invalid"));
  assert.equal((await waiting).status, 200);
  assert.equal(tab.server.refreshes, 2);
});

test("many requests with an expired token wait for one refresh", async () => {
  const tab = await signedIn();
  tab.clock.skip(600_000);
  const answers = await Promise.all(Array.from({ length: 20 }, () => tab.session.fetch("/api/tours")));
  assert.ok(answers.every((answer) => answer.ok));
  assert.equal(tab.server.refreshes, 2);
});

test("a refused token leads to one refresh, and each request is repeated once", async () => {
  const tab = await signedIn();
  tab.server.newest = "another, since the machine has slept and its clock stood still";
  const answers = await Promise.all([1, 2, 3].map(() => tab.session.fetch("/api/tours", { method: "POST", body: "{}" })));
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200]);
  assert.equal(tab.server.refreshes, 2);
  assert.equal(tab.server.count("/api/tours"), 6);
});

test("a token that is refused though it is fresh goes to the caller, and there is no loop", async () => {
  const tab = await signedIn();
  tab.server.api = () => problem(401, "access_token_invalid");
  for (let request = 0; request < 5; request++) assert.equal((await tab.session.fetch("/api/tours")).status, 401);
  assert.equal(tab.server.refreshes, 2);
  assert.equal(tab.server.count("/api/tours"), 6);
});

test("a 401 for another reason is the caller's", async () => {
  const tab = await signedIn();
  tab.server.api = () => problem(401, "card_declined");
  assert.equal((await tab.session.fetch("/api/tours")).status, 401);
  assert.equal(tab.server.refreshes, 1);
});

test("a service that answers as RFC 6750 says leads to a refresh as well", async () => {
  const tab = await signedIn();
  let refusals = 0;
  const refusal = () => new Response("", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } });
  tab.server.api = () => (refusals++ ? json({}) : refusal());
  assert.equal((await tab.session.fetch("/api/tours")).status, 200);
  assert.equal(tab.server.refreshes, 2);
});

test("the token goes to the base URL's origin and to listed ones only", async () => {
  const tab = await signedIn(undefined, { origins: ["https://bookings.example:8443"] });
  const sent = async (url, init) => {
    await tab.session.fetch(url, init);
    return tab.server.calls.at(-1).headers.get("authorization");
  };
  tab.server.api = () => json({});
  assert.equal(await sent("/api/tours"), "Bearer token 1");
  assert.equal(await sent(new URL("/api/tours", ORIGIN)), "Bearer token 1");
  assert.equal(await sent("https://bookings.example:8443/x"), "Bearer token 1");
  for (const other of ["https://bookings.example/x", "http://app.example/x", "https://app.example.evil.example/"])
    assert.equal(await sent(other), null, other);
  assert.equal(await sent("/api/tours", { headers: { authorization: "Basic abc" } }), "Basic abc");
});

test("a 401 of a third party refreshes nothing, even at the end of a redirect", async () => {
  const tab = await signedIn();
  tab.server.api = () => problem(401, "access_token_invalid");
  await tab.session.fetch("https://third.example/x");
  const redirected = problem(401, "access_token_invalid");
  Object.defineProperty(redirected, "url", { value: "https://third.example/x" });
  tab.server.api = () => redirected;
  assert.equal((await tab.session.fetch("/api/moved")).status, 401);
  assert.equal(tab.server.refreshes, 1);
});

test("a streamed body is not repeated, but the next request has a fresh token", async () => {
  const streams = {
    stream: () => ["/api/tours", { method: "POST", body: new Blob(["x"]).stream(), duplex: "half" }],
    request: () => [new Request(`${ORIGIN}/api/tours`, { method: "POST", body: "x" })],
  };
  for (const [kind, call] of Object.entries(streams)) {
    const tab = await signedIn();
    tab.server.newest = "another";
    assert.equal((await tab.session.fetch(...call())).status, 401, kind);
    assert.equal(tab.server.count("/api/tours"), 1, kind);
    assert.equal((await tab.session.fetch("/api/tours")).status, 200, kind);
    assert.equal(tab.server.refreshes, 2, kind);
  }
});

test("a Request without a body is repeated with its own headers", async () => {
  const tab = await signedIn();
  tab.server.newest = "another";
  const answer = await tab.session.fetch(new Request(`${ORIGIN}/api/tours`, { headers: { "x-tour": "7" } }));
  assert.equal(answer.status, 200);
  assert.equal(tab.server.calls.at(-1).headers.get("x-tour"), "7");
});

test("a request that is called off while it waits is called off at once, and nobody is signed out", async () => {
  const tab = await signedIn();
  tab.clock.skip(600_000);
  tab.server.next("never");
  const off = new AbortController();
  const waiting = tab.session.fetch("/api/tours", { signal: off.signal });
  off.abort(new Error("the user went on"));
  await assert.rejects(waiting, /the user went on/);
  await tab.clock.pass(20_000);
  assert.equal(tab.session.state, "signed-in");
  assert.equal(tab.server.refreshes, 3);
});

test("a refused request that is called off while it waits for its token is called off, too", async () => {
  const tab = await signedIn();
  tab.server.newest = "another";
  tab.server.next("never");
  const off = new AbortController();
  const waiting = tab.session.fetch("/api/tours", { signal: off.signal });
  await settled();
  off.abort(new Error("the user went on"));
  await assert.rejects(waiting, /the user went on/);
  assert.equal(tab.session.state, "signed-in");
});

test("a lost answer is asked for again, and a request that waits notices nothing", async () => {
  const tab = await signedIn();
  tab.clock.skip(600_000);
  tab.server.next("lost");
  const waiting = tab.session.fetch("/api/tours");
  await tab.clock.pass(1000);
  assert.equal((await waiting).status, 200);
  assert.deepEqual(tab.heard("statechange"), [{ state: "signed-in" }]);
});

test("a refresh is given up after the time that the server has said, and its late answer is not used", async () => {
  const server = new Server().signedIn("alice");
  server.window = 9;
  const tab = await signedIn(server);
  const late = Promise.withResolvers();
  server.next(() => late.promise, "never");
  tab.session.refresh().catch(() => {});
  await tab.clock.pass(2999);
  assert.equal(server.calls.at(-1).init.signal.aborted, false);
  await tab.clock.pass(1);
  assert.equal(server.calls.at(-1).init.signal.aborted, true);
  late.resolve(server.signedIn("mallory").grant());
  await settled();
  assert.equal(tab.session.user.id, "alice");
  tab.session.close();
});

test("an answer that came in time, but was read late by a page in the background, is not used either", async () => {
  const tab = await signedIn();
  const answer = Promise.withResolvers();
  tab.server.next(() => answer.promise);
  tab.session.refresh().catch(() => {});
  await settled();
  tab.clock.skip(10_001);
  answer.resolve(tab.server.grant());
  await settled();
  assert.equal(tab.heard("refreshed").length, 1);
  assert.equal(tab.server.refreshes, 2);
  await tab.clock.pass(1000);
  assert.equal(tab.server.refreshes, 3);
});

const trouble = {
  "no answer": () => "lost",
  "a hanging server": () => "never",
  429: () => problem(429, "too_many_attempts", {}, { "retry-after": "2" }),
  500: () => problem(500, "internal_error"),
  503: () => problem(503, "overloaded", {}, { "retry-after": "1" }),
  "a proxy's own 403": () => new Response("<h1>Forbidden</h1>", { status: 403 }),
  "a proxy's own 200": () => new Response("<h1>Log in to the hotel's network</h1>"),
  "JSON that is no grant": () => json({ hello: "there" }),
  "a 403 for another reason": () => problem(403, "cross_origin"),
  "an end in the body of a 502": () => problem(502, "session_ended", { reason: "idle" }),
};
for (const [what, answer] of Object.entries(trouble))
  test(`${what} never ends a session, however often`, async () => {
    const tab = await signedIn();
    tab.server.next(...Array.from({ length: 12 }, answer));
    tab.clock.skip(600_000);
    const waiting = tab.session.fetch("/api/tours").then(assert.fail, (error) => error);
    await tab.clock.pass(600_000);
    assert.equal((await waiting).name, "KeyturnError");
    assert.equal(tab.session.state, "signed-in");
    assert.deepEqual(tab.heard("signedout"), []);
    assert.equal(tab.session.user.id, "alice");
    assert.ok(tab.server.refreshes >= 14);
  });

test("offline is a state of its own: signed in, as far as anybody knows", async () => {
  const tab = await signedIn();
  tab.server.next(...Array(5).fill("lost"));
  tab.session.refresh().catch(() => {});
  await tab.clock.pass(2000);
  assert.equal(tab.session.state, "offline");
  assert.equal(tab.session.user.id, "alice");
  await tab.clock.pass(60_000);
  assert.equal(tab.session.state, "signed-in");
});

test("with a token that is still good, requests go on while the server is away", async () => {
  const tab = await signedIn();
  tab.server.next(...Array(5).fill("lost"));
  tab.session.refresh().catch(() => {});
  await tab.clock.pass(1000);
  assert.equal((await tab.session.fetch("/api/tours")).status, 200);
});

test("coming online is a reason to ask soon, however long the pauses have become", async () => {
  const tab = await signedIn();
  tab.server.next(...Array(9).fill("lost"));
  tab.session.refresh().catch(() => {});
  while (tab.server.refreshes < 10) await tab.clock.pass(1000);
  tab.page.dispatchEvent(new Event("online"));
  await tab.clock.pass(1000);
  assert.equal(tab.session.state, "signed-in");
});

test("pauses grow, differ between clients, and are never shorter than the server asks", async () => {
  const pauses = async (answer) => {
    const tab = await signedIn();
    const moments = [];
    tab.server.next(...Array.from({ length: 6 }, () => () => (moments.push(tab.clock.performance.now()), answer())));
    tab.session.refresh().catch(() => {});
    await tab.clock.pass(400_000);
    return moments.slice(1).map((moment, index) => moment - moments[index]);
  };
  const away = () => problem(503, "overloaded", {}, { "retry-after": "0" });
  const [one, other] = [await pauses(away), await pauses(away)];
  for (const [index, pause] of one.entries()) {
    const most = 500 * 2 ** index;
    assert.ok(pause >= most / 2 && pause <= most, `${pause} of ${most}`);
  }
  assert.notDeepEqual(one, other);
  const asked = await pauses(() => problem(429, "too_many_attempts", {}, { "retry-after": "45" }));
  assert.ok(asked.every((pause) => pause > 45_000));
});

test("while the server asks for patience, requests are told so instead of asking", async () => {
  const tab = await signedIn();
  tab.clock.skip(600_000);
  tab.server.next(problem(429, "too_many_attempts", {}, { "retry-after": "45" }));
  for (let request = 0; request < 3; request++) {
    const error = await tab.session.fetch("/api/tours").then(assert.fail, (caught) => caught);
    assert.deepEqual([error.code, error.status, error.retryAfter], ["too_many_attempts", 429, 45]);
  }
  assert.equal(tab.server.refreshes, 2);
  tab.server.next(...Array.from({ length: 3 }, () => problem(429, "too_many_attempts")));
  await tab.clock.pass(47_000);
  assert.deepEqual(tab.heard("statechange"), [{ state: "signed-in" }], "a server that answers is not away");
});

test("an end is believed when it was said twice", async () => {
  const ended = () => problem(403, "session_ended", { reason: "revoked" });
  const tab = await signedIn();
  for (let time = 0; time < 3; time++) {
    tab.server.next(ended());
    tab.session.refresh();
    await tab.clock.pass(1000);
    assert.equal(tab.session.state, "signed-in");
  }
  tab.server.next(ended(), "lost", ended());
  tab.session.refresh().catch(() => {});
  await tab.clock.pass(3000);
  assert.equal(tab.session.state, "signed-out");
  assert.deepEqual(tab.heard("signedout"), [{ reason: "revoked", expected: false }]);
  assert.equal(tab.session.reason, "revoked");
});

for (const [status, code] of [[401, "refresh_token_missing"], [403, "refresh_token_invalid"]])
  test(`${code} ends the session at once`, async () => {
    const tab = await signedIn();
    tab.server.next(problem(status, code));
    await assert.rejects(tab.session.refresh(), { code: "signed_out" });
    assert.equal(tab.session.state, "signed-out");
    assert.deepEqual(tab.heard("signedout"), [{ reason: code, expected: false }]);
  });

test("when a session has ended, the page goes to the sign-in page with the reason and a way back", async () => {
  const tab = await signedIn(undefined, { signInPage: "/sign-in" });
  tab.server.next(...Array.from({ length: 2 }, () => problem(403, "session_ended", { reason: "idle" })));
  tab.session.refresh().catch(() => {});
  await tab.clock.pass(2000);
  const target = new URL(tab.went[0]);
  assert.equal(tab.went.length, 1);
  assert.equal(target.origin + target.pathname, `${ORIGIN}/sign-in`);
  assert.equal(target.searchParams.get("reason"), "idle");
  assert.equal(target.searchParams.get("return_to"), "/tours?page=2#top");
});

test("a sign-in page that finds an ended session stays where it is", async () => {
  const server = new Server().next(...Array.from({ length: 2 }, () => problem(403, "session_ended", { reason: "idle" })));
  const tab = new Tab(server, { path: "/?reason=idle", signInPage: "/" });
  await tab.clock.pass(2000);
  assert.equal(tab.session.reason, "idle");
  assert.deepEqual(tab.went, []);
});

test("a guest's request goes out without a token, before and after the first answer", async () => {
  const server = new Server();
  server.api = () => json({});
  const early = new Tab(server);
  assert.equal((await early.session.fetch("/api/tours")).status, 200);
  assert.equal((await early.session.fetch("/api/tours")).status, 200);
  assert.equal(server.calls.at(-1).headers.has("authorization"), false);
  assert.equal(server.refreshes, 1);
});

test("a session whose tokens are both in cookies is kept as well", async () => {
  const server = new Server().signedIn("alice");
  const grant = server.grant.bind(server);
  server.grant = () => grant().json().then(({ access_token, ...rest }) => json(rest));
  let refusals = 1;
  server.api = () => (refusals-- > 0 ? problem(401, "access_token_missing") : json({}));
  const tab = await signedIn(server);
  assert.equal((await tab.session.fetch("/api/tours")).status, 200);
  assert.equal(server.calls.at(-1).headers.has("authorization"), false);
  assert.equal(server.refreshes, 2);
});

test("a closed session asks for nothing any more", async () => {
  const tab = await signedIn();
  tab.session.close();
  await tab.clock.pass(3_600_000);
  tab.hide(false);
  assert.equal(tab.server.refreshes, 1);
});
