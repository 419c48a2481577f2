// JavaScript values that stand beside columns, as constants.

import { encodeText, decodeText } from "./text.js";

/** The narrowest type that holds the value. */
export function typeOf(value) {
  switch (typeof value) {
    case "boolean":
      return "boolean";
    case "string":
      return "string";
    case "number":
      return (value | 0) === value ? "int" : Number.isSafeInteger(value) ? "long" : "double";
    case "bigint":
      return BigInt.asIntN(32, value) === value ? "int" : BigInt.asIntN(64, value) === value ? "long" : "decimal(38,0)";
    default:
      if (value instanceof Uint8Array) return "binary";
      if (value instanceof Date) return "timestamptz";
      throw new TypeError(`${value === null ? "null" : typeof value} is no type of a constant`);
  }
}

/** The value as a cast from `string` reads it. */
export function textOf(value) {
  if (value instanceof Uint8Array) return decodeText(value);
  if (value instanceof Date) return value.toISOString().replace("T", " ").replace("Z", "");
  return String(value);
}

/** What a constant of this type holds; for columns outside the host. */
export function parse(dataType, text) {
  switch (dataType) {
    case "boolean":
      return text.toLowerCase() === "true";
    case "int":
    case "float":
    case "double":
      return Number(text);
    case "long":
      return BigInt(text);
    case "binary":
      return encodeText(text);
    case "date":
      return new Date(`${text}T00:00:00Z`);
    case "time": {
      const [hours, minutes, seconds = "0"] = text.split(":");
      return (BigInt(hours) * 60n + BigInt(minutes)) * 60_000_000n + BigInt(Math.round(Number(seconds) * 1e6));
    }
    case "timestamp":
    case "timestamptz":
      return new Date(`${text.replace(" ", "T")}Z`);
    default:
      return text;
  }
}
