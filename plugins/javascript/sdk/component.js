// What the component exports; only the build imports this module, inside the component, before the author's.

import * as columns from "sluice:transform/columns@1.0.0";
import * as diagnostics from "sluice:transform/diagnostics@1.0.0";
import * as kernels from "sluice:transform/kernels@1.0.0";

import "./environment.js";
import { Column } from "./column.js";
import { Guest, messageOf, setupOf } from "./guest.js";
import { host } from "./host.js";

host.columns = columns;
host.kernels = kernels;
host.diagnostics = diagnostics;

/** The world `transform` around an author's module. The host calls `configure` first on every instance. */
export function exportsOf(module) {
  const guest = new Guest(module);
  return {
    configure: answering((setup) => guest.configure(setupOf(setup))),
    transform: answering(({ rows, columns, ops, ordinals, times }) => {
      const output = guest.transform(
        rows,
        columns.map((handle) => new Column(handle, rows)),
        new Column(ops, rows, "string"),
        new Column(ordinals, rows, "long"),
        new Column(times, rows, "timestamptz"),
      );
      return {
        columns: output.columns.map((column) => column.handle),
        keep: output.keep?.handle ?? null,
        sourceRows: output.sourceRows?.handle ?? null,
        rejected: output.rejected?.handle ?? null,
        ops: output.ops?.handle ?? null,
      };
    }),
  };
}

/** Faults leave as the error of a `result`, which is a text. */
function answering(call) {
  return (argument) => {
    try {
      return call(argument);
    } catch (fault) {
      throw messageOf(fault);
    }
  };
}
