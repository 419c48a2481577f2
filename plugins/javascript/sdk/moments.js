// Dates and times, which columns hold as whole numbers, as `Date` and back. `null` stays `null`. A `Date` counts
// milliseconds, so what a timestamp has beyond them is lost on the way.

const DAY = 86_400_000;

/** The `Date` of a `date`: midnight, UTC. */
export function toDay(days) {
  return days === null ? null : new Date(days * DAY);
}

/** The value of a `date`: the day of a `Date` in UTC. */
export function fromDay(day) {
  return day === null ? null : Math.floor(millisecondsOf(day) / DAY);
}

/** The `Date` of a `timestamp` or `timestamptz`. */
export function toMoment(microseconds) {
  if (microseconds === null) return null;
  const rest = microseconds % 1000n;
  return new Date(Number((microseconds - rest) / 1000n) - (rest < 0n ? 1 : 0));
}

/** The value of a `timestamp` or `timestamptz`. */
export function fromMoment(moment) {
  return moment === null ? null : BigInt(millisecondsOf(moment)) * 1000n;
}

function millisecondsOf(date) {
  const milliseconds = date.getTime();
  if (Number.isNaN(milliseconds)) throw new RangeError("an invalid Date is no date");
  return milliseconds;
}
