// What the benchmarks measure: the same work in every language, see `benches/benches/transforms.rs`.

import { Column, TransformError } from "../sdk/index.js";

export function configure(setup) {
  const { mode } = setup.settings;
  if (!Object.hasOwn(MODES, mode)) throw new TransformError(`unknown mode ${mode}`);
  return { reads: ["email"], writes: { email: "string" } };
}

export function transform(batch) {
  return { columns: { email: MODES[batch.settings.mode](batch.column("email")) } };
}

const KEY = new TextEncoder().encode("a key of the benchmark's");

function hideByKernels(email) {
  const hidden = email.splitPart("@", 0).hmac(KEY).hex();
  return hidden.concat([email.splitPart("@", 1)], "@");
}

/** FNV-1a of the local part, 32 bits as hexadecimal digits, in its place. */
function hideByBytes(email) {
  const hidden = email.values().map((address) => {
    if (address === null) return null;
    let hash = 0x811c9dc5;
    let at = 0;
    for (; at < address.length && address.charCodeAt(at) !== 64; at++) {
      hash = Math.imul(hash ^ address.charCodeAt(at), 0x01000193);
    }
    return (hash >>> 0).toString(16).padStart(8, "0") + address.slice(at);
  });
  return Column.of("string", hidden);
}

const MODES = { bytes: hideByBytes, kernels: hideByKernels };
