// Keeps the access cookie fresh. The pages are made by the server; no token reaches this script.
import { createSession } from "/keyturn/client.js";

const { page } = document.documentElement.dataset;
const ASKED = "tours.asked";
const session = createSession({ signInPage: null });
const again = document.getElementById("again"); // a form that came when the cookie had expired

function leave(reason) {
  const kept = again ? Object.fromEntries(new FormData(again)) : {};
  location.replace(`/plain/sign-in?${new URLSearchParams({ reason: reason ?? "ended", ...kept })}`);
}

if (page === "signed-in") {
  sessionStorage.removeItem(ASKED);
  // What was done is said once, and not again after a reload.
  if (location.search) history.replaceState(null, "", "/plain");
  // Before anything is waited for: a form must never meet an expired cookie, and this refreshes it, if it has to.
  addEventListener("submit", async (event) => {
    event.preventDefault();
    await session.fetch("/api/v1/auth/verify").catch(() => {});
    event.target.submit();
  });
}
session.addEventListener("signedout", ({ detail }) => leave(detail.reason));

await session.ready;
if (page !== "signed-in" && session.current?.delivery === "cookie" && !sessionStorage.getItem(ASKED)) {
  // The cookie is there again: the same once more, for somebody who is signed in. Once: otherwise it would go round and round.
  sessionStorage.setItem(ASKED, "yes");
  if (again) again.submit();
  else location.replace(`/plain${location.search}`);
} else if (page === "moment") leave(session.user ? "elsewhere" : session.reason);
