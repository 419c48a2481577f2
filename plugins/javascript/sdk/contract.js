// What a transform is told and what it answers.

import { Column } from "./column.js";
import { TransformError } from "./error.js";

/** What a transform is configured with. */
export class Setup {
  constructor(table, settings, seed, columns) {
    this.table = table;
    this.settings = settings;
    this.seed = seed;
    this.columns = columns;
  }

  /** The names of the table's columns. */
  get names() {
    return this.columns.map((column) => column.name);
  }

  /** The table's column of this name. Without one the table is refused. */
  column(name) {
    const found = this.columns.find((column) => column.name === name);
    if (found === undefined) {
      throw new TransformError(`the table ${this.table} has no column \`${name}\`; it has ${this.names.join(", ")}`);
    }
    return found;
  }
}

/** Rows to be shaped, as columns. */
export class Batch {
  constructor(rows, columns, ops, ordinals, times, setup) {
    this.rows = rows;
    this.columns = columns;
    this.ops = ops;
    this.ordinals = ordinals;
    this.times = times;
    this.setup = setup;
  }

  /** The settings from the configuration. */
  get settings() {
    return this.setup.settings;
  }

  /** The column of this name, which is among the plan's `reads`. */
  column(name) {
    const found = this.columns[name];
    if (found === undefined) throw new TransformError(`the column \`${name}\` is not among the plan's \`reads\``);
    return found;
  }
}

/** The author's plan with everything said that may be left out. */
export function wholePlan(plan) {
  if (plan === null || typeof plan !== "object") throw new TransformError(`configure returns a plan, not ${plan}`);
  const { reads = [], writes = {}, drops = [], deletes = false, key = [], fanOut = false, ...unknown } = plan;
  const names = Object.keys(unknown);
  if (names.length > 0) throw new TransformError(`a plan has no \`${names.join("`, `")}\``);
  const columns = Array.isArray(writes)
    ? writes
    : Object.entries(writes).map(([name, dataType]) => ({ name, dataType }));
  return {
    reads: [...reads],
    writes: columns.map(({ name, dataType, nullable = true, computedFrom = [] }) => ({
      name,
      dataType,
      nullable,
      computedFrom: [...computedFrom],
    })),
    drops: [...drops],
    deletes,
    key: [...key],
    fanOut,
  };
}

/** The author's answer to a batch as an output, with its columns in the plan's order. */
export function wholeOutput(answer, plan) {
  if (answer === null || typeof answer !== "object" || answer instanceof Column) {
    throw new TransformError(`transform returns an output or an object of columns, not ${answer}`);
  }
  const whole = answer.columns !== undefined && !(answer.columns instanceof Column);
  const { columns, ...outcome } = whole ? answer : { columns: answer };
  const names = plan.writes.map((column) => column.name);
  const missing = names.filter((name) => !(columns[name] instanceof Column));
  if (missing.length > 0) {
    throw new TransformError(`the transform returns no column \`${missing.join("`, `")}\`, which the plan writes`);
  }
  const unknown = Object.keys(columns).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new TransformError(`the transform returns \`${unknown.join("`, `")}\`, which the plan does not write`);
  }
  return { ...outcome, columns: names.map((name) => columns[name]) };
}
