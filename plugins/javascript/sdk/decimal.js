// Decimals: 128 bits, the value times ten to the scale. As values they are texts such as "-12.50": exact and of the
// column's scale.

/** Digits and scale of a `decimal(p,s)`. */
export function decimalParts(dataType) {
  const parts = /^decimal\((\d+),(\d+)\)$/.exec(dataType);
  if (parts === null) throw new TypeError(`there is no type ${dataType}`);
  return { precision: Number(parts[1]), scale: Number(parts[2]) };
}

/** The text of an unscaled value. */
export function textOfUnscaled(unscaled, scale) {
  const sign = unscaled < 0n ? "-" : "";
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString();
  if (scale === 0) return sign + digits;
  const padded = digits.padStart(scale + 1, "0");
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

/** The unscaled value of a text, a number or a whole `bigint`; nothing is rounded. */
export function unscaledOf(value, dataType, { precision, scale }) {
  const unscaled = typeof value === "bigint" ? value * 10n ** BigInt(scale) : parse(String(value), dataType, scale);
  const limit = 10n ** BigInt(precision);
  if (unscaled >= limit || unscaled <= -limit) {
    throw new RangeError(`${value} has no place in a ${dataType}: it has too many digits`);
  }
  return unscaled;
}

function parse(text, dataType, scale) {
  const parts = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text.trim());
  if (parts === null || parts[2] + parts[3] === "") throw new TypeError(`${text} is no decimal`);
  const [, sign, whole, fraction, exponent = "0"] = parts;
  const move = scale - fraction.length + Number(exponent);
  if (Math.abs(move) > 400) throw new RangeError(`${text} has no place in a ${dataType}`);
  let unscaled = BigInt(whole + fraction);
  if (move >= 0) {
    unscaled *= 10n ** BigInt(move);
  } else {
    const lost = 10n ** BigInt(-move);
    if (unscaled % lost !== 0n) throw new RangeError(`${text} has no place in a ${dataType}: round it first`);
    unscaled /= lost;
  }
  return sign === "-" ? -unscaled : unscaled;
}

/** Unscaled values of the bytes of a column. */
export function decodeUnscaled(bytes) {
  const low = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  const high = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  const values = new Array(bytes.byteLength / 16);
  for (let row = 0; row < values.length; row++) values[row] = (high[2 * row + 1] << 64n) | low[2 * row];
  return values;
}

/** Bytes of a column of unscaled values. */
export function encodeUnscaled(values) {
  const words = new BigInt64Array(values.length * 2);
  for (let row = 0; row < values.length; row++) {
    words[2 * row] = BigInt.asIntN(64, values[row]);
    words[2 * row + 1] = values[row] >> 64n;
  }
  return new Uint8Array(words.buffer);
}
