import assert from "node:assert/strict";
import { test } from "node:test";

import { Column, fromDay, fromMoment, toDay, toMoment } from "../sdk/index.js";

const CASES = [
  ["boolean", [true, null, false, true, true, false, null, false, true]],
  ["int", [0, null, 2 ** 31 - 1, -(2 ** 31)]],
  ["long", [null, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]],
  ["float", [1.5, null, Infinity, -0]],
  ["double", [1e308, 5e-324, null, -Infinity]],
  ["decimal(38,10)", [`${"9".repeat(28)}.${"9".repeat(10)}`, `-${"9".repeat(28)}.${"9".repeat(10)}`, null, "0.0000000001"]],
  ["decimal(38,38)", [`0.${"9".repeat(38)}`, `-0.${"9".repeat(38)}`]],
  ["decimal(5,0)", ["99999", null, "-99999"]],
  ["date", [0, null, -719162, 2932896]],
  ["time", [0n, null, 86_399_999_999n]],
  ["timestamp", [-1n, null, 2n ** 62n]],
  ["timestamptz", [null, -(2n ** 62n), 2n ** 53n + 1n]],
  ["string", ["", "ascii", null, "Zoë", "🎈\0", "日本", "\ufeffmark"]],
  ["string", ["all", "ascii", null]],
  ["binary", [new Uint8Array(), Uint8Array.of(255, 0), null, Uint8Array.of(1)]],
];

for (const [dataType, values] of CASES) {
  test(`values of ${dataType} survive the way through bytes`, () => {
    for (const part of [values, values.slice(0, 1), new Array(9).fill(null), []]) {
      assert.deepEqual(Column.of(dataType, part).values(), part);
    }
  });
}

test("a column without nulls has no validity", () => {
  assert.equal(Column.of("int", [1, 2]).buffers().validity.length, 0);
  assert.deepEqual([...Column.of("int", [1, null, 3]).buffers().validity], [5]);
});

test("bytes are laid out as the contract says", () => {
  const { validity, offsets, values } = Column.of("string", ["a", null, "bc"]).buffers();
  assert.deepEqual([[...validity], [...offsets], [...values]], [[5], [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0], [97, 98, 99]]);
  assert.deepEqual([...Column.of("boolean", [true, false, true]).buffers().values], [5]);
  assert.deepEqual([...Column.of("decimal(3,2)", ["-0.01"]).buffers().values], new Array(16).fill(255));
});

test("bytes may begin at any address", () => {
  const memory = new Uint8Array(21);
  memory.set(new Uint8Array(BigInt64Array.of(-5n, 7n).buffer), 3);
  const column = Column.make("long", 2, { validity: new Uint8Array(), offsets: new Uint8Array(), values: memory.subarray(3, 19) });
  assert.deepEqual(column.numbers(), BigInt64Array.of(-5n, 7n));
});

test("a typed array is taken as it is", () => {
  assert.deepEqual(Column.of("double", Float64Array.of(0.5, 2)).values(), [0.5, 2]);
  assert.throws(() => Column.of("string", ["x"]).numbers(), /take values/);
});

const MISFITS = [
  ["int", 2 ** 31, /whole number of 32 bits/],
  ["int", 1.5, /whole number of 32 bits/],
  ["int", "1", /not "1"/],
  ["long", 2 ** 53, /safe integer/],
  ["long", 2n ** 63n, /64 bits/],
  ["double", "1", /a number/],
  ["boolean", "true", /true or false/],
  ["decimal(4,2)", "1.005", /round it first/],
  ["decimal(4,2)", 100, /too many digits/],
  ["decimal(4,2)", NaN, /no decimal/],
  ["decimal(4,2)", "1e999999", /no place/],
  ["string", 1, /a text/],
  ["string", "\ud800", /surrogate/],
  ["binary", "x", /Uint8Array/],
  ["date", new Date(NaN), /invalid Date/],
  ["letters", "x", /no type letters/],
];

for (const [dataType, value, message] of MISFITS) {
  test(`${String(value)} as ${dataType} is an error and not another value`, () => {
    assert.throws(() => Column.of(dataType, [value]), message);
  });
}

test("decimals are read from numbers, whole bigints and texts with exponents", () => {
  assert.deepEqual(Column.of("decimal(12,2)", [1.5, -7n, "1.2e3", ".5", "+3."]).values(), [
    "1.50",
    "-7.00",
    "1200.00",
    "0.50",
    "3.00",
  ]);
});

test("dates and timestamps go in as Date too, also before 1970", () => {
  const moment = new Date("1969-12-31T23:59:59.999Z");
  assert.deepEqual(toDay(Column.of("date", [moment]).values()[0]), new Date("1969-12-31"));
  assert.deepEqual(toMoment(Column.of("timestamptz", [moment]).values()[0]), moment);
  assert.deepEqual(toMoment(-1n), moment);
  assert.deepEqual([fromDay(moment), fromMoment(moment)], [-1, -1000n]);
  assert.deepEqual([toDay(null), toMoment(null), fromDay(null), fromMoment(null)], [null, null, null, null]);
});
