// The row API: a function over one row. It costs microseconds a row where kernels cost nanoseconds.

import { Column } from "./column.js";
import { Reject, TransformError } from "./error.js";

const OP = Symbol("op");

/** A row to be returned that does something else than its source row: `D` deletes it. */
export function withOp(row, op) {
  return { ...row, [OP]: op };
}

/** Reads every column and writes all but the key's. */
export function defaultPlan(setup) {
  const written = setup.columns.filter((column) => !column.key);
  return { reads: setup.names, writes: Object.fromEntries(written.map(({ name, dataType }) => [name, dataType])) };
}

/** A value a row; a constant has but one. */
function allValues(column, rows) {
  const values = column.values();
  return values.length === rows ? values : new Array(rows).fill(values[0]);
}

/** What a row is beside its values; read when someone asks. */
class About {
  #lists;

  constructor(lists) {
    this.#lists = lists;
    this.row = 0;
  }

  get op() {
    return this.#lists.of("ops")[this.row];
  }

  get ordinal() {
    return this.#lists.of("ordinals")[this.row];
  }

  get time() {
    return this.#lists.of("times")[this.row];
  }
}

class Lists {
  #batch;
  #lists = {};

  constructor(batch) {
    this.#batch = batch;
  }

  of(name) {
    this.#lists[name] ??= allValues(this.#batch[name], this.#batch.rows);
    return this.#lists[name];
  }
}

/** Calls the function with every row and makes columns of what it returns. */
export function shapeRows(batch, plan, shapeRow) {
  const known = new Set([...plan.reads, ...plan.writes.map((column) => column.name)]);
  const lists = plan.reads.map((name) => allValues(batch.column(name), batch.rows));
  // With a key of its own a transform says itself what is deleted: a dropped row has no place in the output.
  const bySources = plan.fanOut || plan.key.length > 0;
  const about = new About(new Lists(batch));
  const out = { sources: [], results: [], kept: new Array(batch.rows), reasons: new Array(batch.rows).fill(null), ops: [] };
  for (let number = 0; number < batch.rows; number++) {
    const row = {};
    for (let at = 0; at < lists.length; at++) row[plan.reads[at]] = lists[at][number];
    about.row = number;
    let results = [];
    try {
      results = resultsOf(shapeRow(row, batch.setup, about), plan);
    } catch (fault) {
      if (!(fault instanceof Reject)) throw fault;
      out.reasons[number] = fault.message || "rejected without a reason";
    }
    out.kept[number] = results.length > 0;
    if (results.length === 0 && !bySources) {
      // A row of nulls takes its place, so that output rows stand beside the batch's.
      add(out, number, Object.fromEntries(plan.writes.map((column) => [column.name, null])));
    }
    for (const result of results) {
      check(result, known);
      add(out, number, result);
    }
  }
  return outputOf(out, plan, lists, bySources);
}

function resultsOf(answer, plan) {
  if (answer === null) return [];
  if (Array.isArray(answer)) {
    if (!plan.fanOut) throw new TransformError("transformRow returned an array, but the plan does not say `fanOut`");
    return answer;
  }
  if (typeof answer === "object") return [answer];
  throw new TransformError(`transformRow returns a row, null to drop it or an array of rows, not ${typeof answer}`);
}

function check(result, known) {
  for (const name in result) {
    if (!known.has(name)) throw new TransformError(`transformRow returned \`${name}\`, which the plan does not write`);
  }
}

function add(out, number, result) {
  out.sources.push(number);
  out.results.push(result);
  out.ops.push(result[OP] ?? null);
}

function outputOf({ sources, results, kept, reasons, ops }, plan, lists, bySources) {
  const columns = {};
  for (const { name, dataType } of plan.writes) {
    // What a result does not name stays as it was.
    const before = lists[plan.reads.indexOf(name)];
    const values = results.map((result, at) => {
      const value = result[name];
      return value === undefined ? (before?.[sources[at]] ?? null) : value;
    });
    columns[name] = columnOf(name, dataType, values);
  }
  return {
    columns,
    keep: bySources || kept.every(Boolean) ? undefined : Column.of("boolean", kept),
    sourceRows: bySources ? Column.of("int", sources) : undefined,
    rejected: reasons.every((reason) => reason === null) ? undefined : Column.of("string", reasons),
    ops: ops.every((op) => op === null) ? undefined : Column.of("string", ops),
  };
}

function columnOf(name, dataType, values) {
  try {
    return Column.of(dataType, values);
  } catch (fault) {
    throw new TransformError(`the column \`${name}\`: ${fault.message}`, { cause: fault });
  }
}
