//! Days and times of day as they are written.

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400 * SECOND;
const SECOND: i64 = 1_000_000;

/// Bytes of `2024-02-29`.
pub(super) const DATE_BYTES: usize = 10;
/// Bytes of `13:45:00.123456`.
pub(super) const TIME_BYTES: usize = 15;

/// Writes `2024-02-29`; false for a year that does not have four digits.
pub(super) fn write_date(days: i32, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil_from_days(i64::from(days));
    if !(0..=9999).contains(&year) {
        return false;
    }
    let year = year as u32;
    let [y1, y2] = two(year / 100);
    let [y3, y4] = two(year % 100);
    let ([m1, m2], [d1, d2]) = (two(month), two(day));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
    true
}

/// Writes `13:45:00`, with six digits of a fraction if there is one; false for no time of a day.
pub(super) fn write_time(micros: i64, out: &mut Vec<u8>) -> bool {
    if !(0..DAY).contains(&micros) {
        return false;
    }
    let (seconds, fraction) = ((micros / SECOND) as u32, (micros % SECOND) as u32);
    let ([h1, h2], [m1, m2], [s1, s2]) = (two(seconds / 3600), two(seconds / 60 % 60), two(seconds % 60));
    out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
    if fraction > 0 {
        let ([a, b], [c, d], [e, f]) = (two(fraction / 10_000), two(fraction / 100 % 100), two(fraction % 100));
        out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
    }
    true
}

fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}
