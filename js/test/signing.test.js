// Signing in and out, here and in other tabs, and what is never brought back.
import assert from "node:assert/strict";
import { test } from "node:test";

import axios from "axios";

import { withSession } from "../axios.js";
import { returnTo } from "../client.js";
import { Hub, json, ORIGIN, problem, Server, settled, signedIn, Tab } from "./world.js";

/** Two tabs of one browser. */
async function twoTabs(options = {}) {
  const server = new Server().signedIn("alice");
  const hub = new Hub();
  return { server, hub, one: await signedIn(server, { hub, ...options }), two: await signedIn(server, { hub, ...options }) };
}

test("signing in gives the user, and the next request carries the token", async () => {
  const tab = await signedIn(new Server());
  const user = await tab.session.signIn({ login: "bob@example.com", password: "right", remember: false });
  assert.equal(user.id, "bob");
  assert.deepEqual(JSON.parse(tab.server.calls.at(-1).body), { login: "bob@example.com", password: "right", remember: false });
  assert.equal(tab.session.state, "signed-in");
  assert.deepEqual(tab.heard("signedin"), [{ user }]);
  assert.equal((await tab.session.fetch("/api/tours")).status, 200);
  assert.equal(tab.server.refreshes, 1);
});

for (const name of ["email", "username"])
  test(`signing in by ${name} is asked for in the same word`, async () => {
    const tab = await signedIn(new Server());
    await tab.session.signIn({ [name]: "bob", password: "right" }).catch(() => {});
    assert.deepEqual(JSON.parse(tab.server.calls.at(-1).body), { [name]: "bob", password: "right" });
  });

test("signing up signs in", async () => {
  const tab = await signedIn(new Server());
  assert.equal((await tab.session.signUp({ email: "bob@example.com", password: "right" })).id, "bob");
  assert.equal(tab.session.user.id, "bob");
});

test("a sign-in that fails says why, and whoever was signed in still is", async () => {
  const tab = await signedIn();
  await assert.rejects(tab.session.signIn({ login: "alice", password: "wrong" }), {
    name: "KeyturnError", code: "invalid_credentials", status: 401, message: "About invalid_credentials.", errors: [],
  });
  assert.equal(tab.session.user.id, "alice");
  await tab.clock.pass(600_000);
  assert.equal(tab.server.refreshes, 2);
});

test("signing out is done here at once, by the user's own wish, and the page stays", async () => {
  const tab = await signedIn();
  const done = tab.session.signOut();
  assert.equal(tab.session.state, "signed-out");
  assert.equal(tab.session.user, null);
  await done;
  const { headers, init } = tab.server.calls.at(-1);
  assert.equal(headers.get("authorization"), "Bearer token 1");
  assert.equal(init.keepalive, true);
  assert.deepEqual(tab.heard("signedout"), [{ reason: "signed_out", expected: true }]);
  assert.deepEqual(tab.went, []);
  await tab.session.fetch("/api/tours");
  assert.equal(tab.server.calls.at(-1).headers.has("authorization"), false);
});

test("a sign-out that does not reach the server is tried again, and said to have failed", async () => {
  const tab = await signedIn();
  const { fetch } = tab.server;
  tab.server.fetch = async () => { throw new TypeError("Failed to fetch"); };
  const done = tab.session.signOut().then(assert.fail, (error) => error);
  await tab.clock.pass(10_000);
  assert.equal((await done).code, "unreachable");
  assert.equal(tab.session.state, "signed-out");
  tab.server.fetch = fetch;
  await tab.session.signOut();
  assert.equal(tab.server.session, null);
});

test("a sign-out that is tried again never ends the session of whoever signed in meanwhile", async () => {
  const { server, one, two } = await twoTabs({ signInPage: null });
  const { fetch } = server;
  server.fetch = (input, init) => (String(input).endsWith("/logout") ? Promise.reject(new TypeError("lost")) : fetch(input, init));
  one.session.signOut();
  await settled();
  await two.session.signIn({ login: "bob", password: "right" });
  server.fetch = fetch;
  await one.clock.pass(20_000);
  assert.equal(server.count("/api/v1/auth/logout"), 0);
  assert.equal(one.session.user.id, "bob");
});

test("a refresh in flight never brings a session back that was signed out", async () => {
  const tab = await signedIn();
  const answer = Promise.withResolvers();
  tab.server.next(() => answer.promise);
  const refreshed = assert.rejects(tab.session.refresh(), { code: "signed_out" });
  await settled();
  const late = tab.server.grant();
  await tab.session.signOut();
  answer.resolve(late);
  await tab.clock.pass(60_000);
  await refreshed;
  assert.equal(tab.session.state, "signed-out");
  assert.equal(tab.heard("signedin").length, 1);
});

test("a refresh in flight is called off before a sign-in, and none begins until it is done", async () => {
  const tab = await signedIn();
  tab.server.next("never");
  tab.session.refresh().catch(() => {});
  await settled();
  const refresh = tab.server.calls.at(-1);
  const login = tab.session.signIn({ login: "alice", password: "right" });
  assert.equal(refresh.init.signal.aborted, true);
  tab.clock.skip(600_000);
  const waiting = tab.session.fetch("/api/tours");
  await login;
  assert.equal((await waiting).status, 200);
  assert.equal(tab.server.refreshes, 2);
});

test("a sign-in waits for a sign-out in flight, whose answer would clear its cookie", async () => {
  const tab = await signedIn();
  const order = [];
  const { fetch } = tab.server;
  tab.server.fetch = async (input, init) => {
    for (let turn = 0; turn < (String(input).endsWith("/logout") ? 3 : 1); turn++) await settled();
    const answer = await fetch(input, init);
    order.push(String(input).split("/").at(-1));
    return answer;
  };
  const out = tab.session.signOut();
  await tab.session.signIn({ login: "bob", password: "right" });
  await out;
  assert.deepEqual(order, ["logout", "login"]);
  assert.equal(tab.session.user.id, "bob");
});

test("signed out in one tab is signed out in all, and the others leave what they show", async () => {
  const { one, two } = await twoTabs();
  await one.session.signOut();
  await settled();
  assert.equal(two.session.state, "signed-out");
  assert.deepEqual(two.heard("signedout"), [{ reason: "signed_out", expected: false }]);
  assert.equal(new URL(two.went[0]).searchParams.get("reason"), "signed_out");
  assert.deepEqual(one.went, []);
});

test("signed out in one tab while another refreshes: it stays signed out", async () => {
  const { server, one, two } = await twoTabs();
  const answer = Promise.withResolvers();
  server.next(() => answer.promise);
  two.session.refresh().catch(() => {});
  await settled();
  const late = server.grant();
  await one.session.signOut();
  answer.resolve(late);
  await two.clock.pass(60_000);
  assert.equal(two.session.state, "signed-out");
});

test("signed in in one tab is signed in in all", async () => {
  const hub = new Hub();
  const server = new Server();
  const [one, two] = [await signedIn(server, { hub }), await signedIn(server, { hub })];
  await one.session.signIn({ login: "bob", password: "right" });
  await settled();
  assert.equal(two.session.user.id, "bob");
  assert.equal(server.refreshes, 3);
});

test("the same user who signs in anew in another tab goes on here without a word", async () => {
  const { one, two } = await twoTabs();
  await one.session.signIn({ login: "alice", password: "right" });
  await settled();
  assert.equal(two.session.current.id, one.session.current.id);
  assert.deepEqual(two.heard("signedout"), []);
  assert.deepEqual(two.went, []);
});

test("another user who signs in in another tab ends what this one shows, and no request of the first is sent as the second", async () => {
  const { server, one, two } = await twoTabs();
  two.clock.skip(600_000);
  server.next("never");
  const waiting = two.session.fetch("/api/tours", { method: "POST", body: "of alice" }).then(assert.fail, (error) => error);
  await settled();
  await one.session.signIn({ login: "bob", password: "right" });
  await settled();
  assert.equal((await waiting).reason, "replaced");
  assert.equal(server.count("/api/tours"), 0);
  assert.deepEqual(two.heard("signedout"), [{ reason: "replaced", expected: false }]);
  assert.equal(new URL(two.went[0]).searchParams.get("reason"), "replaced");
});

test("a request that another user's token would repeat is given back as it was refused", async () => {
  const { server, one, two } = await twoTabs({ signInPage: null });
  const api = Promise.withResolvers();
  server.api = () => api.promise;
  const waiting = two.session.fetch("/api/tours", { method: "POST", body: "of alice" });
  await settled();
  await one.session.signIn({ login: "bob", password: "right" });
  await settled();
  assert.equal(two.session.user.id, "bob");
  api.resolve(problem(401, "access_token_invalid"));
  assert.equal((await waiting).status, 401);
  assert.equal(server.count("/api/tours"), 1);
});

test("tabs that never navigate show the other user", async () => {
  const { one, two } = await twoTabs({ signInPage: null });
  two.events = [];
  await one.session.signIn({ login: "bob", password: "right" });
  await settled();
  assert.deepEqual(two.events.filter(([type]) => type.startsWith("signed")).map(([type]) => type), ["signedout", "signedin"]);
  assert.equal(two.session.user.id, "bob");
});

test("a page from the browser's memory shows nothing before the server has told, and leaves if nobody is signed in", async () => {
  const tab = await signedIn();
  tab.server.session = null;
  tab.comeBack();
  assert.equal(tab.world.document.documentElement.style.visibility, "hidden");
  await settled();
  assert.equal(tab.session.state, "signed-out");
  assert.equal(tab.went.length, 1);
  assert.equal(tab.world.document.documentElement.style.visibility, "hidden");
});

test("a page from the browser's memory is shown again to whoever is still signed in", async () => {
  const tab = await signedIn();
  tab.comeBack();
  await settled();
  assert.equal(tab.world.document.documentElement.style.visibility, "");
  assert.equal((await tab.session.fetch("/api/tours")).status, 200);
  assert.equal(tab.server.refreshes, 2);
});

test("a page from the browser's memory says why it is empty when no answer comes, and asks again at the press of a button", async () => {
  const words = { away: "Kein Netz.", retry: "Nochmal" };
  const tab = await signedIn(undefined, { words });
  const page = tab.world.document.documentElement;
  let away = true;
  const answer = () => (away ? Promise.reject(new TypeError("Failed to fetch")) : tab.server.grant());
  tab.server.next("never", ...Array(9).fill(answer));
  tab.comeBack();
  await tab.clock.pass(999);
  assert.deepEqual(page.children, []);
  await tab.clock.pass(1);
  const [notice] = page.children;
  const button = notice.children.at(-1);
  assert.deepEqual([notice.children[0], button.textContent], [words.away, words.retry]);
  await tab.clock.pass(20_000);
  assert.deepEqual([page.children.length, page.style.visibility], [1, "hidden"]);
  assert.equal(tab.session.state, "offline");
  const asked = tab.server.refreshes;
  away = false;
  tab.clock.skip(1000);
  button.dispatchEvent(new Event("click"));
  await settled();
  assert.equal(tab.server.refreshes, asked + 1);
  assert.deepEqual([page.children.length, page.style.visibility, tab.session.state], [0, "", "signed-in"]);
});

test("a page from the browser's memory that is told in time says nothing", async () => {
  const tab = await signedIn();
  tab.comeBack();
  await tab.clock.pass(5000);
  assert.deepEqual(tab.world.document.documentElement.children, []);
});

test("no token is ever told to another tab, nor does the session show it", async () => {
  const { hub, one } = await twoTabs();
  await one.session.signIn({ login: "bob", password: "right" });
  await one.session.signOut();
  assert.ok(hub.said.length >= 3);
  assert.doesNotMatch(JSON.stringify(hub.said), /token \d/);
  assert.doesNotMatch(JSON.stringify([one.session, Object.entries(one.session), one.events]), /token \d/);
});

test("devices are listed and signed out, this one included", async () => {
  const tab = await signedIn();
  const devices = [{ id: "session of alice", current: true }, { id: "a/b", current: false }];
  tab.server.api = (request) => (request.method === "GET" ? json({ sessions: devices }) : new Response(null, { status: 204 }));
  assert.deepEqual(await tab.session.devices(), devices);
  await tab.session.endDevice("a/b");
  assert.equal(new URL(tab.server.calls.at(-1).url).pathname, "/api/v1/auth/sessions/a%2Fb");
  assert.equal(tab.session.state, "signed-in");
  await tab.session.endDevice("session of alice");
  assert.deepEqual(tab.heard("signedout"), [{ reason: "revoked", expected: true }]);
});

test("signing out everywhere ends this session, unless it is kept", async () => {
  const tab = await signedIn();
  tab.server.api = () => new Response(null, { status: 204 });
  await tab.session.signOutEverywhere({ keepThis: true });
  assert.equal(tab.server.calls.at(-1).body, '{"keep_this":true}');
  assert.equal(tab.session.state, "signed-in");
  await tab.session.signOutEverywhere();
  assert.deepEqual(tab.heard("signedout"), [{ reason: "signed_out_everywhere", expected: true }]);
});

test("fields that are wrong are named", async () => {
  const tab = await signedIn(new Server());
  const errors = [{ field: "password", message: "Too short." }];
  tab.server.fetch = async () => problem(422, "invalid_request", { errors }, { "retry-after": "3" });
  await assert.rejects(tab.session.signUp({ email: "bob", password: "x" }), { code: "invalid_request", errors, retryAfter: 3 });
});

test("axios sends through the session: with its token, refreshed and repeated", async () => {
  const tab = await signedIn(undefined, { baseUrl: ORIGIN });
  tab.server.newest = "another";
  const api = withSession(axios.create({ baseURL: ORIGIN }), tab.session);
  const answer = await api.post("/api/tours", { name: "Old town" });
  assert.deepEqual(answer.data, { ok: true });
  assert.equal(tab.server.refreshes, 2);
  assert.deepEqual(tab.server.calls.filter(({ url }) => url.endsWith("/api/tours")).map(({ body }) => body), Array(2).fill('{"name":"Old town"}'));
  tab.server.api = () => problem(409, "full");
  await assert.rejects(api.get("/api/tours"), { status: 409 });
});

test("the way back is an address of this site", () => {
  const asked = (path) => {
    globalThis.location = { origin: ORIGIN, search: `?reason=idle&return_to=${encodeURIComponent(path)}` };
    return returnTo("/home");
  };
  assert.equal(asked("/tours?page=2#top"), `${ORIGIN}/tours?page=2#top`);
  for (const elsewhere of ["https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "http://app.example/", "data:,x", "https://[", " //evil.example"])
    assert.equal(asked(elsewhere), `${ORIGIN}/home`, elsewhere);
  // On this site, whatever its path looks like.
  assert.equal(asked("/.//evil.example"), `${ORIGIN}//evil.example`);
  globalThis.location = { origin: ORIGIN, search: "" };
  assert.equal(returnTo(), `${ORIGIN}/`);
});
