// Runs a transform in this JavaScript, for tests without the host. The row API and everything that works on values
// runs here as it does in the host; a kernel says that it needs the host (`sluice plugin test` runs it there).

import { Column } from "./column.js";
import { Setup } from "./contract.js";
import { Guest } from "./guest.js";

/** A setup for a table with these columns (types by name). */
export function setup(columns, { settings = {}, key = [], table = "test.table", seed = "0".repeat(64) } = {}) {
  const inputs = Object.entries(columns).map(([name, dataType]) => {
    const inKey = key.includes(name);
    return { name, dataType, nullable: !inKey, key: inKey };
  });
  return new Setup(table, JSON.parse(JSON.stringify(settings)), seed, inputs);
}

/** What the transform answers to a setup. */
export function plan(module, setup) {
  return new Guest(module).configure(setup);
}

/** Configures the transform and shapes rows; `ops` says what they do, `I` where it says nothing. */
export function run(module, setup, rows, { ops = [] } = {}) {
  const guest = new Guest(module);
  const plan = guest.configure(setup);
  const output = guest.transform(
    rows.length,
    plan.reads.map((name) => Column.of(setup.column(name).dataType, rows.map((row) => row[name] ?? null))),
    Column.of("string", rows.map((_, row) => ops[row] ?? "I")),
    Column.of("long", rows.map((_, row) => row)),
    Column.of("timestamptz", rows.map(() => null)),
  );
  return resultOf(output, plan, rows.length);
}

function resultOf(output, plan, count) {
  const all = (column, otherwise) => column?.values() ?? new Array(count).fill(otherwise);
  const sources = output.sourceRows?.values() ?? Array.from({ length: count }, (_, row) => row);
  const kept = all(output.keep, true);
  const reasons = all(output.rejected, null);
  const changed = output.ops?.values() ?? [];
  const lists = output.columns.map((column) => column.values());
  const passed = sources.map((_, at) => at).filter((at) => kept[sources[at]] && reasons[sources[at]] === null);
  const rowAt = (at) => plan.writes.map(({ name }, column) => [name, lists[column][lists[column].length > 1 ? at : 0]]);
  return {
    rows: passed.map((at) => Object.fromEntries(rowAt(at))),
    sources: passed.map((at) => sources[at]),
    ops: passed.map((at) => changed[at] ?? null),
    rejected: Object.fromEntries(reasons.map((reason, row) => [row, reason]).filter(([, reason]) => reason !== null)),
  };
}
