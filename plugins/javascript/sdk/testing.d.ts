// Runs a transform in this JavaScript, for tests without the host.

import type { Batch, Column, DataType, Op, Output, OutputColumn, Plan, Row, Setup, Value } from "./index.js";

/** The names that a transform module exports. */
export interface TransformModule {
  configure?(setup: Setup): Plan;
  transform?(batch: Batch): Output | Readonly<Record<string, Column>>;
  transformRow?(row: Record<string, any>, setup: Setup, about: any): Row | null | Row[];
}

/** A setup for a table with these columns (types by name). */
export function setup(
  columns: Readonly<Record<string, DataType>>,
  options?: { settings?: object; key?: readonly string[]; table?: string; seed?: string },
): Setup;

/** What the transform answers to a setup, with everything said. */
export function plan(module: TransformModule, setup: Setup): Required<Omit<Plan, "writes">> & {
  writes: Required<OutputColumn>[];
};

/** What came of the rows. */
export interface Result {
  /** The written columns of the rows that are left. */
  rows: Record<string, Value>[];
  /** For each of these, the number of the row that it comes from. */
  sources: number[];
  /** For each of these, its op where the transform changed it. */
  ops: (Op | null)[];
  /** The reasons of the rejected rows, by row number. */
  rejected: Record<number, string>;
}

/** Configures the transform and shapes rows; `ops` says what they do, `I` where it says nothing. */
export function run(module: TransformModule, setup: Setup, rows: readonly Row[], options?: { ops?: readonly Op[] }): Result;
