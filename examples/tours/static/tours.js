import { createSession } from "/keyturn/client.js";

const session = createSession({ signInPage: "/sign-in" });
const by = (id) => document.getElementById(id);
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short" });

/** An element with attributes or properties, and what is in it; text stays text. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function say(text, failed = false) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
  by("notice").classList.toggle("failed", failed);
}

/** Call the API; the session sees to the token. */
async function api(path, method = "GET", body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const answer = await session.fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 204) return null;
  const content = await answer.json();
  if (answer.ok) return content;
  if (content.code === "reauthentication_required") location.assign("/sign-in?reason=again&return_to=/");
  throw new Error(typeof content.detail === "string" ? content.detail : "That was not accepted. Look at what you typed.");
}

/** Do something for the user, then show how things are. */
async function act(work, done) {
  try {
    await work();
    await show();
    say(done);
  } catch (error) {
    // What a browser says of a network that is away is no sentence for people.
    const text = error instanceof TypeError ? "The server does not answer just now. Try again in a moment." : error.message;
    if (session.state !== "signed-out") say(text, true);
  }
}

function bookingForm(tour) {
  const seats = element("input", { type: "number", name: "seats", min: 1, max: tour.left, value: 1, required: true });
  const form = element("form", { className: "book" }, element("label", {}, "Seats ", seats), element("button", {}, "Book"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = { tour: tour.id, seats: seats.valueAsNumber };
    act(() => api("/bookings", "POST", wanted), `Booked: ${tour.title}.`);
  });
  return form;
}

async function guestsOf(tour) {
  const guests = await api(`/tours/${tour.id}/bookings`);
  if (guests.length === 0) return element("p", { className: "guests" }, "No guests yet");
  const list = guests.map((one) => element("li", {}, `${one.name}, ${one.seats}`));
  const title = element("summary", {}, `Guests (${guests.length})`);
  return element("details", { className: "guests" }, title, element("ul", {}, ...list));
}

async function card(tour, user) {
  const left = tour.left === 0 ? "Sold out" : tour.left === 1 ? "1 seat left" : `${tour.left} seats left`;
  const parts = [
    element("p", { className: "place" }, tour.place),
    element("h3", {}, tour.title),
    element("p", {}, tour.summary),
    element("p", { className: "facts" }, element("time", { dateTime: tour.starts_at }, day.format(new Date(tour.starts_at))), element("span", {}, left)),
  ];
  if (user && tour.left > 0) parts.push(bookingForm(tour));
  if (!user && tour.left > 0) parts.push(element("a", { href: "/sign-in?return_to=/", className: "button" }, "Sign in to book"));
  const admin = user?.roles.includes("admin");
  if (admin || (user?.roles.includes("guide") && tour.guide === user.id)) parts.push(await guestsOf(tour));
  if (admin) {
    const remove = element("button", { className: "quiet danger" }, "Delete this tour");
    remove.addEventListener("click", () => act(() => api(`/tours/${tour.id}`, "DELETE"), `Deleted: ${tour.title}.`));
    parts.push(remove);
  }
  return element("li", {}, ...parts);
}

function row(booking) {
  const seats = booking.seats === 1 ? "1 seat" : `${booking.seats} seats`;
  const cancel = element("button", { className: "quiet", ariaLabel: `Cancel ${booking.title}` }, "Cancel");
  cancel.addEventListener("click", () => act(() => api(`/bookings/${booking.id}`, "DELETE"), `Cancelled: ${booking.title}.`));
  const about = element("span", {}, element("strong", {}, booking.title), element("small", {}, `${day.format(new Date(booking.starts_at))} · ${seats}`));
  return element("li", {}, about, cancel);
}

let shown = 0;

async function show() {
  const mine = ++shown;
  const user = session.user;
  const [tours, bookings] = await Promise.all([api("/tours"), user ? api("/bookings") : []]);
  const cards = await Promise.all(tours.map((tour) => card(tour, user)));
  if (mine !== shown) return; // somebody asked anew meanwhile
  by("who").textContent = user ? (user.full_name ?? user.email) : "";
  by("who").hidden = by("sign-out").hidden = !user;
  by("sign-in").hidden = Boolean(user);
  by("tours").replaceChildren(...cards);
  by("bookings").replaceChildren(...bookings.map(row));
  by("mine").hidden = bookings.length === 0;
  by("manage").hidden = !user?.roles.includes("admin");
}

by("sign-out").addEventListener("click", async () => {
  await session.signOut().catch((error) => say(error.message, true));
  await show();
});

by("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const { starts_at, capacity, ...texts } = Object.fromEntries(new FormData(form));
  const begins = new Date(starts_at).toISOString().replace(/\.\d+Z$/, "Z");
  act(() => api("/tours", "POST", { ...texts, starts_at: begins, capacity: Number(capacity) }).then(() => form.reset()), `Added: ${texts.title}.`);
});

session.addEventListener("statechange", () => {
  if (session.state === "offline") say("The server does not answer just now. You are still signed in.", true);
  else say("");
});

await session.ready;
await show();
session.addEventListener("signedin", () => show());
