import { createSession, returnTo } from "/keyturn/client.js";
import { inWords } from "/assets/words.js";

const session = createSession({ signInPage: null });

const reason = new URLSearchParams(location.search).get("reason");
const notice = document.getElementById("notice");
notice.hidden = reason === null;
notice.textContent = reason === null ? "" : inWords(reason);

function submits(form, send) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const error = form.querySelector(".error");
    error.textContent = "";
    button.disabled = true;
    try {
      await send(Object.fromEntries(new FormData(form)));
      location.replace(returnTo("/"));
    } catch (problem) {
      error.textContent = [problem.message, ...(problem.errors ?? []).map((one) => one.message)].join(" ");
      button.disabled = false;
    }
  });
}

submits(document.getElementById("sign-in"), ({ login, password }) => session.signIn({ login, password }));
submits(document.getElementById("sign-up"), ({ email, password, full_name }) =>
  session.signUp({ email, password, ...(full_name ? { full_name } : {}) }),
);
