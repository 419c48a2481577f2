// A transform module of the author's, configured and then run over batches.

import { Batch, Setup, wholeOutput, wholePlan } from "./contract.js";
import { TransformError } from "./error.js";
import { defaultPlan, shapeRows } from "./rows.js";

export class Guest {
  #module;
  #setup = null;
  #plan = null;

  constructor(module) {
    const { configure, transform, transformRow } = module;
    if ((transform === undefined) === (transformRow === undefined)) {
      throw new TransformError("a transform exports either `transform(batch)` or `transformRow(row, setup, about)`");
    }
    if (configure === undefined && transformRow === undefined) {
      throw new TransformError("a transform has to export `configure(setup)` beside `transform(batch)`");
    }
    this.#module = module;
  }

  /** The author's plan; without a `configure` of the author's, all columns but the key's are read and written. */
  configure(setup) {
    const { configure = defaultPlan } = this.#module;
    this.#plan = wholePlan(configure(setup));
    this.#setup = setup;
    return this.#plan;
  }

  /** The author's answer to a batch, its columns in the plan's order. */
  transform(rows, columns, ops, ordinals, times) {
    if (this.#plan === null) throw new TransformError("transform was called before configure");
    const plan = this.#plan;
    const named = Object.fromEntries(plan.reads.map((name, at) => [name, columns[at]]));
    const batch = new Batch(rows, named, ops, ordinals, times, this.#setup);
    const { transform, transformRow } = this.#module;
    return wholeOutput(transformRow ? shapeRows(batch, plan, transformRow) : transform(batch), plan);
  }
}

/** The setup, with its settings parsed. */
export function setupOf({ table, settings, seed, columns }) {
  return new Setup(table, JSON.parse(settings), seed, columns);
}

/** A fault in one line, with the function that threw it; a `TransformError` says all by itself. */
export function messageOf(fault) {
  if (!(fault instanceof Error)) return String(fault);
  if (fault instanceof TransformError) return fault.message;
  const place = /^\s*at (?:async )?([\w$.]+) \(/m.exec(fault.stack ?? "");
  const text = fault.message ? `${fault.name}: ${fault.message}` : fault.name;
  return place === null ? text : `${text} (in ${place[1]})`;
}
