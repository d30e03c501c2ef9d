/** Why a session ended, for people. */
const REASONS = new Map(Object.entries({
  signed_out: "You were signed out because you asked for it, here or in another tab.",
  signed_out_everywhere: "You were signed out because all your devices were signed out.",
  replaced: "You were signed out because somebody has signed in with this browser since.",
  password_changed: "You were signed out because your password was changed. Sign in with the new one.",
  reuse_detected: "You were signed out because the token of your session was used twice: somebody may have copied it.",
  revoked: "You were signed out from another device, or by an administrator.",
  account_disabled: "You were signed out because this account is disabled.",
  account_deleted: "You were signed out because this account was closed.",
  expired: "Your last sign-in was too long ago. Sign in again.",
  idle: "You had not been here for a long time. Sign in again.",
  again: "Deleting a tour needs your password once more.",
}));

export const inWords = (reason) => REASONS.get(reason) ?? "You are not signed in any more. Sign in to go on.";
