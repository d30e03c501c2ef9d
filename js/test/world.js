// What a page finds around it: a clock that is told the time, tabs that hear each other, a server whose answers are written down.
import { createSession } from "../client.js";

// Node has it from version 22 on, every browser that the client serves has it.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

export const ORIGIN = "https://app.example";
export const REFRESH = "/api/v1/auth/refresh-token";

const realTimeout = setImmediate;
/** Let everything happen that needs no time to pass. */
export async function settled() {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => realTimeout(resolve));
}

export class Clock {
  #now = 0;
  #timers = new Map();
  #next = 1;

  performance = { now: () => this.#now };
  setTimeout = (run, pause) => (this.#timers.set(this.#next, { run, at: this.#now + pause }), this.#next++);
  clearTimeout = (id) => void this.#timers.delete(id);

  /** Let time pass, and whatever was to happen in it. */
  async pass(milliseconds) {
    const until = this.#now + milliseconds;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, timer]) => timer.at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].run();
    }
    this.#now = until;
    await settled();
  }

  /** The page is put aside: time has passed, and no timer has run. */
  skip(milliseconds) {
    this.#now += milliseconds;
  }
}

/** The channels of all tabs of an origin. */
export class Hub {
  #channels = new Set();
  said = [];

  channel() {
    const hub = this;
    return class {
      constructor(name) {
        this.name = name;
        hub.#channels.add(this);
      }
      postMessage(message) {
        hub.said.push(message);
        for (const other of hub.#channels)
          if (other !== this && other.name === this.name) queueMicrotask(() => other.onmessage?.({ data: message }));
      }
      close() {
        hub.#channels.delete(this);
      }
    };
  }
}

export const user = (name) => ({ id: name, email: `${name}@example.com`, roles: [] });

export function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
}

export const problem = (status, code, more = {}, headers = {}) =>
  json({ code, detail: `About ${code}.`, ...more }, status, headers);

/** A Keyturn server with one cookie jar before it, and an API beside it. */
export class Server {
  calls = [];
  #scripted = [];
  #tokens = 0;
  session = null;
  window = 30;
  expiresIn = 600;
  api = (request) =>
    request.headers.get("authorization") === `Bearer ${this.newest}` ? json({ ok: true }) : problem(401, "access_token_invalid");

  signedIn(name, session = `session of ${name}`) {
    this.session = { name, id: session };
    return this;
  }

  /** The answers to the next refreshes: functions, responses, or "lost", "never". */
  next(...answers) {
    this.#scripted.push(...answers);
    return this;
  }

  grant() {
    if (!this.session) return problem(401, "refresh_token_missing");
    this.newest = `token ${++this.#tokens}`;
    const session = { id: this.session.id, refresh_timeout: this.window / 3 };
    return json({ access_token: this.newest, expires_in: this.expiresIn, user: user(this.session.name), session });
  }

  count(path) {
    return this.calls.filter((call) => new URL(call.url).pathname === path).length;
  }

  get refreshes() {
    return this.count(REFRESH);
  }

  fetch = async (input, init = {}) => {
    const request = new Request(input instanceof Request ? input : new URL(input, ORIGIN), init);
    request.signal.throwIfAborted();
    const body = request.body && !(init.body instanceof ReadableStream) ? await request.clone().text() : null;
    this.calls.push({ url: request.url, method: request.method, headers: request.headers, body, init });
    // That of a Request follows the other only until it is collected as garbage.
    const signal = init.signal ?? request.signal;
    const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    return Promise.race([this.#answer(request, body), aborted]);
  };

  async #answer(request, body) {
    const { pathname, origin } = new URL(request.url);
    if (origin === ORIGIN && pathname === REFRESH) {
      const answer = this.#scripted.shift();
      if (answer === "lost") throw new TypeError("Failed to fetch");
      if (answer === "never") return new Promise(() => {});
      return answer instanceof Function ? answer() : (answer ?? this.grant());
    }
    if (pathname.endsWith("/login") || pathname.endsWith("/register")) {
      const { login, email, password } = JSON.parse(body);
      if (password === "wrong") return problem(401, "invalid_credentials");
      const name = (login ?? email).split("@")[0];
      return this.signedIn(name, `session ${this.#tokens + 1} of ${name}`).grant();
    }
    if (pathname.endsWith("/logout")) {
      this.session = null;
      return new Response(null, { status: 204 });
    }
    return this.api(request);
  }
}

/** As much of an element as the client has to do with. */
class Element extends EventTarget {
  style = {};
  children = [];
  append(...children) {
    this.children.push(...children.map((child) => (child instanceof Element ? Object.assign(child, { parent: this }) : child)));
  }
  remove() {
    this.parent.children = this.parent.children.filter((child) => child !== this);
  }
  setAttribute() {}
}

/** A tab. */
export class Tab {
  constructor(server, { clock = new Clock(), hub = new Hub(), path = "/tours?page=2#top", ...options } = {}) {
    const page = new EventTarget();
    const documentElement = new Element();
    const createElement = () => new Element();
    const document = Object.assign(new EventTarget(), { hidden: false, documentElement, createElement });
    this.clock = clock;
    this.hub = hub;
    this.went = [];
    this.events = [];
    const url = new URL(path, ORIGIN);
    const { href, pathname, search, hash } = url;
    this.world = {
      ...clock,
      fetch: (...call) => server.fetch(...call),
      BroadcastChannel: hub.channel(),
      document,
      location: { origin: ORIGIN, href, pathname, search, hash, replace: (target) => this.went.push(target) },
      addEventListener: (...listener) => page.addEventListener(...listener),
    };
    this.page = page;
    this.session = createSession(options, this.world);
    for (const type of ["signedin", "signedout", "refreshed", "statechange"])
      this.session.addEventListener(type, (event) => this.events.push([type, event.detail]));
  }

  /** What was said of one kind. */
  heard(type) {
    return this.events.filter(([kind]) => kind === type).map(([, detail]) => detail);
  }

  hide(hidden = true) {
    this.world.document.hidden = hidden;
    this.world.document.dispatchEvent(new Event("visibilitychange"));
  }

  comeBack() {
    this.page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  }
}

/** A tab with somebody signed in. */
export async function signedIn(server = new Server().signedIn("alice"), options = {}) {
  const tab = new Tab(server, options);
  await tab.session.ready;
  return Object.assign(tab, { server });
}
