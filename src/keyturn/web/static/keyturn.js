// Keeps a page signed in: asks for the next access token by a request with a time limit, never by a navigation.
// What it needs to know stands in the attributes of <html>; no token ever reaches it.

const page = document.documentElement.dataset;
const HOME = "/";
const LONGEST_PAUSE = 30; // seconds, between two attempts
const MARGIN = 30; // seconds before the access token expires, at most
const PATIENCE = 1000; // milliseconds, for a sign-out to be heard by the server too
const FRUITLESS = "keyturn.fruitless";
const ENOUGH = 3; // refreshes that lead to no signed-in page, before a person is told

/** How often a refresh has led to no signed-in page, as far as the browser lets us remember it. */
const fruitless = {
  read() {
    try {
      return Number(sessionStorage.getItem(FRUITLESS));
    } catch {
      return 0;
    }
  },
  write(count) {
    try {
      if (count) sessionStorage.setItem(FRUITLESS, String(count));
      else sessionStorage.removeItem(FRUITLESS);
    } catch {
      // Without cookies there is no storage either, and nothing to go round in.
    }
  },
};

const pause = (seconds) => new Promise((resume) => setTimeout(resume, seconds * 1000));

/**
 * Ask for the next access token until there is an answer to believe.
 *
 * A broken connection, 429 and 5xx never mean that the session is over; that it has ended is believed when it was said twice,
 * because another tab may have signed in meanwhile.
 *
 * @param {() => void} onTrouble called when an attempt has failed
 * @returns {Promise<number | null>} the seconds that the new token lasts; null: nobody is signed in here any more
 */
async function refresh(onTrouble) {
  let saidToHaveEnded = false;
  for (let failures = 0; ; failures++) {
    let wait = 0;
    try {
      const signal = AbortSignal.timeout(Number(page.timeout) * 1000);
      const answer = await fetch(page.refresh, { method: "POST", cache: "no-store", signal });
      const content = await answer.json();
      if (answer.ok) return content.expires_in;
      if (answer.status !== 429 && answer.status < 500) {
        if (content.code !== "session_ended" || saidToHaveEnded) return null;
        saidToHaveEnded = true;
      }
      wait = Number(answer.headers.get("retry-after")) || 0;
    } catch {
      // No answer in time, none at all, or one that is not from Keyturn.
    }
    if (!saidToHaveEnded) onTrouble();
    const backOff = Math.min(LONGEST_PAUSE, 0.5 * 2 ** failures);
    await pause(wait + backOff * (0.5 + Math.random() / 2));
  }
}

/** A page that does not know yet whether anybody is signed in. */
async function ask() {
  const asking = document.getElementById("asking");
  const before = fruitless.read();
  if (before >= ENOUGH) {
    fruitless.write(0);
    document.getElementById("waiting").hidden = true;
    document.getElementById("given-up").hidden = false;
    return;
  }
  await refresh(() => (asking.textContent = page.trouble));
  fruitless.write(before + 1); // not before: whoever reloads while it is slow has lost nothing yet
  // Whatever came of it, the server knows now what to show: a page opened from here comes with every cookie.
  location.replace(location.pathname + location.search);
}

/** A page of somebody who is signed in: its forms must never meet an expired cookie. */
function staySignedIn() {
  let due; // when to refresh, in milliseconds since the epoch; also right after the machine has slept
  let timer;
  let refreshing = null;

  const plan = (expiresIn) => {
    // Cookies and tokens count whole seconds: up to one less than the answer says.
    const seconds = Math.max(0.5, expiresIn - 1 - Math.min(MARGIN, expiresIn / 4));
    due = Date.now() + seconds * 1000;
    clearTimeout(timer);
    timer = setTimeout(wake, seconds * 1000);
  };
  const renew = async () => {
    const expiresIn = await refresh(() => {});
    if (expiresIn === null) location.replace(HOME);
    else plan(expiresIn);
  };
  const renewOnce = () => (refreshing ??= renew().finally(() => (refreshing = null)));
  const wake = () => {
    if (!document.hidden && Date.now() >= due) renewOnce();
  };

  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  addEventListener("submit", async (event) => {
    if (Date.now() < due) return;
    event.preventDefault();
    await renewOnce();
    event.target.submit();
  });
  plan(Number(page.expiresIn));
  // What was saved is said once, and not again after a reload.
  if (new URLSearchParams(location.search).has("saved")) history.replaceState(null, "", HOME);
}

// A page that comes back from the browser's memory may show somebody who has signed out since: none of it is left, however long
// the server takes to answer.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  empty();
  location.replace(HOME);
});

/** Nothing of the account is left to be seen, only the way to ask who is signed in. */
function empty() {
  const asking = document.createElement("p");
  const again = document.createElement("a");
  again.href = HOME;
  again.textContent = page.again;
  asking.append(`${page.asking} `, again);
  document.getElementById("main").replaceChildren(asking);
}

/** Who is signed in, as this page was told: no other tab may go on as somebody else, be it a page of ours or one with the client. */
function tellTabs() {
  const tabs = new BroadcastChannel(`keyturn ${new URL(page.refresh.replace(/\/refresh-token$/, ""), location).href}`);
  if (page.page === "signed-in") {
    tabs.addEventListener("message", ({ data: { kind, session } }) => {
      const ours = session === page.session;
      if (kind === "signedin" && !ours) location.replace(HOME); // where the server says who it is
      if (kind !== "signedout" || !ours) return;
      empty();
      setTimeout(() => location.replace(HOME), PATIENCE); // the server is told at the same time; the client says when it was
    });
  }
  // Where something went wrong, nothing has changed.
  if (!document.querySelector("[role=alert]")) tabs.postMessage({ kind: "signedin", session: page.session });
}

for (const time of document.querySelectorAll("time.local")) {
  const shown = { dateStyle: "long", timeStyle: "short" };
  time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, shown);
}

for (const input of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? page.hide : page.show;
    // There may be several: each says of which password it is.
    button.ariaLabel = `${button.textContent}: ${input.labels[0].textContent}`;
  };
  button.type = "button";
  button.className = "show";
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => show(input.type === "password"));
  // What is sent is a password again, for the browser's memory of what was typed.
  input.form.addEventListener("submit", () => show(false));
  show(false);
  input.after(button);
}

if (page.page === "moment") ask();
else {
  fruitless.write(0);
  if (page.page === "signed-in") staySignedIn();
  if (page.page !== "plain") tellTabs();
}
