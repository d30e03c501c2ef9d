// Keeps a browser signed in to a Keyturn server. The access token never leaves this module; the refresh token is a cookie that
// no script reads. docs/browser.md tells how it is used.
//
// Browsers older than Promise.withResolvers (Chrome 119, Firefox 121, Safari 17.4) are not served: some of them carry the
// Authorization header along when they follow a redirect to another origin.

/**
 * @typedef {{id: string, email: string, email_verified: boolean, username: string | null, full_name: string | null,
 *   roles: string[], created_at: string}} User
 * @typedef {{id: string, delivery: string, device: string, address: string, created_at: string, last_used_at: string,
 *   expires_at: string, refresh_timeout: number, current: boolean}} Device
 * @typedef {"starting" | "signed-in" | "signed-out" | "offline"} State
 * @typedef {{baseUrl?: string, basePath?: string, origins?: string[], signInPage?: string | null,
 *   words?: {away: string, retry: string}}} Options
 * @typedef {{access_token?: string, expires_in: number, user: User, session: Device}} SignedIn
 * @typedef {{code?: string, reason?: string, detail?: string, errors?: {field: string, message: string}[]}} Problem
 * @typedef {{kind: "hold" | "signedin" | "signedout", session?: string, reason?: string}} Message
 * @typedef {{signedin: {user: User}, signedout: {reason: string, expected: boolean}, refreshed: {expires_in: number},
 *   statechange: {state: State}}} Events
 */

/**
 * How the events are listened to: each has its own `detail`.
 *
 * @typedef {{
 *   <K extends keyof Events>(type: K, listener: (event: CustomEvent<Events[K]>) => void,
 *     options?: AddEventListenerOptions | boolean): void;
 *   (type: string, listener: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
 * }} Listen
 * @typedef {new () => {addEventListener: Listen, removeEventListener: Listen} & EventTarget} Target
 */

const LIMIT = 5000; // for a refresh, until the server has said its own: half of what its shortest safe window allows
const MARGIN = 30_000; // before the expiry, at most
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const PATIENCE = 3; // failed refreshes after which a request that waits is told; the refreshing goes on
const LONGEST_TIMER = 2 ** 31 - 1;
const BLANK = 1000; // how long a page may be empty before it says why
const WORDS = { away: "The server does not answer just now. You stay signed in as you were.", retry: "Try again" };
// Over everything: what a page makes visible of its own accord is covered as well.
const COVER =
  "visibility: visible; position: fixed; inset: 0; z-index: 2147483647; margin: 0; padding: 30vh 1rem; overflow: auto; " +
  "text-align: center; font: 1rem/2 system-ui, sans-serif; background: Canvas; color: CanvasText";

/** What a call came to. `code` is that of the server, or `unreachable`, or `signed_out`. */
export class KeyturnError extends Error {
  /**
   * @param {Problem} problem as the server described it (RFC 9457)
   * @param {number} status of the answer; 0: there was none
   * @param {number} [retryAfter] in seconds
   */
  constructor(problem, status = 0, retryAfter = 0) {
    super(problem.detail ?? "The server does not answer. Try again in a moment.");
    this.name = "KeyturnError";
    this.code = problem.code ?? "unreachable";
    this.reason = problem.reason ?? null;
    this.status = status;
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/**
 * The address that a sign-in page sends people back to: `return_to` of its own address, if that is on this site.
 *
 * @param {string} [fallback] a path, for when there is none
 * @returns {string} a whole address of this origin
 */
export function returnTo(fallback = "/") {
  const asked = new URLSearchParams(location.search).get("return_to") ?? fallback;
  const url = URL.canParse(asked, location.origin) ? new URL(asked, location.origin) : null;
  // The whole address and not its path: a path such as //example.org would lead away.
  return url?.origin === location.origin ? url.href : new URL(fallback, location.origin).href;
}

/** Who is signed in here. Made by `createSession`. */
export class Session extends /** @type {Target} */ (EventTarget) {
  /** @type {State} */ #state = "starting";
  /** @type {User | null} */ #user = null;
  /** @type {Device | null} */ #current = null;
  /** @type {string | null} */ #reason = null;
  #token = "";
  #number = 0; // of access tokens that came; each leads to one refresh at the most
  #refused = -1; // the number of one that was refused though it was fresh
  #expiresAt = 0; // as all moments here: on the monotonic clock, whatever the wall clock is set to
  #dueAt = 0;
  #earliest = 0;
  #limit = LIMIT;
  #failures = 0;
  #saidToHaveEnded = false;
  #held = false;
  /** @type {KeyturnError | null} */ #trouble = null;
  // The refresh in flight. An answer that finds another one here, or none, belongs to the past and is not used.
  /** @type {AbortController | null} */ #asking = null;
  /** @type {PromiseWithResolvers<void>[]} */ #waiting = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {PromiseWithResolvers<void>} */ #told = Promise.withResolvers();
  /** @type {Promise<void>} */ #goodbye = Promise.resolve();
  #closing = new AbortController();
  #world;
  #base;
  #origins;
  #signInPage;
  #words;
  #channel;
  /** @type {HTMLElement | undefined} */ #notice;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #blank;

  /**
   * @param {Options} options
   * @param {typeof globalThis} world what a page finds around it
   */
  constructor(options, world) {
    super();
    const { baseUrl = world.location.origin, basePath = "/api/v1/auth", origins = [], signInPage = "/", words = WORDS } = options;
    this.#world = world;
    this.#base = new URL(basePath, baseUrl).href;
    this.#origins = new Set([baseUrl, ...origins].map((origin) => new URL(origin).origin));
    this.#signInPage = signInPage;
    this.#words = words;
    /** Resolved once the server has told whether somebody is signed in. */
    this.ready = this.#told.promise;
    // Tabs tell each other who has signed in and out, never a token: each asks for its own, since a server that converges
    // answers all of them alike at no cost, and a token that came late would outlive its session or its user.
    this.#channel = new world.BroadcastChannel(`keyturn ${this.#base}`);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const { signal } = this.#closing;
    world.addEventListener?.("online", () => this.#wake(), { signal });
    world.addEventListener?.("pageshow", (event) => event.persisted && this.#comeBack(), { signal });
    world.document?.addEventListener("visibilitychange", () => this.#wake(), { signal });
    this.fetch = this.fetch.bind(this);
    this.#ask();
  }

  /** Whether somebody is signed in; "offline": as far as anybody knows, the server does not answer. */
  get state() {
    return this.#state;
  }

  /** Who is signed in. */
  get user() {
    return this.#user;
  }

  /** The session itself: one device of the user. */
  get current() {
    return this.#current;
  }

  /** Why the last session ended, as the server or this module calls it. */
  get reason() {
    return this.#reason;
  }

  /**
   * As the browser's own, with the access token where it may go: refreshes before it has expired or when it is refused, and then
   * repeats the request once.
   *
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   * @throws {KeyturnError} the token could not be refreshed, or the session has ended; nothing was sent
   */
  async fetch(input, init = {}) {
    const request = input instanceof Request ? input : null;
    const headers = new Headers(init.headers ?? request?.headers);
    const url = request?.url ?? new URL(input instanceof Request ? input.url : input, this.#world.location?.href ?? this.#base);
    if (!this.#mayHaveToken(url) || headers.has("authorization")) return this.#world.fetch(input, init);
    const signal = init.signal ?? request?.signal;
    // What has been streamed is gone. Of a Request that has a body nobody can tell whether it was.
    const bodyOfRequest = request && !/^(GET|HEAD)$/.test(request.method) ? request.body : null;
    const repeatable = init.body == null ? bodyOfRequest === null : !(init.body instanceof ReadableStream);
    const owner = this.#user;
    if (this.#state !== "signed-out" && this.#now() >= (repeatable ? this.#expiresAt : this.#dueAt)) {
      // A guest's request that waited for the first answer goes out as it is.
      await unlessAborted(this.#refreshed(), signal).catch((error) => {
        if (owner || error.code !== "signed_out") throw error;
      });
    }
    const send = () => {
      if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
      return this.#world.fetch(input, { ...init, headers });
    };
    const number = this.#number;
    const sender = this.#user?.id;
    const response = await send();
    if (this.#state === "signed-out" || !(await this.#isRefused(response))) return response;
    if (number === this.#number) {
      if (number === this.#refused) return response;
      try {
        await unlessAborted(this.#refreshed(), signal);
      } catch (error) {
        if (signal?.aborted) throw error;
        return response;
      }
    }
    // Never as somebody else than the one who asked.
    if (!repeatable || !sender || sender !== this.#user?.id) return response;
    const repeated = this.#number;
    const second = await send();
    if (await this.#isRefused(second)) this.#refused = repeated;
    return second;
  }

  /**
   * Ask for a new access token now, as when roles have changed.
   *
   * @returns {Promise<void>}
   * @throws {KeyturnError} nobody is signed in, or the server does not answer; it is asked again all the same
   */
  refresh() {
    return this.#refreshed();
  }

  /**
   * @param {{login?: string, email?: string, username?: string, password: string, remember?: boolean}} credentials one of the three
   *   names: `login` is an e-mail address or a username; remember, false: until the browser is closed
   * @returns {Promise<User>}
   * @throws {KeyturnError}
   */
  signIn({ login, email, username, password, remember }) {
    return this.#open("/login", { login, email, username, password, remember });
  }

  /**
   * @param {{email: string, password: string, username?: string, full_name?: string}} account
   * @returns {Promise<User>}
   * @throws {KeyturnError}
   */
  signUp({ email, password, username, full_name }) {
    return this.#open("/register", { email, password, username, full_name });
  }

  /**
   * Here and in all tabs at once, whether or not the server can be reached.
   *
   * @returns {Promise<void>}
   * @throws {KeyturnError} the server was not told: its cookie is still good. Call it again
   */
  async signOut() {
    const headers = this.#token ? { authorization: `Bearer ${this.#token}` } : undefined;
    this.#end("signed_out", true);
    // Only now do pages that the server makes show that nobody is signed in.
    const told = this.#tellServer(headers).then(() => this.#tell({ kind: "signedin", session: this.#current?.id }));
    this.#goodbye = told.catch(() => {});
    return told;
  }

  /** @param {Record<string, string>} [headers] */
  async #tellServer(headers) {
    const number = this.#number;
    for (let attempt = 1; ; attempt++) {
      try {
        // Goes out even if the page is left.
        await this.#call("/logout", { method: "POST", keepalive: true, headers });
        return;
      } catch (error) {
        const { status, retryAfter } = /** @type {KeyturnError} */ (error);
        if (attempt === PATIENCE || (status && status < 500)) throw error;
        await new Promise((resolve) => this.#world.setTimeout(resolve, pauseAfter(attempt - 1, retryAfter)));
        // Somebody signed in meanwhile: the cookie is theirs.
        if (number !== this.#number) return;
      }
    }
  }

  /**
   * @param {{keepThis?: boolean}} [options] keepThis: all but this session
   * @returns {Promise<void>}
   * @throws {KeyturnError}
   */
  async signOutEverywhere({ keepThis = false } = {}) {
    await this.#call("/logout-all", json({ keep_this: keepThis }), this.fetch);
    if (!keepThis) this.#end("signed_out_everywhere", true);
  }

  /**
   * Where the user is signed in.
   *
   * @returns {Promise<Device[]>}
   * @throws {KeyturnError}
   */
  async devices() {
    return (await this.#call("/sessions", {}, this.fetch)).sessions;
  }

  /**
   * Sign a device out.
   *
   * @param {string} id one of `devices()`
   * @returns {Promise<void>}
   * @throws {KeyturnError}
   */
  async endDevice(id) {
    await this.#call(`/sessions/${encodeURIComponent(id)}`, { method: "DELETE" }, this.fetch);
    if (id === this.#current?.id) this.#end("revoked", true);
  }

  /** Forget everything, and ask for nothing any more. The user stays signed in. */
  close() {
    this.#stop();
    this.#closing.abort();
    this.#channel.close();
    this.#token = "";
    this.#expiresAt = this.#dueAt = 0;
    this.#settle(new KeyturnError({ code: "closed", detail: "This session object was closed." }));
  }

  #now() {
    return this.#world.performance.now();
  }

  /** @param {string | URL} url */
  #mayHaveToken(url) {
    return this.#origins.has(new URL(url).origin);
  }

  /** @param {Response} response */
  async #isRefused(response) {
    // Of the place where it came from in the end.
    if (response.status !== 401 || (response.url && !this.#mayHaveToken(response.url))) return false;
    if (/^bearer\b.*invalid_token/i.test(response.headers.get("www-authenticate") ?? "")) return true;
    const problem = await response.clone().json().catch(() => null);
    return /^access_token_/.test(problem?.code);
  }

  /**
   * A call of the account API.
   *
   * @param {string} path
   * @param {RequestInit} init
   * @param {typeof fetch} [send]
   * @returns {Promise<any>}
   */
  async #call(path, init, send = (input, more) => this.#world.fetch(input, more)) {
    let status, retryAfter;
    try {
      const response = await send(this.#base + path, { credentials: "include", cache: "no-store", redirect: "error", ...init });
      status = response.status;
      retryAfter = Number(response.headers.get("retry-after")) || 0;
      const content = status === 204 ? {} : await response.json();
      if (response.ok) return content;
      throw new KeyturnError(content, status, retryAfter);
    } catch (error) {
      // No answer, or one that is not from Keyturn, but of something in between.
      throw error instanceof KeyturnError ? error : new KeyturnError({}, status, retryAfter);
    }
  }

  /** The next answer to a refresh. */
  async #refreshed() {
    if (this.#state === "signed-out" || this.#closing.signal.aborted) throw signedOut(this.#reason);
    if (this.#trouble && this.#now() < this.#earliest) throw this.#trouble;
    const waiter = /** @type {PromiseWithResolvers<void>} */ (Promise.withResolvers());
    this.#waiting.push(waiter);
    if (this.#now() >= this.#earliest) this.#ask();
    return waiter.promise;
  }

  /** One refresh; no lock over tabs, since the server converges. */
  async #ask() {
    if (this.#asking || this.#held || this.#closing.signal.aborted) return;
    const mine = (this.#asking = new AbortController());
    const sent = this.#now();
    this.#dueAt = 0; // until there is an answer
    this.#world.clearTimeout(this.#timer);
    const limit = this.#world.setTimeout(() => mine.abort(), this.#limit);
    let answer, error;
    try {
      answer = /** @type {SignedIn} */ (await this.#call("/refresh-token", { method: "POST", signal: mine.signal }));
    } catch (failure) {
      error = /** @type {KeyturnError} */ (failure);
    }
    this.#world.clearTimeout(limit);
    if (this.#asking !== mine) return;
    this.#asking = null;
    // Timers of a page in the background may be late themselves.
    if (mine.signal.aborted || this.#now() - sent > this.#limit) this.#fail(new KeyturnError({}));
    else if (answer?.user?.id && answer.session?.id) this.#adopt(answer, sent);
    else this.#judge(error ?? new KeyturnError({}));
  }

  /** @param {KeyturnError} error */
  #judge(error) {
    const said = `${error.status} ${error.code}`;
    if (said === "403 session_ended" && !this.#saidToHaveEnded) {
      // Another tab may have signed in between: believed when it was said twice.
      this.#saidToHaveEnded = true;
      this.#plan(pauseAfter(0));
    } else if (/^(403 session_ended|403 refresh_token_invalid|401 refresh_token_missing)$/.test(said)) {
      this.#end(error.reason ?? error.code, false);
    } else this.#fail(error);
  }

  /**
   * No answer to believe: ask again, later and later.
   *
   * @param {KeyturnError} error
   */
  #fail(error) {
    const pause = pauseAfter(this.#failures++, error.retryAfter);
    this.#earliest = this.#now() + Math.max(error.retryAfter * 1000, Math.min(pause, 1000));
    this.#plan(pause);
    if (this.#failures > 1 && error.status !== 429) this.#enter("offline");
    if (this.#failures >= PATIENCE || error.retryAfter > PATIENCE) {
      this.#trouble = error;
      this.#settle(error);
    }
  }

  /**
   * Somebody is signed in.
   *
   * @param {SignedIn} answer
   * @param {number} sent when it was asked for
   * @param {boolean} [expected] whether it is the answer to a sign-in here
   */
  #adopt(answer, sent, expected = false) {
    const before = this.#user;
    if (before && before.id !== answer.user.id) {
      // What the page shows and holds is somebody else's.
      if (this.#end("replaced", expected)) return;
    }
    const lifetime = answer.expires_in * 1000;
    this.#token = answer.access_token ?? "";
    this.#number++;
    // Tokens count whole seconds: up to one less than the answer says.
    this.#expiresAt = sent + Math.max(500, lifetime - 1000);
    this.#dueAt = sent + Math.max(500, lifetime - 1000 - Math.min(MARGIN, lifetime / 4));
    this.#limit = answer.session.refresh_timeout * 1000 || this.#limit;
    this.#user = answer.user;
    this.#current = answer.session;
    this.#reason = this.#trouble = null;
    this.#failures = this.#earliest = 0;
    this.#saidToHaveEnded = false;
    this.#plan(this.#dueAt - this.#now());
    this.#show(true);
    this.#enter("signed-in");
    if (before?.id !== answer.user.id) this.#emit("signedin", { user: answer.user });
    if (!expected) this.#emit("refreshed", { expires_in: answer.expires_in });
    this.#settle();
  }

  /**
   * Nobody is signed in here any more.
   *
   * @param {string} reason
   * @param {boolean} expected whether this page asked for it
   * @param {boolean} [heard] whether another tab said so
   * @returns {boolean} whether the page is left
   */
  #end(reason, expected, heard = false) {
    const ended = this.#current;
    // Whoever was not signed in when the page came has lost nothing; but a session may have ended while nobody looked.
    const lost = ended !== null || !/^refresh_token_/.test(reason);
    const news = this.#state !== "signed-out";
    this.#stop();
    this.#token = "";
    this.#user = this.#current = this.#trouble = null;
    this.#expiresAt = this.#dueAt = this.#earliest = this.#failures = 0;
    this.#saidToHaveEnded = false;
    if (news) this.#reason = lost ? reason : null;
    this.#enter("signed-out");
    if (news && lost) this.#emit("signedout", { reason, expected });
    this.#settle(signedOut(reason));
    // Of a sign-in that replaced the session, the others have heard from there.
    if (ended && !heard && reason !== "replaced") this.#tell({ kind: "signedout", session: ended.id, reason });
    const left = news && lost && !expected && this.#leave(reason);
    this.#show(!left);
    return left;
  }

  /**
   * Go to the sign-in page, unless this is it.
   *
   * @param {string} reason
   */
  #leave(reason) {
    const { location } = this.#world;
    if (this.#signInPage === null) return false;
    const target = new URL(this.#signInPage, location.href);
    if (target.origin === location.origin && target.pathname === location.pathname) return false;
    target.searchParams.set("reason", reason);
    target.searchParams.set("return_to", location.pathname + location.search + location.hash);
    // Not to be come back to by the back button, but by signing in.
    location.replace(target.href);
    return true;
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async #open(path, body) {
    // The answer to a refresh that is still on its way would put the cookie of the session before over the new one.
    this.#stop();
    this.#held = true;
    this.#tell({ kind: "hold" });
    try {
      // So would the answer to a sign-out wipe it.
      await this.#goodbye;
      const sent = this.#now();
      const answer = await this.#call(path, json(body));
      this.#adopt(answer, sent, true);
      this.#tell({ kind: "signedin", session: answer.session.id });
      return /** @type {User} */ (answer.user);
    } finally {
      this.#held = false;
      if (this.#state === "starting" || this.#waiting.length) this.#ask();
      else if (this.#state !== "signed-out") this.#plan(this.#dueAt - this.#now());
    }
  }

  /** @param {Message} message of another tab */
  #hear({ kind, session, reason = "signed_out" }) {
    if (kind === "signedout" && session === this.#current?.id) this.#end(reason, false, true);
    else if (kind === "signedin" ? session !== this.#current?.id : this.#asking) {
      this.#stop();
      if (kind === "signedin") {
        this.#token = "";
        this.#number++;
        this.#expiresAt = this.#dueAt = this.#earliest = 0;
        if (this.#state === "signed-out") this.#enter("starting");
        this.#ask();
      } else this.#plan(FIRST_PAUSE);
    }
  }

  /** Back from the browser's memory: somebody may have signed out since. Nothing is shown until the server has told. */
  #comeBack() {
    if (this.#state === "signed-out") return;
    this.#stop();
    this.#show(false);
    this.#blank = this.#world.setTimeout(() => this.#excuse(), BLANK);
    this.#token = "";
    this.#expiresAt = this.#dueAt = this.#earliest = 0;
    this.#ask();
  }

  /** Why nothing is shown, and a button to ask again at once. */
  #excuse() {
    const { document } = this.#world;
    if (this.#notice || !document) return;
    const notice = (this.#notice = document.createElement("div"));
    const button = document.createElement("button");
    notice.setAttribute("role", "alert");
    notice.style.cssText = COVER;
    button.type = "button";
    button.textContent = this.#words.retry;
    button.addEventListener("click", () => this.#wake());
    notice.append(this.#words.away, document.createElement("br"), button);
    document.documentElement.append(notice);
  }

  #wake() {
    const idle = this.#world.document?.hidden && !this.#waiting.length && this.#state !== "starting";
    if (idle || this.#state === "signed-out") return;
    const pause = Math.max(this.#dueAt, this.#earliest) - this.#now();
    if (pause > 0) this.#plan(pause);
    else this.#ask();
  }

  /** @param {number} pause in milliseconds */
  #plan(pause) {
    this.#world.clearTimeout(this.#timer);
    this.#timer = this.#world.setTimeout(() => this.#wake(), Math.min(Math.max(pause, 0), LONGEST_TIMER));
  }

  /** Whatever is in flight belongs to the past. */
  #stop() {
    this.#world.clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
  }

  /** @param {KeyturnError} [error] */
  #settle(error) {
    for (const { resolve, reject } of this.#waiting.splice(0)) error ? reject(error) : resolve();
  }

  /** @param {State} state */
  #enter(state) {
    if (state !== "starting" && state !== "offline") this.#told.resolve();
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("statechange", { state });
  }

  /** @param {boolean} visible */
  #show(visible) {
    const root = this.#world.document?.documentElement;
    if (root) root.style.visibility = visible ? "" : "hidden";
    this.#world.clearTimeout(this.#blank);
    this.#notice?.remove();
    this.#notice = undefined;
  }

  /**
   * @param {string} type
   * @param {object} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {Message} message */
  #tell(message) {
    if (!this.#closing.signal.aborted) this.#channel.postMessage(message);
  }
}

/**
 * Find out who is signed in, and keep them signed in as long as the page is open.
 *
 * @param {Options} [options] `baseUrl`: of the Keyturn server, by default this origin; `basePath`: of its account API; `origins`: others
 *   that may have the access token; `signInPage`: where to go when the session has ended, null: nowhere; `words`: what a
 *   page says that comes out of the back/forward cache while the server does not answer
 * @param {typeof globalThis} [world] what a page finds around it, for tests
 * @returns {Session}
 */
export function createSession(options = {}, world = globalThis) {
  return new Session(options, world);
}

/**
 * @param {number} failures so far
 * @param {number} [retryAfter] in seconds, as the server asked
 * @returns {number} milliseconds, with jitter
 */
function pauseAfter(failures, retryAfter = 0) {
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.5 + Math.random() / 2);
  return retryAfter * 1000 + pause;
}

/** @param {object} body */
function json(body) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** @param {string | null} reason */
function signedOut(reason) {
  return new KeyturnError({ code: "signed_out", reason: reason ?? undefined, detail: "Nobody is signed in. Sign in." });
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<T>}
 */
async function unlessAborted(promise, signal) {
  if (!signal) return promise;
  const aborted = /** @type {PromiseWithResolvers<T>} */ (Promise.withResolvers());
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
