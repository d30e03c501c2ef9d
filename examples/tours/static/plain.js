// Keeps the access cookie fresh. The pages are made by the server; no token reaches this script.
import { createSession } from "/keyturn/client.js";

const { page } = document.documentElement.dataset;
const ASKED = "tours.asked";
const session = createSession({ signInPage: null });

await session.ready;
const signedIn = session.current?.delivery === "cookie";
if (page === "signed-in") sessionStorage.removeItem(ASKED);
else if (signedIn && !sessionStorage.getItem(ASKED)) {
  // The cookie is there again: the same page, for somebody who is signed in. Once: otherwise it would go round and round.
  sessionStorage.setItem(ASKED, "yes");
  location.replace("/plain");
} else if (page === "moment") leave(session.reason);

function leave(reason) {
  location.replace(`/plain/sign-in?reason=${encodeURIComponent(reason ?? "ended")}`);
}

session.addEventListener("signedout", ({ detail }) => leave(detail.reason));

if (page === "signed-in") {
  addEventListener("submit", async (event) => {
    // A form must never meet an expired cookie: this refreshes it, if it has to.
    event.preventDefault();
    await session.fetch("/api/v1/auth/verify").catch(() => {});
    event.target.submit();
  });
}
