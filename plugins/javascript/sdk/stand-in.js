// Columns in this process, for tests that run outside the host.

import { decode, encode } from "./codec.js";
import { parse } from "./literal.js";

/** The interface `columns`, over an array. */
export class Columns {
  #columns = [];

  #add(dataType, buffers) {
    return this.#columns.push({ dataType, buffers }) - 1;
  }

  typeOf(of) {
    return this.#columns[of].dataType;
  }

  read(of) {
    return this.#columns[of].buffers;
  }

  make(dataType, rows, buffers) {
    const found = decode(dataType, buffers, rows).length;
    if (found !== rows) throw new RangeError(`the bytes are ${found} values of ${dataType}, not ${rows}`);
    return this.#add(dataType, buffers);
  }

  constant(dataType, value) {
    return this.#add(dataType, encode(dataType, [value === null ? null : parse(dataType, value)]));
  }
}

/** The interface `diagnostics`: messages go to the standard error output, metrics into an object. */
export class Diagnostics {
  metrics = {};

  log(level, message) {
    console.error(`${level}: ${message}`);
  }

  metric(name, add) {
    this.metrics[name] = (this.metrics[name] ?? 0) + add;
  }
}
