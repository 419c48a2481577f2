// UTF-8. The engine inside the component has no TextDecoder; Base64, which it has, moves bytes to text and back at
// native speed, and its URI functions know UTF-8.

const web = typeof TextDecoder !== "undefined";
const decoder = web ? new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }) : null;
const encoder = web ? new TextEncoder() : null;

const BEYOND_ASCII = /[^\x00-\x7f]/;

/** Whether there is no character but those of a byte. */
export function isAscii(text) {
  return !BEYOND_ASCII.test(text);
}

/** The bytes as a text of one character a byte. */
export function latin1Of(bytes) {
  return web ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1") : atob(bytes.toBase64());
}

/** The bytes of a text of one character a byte. */
export function bytesOfLatin1(text) {
  return web ? new Uint8Array(Buffer.from(text, "latin1")) : Uint8Array.fromBase64(btoa(text));
}

/** The text whose UTF-8 bytes are the characters of `latin1`. */
export function decodeLatin1(latin1) {
  return isAscii(latin1) ? latin1 : web ? decoder.decode(bytesOfLatin1(latin1)) : decodeURIComponent(escape(latin1));
}

/** UTF-8 of a text, one character a byte. */
export function encodeLatin1(text) {
  if (isAscii(text)) return text;
  if (!text.isWellFormed()) throw new TypeError("half of a surrogate pair is no text");
  return web ? latin1Of(encoder.encode(text)) : unescape(encodeURIComponent(text));
}

/** The text of UTF-8 bytes. */
export function decodeText(bytes) {
  return decodeLatin1(latin1Of(bytes));
}

/** UTF-8 of a text. */
export function encodeText(text) {
  return bytesOfLatin1(encodeLatin1(text));
}
