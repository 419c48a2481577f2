// What modules expect to find in the world around them, as far as a transform can have it.

import { log } from "./diagnostics.js";
import { decodeText, encodeText } from "./text.js";

// There is no clock and no randomness; without these the engine's own would end the call without a word.
function refuse(what, instead) {
  throw new Error(`there is no ${what} in a transform: ${instead}`);
}

const EngineDate = globalThis.Date;

globalThis.Date = class Date extends EngineDate {
  constructor(...parts) {
    if (parts.length === 0) Date.now();
    super(...parts);
  }

  static now() {
    return refuse("clock", "take the rows' commit times");
  }
};

globalThis.performance = { now: globalThis.Date.now };

Math.random = () => refuse("randomness", "derive it from the seed in the setup");

const printed =
  (level) =>
  (...parts) =>
    log(parts.map(String).join(" "), level);

globalThis.console = {
  debug: printed("debug"),
  log: printed("info"),
  info: printed("info"),
  warn: printed("warn"),
  error: printed("error"),
};

globalThis.TextEncoder = class TextEncoder {
  encoding = "utf-8";

  encode(text = "") {
    return encodeText(String(text).toWellFormed());
  }
};

/** UTF-8 only; bytes that are none are an error, as with `fatal`. */
globalThis.TextDecoder = class TextDecoder {
  encoding = "utf-8";

  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`${label} is not known here; utf-8 is`);
  }

  decode(bytes = new Uint8Array()) {
    return decodeText(ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes));
  }
};
