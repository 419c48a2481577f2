// What a transform says beside its answer. The host limits both: what is too much is counted and left out.

import { host } from "./host.js";

const LEVELS = ["debug", "info", "warn", "error"];

/** A line for sluice's log. */
export function log(message, level = "info") {
  if (!LEVELS.includes(level)) throw new TypeError(`there is no level ${level}; there are ${LEVELS.join(", ")}`);
  host.diagnostics.log(level, String(message));
}

/** Adds to a number that sluice reports for this table under `name`. */
export function metric(name, add = 1) {
  host.diagnostics.metric(name, add);
}
