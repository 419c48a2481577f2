// The conformance guest: does what its settings' mode says. Every language has one that does the same.

import { Column, Reject, TransformError, log, metric } from "../sdk/index.js";
import { shapeRows } from "../sdk/rows.js";
import { wholePlan } from "../sdk/contract.js";

export function configure(setup) {
  const { mode } = setup.settings;
  if (!Object.hasOwn(MODES, mode)) throw new TransformError(`unknown mode ${mode}`);
  return MODES[mode].plan(setup);
}

export function transform(batch) {
  return MODES[batch.settings.mode].shape(batch);
}

// ---- every value through the bytes of the column API ----

function planCopies(setup) {
  const writes = setup.columns.map(({ name, dataType }) => ({ name: `out_${name}`, dataType }));
  return { reads: setup.names, writes };
}

function copyColumns(batch) {
  const copies = Object.entries(batch.columns).map(([name, column]) => [
    `out_${name}`,
    Column.of(column.type, column.values()),
  ]);
  return { columns: Object.fromEntries(copies) };
}

// ---- the same through the row API ----

/** A function over rows as one over a batch, so that one component can show both. */
function byRows(transformRow) {
  return (batch) => shapeRows(batch, wholePlan(configure(batch.setup)), transformRow);
}

function copyRow(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [`out_${name}`, value]));
}

// ---- one kernel ----

function planCall(setup) {
  const { call, type, sources } = setup.settings;
  const reads = new Set();
  for (const argument of [...call.slice(1), sources ?? {}]) {
    for (const entry of [argument, ...(argument.columns ?? [])]) {
      const name = typeof entry === "string" ? entry : entry.column;
      if (name !== undefined) reads.add(name);
    }
  }
  return { reads: [...reads], writes: { out: type } };
}

function callKernel(batch) {
  const { call, sources } = batch.settings;
  const name = call[0].replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const values = call.slice(1).map((argument) => argumentOf(batch, argument));
  let out;
  if (name === "concat") out = values[0][0].concat(values[0].slice(1), values[1]);
  else if (name === "coalesce") out = values[0][0].coalesce(...values[0].slice(1));
  else out = values[0][name](...values.slice(1));
  return { columns: { out }, sourceRows: sources && argumentOf(batch, sources) };
}

function argumentOf(batch, argument) {
  const [[kind, value]] = Object.entries(argument);
  switch (kind) {
    case "column":
      return batch.column(value);
    case "columns":
      return value.map((entry) => (typeof entry === "string" ? batch.column(entry) : argumentOf(batch, entry)));
    case "constant":
      return Column.constant(...value);
    case "bytes":
      return Uint8Array.fromHex(value);
    case "none":
      return undefined;
    case "text":
    case "texts":
    case "number":
      return value;
    default:
      throw new TransformError(`unknown argument ${JSON.stringify(argument)}`);
  }
}

// ---- outcomes ----

function planOutcome(setup) {
  setup.column("id");
  return { reads: ["id"], writes: { out: "string" }, deletes: true };
}

function outcomeOf({ id }) {
  if (id % 5n === 3n) throw new Reject(`id ${id} is refused`);
  return id % 5n === 4n ? null : { out: String(id) };
}

function planFanOut() {
  const writes = [{ name: "n", dataType: "int", nullable: false }];
  return { reads: ["id"], writes, deletes: true, key: ["id", "n"], fanOut: true };
}

function fanOut(_row, setup) {
  return Array.from({ length: setup.settings.times }, (_, n) => ({ n }));
}

// ---- messages and failures ----

function planConstant() {
  return { writes: { out: "string" } };
}

function logLines(batch) {
  for (let line = 0; line < batch.settings.lines; line++) {
    log(`line ${line}`);
    metric("lines", 1);
  }
  return { out: Column.constant("string", "logged") };
}

function fail() {
  throw new TransformError("asked to fail");
}

function crash() {
  throw new Error("asked to crash");
}

const MODES = {
  columns: { plan: planCopies, shape: copyColumns },
  rows: { plan: planCopies, shape: byRows(copyRow) },
  call: { plan: planCall, shape: callKernel },
  outcome: { plan: planOutcome, shape: byRows(outcomeOf) },
  "fan-out": { plan: planFanOut, shape: byRows(fanOut) },
  log: { plan: planConstant, shape: logLines },
  error: { plan: planConstant, shape: fail },
  panic: { plan: planConstant, shape: crash },
};
