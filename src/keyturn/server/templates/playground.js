// The playground: a client with its fingers on everything. What it shows of a refresh is what the server has decided.
import { Lineage, draw } from "/playground-graph.js";
import { WORDS, told, toldTogether } from "/playground-words.js";

const $ = (id) => document.getElementById(id);
const PAUSE = 1600; // milliseconds between the steps of a story
const MAX_ENTRIES = 200;

let state; // of this visit: its id, the session's row, who holds which tokens, the lineage
let turn = 0; // of whoever pressed last
let doing = Promise.resolve();

async function post(path, body) {
  const answer = await fetch(`/playground/api/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const content = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(content.detail), { code: content.code });
  if (content.session) Object.assign(state, { session: content.session, since: performance.now() });
  return content;
}

function claims(token) {
  const part = (text) => JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
  const [header, payload] = token.split(".");
  return { ...part(header), ...part(payload) };
}

function tokenOf(refresh_token) {
  const { jti, par, gen } = claims(refresh_token);
  return { id: jti, parent_id: par, generation: gen };
}

const now = () => state.session.now + (performance.now() - state.since) / 1000;

async function refresh(who = "you", lose_answer = false) {
  const answer = await post("refresh", { visit: state.visit, refresh_token: state[who].refresh_token, lose_answer });
  if (answer.tokens) state[who] = answer.tokens;
  return { ...state.lineage.note(who, answer, lose_answer && answer.given !== null), answer };
}

async function time(seconds) {
  await post("time", { visit: state.visit, seconds: Math.ceil(seconds) });
}

async function call() {
  const { accepted } = await post("call", { visit: state.visit, access_token: state.you.access_token });
  return accepted;
}

const ACTIONS = {
  async start() {
    state = {};
    const { visit, tokens } = await post("visits", {});
    const first = tokenOf(tokens.refresh_token);
    Object.assign(state, { visit, you: tokens, began: state.session.now, lineage: new Lineage(first) });
    $("log").replaceChildren();
    say(WORDS.begun());
  },
  async call() {
    if (await call()) return say(WORDS.accepted());
    const one = await refresh();
    if (one.answer.tokens && (await call())) return say(WORDS.repeated(), [one]);
    return say(`${WORDS.refused()} ${told(one, state.session)}`, [one]);
  },
  async refresh() {
    const one = await refresh();
    say(told(one, state.session, state.thief), [one]);
  },
  async tabs() {
    const held = state.you;
    const tab = async () => {
      state.you = held; // a tab knows nothing of the others
      return refresh();
    };
    const many = await Promise.all([tab(), tab(), tab(), tab(), tab()]);
    many.sort((one, other) => Number(one.verdict === "converged") - Number(other.verdict === "converged"));
    say(toldTogether(many, new Set(many.map((one) => one.answer.tokens?.refresh_token)).size === 1), many);
  },
  async lose() {
    const one = await refresh("you", true);
    say(told(one, state.session), [one]);
  },
  async expire() {
    await time(Math.max(0, claims(state.you.access_token).exp - now() + 1));
    say(WORDS.expired());
  },
  async minute() {
    await time(60);
    say(WORDS.minute());
  },
  async days() {
    await time(3 * 86_400);
    say(WORDS.days(state.session));
  },
  async thief() {
    state.thief = { ...state.you };
    await ACTIONS.again();
  },
  async again() {
    const one = await refresh("thief");
    say(told(one, state.session), [one]);
  },
  async writes() {
    await post("lost-writes", { visit: state.visit });
    say(WORDS.writes());
  },
};

const STORIES = {
  lost: ["start", "refresh", "minute", "lose", "days", "refresh"],
  tabs: ["start", "refresh", "minute", "tabs"],
  theft: ["start", "refresh", "minute", "thief", "minute", "refresh", "minute", "again", "minute", "refresh"],
};

/** Show what has just happened: the sentence, a line of the log for each presentation, the graph, the tokens. */
function say(sentence, fresh = []) {
  const over = state.session.ended;
  const text = over && fresh.length ? `${sentence} ${WORDS.over(state.session)}` : sentence;
  note(text, fresh.map(line));
  $("said").classList.toggle("over", Boolean(over));
  paint(fresh.length);
}

function note(text, details = []) {
  $("said").textContent = text;
  const item = document.createElement("li");
  item.append(text, ...details);
  $("log").append(item);
  $("lines").scrollTop = $("lines").scrollHeight;
}

function line(one) {
  const small = document.createElement("small");
  const verdict = document.createElement("b");
  verdict.className = one.verdict;
  verdict.textContent = one.verdict.toUpperCase().replace("_", " ");
  const given = one.to ? `token ${one.to}${one.lost ? ", lost on the way" : ""}` : "no token";
  const { when, then } = one.answer;
  small.append(`${one.who === "you" ? "You" : "The thief"} presented token ${one.from}: `, verdict, `, ${given}. Rule ${one.rule}: ${when}; ${then}.`);
  return small;
}

function paint(fresh = 0) {
  const holders = { you: tokenOf(state.you.refresh_token).id };
  if (state.thief) holders.thief = tokenOf(state.thief.refresh_token).id;
  state.lineage.add(tokenOf(state.you.refresh_token)).arrived = true;
  const scroll = $("scroll");
  scroll.replaceChildren(draw(state.lineage, state.session, holders, fresh));
  scroll.scrollLeft = scroll.scrollWidth;
  decoded("access", claims(state.you.access_token));
  decoded("refresh", claims(state.you.refresh_token));
  $("refresh-name").textContent = state.lineage.tokens.get(holders.you).name;
  document.querySelector('[data-do="again"]').disabled = !state.thief;
  document.querySelector('[data-do="start"]').classList.toggle("next", Boolean(state.session.ended));
  tick();
}

function decoded(kind, found) {
  const list = $(`${kind}-claims`);
  const before = new Map([...list.children].map((pair) => [pair.firstChild.textContent, pair.lastChild.textContent]));
  const pairs = Object.entries(found).map(([name, value]) => {
    const [pair, term, text] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    [term.textContent, text.textContent] = [name, shown(name, value)];
    text.classList.toggle("new", before.size > 0 && before.get(name) !== text.textContent);
    pair.append(term, text);
    return pair;
  });
  list.replaceChildren(...pairs);
}

function shown(name, value) {
  if (["iat", "exp", "auth_time"].includes(name)) return new Date(value * 1000).toISOString().replace("T", " ").slice(0, 19);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function tick() {
  if (!state?.lineage) return;
  const { session } = state;
  const access = claims(state.you.access_token);
  const holdsRoot = tokenOf(state.you.refresh_token).id === session.root_id;
  const since = holdsRoot ? session.child_at : session.root_at;
  run("access", access.exp - now(), access.exp - access.iat, session.ended ? "refused" : "expired");
  run("refresh", session.idle_expires_at - now(), session.idle_lifetime, "expired");
  run("window", since === null ? 0 : since + session.window - now(), session.window, since === null ? "not begun" : "over");
}

function run(kind, left, whole, words) {
  const over = left <= 0 || (state.session.ended && kind !== "window");
  const bar = $(`${kind}-bar`);
  bar.max = whole;
  bar.value = over ? 0 : Math.min(left, whole);
  $(`${kind}-left`).textContent = over ? (state.session.ended ? "ended" : words) : counted(left, whole);
  $(`${kind}-left`).classList.toggle("over", Boolean(over) && kind !== "window");
}

function counted(left, whole) {
  if (whole < 120) return `${Math.ceil(left)} of ${whole} s`;
  return `${Number((left / 86_400).toFixed(1))} of ${whole / 86_400} days`;
}

async function act(name) {
  try {
    if (state.lineage?.entries.length >= MAX_ENTRIES) name = "start";
    await ACTIONS[name]();
  } catch (error) {
    note(error.code === "not_found" ? WORDS.forgotten() : WORDS.unreachable());
    return false;
  }
  return true;
}

/** Do one thing after the other. Whoever presses something meanwhile ends the story, and nothing is done twice at once. */
async function perform(steps) {
  const mine = ++turn;
  document.documentElement.dataset.busy = "";
  for (const [index, step] of steps.entries()) {
    if (index > 0) await new Promise((done) => setTimeout(done, PAUSE));
    if (turn !== mine) return;
    doing = doing.then(() => act(step));
    if (!(await doing)) break;
  }
  if (turn === mine) delete document.documentElement.dataset.busy;
}

document.addEventListener("click", ({ target }) => {
  const { do: action, story } = target.closest("button")?.dataset ?? {};
  if (action) perform([action]);
  if (story) perform(STORIES[story]);
});

for (const details of document.querySelectorAll("details")) details.open = matchMedia("(min-width: 60.01rem)").matches;
setInterval(tick, 250);
state = {};
perform(["start"]);
