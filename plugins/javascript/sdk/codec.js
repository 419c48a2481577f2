// A column's bytes as JavaScript values and back; `null` is null in every type.
//
//   boolean               boolean
//   int, float, double    number
//   long                  bigint
//   decimal(p,s)          string, such as "-12.50"
//   date                  number: days since 1970-01-01
//   time                  bigint: microseconds since midnight
//   timestamp, …tz        bigint: microseconds since 1970-01-01 (UTC)
//   string                string
//   binary                Uint8Array

import { decimalParts, decodeUnscaled, encodeUnscaled, textOfUnscaled, unscaledOf } from "./decimal.js";
import { fromDay, fromMoment } from "./moments.js";
import { bytesOfLatin1, decodeLatin1, encodeLatin1, isAscii, latin1Of } from "./text.js";

const ARRAYS = {
  int: Int32Array,
  date: Int32Array,
  long: BigInt64Array,
  time: BigInt64Array,
  timestamp: BigInt64Array,
  timestamptz: BigInt64Array,
  float: Float32Array,
  double: Float64Array,
};

const NOTHING = new Uint8Array(0);
const LOWEST = -(2n ** 63n);
const HIGHEST = 2n ** 63n - 1n;

/** The bytes where a typed array may begin: they are copied only if they are not. */
function aligned(bytes) {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}

function view(ArrayType, bytes) {
  const { buffer, byteOffset, byteLength } = aligned(bytes);
  return new ArrayType(buffer, byteOffset, byteLength / ArrayType.BYTES_PER_ELEMENT);
}

/** The values as a typed array; those of null rows are of no meaning. */
export function numbers(dataType, buffers) {
  const ArrayType = ARRAYS[dataType];
  if (ArrayType === undefined) {
    throw new TypeError(`a column of type ${dataType} is no array of numbers; take values()`);
  }
  return view(ArrayType, buffers.values);
}

// ---- bytes to values ----

/** All values; `rows` matters to `boolean` alone, whose bytes do not tell it. */
export function decode(dataType, buffers, rows) {
  const values = decodeAll(dataType, buffers, rows);
  const { validity } = buffers;
  if (validity.length > 0) {
    for (let row = 0; row < values.length; row++) {
      if ((validity[row >> 3] & (1 << (row & 7))) === 0) values[row] = null;
    }
  }
  return values;
}

function decodeAll(dataType, buffers, rows) {
  if (dataType in ARRAYS) return Array.from(numbers(dataType, buffers));
  switch (dataType) {
    case "string":
      return decodeStrings(buffers);
    case "binary":
      return decodeBinaries(buffers);
    case "boolean":
      return Array.from({ length: rows }, (_, row) => (buffers.values[row >> 3] & (1 << (row & 7))) !== 0);
    default: {
      const { scale } = decimalParts(dataType);
      return decodeUnscaled(aligned(buffers.values)).map((value) => textOfUnscaled(value, scale));
    }
  }
}

function decodeStrings({ offsets, values }) {
  const ends = view(Int32Array, offsets);
  const all = latin1Of(values);
  const ascii = isAscii(all);
  const texts = new Array(Math.max(ends.length - 1, 0));
  for (let row = 0; row < texts.length; row++) {
    const text = all.slice(ends[row], ends[row + 1]);
    texts[row] = ascii ? text : decodeLatin1(text);
  }
  return texts;
}

function decodeBinaries({ offsets, values }) {
  const ends = view(Int32Array, offsets);
  return Array.from({ length: Math.max(ends.length - 1, 0) }, (_, row) => values.slice(ends[row], ends[row + 1]));
}

// ---- values to bytes ----

/** The bytes of a column of these values. */
export function encode(dataType, values) {
  const validity = encodeValidity(values);
  if (dataType in ARRAYS) return { validity, offsets: NOTHING, values: encodeNumbers(dataType, values) };
  switch (dataType) {
    case "string":
      return { validity, ...encodeStrings(values) };
    case "binary":
      return { validity, ...encodeBinaries(values) };
    case "boolean":
      return { validity, offsets: NOTHING, values: encodeBooleans(values) };
    default:
      return { validity, offsets: NOTHING, values: encodeDecimals(dataType, values) };
  }
}

function bitsFor(count) {
  return new Uint8Array((count + 7) >> 3);
}

function encodeValidity(values) {
  if (!values.includes(null) && !values.includes(undefined)) return NOTHING;
  const bits = bitsFor(values.length);
  for (let row = 0; row < values.length; row++) {
    if (values[row] !== null && values[row] !== undefined) bits[row >> 3] |= 1 << (row & 7);
  }
  return bits;
}

function encodeNumbers(dataType, values) {
  const ArrayType = ARRAYS[dataType];
  if (values instanceof ArrayType) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const array = new ArrayType(values.length);
  const check = ArrayType === BigInt64Array ? longOf : ArrayType === Int32Array ? intOf : floatOf;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value !== null && value !== undefined) array[row] = check(value, dataType);
  }
  return new Uint8Array(array.buffer);
}

function intOf(value, dataType) {
  if (dataType === "date" && value instanceof Date) return fromDay(value);
  if (typeof value === "number" ? (value | 0) === value : typeof value === "bigint" && BigInt.asIntN(32, value) === value) {
    return Number(value);
  }
  throw fault(value, dataType, "a whole number of 32 bits");
}

function longOf(value, dataType) {
  if (typeof value === "bigint" && value >= LOWEST && value <= HIGHEST) return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (dataType.startsWith("timestamp") && value instanceof Date) return fromMoment(value);
  throw fault(value, dataType, "a bigint of 64 bits or a safe integer");
}

function floatOf(value, dataType) {
  if (typeof value === "number") return value;
  throw fault(value, dataType, "a number");
}

function encodeBooleans(values) {
  const bits = bitsFor(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === true) bits[row >> 3] |= 1 << (row & 7);
    else if (value !== false && value !== null && value !== undefined) throw fault(value, "boolean", "true or false");
  }
  return bits;
}

function encodeDecimals(dataType, values) {
  const parts = decimalParts(dataType);
  return encodeUnscaled(
    values.map((value) => {
      if (value === null || value === undefined) return 0n;
      if (typeof value === "object" || typeof value === "boolean") throw fault(value, dataType, "a text, number or bigint");
      return unscaledOf(value, dataType, parts);
    }),
  );
}

function encodeStrings(values) {
  const offsets = new Int32Array(values.length + 1);
  const texts = new Array(values.length);
  let end = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (typeof value === "string") texts[row] = encodeLatin1(value);
    else if (value === null || value === undefined) texts[row] = "";
    else throw fault(value, "string", "a text");
    end += texts[row].length;
    offsets[row + 1] = end;
  }
  return { offsets: new Uint8Array(offsets.buffer), values: bytesOfLatin1(texts.join("")) };
}

function encodeBinaries(values) {
  const offsets = new Int32Array(values.length + 1);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value !== null && value !== undefined && !(value instanceof Uint8Array)) {
      throw fault(value, "binary", "a Uint8Array");
    }
    offsets[row + 1] = offsets[row] + (value?.length ?? 0);
  }
  const bytes = new Uint8Array(offsets[values.length]);
  for (let row = 0; row < values.length; row++) {
    if (values[row]) bytes.set(values[row], offsets[row]);
  }
  return { offsets: new Uint8Array(offsets.buffer), values: bytes };
}

function fault(value, dataType, wanted) {
  const shown = typeof value === "string" ? JSON.stringify(value) : `${typeof value} ${value}`;
  return new TypeError(`a ${dataType} is ${wanted}, not ${shown}`);
}
