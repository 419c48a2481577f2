// What runs without the host; `sluice plugin test` runs the transform itself on the sample.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as testing from "./sdk/testing.js";
import * as transform from "./transform.js";

test("it reads and writes the e-mail address", () => {
  const plan = testing.plan(transform, testing.setup({ id: "long", email: "string" }, { key: ["id"] }));
  assert.deepEqual(plan.reads, ["email"]);
  assert.deepEqual(plan.writes.map((column) => column.name), ["email"]);
});
