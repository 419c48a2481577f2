// Transforms for sluice in JavaScript and TypeScript: see the README beside this folder.

/**
 * A type, written as in the Iceberg specification: `boolean`, `int`, `long`, `float`, `double`, `decimal(p,s)`, `date`,
 * `time`, `timestamp`, `timestamptz`, `string`, `binary`.
 */
export type DataType =
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | `decimal(${number},${number})`
  | "date"
  | "time"
  | "timestamp"
  | "timestamptz"
  | "string"
  | "binary";

/** A value of a column; which it is depends on the type. */
export type Value = boolean | number | bigint | string | Uint8Array | null;

/** A value that stands for a constant: a `Date` for a `timestamptz`. */
export type Literal = boolean | number | bigint | string | Uint8Array | Date;

/** A column, or a value that stands for a constant. */
export type Operand = Column | Literal;

/** What a row does: `L` comes from a full load, `I` inserts, `U` updates, `D` deletes. */
export type Op = "L" | "I" | "U" | "D";

/** A column's bytes, in Arrow's layout, little-endian. */
export interface Buffers {
  /** One bit a row, least significant bit first; 1 means that there is a value. Empty: every row has one. */
  validity: Uint8Array;
  /** `string` and `binary` only: one `i32` more than rows. */
  offsets: Uint8Array;
  /** The values, one behind the other. */
  values: Uint8Array;
}

/** Values of a column of numbers, dates or times. */
export type Numbers = Int32Array | BigInt64Array | Float32Array | Float64Array;

/** A handle to a column; it ends with the batch. What its methods compute stays in the host. */
export class Column {
  private constructor();

  /** The number that the host knows the column by. */
  readonly handle: number;
  /** The type, such as `decimal(12,2)`. */
  readonly type: DataType;

  /** A copy of the bytes, in Arrow's layout. */
  buffers(): Buffers;
  /** The values of a column of numbers, dates or times as a typed array; those of null rows are of no meaning. */
  numbers<Kind extends Numbers = Numbers>(): Kind;
  /** All values as an array, with `null` for null. A constant has one. */
  values<Kind extends Value = Value>(): Kind[];

  /** A column of JavaScript values, `null` for null; a typed array is taken as it is. */
  static of(dataType: DataType, values: ArrayLike<Value | Date | undefined>): Column;
  /** A column of bytes. The host checks them. */
  static make(dataType: DataType, rows: number, buffers: Buffers): Column;
  /** A constant for any number of rows: the text is cast to the type; `null` is null. */
  static constant(dataType: DataType, value: string | null): Column;

  // ---- text ----

  /** Lower case. */
  lower(): Column;

  /** Upper case. */
  upper(): Column;

  /** Without white space at both ends. */
  trim(): Column;

  /** The number of characters, or of bytes of a `binary`, as `int`. */
  length(): Column;

  /** Characters from `start` on (negative: from the end), at most `length`. */
  substring(start: number, length?: number): Column;

  /** Part `index` (0 is the first) between separators; null where there are fewer. */
  splitPart(separator: string, index: number): Column;

  /** Every occurrence of `search` replaced. */
  replace(search: string, replacement: string): Column;

  /** Filled up at the beginning until there are `length` characters. */
  padStart(length: number, fill: string): Column;

  /** Whether the text begins with `prefix`. */
  startsWith(prefix: string): Column;

  /** Whether the text ends with `suffix`. */
  endsWith(suffix: string): Column;

  /** Whether the text holds `search`. */
  contains(search: string): Column;

  /** Whether the regular expression matches anywhere. */
  regexMatches(pattern: string): Column;

  /** Group number `group` (0 is the whole) of the first match; null without a match. */
  regexExtract(pattern: string, group: number): Column;

  /** Every match replaced; `$1` and `${name}` stand for groups. */
  regexReplace(pattern: string, replacement: string): Column;

  /** What a JSON text holds at `path`, such as `address.city` or `items[0].sku`. */
  jsonField(path: string): Column;

  /** This text and the others one behind the other; null if any is null. */
  concat(others: readonly Operand[], separator?: string): Column;

  // ---- pseudonyms ----

  /** HMAC-SHA-256, as `binary` of 32 bytes. */
  hmac(key: Uint8Array): Column;

  /** SHA-256, as `binary` of 32 bytes; for pseudonyms use `hmac`. */
  sha256(): Column;

  /** SipHash-2-4 with a key of 16 bytes, as `long`. */
  keyedHash(key: Uint8Array): Column;

  /** Every character replaced by `fill`, but for some at the beginning and the end. */
  mask(keepStart: number, keepEnd: number, fill: string): Column;

  /** `binary` as hexadecimal digits. */
  hex(): Column;

  /** `binary` as Base64. */
  base64(): Column;

  // ---- types ----

  /** The column in another type; null where a value has no place in it. */
  cast(dataType: DataType): Column;

  // ---- numbers ----

  /** The sum. */
  add(right: Operand): Column;

  /** The difference. */
  subtract(right: Operand): Column;

  /** The product. */
  multiply(right: Operand): Column;

  /** The quotient; of integers the integral part. */
  divide(right: Operand): Column;

  /** What is left of an integral division, with the sign of the left side. */
  remainder(right: Operand): Column;

  /** Rounded to `digits` (0 by default) after the point, halves away from zero. */
  round(digits?: number): Column;

  /** The value without its sign. */
  abs(): Column;

  // ---- conditions ----

  /** Whether both are equal. */
  equal(right: Operand): Column;

  /** Whether they differ. */
  notEqual(right: Operand): Column;

  /** Whether the left side is smaller. */
  less(right: Operand): Column;

  /** Whether the left side is smaller or equal. */
  lessOrEqual(right: Operand): Column;

  /** Whether the left side is larger. */
  greater(right: Operand): Column;

  /** Whether the left side is larger or equal. */
  greaterOrEqual(right: Operand): Column;

  /** Whether the value is one of these. */
  isIn(values: readonly Literal[]): Column;

  /** Whether there is no value. Never null. */
  isNull(): Column;

  /** Both conditions; false with one false side even if the other is null. */
  both(right: Operand): Column;

  /** At least one of the conditions; true with one true side even if the other is null. */
  either(right: Operand): Column;

  /** The opposite of the condition. */
  negate(): Column;

  // ---- choice ----

  /** The first value that is not null, of this column and the others. */
  coalesce(...others: Operand[]): Column;
  /** `then` where this condition is true, `otherwise` where it is false or null. */
  choose(then: Operand | null, otherwise: Operand | null): Column;
  /** The rows where the condition is true. */
  filter(condition: Column): Column;
  /** Rows by their numbers, in this order, repeated if wanted. */
  take(rows: Column): Column;
}

/** The texts one behind the other, with `separator` between them; null if any is null. */
export function concat(parts: readonly Operand[], separator?: string): Column;

/** The first value that is not null. */
export function coalesce(choices: readonly Operand[]): Column;

/** `then` where the condition is true, `otherwise` where it is false or null; both of one type. */
export function choose(condition: Column, then: Operand | null, otherwise: Operand | null): Column;

/** A column of the table. */
export interface InputColumn {
  readonly name: string;
  readonly dataType: DataType;
  /** Whether it may be null. */
  readonly nullable: boolean;
  /** Whether it belongs to the primary key. */
  readonly key: boolean;
}

/** What a transform is configured with. */
export class Setup<Settings = any> {
  private constructor();

  /** The table, as `schema.table`. */
  readonly table: string;
  /** The settings from the configuration. */
  readonly settings: Settings;
  /** 32 bytes as 64 hexadecimal digits, the same for all batches of this table. */
  readonly seed: string;
  /** The table's columns. */
  readonly columns: readonly InputColumn[];
  /** Their names. */
  readonly names: string[];
  /** The table's column of this name. Without one the table is refused. */
  column(name: string): InputColumn;
}

/** A column that the transform writes. */
export interface OutputColumn {
  /** That of a column of the table replaces it, in place; any other is added at the end. */
  name: string;
  dataType: DataType;
  /** A null in a column that may not be one rejects the row. True if left out. */
  nullable?: boolean;
  /** Names of the columns in `reads` that it is computed from; empty or left out means all of them. */
  computedFrom?: readonly string[];
}

/** What a transform is going to do. Columns that it neither writes nor drops go through untouched. */
export interface Plan {
  /** Names of the columns that it wants to see. */
  reads?: readonly string[];
  /** The columns that it writes: an object from names to types, or an array where there is more to say. */
  writes?: Readonly<Record<string, DataType>> | readonly OutputColumn[];
  /** Names of columns that end here. */
  drops?: readonly string[];
  /** Whether rows that delete are shown to it. */
  deletes?: boolean;
  /** The key of Silver, if the transform changes it. */
  key?: readonly string[];
  /** Whether it may return several rows for one. */
  fanOut?: boolean;
}

/** Rows to be shaped, as columns. */
export class Batch<Settings = any> {
  private constructor();

  /** How many. */
  readonly rows: number;
  /** The columns named by `reads`, by name. */
  readonly columns: Readonly<Record<string, Column>>;
  /** What each row does, a `string`: see `Op`. */
  readonly ops: Column;
  /** The number of each row in the table's log, a `long`. */
  readonly ordinals: Column;
  /** When each row was committed at the source, a `timestamptz`; null where the source does not say. */
  readonly times: Column;
  /** What the transform was configured with. */
  readonly setup: Setup<Settings>;
  /** The settings from the configuration. */
  readonly settings: Settings;
  /** The column of this name, which is among the plan's `reads`. */
  column(name: string): Column;
}

/** The shaped rows. */
export interface Output {
  /** The columns that the plan writes, by name. */
  columns: Readonly<Record<string, Column>>;
  /** A `boolean` a row of the batch: rows where it is not true are dropped. */
  keep?: Column;
  /** An `int` an output row: the row of the batch that it comes from, never falling. */
  sourceRows?: Column;
  /** A `string` a row of the batch: where it is not null, the row is rejected, and this is the reason. */
  rejected?: Column;
  /** A `string` an output row: its op, where it is not that of its source row. */
  ops?: Column;
}

/** A transform module of the column API exports these two. */
export type Configure<Settings = any> = (setup: Setup<Settings>) => Plan;
export type Transform<Settings = any> = (batch: Batch<Settings>) => Output | Readonly<Record<string, Column>>;

/** A row: its values by the names of columns. A column that a returned row does not name stays as it was. */
export type Row = { [name: string]: Value | Date | undefined };

/** What a row is beside its values. */
export interface About {
  readonly op: Op;
  /** The number of the row in the table's log. */
  readonly ordinal: bigint;
  /** When it was committed at the source, in microseconds since 1970-01-01 UTC; null where that is not known. */
  readonly time: bigint | null;
}

/** A transform module of the row API exports this as `transformRow`, and `configure` if it likes. */
export type TransformRow<Settings = any> = (
  row: Record<string, any>,
  setup: Setup<Settings>,
  about: About,
) => Row | null | Row[];

/** A row to be returned that does something else than its source row: `D` deletes it. */
export function withOp<Kind extends Row>(row: Kind, op: Op): Kind;

/** Thrown in `transformRow`: sends this row to the dead letters, with the reason. */
export class Reject extends Error {}

/**
 * A failure whose text is the whole message. Thrown in `configure` it refuses the settings or the table's columns;
 * thrown in `transform` it counts for all rows of the batch.
 */
export class TransformError extends Error {}

/** A kernel was called outside the host. */
export class NeedsHost extends Error {}

/** A line for sluice's log. */
export function log(message: unknown, level?: "debug" | "info" | "warn" | "error"): void;

/** Adds to a number that sluice reports for this table under `name`; 1 if nothing is said. */
export function metric(name: string, add?: number): void;

/** The `Date` of a `date`: midnight, UTC. */
export function toDay(days: number): Date;
export function toDay(days: number | null): Date | null;
/** The value of a `date`: the day of a `Date` in UTC. */
export function fromDay(day: Date): number;
export function fromDay(day: Date | null): number | null;
/** The `Date` of a `timestamp` or `timestamptz`, whose microseconds are cut to milliseconds. */
export function toMoment(microseconds: bigint): Date;
export function toMoment(microseconds: bigint | null): Date | null;
/** The value of a `timestamp` or `timestamptz`. */
export function fromMoment(moment: Date): bigint;
export function fromMoment(moment: Date | null): bigint | null;

/** The text of UTF-8 bytes. */
export function decodeText(bytes: Uint8Array): string;
/** UTF-8 of a text. */
export function encodeText(text: string): Uint8Array;
