// A column of the batch, with the host's kernels as methods. The names are those of the contract.

import { decode, encode, numbers } from "./codec.js";
import { host } from "./host.js";
import { textOf, typeOf } from "./literal.js";

/** A handle to a column; it ends with the batch. What its methods compute stays in the host. */
export class Column {
  #rows;
  #type;

  /** For the SDK: `rows` is null for constants and where only the host knows. */
  constructor(handle, rows = null, dataType = null) {
    this.handle = handle;
    this.#rows = rows;
    this.#type = dataType;
  }

  /** The type, such as `decimal(12,2)`. */
  get type() {
    this.#type ??= host.columns.typeOf(this.handle);
    return this.#type;
  }

  /** A copy of the bytes, in Arrow's layout. */
  buffers() {
    return host.columns.read(this.handle);
  }

  /** The values of a column of numbers, dates or times as a typed array; those of null rows are of no meaning. */
  numbers() {
    return numbers(this.type, this.buffers());
  }

  /** All values as an array, with `null` for null. A constant has one. */
  values() {
    if (this.type === "boolean" && this.#rows === null) {
      // Bits do not tell how many there are; the bytes of another type do.
      return this.cast("int")
        .values()
        .map((value) => (value === null ? null : value !== 0));
    }
    return decode(this.type, this.buffers(), this.#rows ?? 0);
  }

  /** A column of JavaScript values, `null` for null. */
  static of(dataType, values) {
    return Column.make(dataType, values.length, encode(dataType, values));
  }

  /** A column of bytes. The host checks them. */
  static make(dataType, rows, buffers) {
    return new Column(host.columns.make(dataType, rows, buffers), rows, dataType);
  }

  /** A constant for any number of rows: the text is cast to the type; `null` is null. */
  static constant(dataType, value) {
    return new Column(host.columns.constant(dataType, value), null, dataType);
  }

  // ---- text ----

  /** Lower case. */
  lower() {
    return new Column(host.kernels.lower(this.handle), this.#rows);
  }

  /** Upper case. */
  upper() {
    return new Column(host.kernels.upper(this.handle), this.#rows);
  }

  /** Without white space at both ends. */
  trim() {
    return new Column(host.kernels.trim(this.handle), this.#rows);
  }

  /** The number of characters, or of bytes of a `binary`, as `int`. */
  length() {
    return new Column(host.kernels.length(this.handle), this.#rows);
  }

  /** Characters from `start` on (negative: from the end), at most `length`. */
  substring(start, length = null) {
    return new Column(host.kernels.substring(this.handle, start, length), this.#rows);
  }

  /** Part `index` (0 is the first) between separators; null where there are fewer. */
  splitPart(separator, index) {
    return new Column(host.kernels.splitPart(this.handle, separator, index), this.#rows);
  }

  /** Every occurrence of `search` replaced. */
  replace(search, replacement) {
    return new Column(host.kernels.replace(this.handle, search, replacement), this.#rows);
  }

  /** Filled up at the beginning until there are `length` characters. */
  padStart(length, fill) {
    return new Column(host.kernels.padStart(this.handle, length, fill), this.#rows);
  }

  /** Whether the text begins with `prefix`. */
  startsWith(prefix) {
    return new Column(host.kernels.startsWith(this.handle, prefix), this.#rows);
  }

  /** Whether the text ends with `suffix`. */
  endsWith(suffix) {
    return new Column(host.kernels.endsWith(this.handle, suffix), this.#rows);
  }

  /** Whether the text holds `search`. */
  contains(search) {
    return new Column(host.kernels.contains(this.handle, search), this.#rows);
  }

  /** Whether the regular expression matches anywhere. */
  regexMatches(pattern) {
    return new Column(host.kernels.regexMatches(this.handle, pattern), this.#rows);
  }

  /** Group number `group` (0 is the whole) of the first match; null without a match. */
  regexExtract(pattern, group) {
    return new Column(host.kernels.regexExtract(this.handle, pattern, group), this.#rows);
  }

  /** Every match replaced; `$1` and `${name}` stand for groups. */
  regexReplace(pattern, replacement) {
    return new Column(host.kernels.regexReplace(this.handle, pattern, replacement), this.#rows);
  }

  /** What a JSON text holds at `path`, such as `address.city` or `items[0].sku`. */
  jsonField(path) {
    return new Column(host.kernels.jsonField(this.handle, path), this.#rows);
  }

  /** This text and the others one behind the other; null if any is null. */
  concat(others, separator = "") {
    return concat([this, ...others], separator);
  }

  // ---- pseudonyms ----

  /** HMAC-SHA-256, as `binary` of 32 bytes. */
  hmac(key) {
    return new Column(host.kernels.hmac(this.handle, key), this.#rows);
  }

  /** SHA-256, as `binary` of 32 bytes; for pseudonyms use `hmac`. */
  sha256() {
    return new Column(host.kernels.sha256(this.handle), this.#rows);
  }

  /** SipHash-2-4 with a key of 16 bytes, as `long`. */
  keyedHash(key) {
    return new Column(host.kernels.keyedHash(this.handle, key), this.#rows);
  }

  /** Every character replaced by `fill`, but for some at the beginning and the end. */
  mask(keepStart, keepEnd, fill) {
    return new Column(host.kernels.mask(this.handle, keepStart, keepEnd, fill), this.#rows);
  }

  /** `binary` as hexadecimal digits. */
  hex() {
    return new Column(host.kernels.hex(this.handle), this.#rows);
  }

  /** `binary` as Base64. */
  base64() {
    return new Column(host.kernels.base64(this.handle), this.#rows);
  }

  // ---- types ----

  /** The column in another type; null where a value has no place in it. */
  cast(dataType) {
    return new Column(host.kernels.cast(this.handle, dataType), this.#rows, dataType);
  }

  // ---- numbers ----

  /** The sum. */
  add(right) {
    return this.#with(host.kernels.add, right);
  }

  /** The difference. */
  subtract(right) {
    return this.#with(host.kernels.subtract, right);
  }

  /** The product. */
  multiply(right) {
    return this.#with(host.kernels.multiply, right);
  }

  /** The quotient; of integers the integral part. */
  divide(right) {
    return this.#with(host.kernels.divide, right);
  }

  /** What is left of an integral division, with the sign of the left side. */
  remainder(right) {
    return this.#with(host.kernels.remainder, right);
  }

  /** Rounded to `digits` (0 by default) after the point, halves away from zero. */
  round(digits = 0) {
    return new Column(host.kernels.round(this.handle, digits), this.#rows);
  }

  /** The value without its sign. */
  abs() {
    return new Column(host.kernels.abs(this.handle), this.#rows);
  }

  // ---- conditions ----

  /** Whether both are equal. */
  equal(right) {
    return this.#with(host.kernels.equal, right);
  }

  /** Whether they differ. */
  notEqual(right) {
    return this.#with(host.kernels.notEqual, right);
  }

  /** Whether the left side is smaller. */
  less(right) {
    return this.#with(host.kernels.less, right);
  }

  /** Whether the left side is smaller or equal. */
  lessOrEqual(right) {
    return this.#with(host.kernels.lessOrEqual, right);
  }

  /** Whether the left side is larger. */
  greater(right) {
    return this.#with(host.kernels.greater, right);
  }

  /** Whether the left side is larger or equal. */
  greaterOrEqual(right) {
    return this.#with(host.kernels.greaterOrEqual, right);
  }

  /** Whether the value is one of these. */
  isIn(values) {
    return new Column(host.kernels.isIn(this.handle, Array.from(values, textOf)), this.#rows);
  }

  /** Whether there is no value. Never null. */
  isNull() {
    return new Column(host.kernels.isNull(this.handle), this.#rows);
  }

  /** Both conditions; false with one false side even if the other is null. */
  both(right) {
    return this.#with(host.kernels.both, right);
  }

  /** At least one of the conditions; true with one true side even if the other is null. */
  either(right) {
    return this.#with(host.kernels.either, right);
  }

  /** The opposite of the condition. */
  negate() {
    return new Column(host.kernels.negate(this.handle), this.#rows);
  }

  // ---- choice ----

  /** The first value that is not null, of this column and the others. */
  coalesce(...others) {
    return coalesce([this, ...others]);
  }

  /** `then` where this condition is true, `otherwise` where it is false or null. */
  choose(then, otherwise) {
    return choose(this, then, otherwise);
  }

  /** The rows where the condition is true. */
  filter(condition) {
    return new Column(host.kernels.filter(this.handle, condition.handle), null, this.#type);
  }

  /** Rows by their numbers, in this order, repeated if wanted. */
  take(rows) {
    return new Column(host.kernels.take(this.handle, rows.handle), rows.#rows, this.#type);
  }

  // ---- operands ----

  #with(kernel, right) {
    const other = this.#beside(right);
    return new Column(kernel(this.handle, other.handle), this.#rows ?? other.#rows);
  }

  /** The operand as a column; a text is of this column's type, so that it can stand beside a date or a decimal. */
  #beside(operand) {
    if (operand instanceof Column) return operand;
    if (operand === null || operand === undefined) {
      throw new TypeError(`comparing or counting with ${operand} gives null for every row; use isNull()`);
    }
    return Column.constant(typeof operand === "string" ? this.type : typeOf(operand), textOf(operand));
  }

  /** For the SDK: the rows of the first of these columns that is no constant. */
  static rowsOf(columns) {
    return columns.find((column) => column.#rows !== null)?.#rows ?? null;
  }
}

/** The texts one behind the other, with `separator` between them; null if any is null. */
export function concat(parts, separator = "") {
  const columns = parts.map((part) => (part instanceof Column ? part : Column.constant("string", textOf(part))));
  return new Column(host.kernels.concat(columns.map(handleOf), separator), Column.rowsOf(columns), "string");
}

/** The first value that is not null. */
export function coalesce(choices) {
  const columns = alike(choices);
  return new Column(host.kernels.coalesce(columns.map(handleOf)), Column.rowsOf(columns));
}

/** `then` where the condition is true, `otherwise` where it is false or null; both of one type. */
export function choose(condition, then, otherwise) {
  const columns = alike([then, otherwise]);
  const handle = host.kernels.choose(condition.handle, columns[0].handle, columns[1].handle);
  return new Column(handle, Column.rowsOf([condition, ...columns]));
}

/** The operands as columns; values take the type of the first column among them. */
function alike(operands) {
  if (operands.every((operand) => operand instanceof Column)) return operands;
  const model = operands.find((operand) => operand instanceof Column);
  const known = operands.find((operand) => operand !== null && operand !== undefined);
  const dataType = model ? model.type : typeOf(known ?? "");
  return operands.map((operand) =>
    operand instanceof Column ? operand : Column.constant(dataType, operand == null ? null : textOf(operand)),
  );
}

function handleOf(column) {
  return column.handle;
}
