// The boundary to the host: the three interfaces that a transform may import. Inside a component `component.js` puts
// the host's here. Until then columns live in this process, and kernels, which only the host has, say so.

import { NeedsHost } from "./error.js";
import { Columns, Diagnostics } from "./stand-in.js";

const kernels = new Proxy(
  {},
  {
    get(_target, name) {
      return () => {
        throw new NeedsHost(String(name));
      };
    },
  },
);

export const host = { columns: new Columns(), kernels, diagnostics: new Diagnostics() };
