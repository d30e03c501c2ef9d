// Keeps the access cookie fresh. The pages are made by the server; no token reaches this script.
import { createSession } from "/keyturn/client.js";

const { page } = document.documentElement.dataset;
const ASKED = "tours.asked";
const session = createSession({ signInPage: null });

function leave(reason) {
  location.replace(`/plain/sign-in?reason=${encodeURIComponent(reason ?? "ended")}`);
}

if (page === "signed-in") {
  sessionStorage.removeItem(ASKED);
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
  // The cookie is there again: the same page, for somebody who is signed in. Once: otherwise it would go round and round.
  sessionStorage.setItem(ASKED, "yes");
  location.replace("/plain");
} else if (page === "moment") leave(session.reason);
