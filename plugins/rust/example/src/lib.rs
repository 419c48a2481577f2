//! Hides personal data: each column named in the settings becomes a pseudonym, a mask, or nothing.
//!
//! ```toml
//! [settings]
//! key = "…64 hexadecimal digits…"
//!
//! [settings.columns]
//! name = "hmac"     # HMAC-SHA-256 in hexadecimal digits: the same name gives the same pseudonym
//! phone = "mask"    # stars but for the last four characters
//! email = "email"   # eight digits in place of what stands before the @: the domain can still be counted
//! notes = "drop"    # the column ends here
//! ```

mod siphash;

use sluice_transform_sdk::{Batch, Column, Json, Output, Plan, Result, Setup, TextWriter, Transform, transform};

use siphash::siphash;

struct MaskPii {
    key: [u8; 32],
    masks: Vec<(String, Mask)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mask {
    Hmac,
    Stars,
    Email,
    Drop,
}

transform!(MaskPii);

impl Transform for MaskPii {
    fn configure(setup: &Setup) -> Result<(Self, Plan)> {
        let settings = setup.settings()?;
        let key = key(settings.text("key")?)?;
        let columns = settings.get("columns").and_then(Json::as_object);
        let columns = columns.ok_or("the setting `columns` is not an object of columns and what becomes of them")?;
        let mut masks = Vec::new();
        let mut plan = Plan::new();
        let mut changes_key = false;
        for (name, mask) in columns {
            let column = setup.column(name).ok_or_else(|| format!("the table has no column {name}"))?;
            let mask = mask_named(name, mask)?;
            if column.key && mask != Mask::Hmac {
                return Err(format!("column {name} belongs to the key: only `hmac` keeps keys apart").into());
            }
            if mask == Mask::Email && column.data_type != "string" {
                return Err(format!("column {name} is {}, and `email` is for strings", column.data_type).into());
            }
            plan = match mask {
                Mask::Drop => plan.drop(name),
                _ => plan.read(name).write(name, "string").computed_from([name]),
            };
            if column.key {
                plan = plan.required();
                changes_key = true;
            }
            masks.push((name.clone(), mask));
        }
        if changes_key {
            let key = setup.columns.iter().filter(|column| column.key).map(|column| column.name.as_str());
            plan = plan.key(key).deletes();
        }
        Ok((MaskPii { key, masks }, plan))
    }

    fn transform(&self, batch: &Batch) -> Result<Output> {
        let mut output = Output::new();
        for (name, mask) in &self.masks {
            let hidden = match mask {
                Mask::Hmac => batch.column(name).cast("string").hmac(&self.key).hex(),
                Mask::Stars => batch.column(name).cast("string").mask(0, 4, "*"),
                Mask::Email => self.hide_local_parts(batch.column(name)),
                Mask::Drop => continue,
            };
            output = output.write(name, hidden);
        }
        Ok(output)
    }
}

impl MaskPii {
    /// Puts eight hexadecimal digits of a keyed hash in place of what stands before the last `@`, or of the whole text if
    /// there is none.
    fn hide_local_parts(&self, addresses: Column) -> Column {
        let mut key = [0; 16];
        key.copy_from_slice(&self.key[16..]);
        let addresses = addresses.texts();
        let rows = addresses.rows();
        let mut writer = TextWriter::for_rows(rows, addresses.total_bytes() + 8 * rows);
        for address in addresses.iter() {
            let Some(address) = address else {
                writer.push(None);
                continue;
            };
            let (local, domain) = address.split_at(address.rfind('@').unwrap_or(address.len()));
            let digits = eight_digits(siphash(&key, local.as_bytes()) as u32);
            writer.add(std::str::from_utf8(&digits).unwrap_or_default());
            writer.add(domain);
            writer.finish_value();
        }
        writer.finish()
    }
}

/// A number as hexadecimal digits, all at once: each of its halves of bytes gets a byte of its own, then becomes a letter.
fn eight_digits(number: u32) -> [u8; 8] {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // One in each byte that is more than nine.
    let letters = (spread + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + letters * 0x27).to_be_bytes()
}

fn mask_named(column: &str, mask: &Json) -> Result<Mask> {
    Ok(match mask.as_text() {
        Some("hmac") => Mask::Hmac,
        Some("mask") => Mask::Stars,
        Some("email") => Mask::Email,
        Some("drop") => Mask::Drop,
        _ => return Err(format!("column {column} can be `hmac`, `mask`, `email` or `drop`").into()),
    })
}

fn key(digits: &str) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(format!("the setting `key` needs 64 hexadecimal digits and has {}", digits.len()).into());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        let pair = &digits[2 * at..2 * at + 2];
        *byte = u8::from_str_radix(pair, 16).map_err(|_| format!("the setting `key` has {pair:?}, no digits"))?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use sluice_transform_sdk::testing::Table;

    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn settings(columns: &str) -> String {
        format!(r#"{{"key": "{KEY}", "columns": {columns}}}"#)
    }

    #[test]
    fn an_address_keeps_its_domain_and_its_pseudonym() {
        let addresses = [Some("ada@example.com"), Some("ada@example.org"), None, Some("bob@example.com"), Some("none")];
        let table = Table::new().texts("email", addresses).settings(&settings(r#"{"email": "email"}"#));
        let hidden = table.run::<MaskPii>().unwrap().texts("email");
        let local = |row: usize| hidden[row].as_ref().unwrap().split('@').next().unwrap().to_owned();
        assert!(hidden[0].as_ref().unwrap().ends_with("@example.com"));
        assert_eq!(local(0), local(1));
        assert_ne!(local(0), local(3));
        assert_eq!(hidden[2], None);
        assert_eq!((local(0).len(), hidden[4].as_ref().unwrap().len()), (8, 8));
    }

    #[test]
    fn eight_digits_are_those_of_the_number() {
        for number in [0, 1, 0xdead_beef, u32::MAX, 0x0123_4567, 0x89ab_cdef] {
            assert_eq!(eight_digits(number), format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn other_masks_are_left_to_the_host() {
        let table = Table::new()
            .texts("name", ["Ada"])
            .values::<i64, _>("phone", "long", [4420])
            .texts("notes", [None])
            .settings(&settings(r#"{"name": "hmac", "phone": "mask", "notes": "drop"}"#));
        let shaped = table.run::<MaskPii>().unwrap();
        assert!(shaped.computed("name").starts_with("hex(hmac(cast(name, \"string\"), [0, 1, 2, "));
        assert_eq!(shaped.computed("phone"), "mask(cast(phone, \"string\"), 0, 4, \"*\")");
        assert_eq!(shaped.dropped_columns(), ["notes"]);
    }

    #[test]
    fn wrong_settings_are_named() {
        let table = || Table::new().texts("name", ["Ada"]).key("name");
        let error = |json: &str| table().settings(json).run::<MaskPii>().err().unwrap().to_string();
        assert_eq!(error("{}"), "the setting `key` is missing: a text");
        assert!(error(r#"{"key": "00", "columns": {}}"#).contains("64 hexadecimal digits and has 2"));
        assert_eq!(error(&settings(r#"{"nam": "hmac"}"#)), "the table has no column nam");
        assert!(error(&settings(r#"{"name": "blur"}"#)).contains("`hmac`, `mask`, `email` or `drop`"));
        assert!(error(&settings(r#"{"name": "mask"}"#)).contains("belongs to the key"));
    }
}
