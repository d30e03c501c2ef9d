// The lineage as a drawing: generations from left to right, siblings below each other, an arrow for each presentation.

const NODE = { width: 86, height: 46 };
const STEP = { x: 194, y: 104 };
const START = { x: 104, y: 84 };
const BAR = 36;

function element(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Which tokens there are and where each has its place. The first is that of the sign-in. */
export class Lineage {
  constructor(first) {
    this.tokens = new Map();
    this.entries = [];
    this.add(first);
  }

  add(token) {
    const known = this.tokens.get(token.id);
    if (known) return known;
    const taken = [...this.tokens.values()].filter((other) => other.generation === token.generation).map((other) => other.row);
    let row = this.tokens.get(token.parent_id)?.row ?? 0;
    while (taken.includes(row)) row += 1;
    const made = { ...token, row, name: this.tokens.size + 1, arrived: false };
    this.tokens.set(token.id, made);
    return made;
  }

  /** Note a presentation; gives its entry, with the names of the tokens. */
  note(who, answer, lost) {
    const from = this.add(answer.presented);
    const to = answer.given && this.add(answer.given);
    if (to && !lost) to.arrived = true;
    const entry = { who, lost, verdict: answer.verdict, rule: answer.rule, from: from.name, to: to?.name, source: from, target: to };
    this.entries.push(entry);
    return entry;
  }
}

/** Draws. `holders` maps "you" and "thief" to the ids of the tokens that they hold; `fresh` entries at the end appear now. */
export function draw(lineage, session, holders, fresh) {
  const tokens = [...lineage.tokens.values()];
  const arrows = gathered(lineage.entries, fresh);
  const last = Math.max(...tokens.map((token) => token.generation));
  const rows = Math.max(...tokens.map((token) => token.row)) + 1;
  const width = START.x + (last - 1) * STEP.x + NODE.width + (session.ended ? STEP.x - NODE.width + BAR : 24) + 12;
  const height = START.y + (rows - 1) * STEP.y + 76;
  const end = session.ended ? width - BAR - 12 : undefined;
  const drawing = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": "lineage" });
  drawing.style.minWidth = `${width * 0.78}px`; // smaller than that, nobody can read it
  drawing.append(signIn());
  if (session.ended) drawing.append(bar(end, height, session.ended.reason));
  const edges = arrows.map((arrow) => edge(arrow, end));
  drawing.append(...edges.map(({ line }) => line));
  tokens.forEach((token) => drawing.append(node(token, session, holders, lineage.entries.slice(-fresh || Infinity))));
  drawing.append(...edges.map(({ label }) => label));
  return drawing;
}

/** Presentations of one kind between the same two tokens are one arrow with a number; arrows of one pair are side by side. */
function gathered(entries, fresh) {
  const arrows = new Map();
  entries.forEach((entry, index) => {
    const key = [entry.from, entry.to, entry.verdict, entry.who, entry.lost].join();
    const arrow = arrows.get(key) ?? { ...entry, count: 0 };
    arrows.set(key, { ...arrow, count: arrow.count + 1, fresh: index >= entries.length - fresh });
  });
  const pairs = Map.groupBy ? Map.groupBy(arrows.values(), pair) : grouped(arrows.values());
  for (const side of pairs.values()) {
    side.forEach((arrow, index) => Object.assign(arrow, { shift: index - (side.length - 1) / 2, place: index }));
  }
  return [...arrows.values()];
}

const pair = (arrow) => `${arrow.from} ${arrow.to}`;

function grouped(arrows) {
  const groups = new Map();
  for (const arrow of arrows) groups.set(pair(arrow), [...(groups.get(pair(arrow)) ?? []), arrow]);
  return groups;
}

function place(token) {
  return { x: START.x + (token.generation - 1) * STEP.x, y: START.y + token.row * STEP.y };
}

function signIn() {
  const { y } = START;
  const line = element("path", { d: `M58 ${y}H${START.x - 8}` });
  const label = element("text", { x: 2, y: y + 5 }, "sign-in");
  return element("g", {}, element("g", { class: "edge" }, line, tip(START.x, y)), label);
}

function node(token, session, holders, fresh) {
  const { x, y } = place(token);
  const role = { [session.root_id]: "root", [session.child_id]: "child", [session.previous_id]: "previous" }[token.id] ?? "old";
  const isNew = fresh.some((entry) => entry.target === token) && !isSource(fresh, token);
  const lost = !token.arrived && token.generation > 1;
  const classes = ["node", role, lost ? "lost" : "", isNew ? "new" : ""].join(" ");
  const box = element("rect", { x, y: y - NODE.height / 2, width: NODE.width, height: NODE.height, rx: 9 });
  const name = element("text", { x: x + NODE.width / 2, y: y - 2, "text-anchor": "middle", class: "name" }, `token ${token.name}`);
  const words = lost ? `${role}, lost` : role;
  const below = element("text", { x: x + NODE.width / 2, y: y + 14, "text-anchor": "middle", class: "role" }, words);
  const made = element("g", { class: classes }, box, name, below);
  const held = Object.keys(holders).filter((holder) => holders[holder] === token.id);
  held.forEach((holder, index) => made.append(tag(x + 2 + index * 40, y - NODE.height / 2 - 13, holder)));
  return made;
}

const isSource = (fresh, token) => fresh.some((entry) => entry.source === token);

function tag(x, y, holder) {
  const width = holder === "you" ? 36 : 44;
  const box = element("rect", { x, y, width, height: 18, rx: 9 });
  const label = element("text", { x: x + width / 2, y: y + 13, "text-anchor": "middle" }, holder);
  return element("g", { class: `tag ${holder}` }, box, label);
}

function edge(arrow, end) {
  const from = place(arrow.source);
  const to = arrow.target ? place(arrow.target) : { x: end, y: from.y };
  const { d, middle, point } = arrow.target === arrow.source ? loop(from, arrow) : way(arrow, from, to);
  const line = element("path", { d, class: "line", ...(arrow.lost ? {} : { pathLength: 1 }) });
  const classes = ["edge", arrow.verdict, arrow.who, arrow.lost ? "lost" : "", arrow.fresh ? "new" : ""].join(" ");
  return { line: element("g", { class: classes }, line, point), label: element("g", { class: classes }, pill(middle, arrow)) };
}

/** An arrow to another token or to the end: straight to a neighbour, over the top of what stands between. */
function way(arrow, from, to) {
  const start = from.x + NODE.width;
  const x = (start + to.x) / 2;
  const far = to.x - from.x > STEP.x + 1 && arrow.target;
  const source = from.y + arrow.shift * 10;
  const target = to.y + (arrow.target ? arrow.shift * 10 : 0);
  const over = Math.min(source, target) - 88 - arrow.place * 30;
  const [first, second] = far ? [over, over] : [source + arrow.shift * 30, target + arrow.shift * 30];
  const d = `M${start} ${source}C${x} ${first} ${x} ${second} ${to.x - 7} ${target}`;
  return { d, middle: { x, y: (source + 3 * first + 3 * second + target) / 8 }, point: tip(to.x, target) };
}

function loop(from, arrow) {
  const left = from.x + 22 - arrow.place * 4;
  const right = from.x + NODE.width - 22 + arrow.place * 4;
  const bottom = from.y + NODE.height / 2;
  const depth = bottom + 26 + arrow.place * 24;
  const d = `M${right} ${bottom}C${right + 6} ${depth} ${left - 6} ${depth} ${left} ${bottom + 7}`;
  const point = element("path", { class: "tip", d: `M${left} ${bottom}l4 8h-8z` });
  return { d, middle: { x: from.x + NODE.width / 2, y: bottom + 20 + arrow.place * 24 }, point };
}

function tip(x, y) {
  return element("path", { class: "tip", d: `M${x} ${y}l-9 -5v10z` });
}

function pill(middle, arrow) {
  const words = arrow.verdict.toUpperCase().replace("_", " ") + (arrow.lost ? " ✕" : "") + (arrow.count > 1 ? ` ×${arrow.count}` : "");
  const width = words.length * 7.9 + 16;
  const box = element("rect", { x: middle.x - width / 2, y: middle.y - 12, width, height: 24, rx: 12 });
  return element("g", {}, box, element("text", { x: middle.x, y: middle.y + 4, "text-anchor": "middle" }, words));
}

function bar(x, height, reason) {
  const box = element("rect", { x, y: 10, width: BAR, height: height - 20, rx: 8 });
  const middle = { x: x + BAR / 2 + 5, y: height / 2 };
  const turned = { x: middle.x, y: middle.y, "text-anchor": "middle", transform: `rotate(-90 ${middle.x} ${middle.y})` };
  return element("g", { class: "bar new" }, box, element("text", turned, `ended: ${reason.replaceAll("_", " ")}`));
}
