// Shapes the rows of a table on their way from the log to the current state.

import type { Batch, Column, Plan, Setup } from "./sdk/index.js";

/** Says which columns are read and written; all others go through untouched. */
export function configure(setup: Setup): Plan {
  return { reads: ["email"], writes: { email: "string" } };
}

/** Shapes a batch: the methods of a column run over all of its rows in the host. */
export function transform(batch: Batch): Record<string, Column> {
  return { email: batch.column("email").trim().lower() };
}
