/**
 * The address that a sign-in page sends people back to: `return_to` of its own address, if that is on this site.
 *
 * @param {string} [fallback] a path, for when there is none
 * @returns {string} a whole address of this origin
 */
export function returnTo(fallback?: string): string;
/**
 * Find out who is signed in, and keep them signed in as long as the page is open.
 *
 * @param {Options} [options] `baseUrl`: of the Keyturn server, by default this origin; `basePath`: of its account API; `origins`: others
 *   that may have the access token; `signInPage`: where to go when the session has ended, null: nowhere; `words`: what a
 *   page says that comes out of the back/forward cache while the server does not answer
 * @param {typeof globalThis} [world] what a page finds around it, for tests
 * @returns {Session}
 */
export function createSession(options?: Options, world?: typeof globalThis): Session;
/** What a call came to. `code` is that of the server, or `unreachable`, or `signed_out`. */
export class KeyturnError extends Error {
    /**
     * @param {Problem} problem as the server described it (RFC 9457)
     * @param {number} status of the answer; 0: there was none
     * @param {number} [retryAfter] in seconds
     */
    constructor(problem: Problem, status?: number, retryAfter?: number);
    code: string;
    reason: string | null;
    status: number;
    errors: {
        field: string;
        message: string;
    }[];
    retryAfter: number;
}
declare const Session_base: Target;
/** Who is signed in here. Made by `createSession`. */
export class Session extends Session_base {
    /**
     * @param {Options} options
     * @param {typeof globalThis} world what a page finds around it
     */
    constructor(options: Options, world: typeof globalThis);
    /** Resolved once the server has told whether somebody is signed in. */
    ready: Promise<void>;
    /**
     * As the browser's own, with the access token where it may go: refreshes before it has expired or when it is refused, and then
     * repeats the request once.
     *
     * @param {RequestInfo | URL} input
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     * @throws {KeyturnError} the token could not be refreshed, or the session has ended; nothing was sent
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /** Whether somebody is signed in; "offline": as far as anybody knows, the server does not answer. */
    get state(): State;
    /** Who is signed in. */
    get user(): User | null;
    /** The session itself: one device of the user. */
    get current(): Device | null;
    /** Why the last session ended, as the server or this module calls it. */
    get reason(): string | null;
    /**
     * Ask for a new access token now, as when roles have changed.
     *
     * @returns {Promise<void>}
     * @throws {KeyturnError} nobody is signed in, or the server does not answer; it is asked again all the same
     */
    refresh(): Promise<void>;
    /**
     * @param {{login?: string, email?: string, username?: string, password: string, remember?: boolean}} credentials one of the three
     *   names: `login` is an e-mail address or a username; remember, false: until the browser is closed
     * @returns {Promise<User>}
     * @throws {KeyturnError}
     */
    signIn({ login, email, username, password, remember }: {
        login?: string;
        email?: string;
        username?: string;
        password: string;
        remember?: boolean;
    }): Promise<User>;
    /**
     * @param {{email: string, password: string, username?: string, full_name?: string}} account
     * @returns {Promise<User>}
     * @throws {KeyturnError}
     */
    signUp({ email, password, username, full_name }: {
        email: string;
        password: string;
        username?: string;
        full_name?: string;
    }): Promise<User>;
    /**
     * Here and in all tabs at once, whether or not the server can be reached.
     *
     * @returns {Promise<void>}
     * @throws {KeyturnError} the server was not told: its cookie is still good. Call it again
     */
    signOut(): Promise<void>;
    /**
     * @param {{keepThis?: boolean}} [options] keepThis: all but this session
     * @returns {Promise<void>}
     * @throws {KeyturnError}
     */
    signOutEverywhere({ keepThis }?: {
        keepThis?: boolean;
    }): Promise<void>;
    /**
     * Where the user is signed in.
     *
     * @returns {Promise<Device[]>}
     * @throws {KeyturnError}
     */
    devices(): Promise<Device[]>;
    /**
     * Sign a device out.
     *
     * @param {string} id one of `devices()`
     * @returns {Promise<void>}
     * @throws {KeyturnError}
     */
    endDevice(id: string): Promise<void>;
    /** Forget everything, and ask for nothing any more. The user stays signed in. */
    close(): void;
    #private;
}
export type User = {
    id: string;
    email: string;
    email_verified: boolean;
    username: string | null;
    full_name: string | null;
    roles: string[];
    created_at: string;
};
export type Device = {
    id: string;
    delivery: string;
    device: string;
    address: string;
    created_at: string;
    last_used_at: string;
    expires_at: string;
    refresh_timeout: number;
    current: boolean;
};
export type State = "starting" | "signed-in" | "signed-out" | "offline";
export type Options = {
    baseUrl?: string;
    basePath?: string;
    origins?: string[];
    signInPage?: string | null;
    words?: {
        away: string;
        retry: string;
    };
};
export type SignedIn = {
    access_token?: string;
    expires_in: number;
    user: User;
    session: Device;
};
export type Problem = {
    code?: string;
    reason?: string;
    detail?: string;
    errors?: {
        field: string;
        message: string;
    }[];
};
export type Message = {
    kind: "hold" | "signedin" | "signedout";
    session?: string;
    reason?: string;
};
export type Events = {
    signedin: {
        user: User;
    };
    signedout: {
        reason: string;
        expected: boolean;
    };
    refreshed: {
        expires_in: number;
    };
    statechange: {
        state: State;
    };
};
/**
 * How the events are listened to: each has its own `detail`.
 */
export type Listen = {
    <K extends keyof Events>(type: K, listener: (event: CustomEvent<Events[K]>) => void, options?: AddEventListenerOptions | boolean): void;
    (type: string, listener: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
};
/**
 * How the events are listened to: each has its own `detail`.
 */
export type Target = new () => {
    addEventListener: Listen;
    removeEventListener: Listen;
} & EventTarget;
export {};
