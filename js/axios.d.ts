/**
 * Let axios send its requests through a session: with the access token where it may go, refreshed and repeated as need be.
 *
 * @template {{defaults: object, interceptors: {request: {use(onFulfilled: (config: any) => any): unknown}}}} Axios
 * @param {Axios} axios the module itself, or what `axios.create()` gave
 * @param {import("./client.js").Session} session
 * @returns {Axios} the same
 */
export function withSession<Axios extends {
    defaults: object;
    interceptors: {
        request: {
            use(onFulfilled: (config: any) => any): unknown;
        };
    };
}>(axios: Axios, session: import("./client.js").Session): Axios;
