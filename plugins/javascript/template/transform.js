// Shapes the rows of a table on their way from the log to the current state.

/**
 * Says which columns are read and written; all others go through untouched.
 *
 * @type {import("./sdk/index.js").Configure}
 */
export function configure(setup) {
  return { reads: ["email"], writes: { email: "string" } };
}

/**
 * Shapes a batch: the methods of a column run over all of its rows in the host.
 *
 * @type {import("./sdk/index.js").Transform}
 */
export function transform(batch) {
  return { email: batch.column("email").trim().lower() };
}
