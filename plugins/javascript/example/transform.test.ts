import assert from "node:assert/strict";
import { test } from "node:test";

import { Column, NeedsHost } from "../sdk/index.js";
import * as testing from "../sdk/testing.js";
import { capitalized } from "./capitals.ts";
import * as transform from "./transform.ts";

const TABLE = { id: "long", street: "string", city: "string", postcode: "string", country: "string" } as const;

test("the plan reads and writes the four parts of an address", () => {
  const plan = testing.plan(transform, testing.setup(TABLE, { key: ["id"] }));
  assert.deepEqual(plan.reads, ["street", "city", "postcode", "country"]);
  assert.deepEqual(plan.writes.find((column) => column.name === "postcode")?.computedFrom, ["postcode", "country"]);
});

test("columns may have other names, and have to be text", () => {
  const table = { ...TABLE, zip: "int" } as const;
  const renamed = { columns: { postcode: "zip" } };
  assert.throws(() => testing.plan(transform, testing.setup(table, { settings: renamed })), /`zip` is int/);
  const missing = { columns: { city: "town" } };
  assert.throws(() => testing.plan(transform, testing.setup(TABLE, { settings: missing })), /no column `town`/);
});

test("words get capital letters, also those of Western Europe", () => {
  const texts = ["frankfurt am main", "saint-étienne", "l'aquila", "örebro 2b", "þórshöfn", "", null, "київ", "÷ß"];
  const titled = capitalized(Column.of("string", texts), texts.length).values();
  assert.deepEqual(titled, [
    "Frankfurt Am Main",
    "Saint-Étienne",
    "L'aquila",
    "Örebro 2b",
    "Þórshöfn",
    "",
    null,
    "київ",
    "÷ß",
  ]);
});

test("the kernels say that they need the host", () => {
  const address = { id: 1n, street: "a", city: "b", postcode: "1", country: "DE" };
  assert.throws(() => testing.run(transform, testing.setup(TABLE), [address]), NeedsHost);
});
