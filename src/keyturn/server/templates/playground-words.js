// What the playground says about what the server has decided.

const NUMBER = ["no", "one", "two", "three", "four", "five"];

const ROTATED = (one) =>
  `${who(one)} presented token ${one.from}, which proves that it had arrived: it is the root now. The answer holds its child, token ${one.to}.`;

const BY_RULE = {
  2: ROTATED,
  3: (one) => `${who(one)} refreshed again within the window: one act, one token. Token ${one.to} came back, byte for byte the same.`,
  4: (one) => `Token ${one.from} again, within the window: the answer holds the same child once more, token ${one.to}.`,
  5: (one) =>
    `Token ${one.from} came back later than the window, so its child counts as lost: the answer holds a sibling, token ${one.to}. Nobody was signed out.`,
  6: (one) => `Token ${one.from} is the one before the root, still within the window: the answer holds the current child, token ${one.to}.`,
  7: (one) =>
    `Token ${one.from} is newer than what the database remembers: the server believed it, and went on with token ${one.to}. Nobody was signed out.`,
  8: (one) =>
    `Token ${one.from} is of a branch that somebody else has left behind: two hold this session. It has ended, for the thief and for you.`,
  1: () => "The session has ended. Whoever presents whichever of its tokens gets the reason, and nothing else.",
};

function who(one) {
  return one.who === "thief" ? "The thief" : "You";
}

function signedOut(session) {
  return `${session.ended.words} Start again.`;
}

/** One presentation in a sentence or two. `one` is an entry of the history; `theft` whether a thief holds a token. */
export function told(one, session, theft) {
  if (one.lost) {
    return `The refresh reached the server, and its answer with token ${one.to} was lost. You still hold token ${one.from}. Refresh again: now, or in three days.`;
  }
  const sentence = BY_RULE[one.rule](one);
  if (one.verdict === "reused" || one.verdict === "ended") return sentence;
  if (one.who === "thief") {
    return `${sentence} Nobody can tell the two of you apart yet. Let a minute pass, then refresh.`;
  }
  if (theft) return `${sentence} The thief has one too: let a minute pass, and let him refresh; a minute later, you.`;
  return sentence;
}

/** Several presentations at once, in a sentence or two. */
export function toldTogether(many, same) {
  const counts = {};
  for (const one of many) counts[one.verdict] = (counts[one.verdict] ?? 0) + 1;
  const verdicts = Object.entries(counts).map(([verdict, count]) => `${NUMBER[count]} ${verdict.replace("_", " ")}`);
  const end = many[0].to ? `All hold ${same ? `token ${many[0].to}, byte for byte the same` : "different tokens"}.` : "None got a token.";
  return `Five tabs presented token ${many[0].from} at once: ${verdicts.join(", ")}. ${end}`;
}

export const WORDS = {
  begun: () => "You are signed in, and hold token 1. Nobody has presented it yet. Press any button, or watch a story.",
  accepted: () => "The API took the access token: its signature and its times are enough, and no database was asked.",
  refused: () => "The API refused the access token: 401.",
  repeated: () => "The API refused the expired access token; the client refreshed and asked again, and the API took the new one. The user noticed nothing.",
  over: signedOut,
  expired: () => "Half a minute passed, and the access token has expired. Call the API, and see what the user notices.",
  minute: () => "A minute passed. What comes now is a new act, no longer the same one.",
  days: (session) => (session.ended ? signedOut(session) : "Three days passed. The refresh token is still good."),
  writes: () => "The database fell back to the sign-in, as one does that was restored from a copy. Refresh.",
  forgotten: () => "The server has forgotten this visit: it was restarted, or many others came. Start again.",
  unreachable: () => "The server did not answer. Try again.",
};
