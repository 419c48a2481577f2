import assert from "node:assert/strict";
import { test } from "node:test";

import { Column, Reject, TransformError, withOp } from "../sdk/index.js";
import { messageOf } from "../sdk/guest.js";
import * as testing from "../sdk/testing.js";

const TABLE = { id: "long", name: "string", n: "int" };
const ROWS = [
  { id: 1n, name: "a", n: 5 },
  { id: 2n, name: null, n: null },
  { id: 3n, name: "c", n: 7 },
];

function run(transformRow, plan, { rows = ROWS, settings, ops } = {}) {
  const module = plan === undefined ? { transformRow } : { transformRow, configure: () => plan };
  return testing.run(module, testing.setup(TABLE, { key: ["id"], settings }), rows, { ops });
}

test("without a plan all columns but the key's are written", () => {
  const result = run((row) => ({ ...row, name: (row.name ?? "?").toUpperCase() }));
  assert.deepEqual(result.rows, [{ name: "A", n: 5 }, { name: "?", n: null }, { name: "C", n: 7 }]);
  assert.deepEqual(result.ops, [null, null, null]);
});

test("what a row does not name stays as it was, and a new column is null", () => {
  const plan = { reads: ["name", "n"], writes: { n: "int", more: "string" } };
  assert.deepEqual(run(() => ({}), plan).rows, [{ n: 5, more: null }, { n: null, more: null }, { n: 7, more: null }]);
});

test("rows are dropped and rejected", () => {
  const result = run(({ id }) => {
    if (id === 1n) throw new Reject("not this one");
    return id === 2n ? null : { name: "kept" };
  });
  assert.deepEqual([result.rows, result.sources], [[{ name: "kept", n: 7 }], [2]]);
  assert.deepEqual(result.rejected, { 0: "not this one" });
});

test("rows fan out with ops of their own", () => {
  const writes = [{ name: "part", dataType: "int", nullable: false }];
  const plan = { reads: ["n"], writes, deletes: true, key: ["id", "part"], fanOut: true };
  const result = run(({ n }) => (n === null ? [] : [{ part: 0 }, withOp({ part: 1 }, "D")]), plan);
  assert.deepEqual([result.sources, result.ops], [[0, 0, 2, 2], [null, "D", null, "D"]]);
  assert.deepEqual(result.rows.map(({ part }) => part), [0, 1, 0, 1]);
});

test("with a key of its own a dropped row has no place in the output", () => {
  const plan = { reads: ["name"], writes: { hashed: "string" }, drops: ["id"], key: ["hashed"], deletes: true };
  assert.deepEqual(run(({ name }) => (name === null ? null : { hashed: name }), plan).sources, [0, 2]);
});

test("a row comes with its op, ordinal and time, and the settings", () => {
  const seen = [];
  const note = (row, { settings }, { op, ordinal, time }) => {
    seen.push([op, ordinal, time, settings.a]);
    return row;
  };
  run(note, undefined, { rows: ROWS.slice(0, 2), settings: { a: [1] }, ops: ["U"] });
  assert.deepEqual(seen, [["U", 0n, null, [1]], ["I", 1n, null, [1]]]);
});

for (const [answer, message] of [
  [{ nmae: "x" }, /returned `nmae`, which the plan does not write/],
  [[{}], /does not say `fanOut`/],
  [undefined, /null to drop it or an array of rows, not undefined/],
  [{ n: "five" }, /the column `n`: .*not "five"/],
]) {
  test(`the answer ${JSON.stringify(answer)} is a fault`, () => {
    assert.throws(() => run(() => answer), (fault) => fault instanceof TransformError && message.test(fault.message));
  });
}

test("an empty batch has empty columns", () => {
  assert.deepEqual(run((row) => row, undefined, { rows: [] }).rows, []);
});

test("modules and plans that cannot be meant are faults", () => {
  const setup = testing.setup(TABLE);
  const transform = () => {};
  assert.throws(() => testing.plan({}, setup), /either `transform/);
  assert.throws(() => testing.plan({ transform }, setup), /export `configure/);
  assert.throws(() => testing.plan({ transform, configure: () => undefined }, setup), /returns a plan, not undefined/);
  assert.throws(() => testing.plan({ transform, configure: () => ({ read: [] }) }, setup), /no `read`/);
  assert.throws(() => setup.column("nmae"), /no column `nmae`; it has id, name, n/);
});

test("columns and plan have to agree", () => {
  const column = Column.of("int", [1, 2, 3]);
  const module = (columns) => ({ configure: () => ({ writes: { a: "int" } }), transform: () => columns });
  const setup = testing.setup(TABLE);
  assert.deepEqual(testing.run(module({ a: column }), setup, ROWS).rows[2], { a: 3 });
  assert.deepEqual(testing.run(module({ columns: { a: column } }), setup, ROWS).rows[2], { a: 3 });
  assert.throws(() => testing.run(module({ b: column }), setup, ROWS), /returns no column `a`/);
  assert.throws(() => testing.run(module({ a: column, b: column }), setup, ROWS), /returns `b`/);
  assert.throws(() => testing.run(module(column), setup, ROWS), /an output or an object of columns/);
});

test("a message says what and where in one line", () => {
  assert.equal(messageOf(new TransformError("all there is to say")), "all there is to say");
  assert.equal(messageOf("thrown"), "thrown");
  function upset() {
    return null.name;
  }
  assert.throws(upset, (fault) => /^TypeError: .*null.* \(in upset\)$/.test(messageOf(fault)));
});
