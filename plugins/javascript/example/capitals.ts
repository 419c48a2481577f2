// Capital letters at the beginnings of words, on the bytes of a column: no text is made, and since no letter changes its
// length, offsets and validity stay as they are.

import { Column } from "../sdk/index.js";

const LOWER_A = 0x61;
const LOWER_Z = 0x7a;
const APOSTROPHE = 0x27;
/** First byte of the letters à to þ in UTF-8; their capitals are 0x20 below, as in ASCII. */
const LATIN = 0xc3;
const DIVISION_SIGN = 0xb7;
const CASE = 0x20;

/** A column of lower-case text with a capital letter at the beginning of every word. */
export function capitalized(text: Column, rows: number): Column {
  const { validity, offsets, values } = text.buffers();
  const bytes = values.slice();
  const ends = new Int32Array(offsets.slice().buffer);
  for (let row = 0; row < rows; row++) capitalize(bytes, ends[row]!, ends[row + 1]!);
  return Column.make("string", rows, { validity, offsets, values: bytes });
}

function capitalize(bytes: Uint8Array, from: number, to: number): void {
  let begins = true;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (begins && byte >= LOWER_A && byte <= LOWER_Z) {
      bytes[at] = byte - CASE;
    } else if (begins && byte === LATIN && at + 1 < to && isSmallLatin(bytes[at + 1]!)) {
      bytes[at + 1]! -= CASE;
    }
    begins = !isWithinWord(byte);
  }
}

/** The second byte of a letter that has a capital. */
function isSmallLatin(byte: number): boolean {
  return byte >= 0xa0 && byte <= 0xbe && byte !== DIVISION_SIGN;
}

/** Letters, digits, apostrophes and all bytes of other letters. */
function isWithinWord(byte: number): boolean {
  const letter = byte | CASE;
  return byte >= 0x80 || byte === APOSTROPHE || (letter >= LOWER_A && letter <= LOWER_Z) || (byte >= 0x30 && byte <= 0x39);
}
