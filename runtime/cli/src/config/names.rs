use sluice_change::TableName;

/// Fills `{schema}` and `{table}` of a name template; other braces are a fault.
pub(super) fn fill(template: &str, table: &TableName) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(start) = rest.find(['{', '}']) {
        filled.push_str(&rest[..start]);
        let inner = &rest[start..];
        let unknown = || format!("`{template}`: a name template knows `{{schema}}` and `{{table}}` only");
        let end = inner.find('}').filter(|end| *end > 0).ok_or_else(unknown)?;
        match &inner[1..end] {
            "schema" => filled.push_str(table.schema()),
            "table" => filled.push_str(table.table()),
            _ => return Err(unknown()),
        }
        rest = &inner[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> TableName {
        "public.orders".parse().unwrap()
    }

    #[test]
    fn a_template_is_filled_with_the_source_name() {
        assert_eq!(fill("bronze.{schema}_{table}", &orders()).unwrap(), "bronze.public_orders");
        assert_eq!(fill("lake.plain", &orders()).unwrap(), "lake.plain");
    }

    #[test]
    fn a_template_with_other_braces_is_refused() {
        for template in ["{database}.{table}", "a.{table", "a.}b", "a.{}"] {
            assert!(fill(template, &orders()).is_err(), "{template}");
        }
    }
}
