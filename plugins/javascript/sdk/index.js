// Transforms for sluice in JavaScript and TypeScript: see the README beside this folder.

export { Column, choose, coalesce, concat } from "./column.js";
export { Batch, Setup } from "./contract.js";
export { log, metric } from "./diagnostics.js";
export { NeedsHost, Reject, TransformError } from "./error.js";
export { fromDay, fromMoment, toDay, toMoment } from "./moments.js";
export { withOp } from "./rows.js";
export { decodeText, encodeText } from "./text.js";
