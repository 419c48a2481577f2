//! Trims a column's texts and makes them lower case. Edit `transform`, and say in `configure` what it reads and writes.

use sluice_transform_sdk::{Batch, Output, Plan, Result, Setup, Transform, transform};

struct MyTransform {
    column: String,
}

transform!(MyTransform);

impl Transform for MyTransform {
    fn configure(setup: &Setup) -> Result<(Self, Plan)> {
        let settings = setup.settings()?;
        let column = settings.text("column")?.to_owned();
        let plan = Plan::new().read(&column).write(&column, "string");
        Ok((MyTransform { column }, plan))
    }

    fn transform(&self, batch: &Batch) -> Result<Output> {
        let cleaned = batch.column(&self.column).trim().lower();
        Ok(Output::new().write(&self.column, cleaned))
    }
}

#[cfg(test)]
mod tests {
    use sluice_transform_sdk::testing::Table;

    use super::MyTransform;

    #[test]
    fn the_column_is_trimmed_and_in_lower_case() {
        let table = Table::new().texts("email", [" Ada@Example.com "]);
        let settings = r#"{"column": "email"}"#;
        let shaped = table.settings(settings).run::<MyTransform>().unwrap();
        assert_eq!(shaped.computed("email"), "lower(trim(email))");
    }

    #[test]
    fn a_setting_that_is_missing_is_named() {
        let error = Table::new().run::<MyTransform>().err().unwrap();
        assert_eq!(error.to_string(), "the setting `column` is missing: a text");
    }
}
