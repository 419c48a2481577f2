use super::Unfit;

const DATE: Unfit = Unfit("expected a date such as 2024-02-29");
const CALENDAR: Unfit = Unfit("there is no such day in the calendar");
const TIME: Unfit = Unfit("expected a time such as 23:59:59.999999");
const CLOCK: Unfit = Unfit("there is no such time of day");
const TIMESTAMP: Unfit = Unfit("expected a timestamp such as 2024-02-29 23:59:59.999999");
const ZONED: Unfit = Unfit("expected a timestamp such as 2024-02-29 23:59:59.999999+00");
const HAS_ZONE: Unfit = Unfit("it has a time zone; declare the column as timestamptz");
const HAS_TIME: Unfit = Unfit("it has a time of day; declare the column as timestamp");
const TOO_FINE: Unfit = Unfit("it is finer than microseconds");

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const POWERS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// Days since 1970-01-01.
#[inline]
pub fn date(text: &[u8]) -> Result<i32, Unfit> {
    let (day, rest) = take_date(text).ok_or(DATE)?;
    if rest.is_empty() {
        return day.ok_or(CALENDAR);
    }
    // Oracle and SQL Server dates come with a time of day, which has to be midnight.
    let (time, rest) = take_separator(rest).and_then(take_time).ok_or(DATE)?;
    match (rest, time) {
        ([], Ok(0)) => day.ok_or(CALENDAR),
        ([], _) => Err(HAS_TIME),
        _ => Err(DATE),
    }
}

/// Microseconds since midnight.
#[inline]
pub fn time(text: &[u8]) -> Result<i64, Unfit> {
    match take_time(text) {
        Some((time, [])) => time,
        _ => Err(TIME),
    }
}

/// Microseconds since 1970-01-01 00:00:00 on a clock without a zone.
#[inline]
pub fn timestamp(text: &[u8]) -> Result<i64, Unfit> {
    let (micros, rest) = take_timestamp(text).ok_or(TIMESTAMP)?;
    match rest {
        [] => micros,
        _ if take_offset(rest).is_some() => Err(HAS_ZONE),
        _ => Err(TIMESTAMP),
    }
}

/// Microseconds since the epoch; a text without an offset is in UTC.
#[inline]
pub fn timestamptz(text: &[u8]) -> Result<i64, Unfit> {
    let (micros, rest) = take_timestamp(text).ok_or(ZONED)?;
    match rest {
        [] => micros,
        _ => Ok(micros? - take_offset(rest).ok_or(ZONED)?),
    }
}

/// Reads a digit and notes in `bad` if it is none.
#[inline]
fn digit(byte: u8, bad: &mut bool) -> i32 {
    let digit = byte.wrapping_sub(b'0');
    *bad |= digit > 9;
    i32::from(digit)
}

#[inline]
fn two([high, low]: [u8; 2], bad: &mut bool) -> i32 {
    digit(high, bad) * 10 + digit(low, bad)
}

/// Eight characters of digits and separators as the digits' values, if they follow `pattern`, which has `0` for a digit.
#[inline]
fn digits_of(text: [u8; 8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    // A digit differs from `0` by its value, a separator from itself by nothing, anything else by more than nine.
    let values = u64::from_le_bytes(text) ^ u64::from_le_bytes(pattern);
    let over_nine = values.wrapping_add(0x0606_0606_0606_0606) | values;
    let separators = u64::from_le_bytes(pattern.map(|byte| if byte == b'0' { 0 } else { 0x0f }));
    if over_nine & 0xf0f0_f0f0_f0f0_f0f0 != 0 || values & separators != 0 { None } else { Some(values.to_le_bytes()) }
}

/// `yyyy-MM-dd`: the day, `None` inside if the calendar lacks it, and what follows.
#[inline]
fn take_date(text: &[u8]) -> Option<(Option<i32>, &[u8])> {
    let (start, rest) = text.split_first_chunk::<8>()?;
    let [y1, y2, y3, y4, _, m1, m2, _] = digits_of(*start, *b"0000-00-")?.map(i32::from);
    let (day, rest) = rest.split_first_chunk::<2>()?;
    let mut bad = false;
    let day = two(*day, &mut bad);
    let (year, month) = (y1 * 1000 + y2 * 100 + y3 * 10 + y4, m1 * 10 + m2);
    if bad { None } else { Some((days_from_civil(year, month, day), rest)) }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`).
#[inline]
fn days_from_civil(year: i32, month: i32, day: i32) -> Option<i32> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[inline]
fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `HH:mm:ss[.f…]`: microseconds since midnight and what follows.
#[inline]
fn take_time(text: &[u8]) -> Option<(Result<i64, Unfit>, &[u8])> {
    let (start, mut rest) = text.split_first_chunk::<8>()?;
    let [h1, h2, _, m1, m2, _, s1, s2] = digits_of(*start, *b"00:00:00")?.map(i32::from);
    let (hour, minute, second) = (h1 * 10 + h2, m1 * 10 + m2, s1 * 10 + s2);
    let mut micros = Ok(i64::from((hour * 60 + minute) * 60 + second) * SECOND);
    if hour > 23 || minute > 59 || second > 59 {
        micros = Err(CLOCK);
    }
    if let [b'.', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, after) = fraction.split_at(length);
        if digits.is_empty() {
            return None;
        }
        let (kept, finer) = digits.split_at(length.min(6));
        let value = super::integer::digits(kept)? as i64;
        micros = micros.map(|micros| micros + value * POWERS[6 - kept.len()]);
        if finer.iter().any(|&byte| byte != b'0') {
            micros = micros.and(Err(TOO_FINE));
        }
        rest = after;
    }
    Some((micros, rest))
}

#[inline]
fn take_separator(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b' ' | b'T', rest @ ..] => Some(rest),
        _ => None,
    }
}

#[inline]
fn take_timestamp(text: &[u8]) -> Option<(Result<i64, Unfit>, &[u8])> {
    let (day, rest) = take_date(text)?;
    let (time, rest) = take_time(take_separator(rest)?)?;
    let micros = match day {
        Some(day) => time.map(|time| i64::from(day) * DAY + time),
        None => Err(CALENDAR),
    };
    Some((micros, rest))
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`, after a space or not: microseconds east of UTC.
fn take_offset(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (east, h, m) = match *text {
        [b'Z' | b'z'] => return Some(0),
        [sign @ (b'+' | b'-'), h1, h2] => (sign == b'+', [h1, h2], *b"00"),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] | [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            (sign == b'+', [h1, h2], [m1, m2])
        }
        _ => return None,
    };
    let mut bad = false;
    let (hours, minutes) = (two(h, &mut bad), two(m, &mut bad));
    if bad || hours > 18 || minutes > 59 {
        return None;
    }
    let offset = i64::from(hours * 60 + minutes) * 60 * SECOND;
    Some(if east { offset } else { -offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar_follows_the_one_before() {
        let mut expected = date(b"0000-01-01").unwrap();
        assert_eq!(date(b"1970-01-01"), Ok(0));
        for year in 0..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    match date(format!("{year:04}-{month:02}-{day:02}").as_bytes()) {
                        Ok(days) => {
                            assert_eq!(days, expected);
                            expected += 1;
                        }
                        Err(unfit) => assert!(unfit == CALENDAR && day > 28),
                    }
                }
            }
        }
        assert_eq!(expected, 2_932_897, "9999-12-31 is day 2932896");
    }

    #[test]
    fn a_date_may_come_with_midnight_and_with_no_other_time() {
        assert_eq!(date(b"2024-02-29 00:00:00"), date(b"2024-02-29"));
        assert_eq!(date(b"2024-02-29 00:00:00.000000"), date(b"2024-02-29"));
        assert_eq!(date(b"2024-02-29 00:00:01"), Err(HAS_TIME));
        assert_eq!(date(b"2023-02-29"), Err(CALENDAR));
        assert_eq!(date(b"0000-00-00"), Err(CALENDAR));
        for text in ["", "2024-2-9", "2024/02/29", "20240229", "2024-02-29 ", "2024-02-29x", "2024-02-2a", "-024-02-29"]
        {
            assert_eq!(date(text.as_bytes()), Err(DATE), "{text}");
        }
    }

    #[test]
    fn times_are_microseconds_since_midnight() {
        assert_eq!(time(b"00:00:00"), Ok(0));
        assert_eq!(time(b"23:59:59.999999"), Ok(DAY - 1));
        assert_eq!(time(b"01:02:03.5"), Ok(3_723_500_000));
        assert_eq!(time(b"01:02:03.500000000"), Ok(3_723_500_000));
        assert_eq!(time(b"01:02:03.0000001"), Err(TOO_FINE));
        assert_eq!(time(b"24:00:00"), Err(CLOCK));
        assert_eq!(time(b"12:60:00"), Err(CLOCK));
        assert_eq!(time(b"12:00:60"), Err(CLOCK));
        for text in ["", "1:02:03", "01:02", "01:02:03.", "01:02:03x", "01-02-03"] {
            assert_eq!(time(text.as_bytes()), Err(TIME), "{text}");
        }
    }

    #[test]
    fn timestamps_are_microseconds_with_a_space_or_a_t() {
        assert_eq!(timestamp(b"1970-01-02 00:00:00.000001"), Ok(DAY + 1));
        assert_eq!(timestamp(b"1970-01-02T00:00:00"), Ok(DAY));
        assert_eq!(timestamp(b"1969-12-31 23:59:59.999999"), Ok(-1));
        assert_eq!(timestamp(b"0001-01-01 00:00:00"), Ok(-62_135_596_800 * SECOND));
        assert_eq!(timestamp(b"2024-02-30 00:00:00"), Err(CALENDAR));
        assert_eq!(timestamp(b"2024-02-29 25:00:00"), Err(CLOCK));
        assert_eq!(timestamp(b"2024-02-29 00:00:00.1234567"), Err(TOO_FINE));
        assert_eq!(timestamp(b"2024-02-29 00:00:00.123456000"), timestamp(b"2024-02-29 00:00:00.123456"));
        assert_eq!(timestamp(b"2024-02-29 00:00:00Z"), Err(HAS_ZONE));
        for text in ["", "2024-02-29", "2024-02-29 00:00", "2024-02-29_00:00:00", "2024-02-29 00:00:00x"] {
            assert_eq!(timestamp(text.as_bytes()), Err(TIMESTAMP), "{text}");
        }
    }

    #[test]
    fn offsets_are_taken_off_and_none_means_utc() {
        let noon = timestamp(b"2024-02-29 12:00:00").unwrap();
        for text in
            ["12:00:00", "12:00:00Z", "12:00:00+00", "14:00:00+02", "14:30:00+0230", "09:30:00-02:30", "13:00:00 +01"]
        {
            assert_eq!(timestamptz(format!("2024-02-29 {text}").as_bytes()), Ok(noon), "{text}");
        }
        for text in ["12:00:00+", "12:00:00+1", "12:00:00+19", "12:00:00+00:60", "12:00:00 UTC"] {
            assert_eq!(timestamptz(format!("2024-02-29 {text}").as_bytes()), Err(ZONED), "{text}");
        }
        assert_eq!(timestamptz(b"2024-02-30 12:00:00Z"), Err(CALENDAR));
    }
}
