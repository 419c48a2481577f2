import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Column, NeedsHost, choose, coalesce, concat } from "../sdk/index.js";
import { host } from "../sdk/host.js";

const outside = host.kernels;
let calls;

beforeEach(() => {
  calls = [];
  const noted = (name) => (...values) => calls.push([name, ...values]) + 1000;
  host.kernels = new Proxy({}, { get: (_, name) => noted(name) });
});

afterEach(() => {
  host.kernels = outside;
});

/** Type and value of the constant behind a handle. */
function constant(handle) {
  return [host.columns.typeOf(handle), new Column(handle, 1).values()[0]];
}

test("methods call the kernels by their names", () => {
  const key = Uint8Array.of(1);
  assert.equal(new Column(7, 3, "string").splitPart("@", 0).hmac(key).hex().handle, 1003);
  assert.deepEqual(calls, [["splitPart", 7, "@", 0], ["hmac", 1001, key], ["hex", 1002]]);
});

test("what may be left out is said to the host", () => {
  const column = new Column(7, 3, "string");
  column.substring(-2);
  column.round();
  column.isIn([1, 2n, "x", true]);
  assert.deepEqual(calls, [["substring", 7, -2, null], ["round", 7, 0], ["isIn", 7, ["1", "2", "x", "true"]]]);
});

test("every kernel of the contract is a method", async () => {
  const { readFile } = await import("node:fs/promises");
  const contract = await readFile(new URL("../../../wit/transform/v1/transform.wit", import.meta.url), "utf8");
  const [, kernels] = /interface kernels \{(.*?)\n\}/s.exec(contract);
  const names = [...kernels.matchAll(/^ {4}([a-z0-9-]+): func/gm)].map(([, name]) => name);
  assert.ok(names.length > 40);
  for (const name of names) {
    const method = name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
    assert.equal(typeof Column.prototype[method], "function", method);
  }
});

test("values beside a column become constants", () => {
  const amount = new Column(7, 3, "decimal(12,2)");
  for (const [value, dataType, standsFor] of [
    [1, "int", 1],
    [2 ** 40, "long", 2n ** 40n],
    [5n, "int", 5],
    [2n ** 70n, "decimal(38,0)", String(2n ** 70n)],
    [0.5, "double", 0.5],
    [true, "boolean", true],
    [Uint8Array.of(107), "binary", Uint8Array.of(107)],
    [new Date("1970-01-01T00:00:01Z"), "timestamptz", 1_000_000n],
    ["12.50", "decimal(12,2)", "12.50"],
  ]) {
    amount.equal(value);
    assert.deepEqual(constant(calls.at(-1)[2]), [dataType, standsFor]);
  }
  assert.throws(() => amount.add(null), /isNull/);
});

test("choices take the type of the columns among them", () => {
  const day = new Column(7, 3, "date");
  choose(new Column(1, 3), null, day);
  assert.deepEqual(constant(calls.at(-1)[2]), ["date", null]);
  coalesce([day, "1970-01-02"]);
  assert.deepEqual(constant(calls.at(-1)[1][1]), ["date", 1]);
  new Column(1, 3).choose("too late", null);
  assert.deepEqual(calls.at(-1).slice(2).map(constant), [["string", "too late"], ["string", null]]);
  concat([new Column(8, 3, "string"), 5], "-");
  assert.deepEqual(constant(calls.at(-1)[1][1]), ["string", "5"]);
});

test("a kernel outside the host says where it can be had", () => {
  host.kernels = outside;
  assert.throws(() => Column.of("string", ["A"]).lower(), (fault) => fault instanceof NeedsHost && /`lower`.*sluice plugin test/.test(fault.message));
});
