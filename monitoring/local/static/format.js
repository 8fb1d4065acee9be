// Numbers and times for people. Every function takes null for "not known".

const NOTHING = "–";
const whole = new Intl.NumberFormat("en");

export const count = (value) => (value === null || value === undefined ? NOTHING : whole.format(value));

/** Milliseconds in the unit that needs the fewest digits. */
export const duration = (ms) => {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toPrecision(3))} s`;
  return `${(ms / 60_000).toFixed(1)} min`;
};

export const percent = (part, all) => {
  if (!all) return NOTHING;
  const share = (part / all) * 100;
  return `${share === 0 || share >= 10 ? Math.round(share) : share.toFixed(share < 1 ? 2 : 1)} %`;
};

const two = (value) => String(value).padStart(2, "0");

export const clock = (seconds, withSeconds = true) => {
  const date = new Date(seconds * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}${withSeconds ? `:${two(date.getSeconds())}` : ""}`;
};

export const moment = (seconds) => {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(seconds)}`;
};

export const ago = (seconds) => {
  const age = Math.max(0, Date.now() / 1000 - seconds);
  if (age < 60) return `${Math.round(age)} s ago`;
  if (age < 3600) return `${Math.round(age / 60)} min ago`;
  if (age < 86_400) return `${Math.round(age / 3600)} h ago`;
  return `${Math.round(age / 86_400)} d ago`;
};

/** Sentry's two timestamp forms to seconds: a number, or RFC 3339 text. */
export const seconds = (timestamp) => {
  const value = typeof timestamp === "string" ? Date.parse(timestamp) / 1000 : timestamp;
  return Number.isFinite(value) ? value : null;
};

/** The last two parts of a task's dotted name; the whole name belongs in a title. */
export const taskName = (name) => String(name).split(".").slice(-2).join(".");

export const anything = (value) => (typeof value === "string" ? value : JSON.stringify(value));
