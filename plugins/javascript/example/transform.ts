// Address cleaning: spaces, the case of cities, postcodes that lost their zeros, country codes.
//
// Kernels do all of it but for the case of cities, which is done on bytes. Settings: `columns` (names of the columns,
// if they are others), `countries` (more names or codes and what they stand for) and `rejectUnknown` (reject rows whose
// country is not known, instead of leaving it as it is).

import { Column, TransformError, choose, type Batch, type Output, type Plan, type Setup } from "../sdk/index.js";
import { capitalized } from "./capitals.ts";

export interface Settings {
  columns?: Partial<Record<Part, string>>;
  countries?: Record<string, string>;
  rejectUnknown?: boolean;
}

type Part = "street" | "city" | "postcode" | "country";

const PARTS: readonly Part[] = ["street", "city", "postcode", "country"];

/** What countries are called, in upper case, and their codes of ISO 3166-1. */
const COUNTRIES: Readonly<Record<string, string>> = {
  AUSTRIA: "AT",
  ÖSTERREICH: "AT",
  FRANCE: "FR",
  FRANKREICH: "FR",
  GERMANY: "DE",
  DEUTSCHLAND: "DE",
  ITALY: "IT",
  ITALIA: "IT",
  SPAIN: "ES",
  ESPAÑA: "ES",
  SWITZERLAND: "CH",
  SCHWEIZ: "CH",
  USA: "US",
  "UNITED STATES": "US",
};

/** Digits of the postcodes of countries where a number may have lost its leading zeros. */
const POSTCODE_DIGITS: Readonly<Record<string, number>> = { DE: 5, ES: 5, FR: 5, IT: 5, US: 5 };

export function configure(setup: Setup<Settings>): Plan {
  const names = namesOf(setup.settings);
  for (const part of PARTS) {
    const { name, dataType } = setup.column(names[part]);
    if (dataType !== "string") throw new TransformError(`\`${name}\` is ${dataType}; the parts of an address are text`);
  }
  return {
    reads: PARTS.map((part) => names[part]),
    writes: PARTS.map((part) => ({
      name: names[part],
      dataType: "string",
      computedFrom: part === "postcode" ? [names.postcode, names.country] : [names[part]],
    })),
  };
}

export function transform(batch: Batch<Settings>): Output {
  const names = namesOf(batch.settings);
  const countries = { ...COUNTRIES, ...batch.settings.countries };
  const [street, city, postcode, named] = PARTS.map((part) => tidied(batch.column(names[part])));
  const { country, isKnown } = countryCode(named!, countries);
  return {
    columns: {
      [names.street]: street!,
      [names.city]: cased(city!, batch.rows),
      [names.postcode]: padded(postcode!, country),
      [names.country]: country,
    },
    rejected: batch.settings.rejectUnknown
      ? choose(isKnown.either(country.isNull()), null, `\`${names.country}\` is no country that is known`)
      : undefined,
  };
}

function namesOf(settings: Settings): Record<Part, string> {
  return { street: "street", city: "city", postcode: "postcode", country: "country", ...settings.columns };
}

/** Without spaces at the ends, and with single ones within. */
function tidied(text: Column): Column {
  return text.regexReplace("\\s+", " ").trim();
}

/** Cities that shout or whisper get capital letters; those that are written with care stay as they are. */
function cased(city: Column, rows: number): Column {
  const small = city.lower();
  return choose(city.equal(small).either(city.equal(city.upper())), capitalized(small, rows), city);
}

/** Postcodes of digits alone, filled up with zeros where the country's have a fixed length. */
function padded(postcode: Column, country: Column): Column {
  const isNumber = postcode.regexMatches("^\\d+$");
  const lengths = new Set(Object.values(POSTCODE_DIGITS));
  let result = postcode;
  for (const length of lengths) {
    const codes = Object.keys(POSTCODE_DIGITS).filter((code) => POSTCODE_DIGITS[code] === length);
    result = choose(isNumber.both(country.isIn(codes)), postcode.padStart(length, "0"), result);
  }
  return result;
}

/** The code that a country's name or code stands for; what is not known stays as it is. */
function countryCode(named: Column, countries: Record<string, string>): { country: Column; isKnown: Column } {
  const upper = named.upper();
  const isCode = upper.isIn(Object.values(countries));
  let country = choose(isCode, upper, named);
  for (const code of new Set(Object.values(countries))) {
    const names = Object.keys(countries).filter((name) => countries[name] === code);
    country = choose(upper.isIn(names), code, country);
  }
  return { country, isKnown: isCode.either(upper.isIn(Object.keys(countries))) };
}
